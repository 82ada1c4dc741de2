"""The ceremony as it is written for people: every command of the page, in order, answered at a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from appliance.bundle import media, verify
from appliance.bundle.trust import Trusted
from appliance.store.floors import TrustState
from tests.signing.conftest import PASSPHRASE

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "signing" / "ceremony.md").read_text(encoding="utf-8")
_ANSWERS = ((b"Passphrase of ", PASSPHRASE), (b"Once more: ", PASSPHRASE), (b"Sign this? [y/N]: ", "y"))
# What ends with 1 by design: a press that waits for signatures, and what tells of a difference.
_WAITS = "weir-sign press /srv/weir"


def sections() -> dict[str, list[str]]:
    """The commands of the page by the number of their section."""
    found = {}
    for part in re.split(r"^## ", PAGE, flags=re.M)[1:]:
        lines = [line for block in re.findall(r"```sh\n(.*?)```", part, re.S) for line in block.splitlines()]
        if lines:
            found[part.split(".")[0]] = lines
    return found


class Room:
    """The machine of the ceremony: its directories lie below a temporary one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.asked: list[str] = []

    def path(self, text: str) -> Path:
        return self.directory / text.lstrip("/")

    def run(self, line: str) -> tuple[int, str]:
        """A line as a shell takes it, at a terminal where somebody answers what is asked."""
        for place in ("/media", "/srv", "/var/www"):
            line = re.sub(rf"(?<![\w.]){place}/", f"{self.directory}{place}/", line)
        line = re.sub(r"^weir-sign\b", shlex.join([sys.executable, "-m", "signing.cli.main"]), line)
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(ROOT)
            os.execvp("bash", ["bash", "-c", line])
        output, answered = b"", 0
        while True:
            try:
                chunk = os.read(terminal, 4096)
            except OSError:  # the terminal is gone with the child
                break
            if not chunk:
                break
            output += chunk
            for prompt, answer in _ANSWERS:
                rest = output[answered:]
                if prompt in rest and rest.endswith((b": ", b"]: ")):
                    self.asked.append(prompt.decode())
                    answered = len(output)
                    os.write(terminal, f"{answer}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(terminal)  # after the child has ended, or it would be hung up on
        return code, output.decode()

    def follow(self, lines: list[str]) -> str:
        """Every line, which must end well; what was said."""
        said = ""
        for line in lines:
            code, output = self.run(line)
            assert code == (1 if line.startswith(_WAITS) else 0), f"{line}\n{output}"
            assert PASSPHRASE not in output
            said += output
        return said

    def accepted(self, place: str, state: TrustState) -> Trusted:
        with media.opened(self.path(place)) as source:
            return verify.trusted(source, state)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    for name in ("media", "srv", "var/www"):
        (tmp_path / name).mkdir(parents=True)
    return Room(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_page_is_followed_word_by_word_and_a_node_follows_too(room: Room, content: Path) -> None:
    page = sections()
    shutil.copytree(content, room.path("/srv/content"))
    assert "id " in room.follow(page["1"])
    assert room.asked.count("Once more: ") == 6
    said = room.follow(page["2"])
    assert "digest " in said
    assert said.count("; complete") == 5
    room.follow(page["3"])
    state = verify.begin(room.path("/srv/weir/metadata/1.root.json").read_bytes())
    (bundle,) = (path.name for path in room.path("/media/stick").glob("*.bundle"))
    state = verify.accepted(state, room.accepted(f"/media/stick/{bundle}", state))
    room.follow(page["4"])
    renewed = room.accepted("/var/www/weir", state)
    assert renewed.role["models"].version == 3
    room.follow(page["5"])
    assert json.loads(room.run("weir-sign status /srv/weir --json")[1])["drafts"] == []
    changed = room.accepted("/var/www/weir", state)
    assert changed.role["root"].version == 2
    state = verify.accepted(state, changed)
    room.follow(page["6"])
    healed = room.accepted(f"/media/stick/{bundle}", state)
    assert (healed.role["root"].version, healed.recovered) == (3, True)
    assert room.accepted("/var/www/weir", state).manifest == healed.manifest
    said = room.follow(page["7"])
    assert "EVALUATION" in said


def test_every_command_of_the_bench_is_on_the_page_or_in_the_documentation() -> None:
    from signing.cli.main import COMMANDS

    text = PAGE + (ROOT / "docs" / "publishing.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"weir-sign {name}" not in text] == []


def test_a_refusal_at_the_terminal_signs_nothing(room: Room, content: Path) -> None:
    page = sections()
    room.follow(page["1"][:1])
    room.follow([page["2"][0]])
    key = room.path("/media/anna/anna.key")
    key.chmod(0o644)
    code, output = room.run("weir-sign sign /srv/weir root --key /media/anna/anna.key")
    assert code == 2
    assert "[draft_missing]" in output
    assert room.asked.count("Sign this? [y/N]: ") == 0
