"""kill -9 at any moment of writing, sweeping, erasing, building and saving: what comes back is true or a miss."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from appliance.cache.erasure import Selection, erase
from tests.cache.rig import NOW, key, rigged, unit

FLAT = 30
PARTITIONS = ("p", "q")


def busy(state: Path, round: int, opened: int) -> None:
    """In a process of its own, until it is killed; a byte to `opened` once the cache is open."""
    with rigged(state, flat_most=FLAT) as rig:
        os.write(opened, b"1")
        at = round * 10_000
        while True:
            at += 1
            for partition in PARTITIONS:
                rig.keep(f"{partition} {at}", partition, tenant=partition, ttl_s=100.0 + at % 7)
                rig.near(f"{partition} {at - 3}", partition)
            if at % 40 == 0:
                rig.exact.sweep(NOW + 100 + at % 7 / 2)
                rig.semantic.sweep(NOW)
            if at % 90 == 0:
                chosen = Selection(entry=key(f"p {at - 50}"))
                erase(state, chosen, act="cache-erase", note=lambda _: None, patience_s=0.0)
                rig.exact.erasures.follow()


def graphs(state: Path) -> bool:
    return any((state / "semantic").glob("*.graph"))


def killed(
    state: Path, round: int, after_s: float, *, once_open: bool, once: Callable[[], bool] = lambda: True
) -> None:
    """A busy process killed `after_s` seconds after its start, or after it opened the cache and `once` held."""
    opened, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            busy(state, round, tell)
        finally:
            os._exit(1)
    os.close(tell)
    try:
        if once_open:
            assert os.read(opened, 1)
            until = time.monotonic() + 40
            while not once():  # an erasure may take it away again before the end
                assert time.monotonic() < until
                time.sleep(0.01)
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    finally:
        os.close(opened)


def test_killed_while_it_opens_it_opens_the_next_time(tmp_path: Path) -> None:
    for round in range(12):
        state = tmp_path / str(round)
        state.mkdir()
        killed(state, round, 0.004 * round, once_open=False)
        with rigged(state, flat_most=FLAT) as rig:
            rig.keep("p 1", "p")
            rig.flush()
            rig.near("p 1", "p")
            assert rig.semantic.keeper.settle(20)
            assert [near.text for near in rig.near("p 1", "p", most=1)] == ["question of p 1"]


def test_killed_at_any_moment_it_comes_back_and_finds_only_what_is_there(tmp_path: Path) -> None:
    moment = random.Random(5)
    for round in range(8):
        written = partial(graphs, tmp_path) if round % 4 == 3 else lambda: True
        killed(tmp_path, round, 0.15 + 0.35 * moment.random(), once_open=True, once=written)
        with sqlite3.connect(tmp_path / "cache.db") as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            gone = [row[0] for row in db.execute("SELECT text FROM semantic ORDER BY random() LIMIT 20")]
            db.executemany("DELETE FROM exact WHERE key = ?", [(key(text[12:]),) for text in gone])
            left = {row[0] for row in db.execute("SELECT text FROM semantic")}
            assert left.isdisjoint(gone)
        db.close()
        with rigged(tmp_path, flat_most=FLAT) as rig:
            for _ in range(2):
                for text in [*gone, *sorted(left)[:20]]:
                    for partition in PARTITIONS:
                        for near in rig.near(text[12:], partition, now=NOW + 1):
                            assert near.text in left
                            assert near.text.startswith(f"question of {partition} ")
                            assert near.entry.answer.choices[0].text == f"answer of {near.text[12:]}"
                            cosine = float(unit(near.text[12:]) @ unit(text[12:]))
                            assert near.cosine == pytest.approx(cosine, abs=1e-3)
                assert rig.semantic.keeper.settle(20)
            for text in sorted(left)[::9]:
                near = rig.near(text[12:], text[12], now=NOW + 1, most=1)
                assert near and near[0].text == text
