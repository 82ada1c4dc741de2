"""Large partitions: the graph that holds them, its file, and everything that can happen to either."""

from __future__ import annotations

import json
import resource
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance.cache.graph import Graph, Unfit
from tests.cache.rig import DIMENSIONS, NOW, Rig, key, rigged, unit

MANY, FLAT = 150, 40
PARTITION = key("partition")


def filled(state: Path, *, first: int = 0, count: int = MANY, partition: str = PARTITION) -> None:
    with rigged(state, flat_most=FLAT) as rig:
        fill(rig, first, count, partition)
        settle(rig, partition)


def fill(rig: Rig, first: int, count: int, partition: str = PARTITION) -> None:
    for at in range(first, first + count):
        rig.keep(str(at), partition)
    rig.flush()


def settle(rig: Rig, partition: str = PARTITION) -> None:
    """One look-up sees that there is something to do; then it is done."""
    rig.near("0", partition)
    assert rig.semantic.keeper.settle(20)


def found(rig: Rig, names: range, partition: str = PARTITION) -> list[int]:
    """Which of these are found as their own nearest."""
    asked = ((at, rig.near(str(at), partition, most=1)) for at in names)
    return [at for at, near in asked if near and near[0].text == f"question of {at}"]


def file_in(state: Path, partition: str = PARTITION) -> Path:
    return state / "semantic" / f"{partition}.graph"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rigged(tmp_path, flat_most=FLAT) as made:
        yield made


def test_until_there_is_a_graph_the_newest_are_seen_and_then_all(rig: Rig) -> None:
    fill(rig, 0, MANY)
    rig.near("0", PARTITION)
    assert rig.semantic.keeper.settle(20)
    assert found(rig, range(MANY)) == list(range(MANY))
    fill(rig, MANY, 3)  # beside the graph
    assert found(rig, range(MANY + 3)) == list(range(MANY + 3))
    fill(rig, MANY + 3, FLAT)  # into it
    settle(rig)
    assert found(rig, range(MANY + 3 + FLAT)) == list(range(MANY + 3 + FLAT))


def test_a_small_partition_has_no_file(rig: Rig) -> None:
    fill(rig, 0, FLAT)
    settle(rig)
    assert not file_in(rig.state).exists()
    assert found(rig, range(FLAT)) == list(range(FLAT))


def test_a_graph_too_large_for_the_memory_is_not_built(tmp_path: Path) -> None:
    with rigged(tmp_path, flat_most=FLAT, memory_bytes=100_000) as rig:
        fill(rig, 0, MANY)
        settle(rig)
        assert not file_in(tmp_path).exists()
        assert found(rig, range(MANY)) == list(range(MANY - FLAT, MANY))


def test_a_saved_graph_is_read_again(tmp_path: Path) -> None:
    filled(tmp_path)
    before = file_in(tmp_path).stat().st_mtime_ns
    with rigged(tmp_path, flat_most=FLAT) as rig:
        assert rig.semantic.keeper.settle(20)
        assert found(rig, range(MANY)) == list(range(MANY))
    assert file_in(tmp_path).stat().st_mtime_ns == before


def test_the_file_holds_no_text_and_is_its_owners_alone(tmp_path: Path) -> None:
    filled(tmp_path)
    for file in file_in(tmp_path).parent.iterdir():
        assert b"question" not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0


def damaged(change: Callable[[bytearray], None]) -> Callable[[Path], None]:
    def damage(state: Path) -> None:
        data = bytearray(file_in(state).read_bytes())
        change(data)
        file_in(state).write_bytes(data)

    return damage


def noted(**facts: object) -> Callable[[Path], None]:
    def damage(state: Path) -> None:
        note = file_in(state).with_suffix(".json")
        note.write_text(json.dumps(json.loads(note.read_text()) | facts))

    return damage


def of_another_partition(state: Path) -> None:
    filled(state / "other", partition=key("other"))
    for suffix in (".graph", ".json"):
        shutil.copy(file_in(state / "other", key("other")).with_suffix(suffix), file_in(state).with_suffix(suffix))


def of_another_database(state: Path) -> None:
    """The rows were lost and begin anew: the same numbers, other vectors."""
    for file in state.glob("cache.db*"):
        file.unlink()
    with rigged(state / "new", flat_most=10_000) as rig:
        fill(rig, 1000, MANY)
        fill(rig, 0, MANY)
    for file in (state / "new").glob("cache.db*"):
        shutil.move(file, state)


def renumbered(state: Path) -> None:
    """A backup of the same database was put back, and other rows got the numbers that the graph knows."""
    with sqlite3.connect(state / "cache.db") as db:
        vectors = [row[0] for row in db.execute("SELECT vector FROM semantic ORDER BY row")]
        db.executemany(
            "UPDATE semantic SET vector = ? WHERE row = ?", zip(vectors[::-1], range(1, MANY + 1), strict=True)
        )
        db.execute("UPDATE semantic SET text = 'question of ' || (? - row)", (MANY,))
    db.close()


