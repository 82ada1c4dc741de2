"""docs/redaction.md: its commands, its rule and its example, as they stand there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.policy import Use, read_policy
from appliance.records.chunks import Text
from appliance.records.request import Message, Request
from appliance.redact import Restorer, redact
from tests import factories as make
from tests import policies
from tests.installed import placed
from tests.node.conftest import DETECTORS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "redaction.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.S | re.M))


@pytest.mark.parametrize(("line", "code"), list(zip(BLOCKS["sh"].splitlines(), (0, 1), strict=True)))
def test_its_commands_run_on_the_starter(line: str, code: int, tmp_path: Path) -> None:
    program, *words = shlex.split(line, comments=True)
    assert program == "weir"
    placed(tmp_path).rmdir()
    (tmp_path / "generations/test-2026.1").symlink_to(ROOT / "bundles/starter")
    command = [sys.executable, "-m", "appliance.cli.main", *words, "--state", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    assert "weir-desk" in done.stdout


def test_its_rule_holds_beside_the_baseline() -> None:
    policy = read_policy(policies.starter_files() | {"site.cedar": BLOCKS["cedar"].encode()}).at_home(policies.HOME)
    far = make.card("far", tier="frontier", retention="none", trains_on_input="no")
    labels = make.asked().labels
    for findings, expected in ((("email",), "use/redacted"), (("email", "iban"), "site/no-accounts")):
        verdict = policy.verdict(Use(far, labels, findings=findings, redacted=True))
        assert [rule.id for rule in verdict.rules] == [expected]


def test_its_example_comes_out_as_it_says() -> None:
    said = [line.split(maxsplit=1)[1] for line in BLOCKS[""].splitlines()]
    request = Request("r", "chat", "auto", messages=(Message("user", said[0]),))
    redaction = redact(request, DETECTORS.redacts, ("email", "iban"))
    assert redaction.request.messages[0].content == said[1]
    (chunk,) = Restorer(redaction.back).feed(Text(said[2]))
    assert isinstance(chunk, Text) and chunk.text == said[3]


def test_it_says_what_the_starter_says() -> None:
    assert f"{DETECTORS.sticky_s / 86_400:g} days in the starter" in PAGE
