"""Claims about `weir sync`, as a process of its own against a server of its own."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bundle import publisher as bench
from tests.bundle.publisher import Publisher, sha256, write_tree
from tests.bundle.rig import content, sound
from tests.cli.conftest import Ran, Weir
from tests.standins.static import Asked, Ill, Static


class House:
    """A node, a publisher and a directory that a mirror serves."""

    def __init__(self, top: Path) -> None:
        self.top, self.weir, self.publisher = top, Weir(top), Publisher()
        self.state, self.folder = top / "state", top / "mirror"
        self.state.mkdir()
        (top / "root.json").write_bytes(self.publisher.roots[1])
        self.files = content(top / "content")

    def publish(self, id: str, **more: bytes) -> None:
        """As 'weir-sign mirror' leaves it: the older release's files stay."""
        files = self.files | {f"models/{name}.gguf": data for name, data in more.items()}
        write_tree(self.publisher.release(files, id=id), self.folder)

    def configure(self, mirror: str, more: str = "") -> None:
        (self.state / "weir.yaml").write_text(f"bundles: {{mirror: {json.dumps(mirror)}}}\n{more}")

    def served(self, ill: Ill = lambda _: "", **over: Any) -> Static:
        web = Static(self.folder, ill, **over)
        self.configure(web.url)
        return web

    def sync(self, *options: str, code: int = 0) -> Any:
        ended = self.run(*options, "--json")
        assert ended.code == code, (ended.out, ended.err)
        return json.loads(ended.out)

    def run(self, *options: str) -> Ran:
        return self.weir("sync", "--state", str(self.state), *options)

    @property
    def root(self) -> tuple[str, str]:
        return "--root", str(self.top / "root.json")

    def audit(self, kind: str) -> list[dict[str, Any]]:
        assert self.weir("audit", "verify", "--state", str(self.state)).code == 0
        with closing(sqlite3.connect(self.state / "audit.db")) as db:
            rows = db.execute("SELECT payload FROM entries WHERE kind = ? ORDER BY seq", (kind,))
            return [json.loads(row[0]) for row in rows]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_the_newest_bundle_is_taken_and_then_there_is_no_change(house: House) -> None:
    house.publish("a-2026.1")
    with house.served() as web:
        assert house.sync(code=1)["error"]["code"] == "no_root"
        checked = house.sync("--check", *house.root)
        assert (checked["taken"], checked["id"], checked["same"], checked["source"]) == (
            True,
            "a-2026.1",
            False,
            web.url,
        )
        assert not (house.state / "current").exists()
        ended = house.sync(*house.root)
        assert (ended["outcome"], ended["runs"]) == ("good", "a-2026.1")
        again = house.sync()
        assert (again["outcome"], again["age_s"], again["copied"]) == ("no_change", 0, 0)
        assert house.sync("--check")["same"] is True
        house.publish("a-2026.2", large=b"more")
        assert house.sync("--check")["changes"]["added"] == ["models/large.gguf"]
        people = house.run()
        assert (people.code, "a-2026.2 is in use." in people.out) == (0, True)
        people = house.run()
        assert people.code == 0
        assert "no change" in people.out and "Signed " in people.out
        assert (house.state / "current/models/large.gguf").read_bytes() == b"more"
        left = house.audit("egress")
        assert len(left) == len(web.asked)
        assert {(entry["path"], entry["destination"]["port"]) for entry in left} == {("mirror", web.port)}
        begun = [entry for entry in house.audit("admin") if entry.get("step") == "import"]
        assert {entry["place"] for entry in begun} == {web.url}


def test_without_a_mirror_or_with_one_outside_nothing_is_asked(house: House) -> None:
    error = house.sync(code=2)["error"]
    assert (error["code"], "bundles" in error["next_step"]) == ("no_mirror", True)
    house.configure("https://mirror.site.example/weir")
    for options in ((), ("--check",)):
        error = house.sync(*options, code=2)["error"]
        assert (error["code"], "deny_all" in error["next_step"]) == ("egress_refused", True)
    assert not house.audit("egress")
    house.configure("https://user:Tr0ub4dor@mirror.site.example/weir")
    ended = house.run()
    assert ended.code == 4
    assert "Tr0ub4dor" not in ended.out + ended.err
    nowhere = house.weir("sync", "--state", str(house.top / "none"), "--config", str(house.state / "weir.yaml"))
    assert nowhere.code == 4


def test_what_a_mirror_does_wrong_is_refused_in_words_and_the_node_runs_what_it_ran(house: House) -> None:
    house.publish("a-2026.1")
    with house.served():
        house.sync(*house.root)
    house.publish("a-2026.2", large=b"more")
    with house.served(lambda asked: "around" if asked.path.startswith("blobs/") else ""):
        for options in ((), ("--check",)):
            ended = house.run(*options)
            assert ended.code == 1
            assert "mirror_moved" in ended.err and "bundles.mirror" in ended.err
    write_tree(Publisher().release(house.files, id="a-2026.3"), house.folder)  # somebody else's
    with house.served():
        error = house.sync(code=1)["error"]
        assert error["code"] in ("threshold_missed", "mixed_metadata")
        assert "mirror" in error["next_step"] and "medium" not in error["next_step"]
        assert "medium" not in house.run("--check").err
    sound(house.state)
    assert os.readlink(house.state / "current") == "generations/a-2026.1"
    assert house.weir("bundle", "list", "--state", str(house.state)).code == 0


def test_killed_in_the_middle_of_a_blob_it_goes_on_there(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "CUT", 6_000_000)
    large = os.urandom(21_000_000)
    house.publish("a-2026.1", large=large)
    third = f"blobs/sha256/{(name := sha256(bench.pieces(large)[2]))[:2]}/{name}"
    part = house.state / "fetched/store/part" / name

    def ill(asked: Asked) -> str:
        return "halfway" if asked.path == third and asked.number == 2 else ""

    with house.served(ill) as web:
        command = house.weir.command("sync", "--state", str(house.state), *house.root)
        running = subprocess.Popen(command, env=house.weir.env, cwd=house.top, stderr=subprocess.DEVNULL)

        def kill() -> None:
            deadline = time.monotonic() + 60
            while not (part.exists() and part.stat().st_size >= 1 << 20) and time.monotonic() < deadline:
                time.sleep(0.01)
            running.send_signal(signal.SIGKILL)

        web.halfway = kill
        assert running.wait(90) == -signal.SIGKILL
        sound(house.state)
        assert not (house.state / "current").exists()
        had = part.stat().st_size
        assert had >= 1 << 20
        ended = house.sync(*house.root)
        assert ended["outcome"] == "good"
        assert [asked.at for asked in web.asked if asked.path == third][-1] == had
        assert web.blob_bytes() < 1.5 * len(large)
        assert web.sent[third] < 2 * 6_000_000
    assert (house.state / "current/models/large.gguf").read_bytes() == large


def test_a_late_timestamp_needs_an_acknowledgement_here_too(house: House) -> None:
    house.publisher.late = bench.NOW - timedelta(days=1)
    house.publish("a-2026.1")
    with house.served():
        error = house.sync(*house.root, code=1)["error"]
        assert error["code"] == "needs_acknowledgement"
        assert house.sync("--check", *house.root, code=1)["refused"]["reason"] == "needs_acknowledgement"
        assert house.sync("--acknowledge", *house.root)["acknowledged"] is True
