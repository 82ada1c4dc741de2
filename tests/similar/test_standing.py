"""What a running node goes by: the lot falls as stated, labels close a cell at once, and a restart stands the same."""

from __future__ import annotations

import random
import sqlite3
import threading
from pathlib import Path

from appliance.similar.agree import Agreement
from appliance.similar.standing import DAY_S, Ruling, Standing
from appliance.similar.watch import RUN_DAYS, Opened
from appliance.store.schema import cache, migrate
from appliance.store.similar_labels import add_counts, add_labels, read_seen
from tests.similar.made import cell, promise, rung

NOW = 20_000.0 * DAY_S
PROMISE = promise(knowledge=cell(rung(0.002, 0.97), rung(0.01, 0.9)), code=cell(rung(0.01, 0.95)), units=cell())
WRONG, AGREED = Agreement("wrong", "json"), Agreement("agreed", "exact")


def standing(share: float = 0.0, **over: object) -> Standing:
    return Standing(PROMISE, over.pop("seen", {}), share=share, **over)  # type: ignore[arg-type]


def test_a_score_is_held_against_the_threshold_of_its_cell() -> None:
    node = standing()
    assert node.look_up("knowledge/easy", 0.9, now=NOW, draw=0.5) == Ruling(serve=True, threshold=0.9)
    assert node.look_up("code/hard", 0.9, now=NOW, draw=0.5) == Ruling(serve=False, threshold=0.95)
    assert node.look_up("units/easy", 1.0, now=NOW, draw=0.0) == Ruling(serve=False, threshold=None)
    assert node.look_up("unheard/of", 1.0, now=NOW, draw=0.0) == Ruling(serve=False, threshold=None)
    strict = standing(deltas={"knowledge": 0.005})
    assert strict.look_up("knowledge", 0.9, now=NOW, draw=0.5) == Ruling(serve=False, threshold=0.97)


def test_what_the_lot_fell_on_is_not_served_and_its_label_knows_the_look_up() -> None:
    node = standing(share=0.1)
    node.look_up("knowledge", 0.0, now=NOW, draw=0.0)
    ruling = node.look_up("knowledge", 0.99, now=NOW, draw=0.05)
    assert not ruling.serve
    assert ruling.drawn is not None
    label = ruling.drawn.label(AGREED)
    assert (label.nth, label.share, label.draw, label.outcome, label.how) == (2, 0.1, 0.05, "agreed", "exact")
    assert node.look_up("knowledge", 0.99, now=NOW, draw=0.1).serve


def test_wrong_labels_close_a_cell_at_once_and_no_other_and_a_day_long_after_opens_it() -> None:
    node = standing(share=0.05)
    for _ in range(40):
        ruling = node.look_up("knowledge", 0.99, now=NOW, draw=0.0)
        assert ruling.drawn is not None
        node.add(ruling.drawn.label(WRONG))
    assert not node.look_up("knowledge", 1.0, now=NOW, draw=0.9).serve
    assert node.look_up("code", 1.0, now=NOW, draw=0.9).serve
    assert {row.cell: row.state for row in node.rows(now=NOW)}["knowledge"] == "closed"
    assert node.look_up("knowledge", 1.0, now=NOW + 2 * RUN_DAYS * DAY_S, draw=0.9).serve


def test_an_operator_opens_a_cell_again() -> None:
    node = standing(share=1.0)
    for _ in range(12):
        drawn = node.look_up("code", 0.99, now=NOW, draw=0.5).drawn
        assert drawn is not None
        node.add(drawn.label(WRONG))
    assert node.look_up("code", 0.99, now=NOW, draw=0.5).threshold is None
    node.open_at("code", Opened(int(NOW // DAY_S), 13))
    assert node.look_up("code", 0.99, now=NOW, draw=0.5).threshold == 0.95
    node.open_at("unheard", Opened(0, 0))


def test_a_restart_stands_where_the_node_stood(tmp_path: Path) -> None:
    path, rng, node = tmp_path / "cache.db", random.Random(2), standing(share=0.2)
    migrate(path, cache)
    connection = sqlite3.connect(path)
    for at in range(900):
        ruling = node.look_up(rng.choice(("knowledge", "code")), rng.random() ** 0.2, now=NOW, draw=rng.random())
        if ruling.drawn is not None:
            node.add(ruling.drawn.label(WRONG if rng.random() < 0.2 else AGREED))
        if at % 100 == 99:
            new = node.take_new()
            add_labels(connection, "v", new.labels)
            add_counts(connection, "v", new.counts)
    again = standing(share=0.2, seen=read_seen(connection, "v"))
    connection.close()
    assert again.rows(now=NOW) == node.rows(now=NOW)
    assert node.take_new().labels == ()
    assert node.take_new().counts == {}


def test_no_look_up_is_lost_between_threads() -> None:
    node = standing(share=0.5)

    def ask() -> None:
        for _ in range(200):
            node.look_up("code", 1.0, now=NOW, draw=0.7)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ((_, count),) = node.take_new().counts.items()
    assert (count.look_ups, count.would_be_hits) == (800, 800)
