"""Claims about `weir bundle apply`, `list`, `rollback` and `acknowledge`, on a node with the starter's real models."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.bundle.publisher import Publisher, write_tar, write_tree
from tests.bundle.rig import content
from tests.cli.conftest import ROOT, Weir
from tests.node.test_generations import tiny

MODEL = "models/weir-desk.gguf"


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def bench(publisher: Publisher, tmp_path: Path) -> Bench:
    (tmp_path / "state").mkdir()
    (tmp_path / "root.json").write_bytes(publisher.roots[1])
    return Bench(publisher, tmp_path)


class Bench:
    """Presses bundles and runs the command."""

    def __init__(self, publisher: Publisher, top: Path) -> None:
        self.publisher, self.top, self.weir = publisher, top, Weir(top)

    def press(self, id: str, files: Mapping[str, bytes], **over: Any) -> Path:
        return write_tree(self.publisher.release(files, id=id, **over), self.top / "usb" / id / f"{id}.bundle")

    def told(self, *arguments: str | Path, code: int = 0, env: dict[str, str] | None = None) -> Any:
        ended = self.weir("bundle", *map(str, arguments), "--state", str(self.top / "state"), "--json", env=env)
        assert ended.code == code, (ended.out, ended.err)
        return json.loads(ended.out)

    def audit(self) -> list[dict[str, Any]]:
        """What the audit has of bundles, once it was verified."""
        assert self.weir("audit", "verify", "--state", str(self.top / "state")).code == 0
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(self.top / "state/audit.db")) as db:
            rows = [json.loads(row[0]) for row in db.execute("SELECT payload FROM entries ORDER BY seq")]
        return [row for row in rows if row.get("act") == "bundle"]


def small(top: Path) -> dict[str, bytes]:
    """Content without a model of this host."""
    return content(top / "content")


def with_model() -> dict[str, bytes]:
    """The starter's policy and generative model, its card without a gate."""
    starter, built = ROOT / "bundles/starter", ROOT / "build/starter"
    card = json.loads((built / "cards/weir-desk.json").read_bytes())
    card.pop("gate", None)
    files = {f"policy/{file.name}": file.read_bytes() for file in (starter / "policy").iterdir()}
    files["detectors.json"] = (starter / "detectors.json").read_bytes()
    files["cards/weir-desk.json"] = json.dumps(card).encode()
    files[MODEL] = (built / MODEL).read_bytes()
    return files


def asking(contains: str) -> dict[str, Any]:
    prompt = {"name": "sum", "card": "weir-desk", "prompt": "What is 2 + 2?", "max_tokens": 16, "contains": (contains,)}
    return {"prompts": (prompt,)}


def test_a_bundle_with_a_real_model_is_rehearsed_asked_and_taken_into_use(bench: Bench) -> None:
    place = bench.press("a-2026.1", with_model(), health=asking("4"))
    ended = bench.told("apply", place, "--root", bench.top / "root.json")
    assert (ended["outcome"], ended["runs"]) == ("good", "a-2026.1")
    assert ended["rehearsal"]["policy_tests"] > 10
    assert (bench.top / "state/current" / MODEL).read_bytes() == (ROOT / "build/starter" / MODEL).read_bytes()
    assert [entry["step"] for entry in bench.audit()] == [
        "import", "verified", "staged", "rehearsed", "floors", "trial", "attempt", "health", "good",
    ]  # fmt: skip


@pytest.mark.parametrize("ill", ["prompt", "model", "denial"])
def test_a_model_that_does_not_do_what_is_stated_is_refused_in_rehearsal(bench: Bench, ill: str) -> None:
    files, health = with_model(), asking("4")
    if ill == "prompt":
        health = asking("certainly not in any answer")
    elif ill == "denial":
        health |= {"denials": ({"name": "own model", "card": "weir-desk", "labels": {"classification": "public"}},)}
    else:
        files[MODEL] = files[MODEL][:2_000_000]
    error = bench.told(
        "apply", bench.press("a-2026.1", files, health=health), "--root", bench.top / "root.json", code=1
    )
    assert error["error"]["code"] == "rehearsal_failed"
    assert error["error"]["next_step"]
    assert bench.told("list", code=1)["runs"] == ""
    assert bench.audit()[-1]["reason"] == "rehearsal_failed"


