"""Erasing: gone from the disk, the index and the memory of a node that runs, and written down before."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.cache.erasure import NUMBERS, Found, Selection, erase, find
from appliance.cache.report import kept, sums
from appliance.errors import StateInvalid
from appliance.records.request import Labels
from tests.cache.rig import NOW, Rig, key, rigged, unit
from tests.node.conftest import Running, Start, start, upstream, upstream_card, weir  # noqa: F401
from tests.standins.openai_server import OpenAIStandIn

SECRET = "the-word-that-must-go"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rigged(tmp_path) as made:
        yield made


def alive(rig: Rig) -> list[str]:
    """Names of what is found, and also served from the exact cache."""
    found = sorted(near.text[12:] for near in rig.semantic.nearest("p", unit("all"), NOW + 1, 100))
    assert found == [name for name in found if rig.exact.look_up(key(name), NOW + 1) is not None]
    return found


def keep_some(rig: Rig) -> None:
    every: dict[str, dict[str, Any]] = {
        "plain": {},
        "acme": {"tenant": "acme"},
        "public": {"labels": Labels(classification="public")},
        "swiss": {"labels": Labels(residency="country:CH", locale="de-CH")},
        "unlabelled": {"labels": None},
        "old": {"now": NOW - 1000},
        "two": {"origin": "site/two"},
        "other": {"generation": "h"},
        "unknown": {"generation": ""},
    }
    for name, over in every.items():
        rig.keep(name, vector=unit(name, unit("all"), 0.5), **over)
    rig.flush()


ALL = {"plain", "acme", "public", "swiss", "unlabelled", "old", "two", "other", "unknown"}


@pytest.mark.parametrize(
    ("chosen", "gone"),
    [
        ({"tenant": "acme"}, {"acme"}),
        ({"tenant": "nobody"}, set()),
        ({"labels": {"classification": "public"}}, {"public", "unlabelled"}),
        ({"labels": {"residency": "country:CH"}}, {"swiss", "unlabelled"}),
        ({"labels": {"residency": "country:CH", "locale": "fr"}}, {"unlabelled"}),
        ({"entry": key("plain")}, {"plain"}),
        ({"entry": key("plain")[:12]}, {"plain"}),
        ({"entry": "%"}, set()),
        ({"before": NOW}, {"old"}),
        ({"model": "site/two"}, {"two"}),
        ({"generation": "h"}, {"other", "unknown"}),
        ({"tenant": "local", "model": "site/one", "before": NOW}, {"old"}),
        ({"tenant": "local' OR '1'='1"}, set()),
        ({}, ALL),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
)
def test_what_is_chosen_goes_and_nothing_else(rig: Rig, chosen: dict[str, Any], gone: set[str]) -> None:
    keep_some(rig)
    assert set(alive(rig)) == ALL
    would = find(rig.state, Selection(**chosen))
    assert set(alive(rig)) == ALL
    erased = rig.erase(**chosen)
    assert erased.found == would
    assert (would.entries, would.questions, sum(would.tenants.values())) == (len(gone),) * 3
    assert (would.bytes > 0) == bool(gone)
    assert (erased.node, erased.confirmed, erased.emptied) == (True, True, True)
    assert set(alive(rig)) == ALL - gone
    assert rig.notes[0]["act"] == "cache-erase"
    assert rig.notes[0]["entries"] == len(gone)


def test_an_unknown_label_is_no_column(rig: Rig) -> None:
    with pytest.raises(ValueError, match="1=1"):
        find(rig.state, Selection(labels={"1=1": "x"}))


def test_nothing_of_it_is_left_in_any_file(tmp_path: Path) -> None:
    with rigged(tmp_path) as rig:
        for at in range(60):
            rig.keep(f"{SECRET} {at}", tenant="acme", answer=f"{SECRET} " * (1 + 40 * at))  # overflow pages too
            rig.keep(f"mine {at}", answer="mine " * (1 + 40 * at))
        rig.keep(f"{SECRET} 1", tenant="acme", answer="another one")  # overwrites
        rig.flush()
        assert any(SECRET.encode() in file.read_bytes() for file in files(tmp_path))
        assert rig.erase(tenant="acme").found.entries == 60
        for file in files(tmp_path):
            assert SECRET.encode() not in file.read_bytes(), file
            assert unit(f"{SECRET} 3").astype("float16").tobytes() not in file.read_bytes(), file
        assert len(rig.semantic.nearest("p", unit("mine 3"), NOW + 1, 100)) == 60
    assert not any(SECRET.encode() in file.read_bytes() for file in files(tmp_path))


def files(directory: Path) -> list[Path]:
    return [file for file in directory.rglob("*") if file.is_file()]


def test_a_node_that_does_not_look_serves_nothing_of_it_and_is_said_not_to_have_confirmed(rig: Rig) -> None:
    rig.keep("a")
    rig.flush()
    assert rig.exact.look_up(key("a"), NOW) is not None
    erased = erase(rig.state, Selection(), act="cache-erase", note=rig.notes.append, patience_s=0.1)
    assert (erased.node, erased.confirmed) == (True, False)
    assert rig.exact.look_up(key("a"), NOW) is None
    assert rig.near("a") == ()


def test_without_a_node_the_command_is_alone_and_a_node_that_starts_waits_for_it(tmp_path: Path) -> None:
    with rigged(tmp_path) as rig:
        rig.keep("a")
        rig.flush()
    seen: list[str] = []

    def note(_: object) -> None:
        starting.start()
        time.sleep(0.2)
        seen.append("noted")

    def start_node() -> None:
        with rigged(tmp_path) as rig:
            seen.append("started")
            assert rig.near("a") == ()

    starting = threading.Thread(target=start_node)
    erased = erase(tmp_path, Selection(), act="cache-erase", note=note)
    starting.join()
    assert (erased.node, erased.confirmed, erased.found.entries) == (False, True, 1)
    assert seen == ["noted", "started"]


def test_what_waits_to_be_written_while_something_is_erased_is_not_written(rig: Rig) -> None:
    held, go = threading.Event(), threading.Event()

    def wait(_: sqlite3.Connection) -> None:
        held.set()
        go.wait(10)

    rig.store.writer.put("telemetry", wait)
    assert held.wait(10)
    rig.keep("queued", tenant="acme")
    erasing = threading.Thread(target=lambda: rig.erase(tenant="acme"))
    erasing.start()
    erasing.join()
    assert rig.exact.look_up(key("queued"), NOW) is None
    go.set()
    rig.flush()
    assert rig.exact.look_up(key("queued"), NOW) is None
    assert rig.near("queued") == ()
    rig.keep("later", tenant="acme")
    rig.flush()
    assert rig.near("later")


def test_where_it_cannot_be_noted_nothing_is_erased(rig: Rig) -> None:
    rig.keep("a")
    rig.flush()

    def refuse(_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="space"):
        erase(rig.state, Selection(), act="cache-erase", note=refuse)
    assert rig.near("a") and rig.exact.look_up(key("a"), NOW) is not None


def test_a_command_killed_before_it_told_the_node_is_noticed_at_the_next_sweep(rig: Rig) -> None:
    rig.keep("a")
    rig.flush()
    assert rig.exact.look_up(key("a"), NOW) is not None
    with sqlite3.connect(rig.store.cache_path) as db:
        db.execute("DELETE FROM exact")
        db.execute("UPDATE changes SET n = n + 1")
    db.close()
    assert rig.near("a") == ()
    rig.exact.sweep(NOW)
    assert rig.exact.look_up(key("a"), NOW) is None


def test_a_command_killed_after_it_was_noted_erased_nothing(rig: Rig) -> None:
    keep_some(rig)
    child = os.fork()
    if not child:
        try:
            die = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
            erase(rig.state, Selection(tenant="acme"), act="cache-erase", note=die)
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    rig.exact.sweep(NOW)
    assert set(alive(rig)) == ALL
    assert rig.erase(tenant="acme").confirmed
    assert set(alive(rig)) == ALL - {"acme"}


def test_the_file_of_numbers_may_be_removed_while_the_node_runs(rig: Rig) -> None:
    rig.keep("a")
    rig.flush()
    (rig.state / NUMBERS).unlink()
    assert rig.exact.erasures.follow()
    assert rig.erase().confirmed
    assert rig.exact.look_up(key("a"), NOW) is None


def test_a_log_that_somebody_reads_is_said_not_to_be_empty(rig: Rig) -> None:
    rig.keep("a")
    rig.flush()
    with sqlite3.connect(f"file:{rig.store.cache_path}?mode=ro", uri=True) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM exact").fetchall()
        erased = erase(rig.state, Selection(), act="cache-erase", note=rig.notes.append, patience_s=0.1)
        assert not erased.emptied
        reader.execute("COMMIT")
    reader.close()
    assert rig.erase().emptied


def test_a_directory_without_a_cache_holds_nothing(tmp_path: Path) -> None:
    assert find(tmp_path, Selection()) == Found()
    assert erase(tmp_path, Selection(), act="cache-erase", note=print).found == Found()
    assert kept(tmp_path, Selection(), 9) == ()
    assert sums(tmp_path)["cell"] == ()
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_none_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"this is no database" * 100)
    for act in (
        lambda: find(tmp_path, Selection()),
        lambda: erase(tmp_path, Selection(), act="cache-erase", note=print),
        lambda: sums(tmp_path),
    ):
        with pytest.raises(StateInvalid, match=r"cache\.db"):
            act()


def test_a_database_of_before_is_brought_up_to_date_and_its_entries_are_erased_by_any_label(tmp_path: Path) -> None:
    from sqlite_utils import Database

    from appliance.store import schema

    db = Database(tmp_path / "cache.db")
    schema.cache.apply(db, stop_before="m002_semantic")
    db.execute("INSERT INTO exact VALUES ('k', 'local', ?, ?, 'm', 0.9, 3, '{}')", (NOW, NOW + 9))
    db.conn.commit()
    db.close()
    with pytest.raises(StateInvalid, match="older"):
        find(tmp_path, Selection())
    erased = erase(tmp_path, Selection(labels={"residency": "node"}), act="cache-erase", note=print)
    assert erased.found.entries == 1
    assert find(tmp_path, Selection()) == Found()


def test_two_commands_at_once_both_erase(tmp_path: Path) -> None:
    with rigged(tmp_path) as rig:
        keep_some(rig)
        children = []
        for chosen in ({"tenant": "acme"}, {"model": "site/two"}, {"before": NOW}):
            child = os.fork()
            if not child:
                try:
                    erase(tmp_path, Selection(**chosen), act="cache-erase", note=lambda _: None, patience_s=0.1)
                finally:
                    os._exit(0)
            children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
        assert set(alive(rig)) == ALL - {"acme", "two", "old"}


def test_the_lock_says_whether_a_node_runs(tmp_path: Path) -> None:
    with rigged(tmp_path), (tmp_path / NUMBERS).open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (tmp_path / NUMBERS).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


async def test_a_running_node_says_nothing_again_of_what_was_erased(weir: Running, upstream: OpenAIStandIn) -> None:  # noqa: F811
    import asyncio

    for _ in range(3):  # the third is a hit said again
        _, _, headers = await weir.ask("what is it")
    assert headers["x-weir-cache"].startswith("hit")
    await asyncio.to_thread(weir.node.store.writer.flush)
    erasing = asyncio.create_task(
        asyncio.to_thread(erase, weir.state, Selection(tenant="local"), act="cache-erase", note=lambda _: None)
    )
    while not erasing.done():
        weir.node.cache.erasures.follow()
        await asyncio.sleep(0.01)
    erased = erasing.result()
    assert (erased.found.entries, erased.node, erased.confirmed) == (1, True, True)
    _, _, headers = await weir.ask("what is it")
    assert headers["x-weir-cache"] == "miss"
