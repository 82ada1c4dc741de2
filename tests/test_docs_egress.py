"""docs/egress.md: its commands work as they stand there, and it names every check of the door."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.doctor.door import CHECKS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "egress.md").read_text(encoding="utf-8")
(LINES,) = (block.splitlines() for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S))


@pytest.mark.parametrize("line", LINES)
def test_every_command_of_the_page_passes_here(line: str, tmp_path: Path) -> None:
    program, *words = shlex.split(line)
    assert program == "weir"
    command = [sys.executable, "-m", "appliance.cli.main", *words, "--state", str(tmp_path), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    report = json.loads(done.stdout)
    # A warning is said where a kernel offers no Landlock, as the page says.
    assert (done.returncode, report["verdict"]) in ((0, "pass"), (1, "warn")), report


def test_the_page_names_every_check_of_the_door_twice() -> None:
    listed = re.findall(r"--only (\S+)", PAGE)
    told = re.findall(r"^\| `(\S+)` \|", PAGE, re.M)
    assert listed == told == [check.name for check in CHECKS]