@pytest.mark.parametrize(
    "damage",
    [
        damaged(lambda data: data.clear()),
        damaged(lambda data: data.__delitem__(slice(len(data) // 2, None))),
        damaged(lambda data: data.__setitem__(len(data) // 2, data[len(data) // 2] ^ 1)),
        damaged(lambda data: data.extend(b"more")),
        lambda state: file_in(state).unlink(),
        lambda state: file_in(state).with_suffix(".json").unlink(),
        lambda state: file_in(state).with_suffix(".json").write_text("{"),
        noted(count=1 << 40),
        noted(dimensions=383),
        noted(identity="another"),
        noted(up_to=10**9),
        of_another_partition,
        of_another_database,
        renumbered,
    ],
    ids=[
        "empty", "cut", "one bit", "longer", "no graph", "no note", "bad note", "count", "dimensions", "identity",
        "newer", "partition", "database", "renumbered",
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_made_anew(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    filled(tmp_path)
    damage(tmp_path)
    with rigged(tmp_path, flat_most=FLAT) as rig:
        for _ in range(2):
            settle(rig)
            for at in range(0, MANY, 7):
                for near in rig.near(str(at), PARTITION):
                    assert near.cosine == pytest.approx(float(unit(near.text[12:]) @ unit(at)), abs=1e-3)
        assert found(rig, range(MANY)) == list(range(MANY))
    Graph.load(file_in(tmp_path), identity(tmp_path), PARTITION, DIMENSIONS)


def test_what_was_half_written_or_is_of_a_partition_that_is_gone_is_removed(tmp_path: Path) -> None:
    filled(tmp_path)
    file_in(tmp_path, "half").with_suffix(".draft").write_bytes(b"vectors")
    shutil.copy(file_in(tmp_path), file_in(tmp_path, "gone"))
    with rigged(tmp_path, flat_most=FLAT) as rig:
        assert rig.semantic.keeper.settle(20)
        left = sorted(file.name for file in file_in(tmp_path).parent.iterdir())
    assert left == [f"{PARTITION}.graph", f"{PARTITION}.json"]


def test_one_bit_anywhere_in_the_file_is_seen(tmp_path: Path) -> None:
    filled(tmp_path)
    whole = file_in(tmp_path).read_bytes()
    Graph.load(file_in(tmp_path), identity(tmp_path), PARTITION, DIMENSIONS)
    for at in range(0, len(whole), len(whole) // 11):
        file_in(tmp_path).write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(Unfit, match="damaged"):
            Graph.load(file_in(tmp_path), identity(tmp_path), PARTITION, DIMENSIONS)


def identity(state: Path) -> str:
    with sqlite3.connect(state / "cache.db") as db:
        made = db.execute("SELECT identity FROM changes").fetchone()[0]
    db.close()
    return str(made)


def test_another_embedders_vectors_are_not_believed(tmp_path: Path) -> None:
    """Another length of vectors; of the same length the partition is another."""
    filled(tmp_path)
    with rigged(tmp_path, flat_most=FLAT, dimensions=256) as rig:
        vector = np.zeros(256, np.float32)
        vector[0] = 1.0
        assert rig.semantic.nearest(PARTITION, vector, NOW + 1) == ()
        assert rig.semantic.keeper.settle(20)
        assert rig.semantic.nearest(PARTITION, vector, NOW + 1) == ()


def test_what_is_swept_leaves_the_graph_and_a_third_of_dead_ones_makes_it_anew(rig: Rig) -> None:
    for at in range(MANY):
        rig.keep(str(at), PARTITION, ttl_s=100.0 + at)
    rig.flush()
    settle(rig)
    for later in (20, 100):
        now = NOW + 100.0 + later
        rig.exact.sweep(now)
        rig.semantic.sweep(now)
        rig.flush()
        assert rig.semantic.keeper.settle(20)
        for _ in range(2):
            near = rig.near("0", PARTITION, now=now, most=MANY)
            assert rig.semantic.keeper.settle(20)
        assert min(int(one.text[12:]) for one in near) == later + 1
        assert len(rig.near(str(MANY - 1), PARTITION, now=now)) == 5


def test_what_is_erased_is_in_no_graph_and_in_no_file(tmp_path: Path) -> None:
    with rigged(tmp_path, flat_most=FLAT) as rig:
        fill(rig, 0, MANY)
        settle(rig)
        vector = unit("7").astype(np.float16).astype(np.float32).tobytes()
        assert vector in file_in(tmp_path).read_bytes()
        before = threading.Thread(target=lambda: [rig.near("7", PARTITION) for _ in range(200)])
        before.start()  # what look-ups find gone is erased all the same
        assert rig.erase(entry=key("7")).confirmed
        before.join()
        assert found(rig, range(7, 8)) == []
        assert rig.semantic.keeper.settle(20)
        settle(rig)
        assert found(rig, range(MANY)) == [at for at in range(MANY) if at != 7]
        assert vector not in file_in(tmp_path).read_bytes()


def test_a_disk_too_full_for_the_file_costs_the_file_only(tmp_path: Path) -> None:
    """The library that writes it says nothing of a full disk."""
    graph = Graph.begun(DIMENSIONS, 300)
    graph.add(np.arange(1, 301), np.stack([unit(at) for at in range(300)]))
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, usual[1]))
    try:
        with pytest.raises(OSError, match="space"):
            graph.save(file_in(tmp_path), "i", PARTITION)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert list((tmp_path / "semantic").iterdir()) == []
    graph.save(file_in(tmp_path), "i", PARTITION)
    assert len(Graph.load(file_in(tmp_path), "i", PARTITION, DIMENSIONS)) == 300
    with pytest.raises(Unfit):
        Graph.load(file_in(tmp_path), "j", PARTITION, DIMENSIONS)
