"""What a node would say to a content, asked of the node's own program before anything is cut or signed.

Rules kept here:
1. The verdict is the node's, never a copy of its rules: `weir bundle check` runs in a process of its own, so that
   nothing of the node but the format is imported here (FORMAT.md, N1).
2. The program is the one whose format this bench uses; what lies in the working directory is not run.
3. Where it cannot be asked nothing is pressed, unless whoever presses says that it need not be, and is told so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from appliance.bundle import manifest as form
from signing.errors import BenchError
from signing.recipe import Contents

_LIMIT_S = 300
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from appliance.cli.main import main; main()"  # rule 2
_MOST = 200  # findings that are shown
_WITHOUT = "Install the node's program beside the bench (pip install weir), or press with --unchecked."


def judge(contents: Contents) -> None:
    """Raises BenchError: content_refused where a node would refuse it, not_checked where none could be asked."""
    with tempfile.TemporaryDirectory(prefix="weir-sign-") as top:
        folder = Path(top) / "content"
        folder.mkdir()
        for path, source in contents.files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, bytes):
                place.write_bytes(source)
            else:
                place.symlink_to(source.absolute())
        health = Path(top) / "health.json"
        health.write_text(contents.recipe.health.model_dump_json(), encoding="utf-8")
        found = _asked("bundle", "check", str(folder), "--health", str(health), "--json")
    findings = [str(each) for each in found["findings"]]
    if findings:
        raise BenchError(
            "content_refused",
            f"A node would refuse this content: {len(findings)} finding(s).",
            next_step="Correct what is named, and press again; nothing was pressed.",
            details=tuple(findings[:_MOST]),
        )


def _asked(*words: str) -> dict[str, Any]:
    """What the node's program says, as JSON."""
    here = str(Path(form.__file__).resolve().parents[2])
    try:
        done = subprocess.run(  # noqa: S603  our own program, our own arguments, no shell
            [sys.executable, "-P", "-c", _START, here, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
        said: object = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise _unasked(f"it gave no answer within {_LIMIT_S} s") from None
    except OSError as error:
        raise _unasked(str(error.strerror)) from None
    except ValueError:
        raise _unasked(done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:300]) from None
    if not isinstance(said, dict) or not isinstance(said.get("findings"), list):
        raise _unasked(f"it ended with {done.returncode}")
    return said


def _unasked(why: str) -> BenchError:
    return BenchError(
        "not_checked", f"The node's program cannot say what it thinks of this: {why}.", next_step=_WITHOUT
    )
