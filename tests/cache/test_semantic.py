"""Questions kept with their vectors: what is found, what never is, and what damage leads to."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.cache.index import FlatIndex
from tests.cache.rig import DIMENSIONS, NOW, Rig, key, rigged, unit


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rigged(tmp_path) as made:
        yield made


def texts(rig: Rig, name: str, partition: str = "p", **over: Any) -> list[str]:
    return [near.text.removeprefix("question of ") for near in rig.near(name, partition, **over)]


def test_the_nearest_come_first_each_with_its_answer(rig: Rig) -> None:
    for off in (0.1, 0.3, 0.5, 0.7, 0.9, 1.1):
        rig.keep(f"off {off}", vector=unit(off, unit("asked"), off))
    rig.flush()
    found = rig.near("asked")
    assert [near.text for near in found] == [f"question of off {off}" for off in (0.1, 0.3, 0.5, 0.7, 0.9)]
    for near, off in zip(found, (0.1, 0.3, 0.5, 0.7, 0.9), strict=True):
        assert near.cosine == pytest.approx(float(unit(off, unit("asked"), off) @ unit("asked")), abs=1e-3)
        assert near.entry.answer.choices[0].text == f"answer of off {off}"
        assert near.entry.key == near.key == key(f"off {off}")
        assert (near.cell, near.language, near.entry.origin) == ("topic/easy", "en", "site/one")
    assert [near.text for near in rig.near("asked", most=2)] == [near.text for near in found[:2]]


def test_equal_vectors_in_another_partition_are_not_found(rig: Rig) -> None:
    rig.keep("one", "p", vector=unit("same"))
    rig.keep("other", "q", vector=unit("same"))
    rig.flush()
    assert texts(rig, "same", "p") == ["one"]
    assert texts(rig, "same", "q") == ["other"]
    assert texts(rig, "same", "r") == []


def test_what_is_added_later_is_found_and_the_same_question_is_kept_once(rig: Rig) -> None:
    assert texts(rig, "a") == []
    rig.keep("a")
    rig.flush()
    assert texts(rig, "a") == ["a"]
    rig.keep("b", vector=unit("a"))
    rig.keep("a", answer="a better one", now=NOW + 1)
    rig.flush()
    found = rig.near("a", now=NOW + 2)
    assert sorted(near.text for near in found) == ["question of a", "question of b"]
    assert {near.entry.answer.choices[0].text for near in found} == {"a better one", "answer of b"}


def test_a_question_without_its_answer_is_no_hit(rig: Rig) -> None:
    rig.semantic.add(
        partition="p", tenant="local", key=key("a"), text="t", language="en", cell="", vector=unit("a"), now=NOW,
        expires=NOW + 9,
    )  # fmt: skip
    rig.keep("b")
    rig.flush()
    assert texts(rig, "a") == ["b"]
    rig.store.writer.submit("cache", lambda c: c.execute("DELETE FROM exact")).result(5)
    assert texts(rig, "a") == []
    with sqlite3.connect(rig.store.cache_path) as db:
        assert db.execute("SELECT COUNT(*) FROM semantic").fetchone() == (0,)
    db.close()


def test_nothing_is_found_before_its_time_or_after_it(rig: Rig) -> None:
    rig.keep("a", ttl_s=10.0)
    rig.flush()
    assert texts(rig, "a", now=NOW - 1) == []
    assert texts(rig, "a", now=NOW + 9) == ["a"]
    assert texts(rig, "a", now=NOW + 10) == []
    assert rig.exact.look_up(key("a"), NOW + 10) is None


def test_a_time_to_live_is_capped_by_the_hosts_own(tmp_path: Path) -> None:
    with rigged(tmp_path, ttl_s=5.0) as rig:
        rig.keep("a", ttl_s=10.0)
        rig.flush()
        assert texts(rig, "a", now=NOW + 6) == []  # the question would live on
        assert rig.exact.look_up(key("a"), NOW + 4) is not None
        assert rig.exact.look_up(key("a"), NOW + 6) is None


def test_hits_do_not_renew(rig: Rig) -> None:
    rig.keep("a", ttl_s=10.0)
    for second in range(9):
        rig.flush()
        assert texts(rig, "a", now=NOW + second) == ["a"]
        assert rig.exact.look_up(key("a"), NOW + second) is not None
        rig.exact.sweep(NOW + second)
        rig.semantic.sweep(NOW + second)
    assert texts(rig, "a", now=NOW + 10) == []


@pytest.mark.parametrize(
    "damage",
    [
        "semantic SET vector = x''",
        "semantic SET vector = x'00ff'",
        "semantic SET vector = substr(vector, 1, 700)",
        "semantic SET vector = zeroblob(768)",
        "semantic SET vector = replace(hex(zeroblob(384)), '00', '7e00')",
        "semantic SET vector = 7",
        "semantic SET text = x'ff'",
        "semantic SET expires = 0",
        "semantic SET partition = 'q'",
        "semantic SET key = 'nobody''s'",
        "exact SET answer = substr(answer, 1, 20)",
        "exact SET p_good = 7",
        "exact SET expires = 'never'",
        "exact SET created = 9e99",
    ],
)
def test_a_damaged_row_is_a_miss_and_takes_no_other_along(tmp_path: Path, damage: str) -> None:
    with rigged(tmp_path) as rig:
        rig.keep("a")
        rig.keep("b")
        rig.flush()
        assert texts(rig, "a") == ["a", "b"]
        where = f"key = '{key('a')}'"
        rig.store.writer.submit("cache", lambda c: c.execute(f"UPDATE {damage} WHERE {where}")).result(5)
        assert texts(rig, "a") == ["b"]  # what is in memory is not believed
    with rigged(tmp_path) as rig:
        assert texts(rig, "a") == ["b"]


def test_vectors_that_are_none_are_neither_kept_nor_asked_for(rig: Rig) -> None:
    good = unit("a")
    odd = [
        np.zeros(DIMENSIONS, np.float32),
        np.full(DIMENSIONS, np.nan, np.float32),
        np.full(DIMENSIONS, np.inf, np.float32),
        good[:-1],
        np.stack([good, good]),
        good * 2,
    ]
    for at, vector in enumerate(odd):
        rig.keep(f"odd {at}", vector=vector)
    rig.keep("a")
    rig.flush()
    assert texts(rig, "a") == ["a"]
    for vector in odd:
        assert rig.semantic.nearest("p", vector, NOW + 1) == ()
    assert rig.semantic.nearest("p", "no vector", NOW + 1) == ()  # type: ignore[arg-type]


def test_a_database_that_cannot_be_read_is_a_miss(tmp_path: Path) -> None:
    with rigged(tmp_path) as rig:
        rig.keep("a")
        rig.flush()
        rig.store.writer.submit("cache", lambda c: c.execute("ALTER TABLE semantic RENAME TO elsewhere")).result(5)
        assert texts(rig, "a") == []
        rig.store.writer.submit("cache", lambda c: c.execute("ALTER TABLE elsewhere RENAME TO semantic")).result(5)
        assert texts(rig, "a") == ["a"]


def test_a_full_disk_costs_what_is_new_and_nothing_else(rig: Rig) -> None:
    rig.keep("before")
    rig.flush()

    def room(pages: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            now = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={pages or now}")

        rig.store.writer.submit("cache", work).result(5)

    room("")
    for at in range(50):
        rig.keep(f"full {at}", vector=unit("before"), answer="x" * 500)
    rig.flush()
    assert "before" in texts(rig, "before", most=60)
    assert len(texts(rig, "before", most=60)) < 51
    room("1000000")
    rig.keep("after")
    rig.flush()
    assert texts(rig, "after")[0] == "after"


def test_many_dead_ones_do_not_hide_the_living(rig: Rig) -> None:
    for at in range(200):
        rig.keep(f"dead {at}", vector=unit(at, unit("a"), 0.01))
    rig.keep("alive", vector=unit("x", unit("a"), 0.5))
    rig.flush()
    assert len(texts(rig, "a")) == 5
    rig.store.writer.submit("cache", lambda c: c.execute("DELETE FROM exact WHERE key != ?", (key("alive"),))).result(5)
    assert texts(rig, "a") == ["alive"]


def test_what_another_embedder_left_is_swept(rig: Rig) -> None:
    rig.keep("a")
    rig.semantic.add(
        partition="p", tenant="local", key=key("a"), text="a", language="en", cell="", vector=unit("a"), now=NOW,
        expires=NOW + 9, embedder="old",
    )  # fmt: skip
    rig.flush()
    rig.semantic.sweep(NOW + 1, "old")
    rig.flush()
    assert texts(rig, "a") == ["a"]
    rig.semantic.sweep(NOW + 1, "new")
    rig.flush()
    assert texts(rig, "a") == []
    assert rig.exact.look_up(key("a"), NOW + 1) is not None


def test_what_another_generation_left_is_swept_after_a_day_of_rest(tmp_path: Path) -> None:
    with rigged(tmp_path, ttl_s=9 * 86_400.0) as rig:
        for name, generation in (("old", "g"), ("asked for", "g"), ("new", "h")):
            rig.keep(name, generation=generation, ttl_s=9 * 86_400.0)
        rig.flush()
        assert rig.exact.look_up(key("asked for"), NOW + 86_000.0) is not None
        kept = []
        for generation, later in (("h", 86_000.0), ("", 90_000.0), ("h", 90_000.0), ("h", 180_000.0)):
            rig.exact.sweep(NOW + later, generation)
            rig.flush()
            kept.append(sorted(texts(rig, "old", now=NOW + later)))
    all_three = ["asked for", "new", "old"]
    assert kept == [all_three, all_three, ["asked for", "new"], ["new"]]


def test_look_ups_of_several_threads_beside_writes_and_sweeps(rig: Rig) -> None:
    """Each finds only what is of its partition, and all that was committed before it began."""
    wrong: list[str] = []
    done = threading.Event()

    def ask(partition: str) -> None:
        while not done.is_set():
            for at in range(40):
                name = f"{partition} {at}"
                for near in rig.near(name, partition):
                    if not near.text.startswith(f"question of {partition} ") or near.key != key(near.text[12:]):
                        wrong.append(near.text)

    threads = [threading.Thread(target=ask, args=(partition,)) for partition in ("p", "q", "p")]
    for thread in threads:
        thread.start()
    for at in range(40):
        for partition in ("p", "q"):
            rig.keep(f"{partition} {at}", partition, vector=unit(f"{partition} {at}", unit("all"), 0.4))
        if at % 8 == 7:
            rig.semantic.sweep(NOW)
            rig.semantic.let_go()
            rig.flush()
    rig.flush()
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong
    for partition in ("p", "q"):
        found = rig.semantic.nearest(partition, unit("all"), NOW + 1, 100)
        assert len(found) == 40


def test_partitions_beyond_the_memory_are_read_anew(tmp_path: Path) -> None:
    with rigged(tmp_path, memory_bytes=60_000) as rig:
        for at in range(30):
            for part in range(3):
                rig.keep(f"{at} {part}", f"p{at}", vector=unit(part, unit(at), 0.2))
        rig.flush()
        for _ in range(2):
            for at in range(30):
                assert len(rig.semantic.nearest(f"p{at}", unit(at), NOW + 1)) == 3
            assert rig.semantic.held_bytes <= 60_000


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.just("add"), st.integers(1, 12)) | st.tuples(st.just("forget"), st.integers(0, 60)), max_size=12
    ),
    most=st.integers(1, 8),
    wide=st.integers(5, 20),
)
def test_side_by_side_finds_what_a_plain_search_of_the_newest_finds(
    steps: list[tuple[str, int]], most: int, wide: int
) -> None:
    flat, plain, row, dead = FlatIndex(8, wide), {}, 0, set()
    generator = np.random.default_rng(len(steps))
    for act, count in steps:
        if act == "add":
            made = generator.normal(size=(count, 8)).astype(np.float32)
            made /= np.linalg.norm(made, axis=1, keepdims=True)
            rows = np.arange(row + 1, row + count + 1, dtype=np.int64)
            flat.add(rows, made)
            plain.update(zip(rows.tolist(), made, strict=True))
            row += count
        elif count in plain:
            flat.forget(count)
            dead.add(count)
    newest = sorted(plain)[-wide:]
    query = generator.normal(size=8).astype(np.float32)
    alive = sorted((one for one in newest if one not in dead), key=lambda one: -float(plain[one] @ query))
    assert [found for found, _ in flat.nearest(query, most)] == alive[:most]


def test_answers_that_were_kept_before_the_host_let_them_live_less_live_no_longer(tmp_path: Path) -> None:
    with rigged(tmp_path, ttl_s=86_400.0) as rig:
        rig.keep("old")
        rig.keep("short", ttl_s=2.0)
    with rigged(tmp_path, ttl_s=5.0) as rig:
        rig.flush()
        for name, lives in (("old", 5.0), ("short", 2.0)):
            assert rig.exact.look_up(key(name), NOW + lives - 0.5) is not None
            assert [near.text for near in rig.near(name, now=NOW + lives - 0.5) if near.key == key(name)]
            assert rig.exact.look_up(key(name), NOW + lives) is None
            assert not [near for near in rig.near(name, now=NOW + lives) if near.key == key(name)]