# In every Python that the command starts sockets are tried when it opens the medium, and in the child the generation.
_SPY = """
import json, os, socket, sys
AT, MARKS = {at!r}, {marks!r}
busy = False
def tried(family, kind):
    try:
        socket.socket(family, kind).close()
    except OSError as error:
        return error.errno
    return 0
def spy(event, arguments):
    global busy
    if busy or event not in ("open", "os.scandir") or not any(mark in str(arguments[0]) for mark in MARKS):
        return
    busy = True
    families = {{"inet": 2, "inet6": 10, "netlink": 16, "packet": 17, "unix": 1}}
    told = {{name: tried(family, kind) for name, family in families.items() for kind in (1, 2, 3)}}
    who = "child" if "probe" in sys.orig_argv else "command"
    with open(AT, "a") as file:
        file.write(json.dumps([who, told]) + "\\n")
sys.addaudithook(spy)
"""


@pytest.mark.parametrize("words", [("apply",), ("verify", "--blobs"), ("show",), ("find",)])
def test_no_socket_can_be_had_while_a_medium_is_read_and_while_its_models_run(
    bench: Bench, words: tuple[str, ...]
) -> None:
    place = bench.press("a-2026.1", with_model(), health=asking("4")).parent
    (bench.top / "custom").mkdir()
    at = bench.top / "sockets"
    spy = _SPY.format(at=str(at), marks=(str(place), "weir-desk.json"))
    (bench.top / "custom/sitecustomize.py").write_text(spy)
    env = {"PYTHONPATH": os.pathsep.join((str(bench.top / "custom"), str(ROOT)))}
    root = () if words == ("find",) else ("--root", str(bench.top / "root.json"))
    where = () if words == ("find",) else ("--state", str(bench.top / "state"))
    ended = bench.weir("bundle", *words, str(place), *root, *where, "--json", env=env)
    assert ended.code == 0, (ended.out, ended.err)
    told = [json.loads(line) for line in at.read_text().splitlines()]
    if words == ("apply",):
        assert {who for who, _ in told} == {"command", "child"}
        assert len(told) >= 3  # the command, the rehearsal's child and the health check's
    assert told
    assert all(number == errno.EPERM for _, families in told for number in families.values()), told


def test_where_the_kernel_sets_no_filter_an_import_is_refused_unless_that_is_permitted(bench: Bench) -> None:
    """A filter that refuses seccomp and prctl stands for a kernel without them; it is set before the command starts."""
    place, root = bench.press("a-2026.1", small(bench.top)), str(bench.top / "root.json")
    state = bench.top / "state"
    without = (
        "import os, sys\n"
        "from appliance.paths.confine import seccomp\n"
        "from appliance.paths.confine.syscalls import Rule\n"
        "here = seccomp.architecture()\n"
        "seccomp.install(seccomp.program((Rule('seccomp', 38),), here), here)\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'appliance.cli.main', *sys.argv[1:]])\n"
    )

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", without, "bundle", *words]
        return subprocess.run(command, env=bench.weir.env, capture_output=True, text=True, timeout=90, check=False)

    for words in (("apply", str(place), "--root", root), ("verify", str(place), "--root", root), ("rollback",)):
        ended = run(*words, "--state", str(state), "--json")
        assert ended.returncode == 2, ended.stderr
        error = json.loads(ended.stdout)["error"]
        assert error["code"] == "unconfined"
        assert "paths.unconfined_workers" in error["next_step"]
    assert not (state / "store").exists()
    ended = run("find", str(place))
    assert ended.returncode == 0
    assert "warning" in ended.stderr
    (state / "weir.yaml").write_text("paths:\n  unconfined_workers: true\n")
    ended = run("apply", str(place), "--root", root, "--state", str(state), "--json")
    assert ended.returncode == 0, ended.stderr
    assert "warning: nothing but this program keeps it off the network" in ended.stderr


