"""What goes first when there is too much: what is worth least by byte."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cache.rig import NOW, Rig, key, rigged

DAY = 86_400.0
ROOM = 40_000


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rigged(tmp_path, ttl_s=90 * DAY, max_bytes=ROOM) as made:
        yield made


def held(rig: Rig) -> tuple[set[str], int]:
    """Names that are left, and bytes of answers and questions."""
    with sqlite3.connect(rig.store.cache_path) as db:
        names = {row[0][12:] for row in db.execute("SELECT text FROM semantic")}
        sizes = db.execute("SELECT (SELECT SUM(bytes) FROM exact), (SELECT SUM(bytes) FROM semantic)").fetchone()
        assert db.execute("SELECT COUNT(*) FROM exact").fetchone()[0] == len(names)
    db.close()
    return names, sum(sizes)


def fill(rig: Rig, names: list[str], *, saved: float = 0.0, answer: str = "x" * 1000, now: float = NOW) -> None:
    for name in names:
        rig.keep(name, saved=saved, answer=answer, now=now)
    rig.flush()


def hit(rig: Rig, names: list[str], times: int, now: float) -> None:
    for name in names:
        for _ in range(times):
            assert rig.exact.look_up(key(name), now) is not None


def sweep(rig: Rig, now: float) -> set[str]:
    rig.exact.sweep(now)
    rig.flush()
    names, size = held(rig)
    assert size <= ROOM
    return names


def test_within_the_quota_nothing_goes(rig: Rig) -> None:
    fill(rig, [str(at) for at in range(15)])
    assert len(sweep(rig, NOW + 1)) == 15


def test_what_saves_more_stays(rig: Rig) -> None:
    dear, cheap = [f"dear {at}" for at in range(10)], [f"cheap {at}" for at in range(30)]
    fill(rig, dear, saved=0.01)
    fill(rig, cheap, saved=0.0001, now=NOW + 1)
    left = sweep(rig, NOW + 2)
    assert left.issuperset(dear) and len(left) < 40


def test_what_is_asked_for_stays_and_its_hits_count_less_by_the_day(rig: Rig) -> None:
    often, once = [f"often {at}" for at in range(8)], [f"once {at}" for at in range(8)]
    fill(rig, [*often, *once], saved=0.01)
    hit(rig, often, 3, NOW + 10)
    fill(rig, [f"new {at}" for at in range(12)], saved=0.01, now=NOW + 20)
    left = sweep(rig, NOW + 30)
    assert left.issuperset(often)
    later = NOW + 20 * DAY
    fill(rig, [f"newer {at}" for at in range(30)], saved=0.01, now=later)
    left = sweep(rig, later + 1)
    assert left.isdisjoint(often)


def test_a_hit_by_likeness_counts_like_any_other(rig: Rig) -> None:
    fill(rig, [str(at) for at in range(40)], saved=0.01)
    for at in range(5):
        (near,) = rig.near(str(at), most=1)
        rig.exact.used(near.key)
    assert sweep(rig, NOW + 10).issuperset(map(str, range(5)))


def test_what_is_large_goes_before_what_is_small(rig: Rig) -> None:
    fill(rig, ["large"], saved=0.01, answer="x" * 20_000, now=NOW + 1)
    small = [f"small {at}" for at in range(15)]
    fill(rig, small, saved=0.01)
    assert sweep(rig, NOW + 2) == set(small)


def test_where_all_are_worth_the_same_the_oldest_go(rig: Rig) -> None:
    for at in range(30):
        rig.keep(f"{at:02}", answer="x" * 1000, now=NOW + 60 * at)
    rig.flush()
    left = sweep(rig, NOW + 3600)
    assert left == {f"{at:02}" for at in range(30 - len(left), 30)}
    assert len(left) < 30


def test_a_cost_below_nothing_is_nothing(rig: Rig) -> None:
    fill(rig, ["a"], saved=-5.0)
    fill(rig, [str(at) for at in range(30)])
    assert len(sweep(rig, NOW + 1)) > 10
