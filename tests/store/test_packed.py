"""Of exact hits that came again only the moment is kept, and whatever becomes of patterns, each comes back whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from appliance.records.decision import Decision, Outcome
from appliance.records.record import Alike, Likeness, Record, to_json
from appliance.store import Reader, Store
from appliance.store.packed import PATTERN_S
from tests import factories as make
from tests.records.test_mould import hit_record

NOW = 1_000.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.close()


def record(id: str) -> Record:
    decision = Decision(id, "g1", "only-path")
    return Record(id, NOW, make.asked(id=id), make.features(), make.snapshot(), decision, Outcome("answered"))


def likeness() -> Likeness:
    return Likeness(hit_record("first", 1.0, 0.5, 2.0, 3.0))


def hit(like: Likeness, n: int, time: float = NOW) -> Alike:
    return Alike(like, f"h{n}", time, 0.25, 1.5 * n, 0.001 * n)


def kept(store: Store) -> list[tuple[int | None, int]]:
    """Of each record its pattern and the bytes of what is kept beside it."""
    store.writer.flush()
    with closing(sqlite3.connect(store.telemetry_path)) as db:
        return db.execute("SELECT pattern, length(json) FROM records ORDER BY seq").fetchall()


def patterns(store: Store) -> set[int]:
    with closing(sqlite3.connect(store.telemetry_path)) as db:
        return {row[0] for row in db.execute("SELECT id FROM patterns")}


def written(store: Store) -> list[dict[str, Any]]:
    store.writer.flush()
    return list(Reader(store.telemetry_path).all())


def as_written(*records: Record | Alike) -> list[dict[str, Any]]:
    return [orjson.loads(to_json(one)) for one in records]


def test_a_hit_that_came_again_is_a_fraction_of_its_record_and_comes_back(store: Store) -> None:
    first, hits = likeness(), [hit(likeness(), n) for n in range(2)]
    every: list[Record | Alike] = [record("r0"), *hits, *(hit(first, n) for n in range(2, 50)), record("r1")]
    for one in every:
        store.add(one)
    found = kept(store)
    assert [pattern for pattern, _ in found] == [None, 1, 2, *[3] * 48, None]
    assert max(size for pattern, size in found if pattern) < len(to_json(hits[0])) / 10
    assert written(store) == as_written(*every)


def test_however_many_there_are_each_has_one_pattern(store: Store) -> None:
    likes = [likeness() for _ in range(600)]
    every = [hit(like, n) for n, like in enumerate(likes * 3)]
    for n, one in enumerate(every):
        store.add(one)
        if n % 100 == 0:
            store.prune(before=0.0, max_bytes=1 << 30)  # that nothing had to go for
    assert written(store) == as_written(*every)
    assert len(patterns(store)) == len(likes)


def test_patterns_count_for_the_quota_and_go_with_what_names_them(store: Store) -> None:
    for n in range(2000):
        store.add(hit(likeness(), n))
    last = hit(likeness(), 2000)
    store.add(last)
    for _ in range(3):
        store.prune(before=0.0, max_bytes=1 << 20)
    found = written(store)
    assert 100 < len(found) < 2000
    assert found[-1:] == as_written(last)
    assert {pattern for pattern, _ in kept(store)} == patterns(store)
    again = hit(last.like, 2001)
    store.add(again)
    assert written(store)[-2:] == as_written(last, again)


@pytest.mark.parametrize("alone", [True, False])
def test_a_pattern_that_was_not_committed_is_made_anew(store: Store, alone: bool) -> None:
    like = likeness()
    with closing(sqlite3.connect(store.telemetry_path, isolation_level=None)) as other:
        other.execute("ALTER TABLE records RENAME TO away")  # the pattern is written, and the record is not
        for n in range(1 if alone else 3):
            store.add(hit(like, n))
        store.writer.flush()
        assert store.writer.trouble
        other.execute("ALTER TABLE away RENAME TO records")
    assert patterns(store) == set()
    later = hit(like, 9)
    store.add(later)
    assert written(store) == as_written(later)
    assert {pattern for pattern, _ in kept(store)} == patterns(store)


def test_a_pattern_goes_with_the_last_record_of_its_time(store: Store) -> None:
    day, like = PATTERN_S, likeness()
    every = [hit(like, n, NOW + n * day / 2) for n in range(6)]
    for one in every:
        store.add(one)
    assert [pattern for pattern, _ in kept(store)] == [1, 1, 2, 2, 3, 3]
    store.prune(before=NOW + day, max_bytes=1 << 30)
    assert written(store) == as_written(*every[2:])
    assert patterns(store) == {2, 3}
    late = hit(like, 9, NOW + 0.9 * day)  # it began long ago, and ended now
    store.add(late)
    assert written(store) == as_written(*every[2:], late)
    assert {pattern for pattern, _ in kept(store)} <= patterns(store)
    store.prune(before=NOW + 9 * day, max_bytes=1 << 30)
    assert written(store) == []
    assert patterns(store) == set()
    store.add(late)
    assert written(store) == as_written(late)


def test_a_store_that_is_opened_again_makes_patterns_of_its_own(tmp_path: Path) -> None:
    like = likeness()
    for n in range(3):
        store = Store(tmp_path)
        store.add(hit(like, n))
        store.close()
    assert [row["id"] for row in Reader(tmp_path / "telemetry.db").all()] == ["h0", "h1", "h2"]