def test_apply_list_and_rollback_say_what_runs(bench: Bench) -> None:
    assert bench.told("list", code=1) == {
        "runs": "", "current": "", "tries": 0, "safe_mode": False, "generations": [], "bad": {}, "root": None,
        "damaged": [], "state_lost": "", "floors": None,
    }  # fmt: skip
    assert bench.told("rollback", code=1)["error"]["code"] == "nothing_before"
    files = small(bench.top)
    first = bench.press("a-2026.1", files)
    assert bench.told("apply", first, code=1)["error"]["code"] == "no_root"
    bench.told("apply", first, "--root", bench.top / "root.json")
    again = bench.told("apply", first)
    assert (again["outcome"], again["age_s"]) == ("no_change", 0)
    tar = write_tar(
        bench.publisher.release({**files, "taxonomy.json": b"[]"}, id="a-2026.2"), bench.top / "x.bundle.tar"
    )
    assert bench.told("apply", tar)["outcome"] == "good"
    listed = bench.told("list")
    assert (listed["runs"], listed["current"]) == ("a-2026.2", "a-2026.2")
    assert {row["id"]: row["state"] for row in listed["generations"]} == {"a-2026.1": "previous", "a-2026.2": "good"}
    assert listed["root"] == {"version": 1, "name": "Test publisher", "evaluation": True}
    assert bench.told("rollback")["runs"] == "a-2026.1"
    assert bench.told("apply", first, code=1)["error"]["code"] == "older_bundle"
    assert bench.told("acknowledge", "a-2026.2", code=1)["error"]["code"] == "unknown_generation"
    people = bench.weir("bundle", "list", "--state", str(bench.top / "state"))
    assert "FOR EVALUATION ONLY" in people.out and "a-2026.1" in people.out


def test_a_check_that_crashes_in_use_is_taken_back_and_acknowledged(bench: Bench) -> None:
    """The checking process ends itself once `current` names the newer one, as a crash of a runtime would."""
    files = small(bench.top)
    bench.told("apply", bench.press("a-2026.1", files), "--root", bench.top / "root.json")
    card, model = tiny()  # where nothing is to be loaded, no process is started
    files |= {card.files[0].path: model, "cards/tiny.json": card.model_dump_json().encode()}
    place = bench.press("a-2026.2", files)
    (bench.top / "custom").mkdir()
    (bench.top / "custom/sitecustomize.py").write_text(
        "import os, sys\n"
        f"here = os.readlink({str(bench.top / 'state/current')!r})\n"
        "if 'probe' in sys.orig_argv and here.endswith('a-2026.2'):\n"
        "    os.kill(os.getpid(), 11)\n"
    )
    env = {"PYTHONPATH": os.pathsep.join((str(bench.top / "custom"), str(ROOT)))}
    ended = bench.told("apply", place, code=1, env=env)
    assert (ended["outcome"], ended["runs"]) == ("returned", "a-2026.1")
    assert ended["refused"]["reason"] == "health_failed"
    assert "SIGSEGV" in ended["refused"]["message"]
    assert bench.told("list")["bad"] == {"a-2026.2": "was ended by SIGSEGV"}
    assert bench.told("apply", place, code=1)["error"]["code"] == "marked_bad"
    assert bench.told("acknowledge", "a-2026.2")["was_bad"] == "was ended by SIGSEGV"
    assert bench.told("apply", place)["outcome"] == "good"
    steps = [entry["step"] for entry in bench.audit()]
    assert {"refused", "returned", "acknowledged", "good"} <= set(steps)


def test_people_read_what_happened(bench: Bench) -> None:
    place = bench.press("a-2026.1", small(bench.top))
    state = str(bench.top / "state")
    ended = bench.weir("bundle", "apply", str(place), "--state", state, "--root", str(bench.top / "root.json"))
    assert ended.code == 0
    assert "a-2026.1 is in use." in ended.out and "policy tests" in ended.out
    assert "no change" in bench.weir("bundle", "apply", str(place), "--state", state).out
    ended = bench.weir("bundle", "apply", str(bench.top / "nothing"), "--state", state)
    assert ended.code == 1
    assert "(no_bundle)" in ended.err


def test_a_state_directory_that_is_not_there_is_said_so(bench: Bench) -> None:
    ended = bench.weir("bundle", "rollback", "--state", str(bench.top / "none"), "--json")
    assert (ended.code, json.loads(ended.out)["error"]["code"]) == (2, "state_invalid")
    assert not (bench.top / "none").exists()
