"""Handing records to the writer: what is dropped is dropped once."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from appliance.records.decision import Decision, Outcome
from appliance.records.record import Record
from appliance.store import Reader, Store
from tests import factories as make


def record(id: str) -> Record:
    decision = Decision(id, "g1", "only-path")
    return Record(id, 1000.0, make.asked(id=id), make.features(), make.snapshot(), decision, Outcome("answered"))


def test_after_one_dropped_hand_over_records_are_written_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    busy, go_on = threading.Event(), threading.Event()

    def block(_: object) -> None:
        busy.set()
        go_on.wait(10)

    store.writer.submit("telemetry", block)
    assert busy.wait(5)
    while not store.writer.dropped:  # until the queue is full
        store.writer.put("telemetry", lambda _: None)
    store.add(record("lost-on-the-way"))
    assert store.writer.dropped == 2
    go_on.set()
    store.writer.flush()
    store.add(record("later"))
    store.writer.flush()
    written = [row["id"] for row in Reader(store.telemetry_path).all()]
    store.close()
    assert written == ["lost-on-the-way", "later"]


def test_what_waits_when_the_store_closes_is_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.writer.put = lambda database, work: False  # type: ignore[method-assign]  # every hand-over is dropped
    store.add(record("r1"))
    store.close()
    assert [row["id"] for row in Reader(store.telemetry_path).all()] == ["r1"]


def test_what_keeps_coming_does_not_keep_it_from_being_written(tmp_path: Path) -> None:
    """One piece after the other within the window: the window counts from the first, not from the last."""
    store = Store(tmp_path)
    store.add(record("first"))
    reader, seen = Reader(store.telemetry_path), False
    for _ in range(400):  # fewer than make a batch
        store.writer.put("cache", lambda _: None)
        time.sleep(0.005)
        seen = reader.record("first") is not None
        if seen:
            break
    store.close()
    assert seen
