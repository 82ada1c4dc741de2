"""`weir cache`: what it lists, sums up and erases, beside what runs and without it, and what is written down."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.cache.erasure import Selection, find
from appliance.cli.main import run
from appliance.records.request import Labels
from tests.cache.rig import Rig, key, rigged
from tests.cli.conftest import Ran, Weir


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """With some answers in it, and nothing that runs."""
    directory = tmp_path / "state"
    with rigged(directory) as rig:
        fill(rig)
    return directory


def fill(rig: Rig) -> None:
    now = time.time()
    rig.keep("first", now=now - 90_000, ttl_s=86_400.0, cell="topic/easy")
    rig.keep("acme", tenant="acme", now=now - 60, labels=Labels(residency="country:CH"), cell="knowledge/easy")
    rig.keep("other", now=now - 30, origin="site/two", generation="h", staticity="fast", saved=0.5)
    rig.flush()


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """The command in this process: most of what it says needs no other."""

    def command(*arguments: str) -> Ran:
        capsys.readouterr()
        code = run(list(arguments))
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return command


@contextmanager
def running(directory: Path) -> Iterator[Rig]:
    """What a node does of it, and its loop."""
    with rigged(directory) as rig:
        done = threading.Event()

        def loop() -> None:
            while not done.wait(0.05):
                rig.exact.erasures.follow()

        looking = threading.Thread(target=loop)
        looking.start()
        try:
            yield rig
        finally:
            done.set()
            looking.join()


def admin(state: Path) -> list[dict[str, object]]:
    """What the audit was told."""
    with sqlite3.connect(state / "audit.db") as db:
        rows = db.execute("SELECT payload FROM entries WHERE kind = 'admin' ORDER BY seq").fetchall()
    db.close()
    return [act for row in rows if (act := json.loads(row[0]))["act"].startswith("cache-")]


def test_list_and_report_show_no_text_and_change_nothing(here: Callable[..., Ran], state: Path) -> None:
    listed = here("cache", "list", "--state", str(state))
    assert listed.code == 0
    assert [line.split()[0] for line in listed.out.splitlines()[1:]] == [
        key(name)[:16] for name in ("other", "acme", "first")
    ]
    assert "knowledge/easy" in listed.out and "over" in listed.out
    entries = here("cache", "list", "--tenant", "acme", "--json", "--state", str(state)).json["entries"]
    assert [(entry["tenant"], entry["cell"], entry["generation"]) for entry in entries] == [
        ("acme", "knowledge/easy", "g")
    ]
    report = here("cache", "report", "--state", str(state))
    assert report.code == 0 and "3 answers, 3 of them with a question" in report.out
    sums = here("cache", "report", "--json", "--state", str(state)).json
    assert {one["name"]: one["entries"] for one in sums["staticity"]} == {"slow": 2, "fast": 1}
    assert {one["name"]: one["entries"] for one in sums["model"]} == {"site/one": 2, "site/two": 1}
    for ran in (listed, report):
        assert "question of" not in ran.out and "answer of" not in ran.out
    assert not (state / "audit.db").exists()


def test_an_erasure_is_noted_and_done_and_a_rehearsal_is_neither(here: Callable[..., Ran], state: Path) -> None:
    would = here("cache", "erase", "--tenant", "acme", "--dry-run", "--state", str(state))
    assert would.code == 0 and "1 answer of acme" in would.out and "would go" in would.out
    assert len(here("cache", "list", "--json", "--state", str(state)).json["entries"]) == 3
    ran = here("cache", "erase", "--tenant", "acme", "--json", "--state", str(state))
    assert ran.code == 0
    assert (ran.json["entries"], ran.json["node"], ran.json["emptied"]) == (1, False, True)
    assert len(here("cache", "list", "--json", "--state", str(state)).json["entries"]) == 2
    (note,) = admin(state)
    assert (note["act"], note["of_tenant"], note["entries"]) == ("cache-erase", "acme", 1)
    assert note["by"]
    assert here("audit", "verify", "--state", str(state)).code == 0
    assert not any(b"answer of acme" in file.read_bytes() for file in state.rglob("*") if file.is_file())


def test_beside_a_running_node_the_command_returns_when_it_has_let_go(weir: Weir, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with running(state) as rig:
        fill(rig)
        now = time.time()
        assert rig.exact.look_up(key("other"), now) and rig.near("other", now=now)
        ran = weir("cache", "invalidate", "--model", "site/two", "--state", str(state))
        assert (ran.code, ran.err) == (0, "")
        assert "1 answer of local" in ran.out and "has let go" in ran.out
        assert rig.exact.look_up(key("other"), now) is None
        assert all(near.key != key("other") for near in rig.near("other", now=now))
        assert [note["act"] for note in admin(state)] == ["cache-invalidate"]
        ran = weir("cache", "invalidate", "--generation", "g", "--json", "--state", str(state))
        assert (ran.json["entries"], ran.json["confirmed"]) == (2, True)


def test_nothing_is_erased_where_the_audit_cannot_be_written(here: Callable[..., Ran], state: Path) -> None:
    here("cache", "erase", "--entry", key("first"), "--state", str(state))
    with sqlite3.connect(state / "audit.db") as connection:
        connection.execute("DELETE FROM entries WHERE seq = (SELECT max(seq) FROM entries)")
    ran = here("cache", "erase", "--all", "--state", str(state))
    assert ran.code == 2 and "Nothing was erased" in ran.err
    assert len(here("cache", "list", "--json", "--state", str(state)).json["entries"]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("erase",), "or --all"),
        (("erase", "--all", "--tenant", "acme"), "or --all"),
        (("erase", "--label", "colour=red"), "--label"),
        (("erase", "--label", "residency"), "--label"),
        (("erase", "--entry", "abc"), "--entry"),
        (("erase", "--entry", "' OR 1=1 --"), "--entry"),
        (("erase", "--older-than", "soon"), "--older-than"),
        (("invalidate",), "--model"),
    ],
)
def test_what_makes_no_sense_is_refused(
    here: Callable[..., Ran], state: Path, arguments: tuple[str, ...], said: str
) -> None:
    ran = here("cache", *arguments, "--state", str(state))
    assert ran.code == 2 and said in ran.err
    assert find(state, Selection()).entries == 3


def test_where_nothing_is_kept_nothing_is_made(here: Callable[..., Ran], tmp_path: Path) -> None:
    for arguments in (("list",), ("report",), ("erase", "--all", "--dry-run"), ("erase", "--all")):
        assert here("cache", *arguments, "--state", str(tmp_path / "none")).code == 0
    assert not (tmp_path / "none").exists()
