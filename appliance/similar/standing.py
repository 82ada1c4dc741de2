"""How each cell stands while the node runs: counts look-ups, draws the lot, and knows the threshold in force.

Rules kept here:
1. All of it follows from the promise, the labels and the counts (`watch`); what is new since the last write is handed
   over by `take_new`, so that a restart stands where this one did.
2. A cell's threshold is worked out anew when a label comes and when a day begins, and is at hand otherwise.
3. A would-be hit that the lot fell on is not served, whatever its score: it is answered anew, and its label is due.
4. May be asked from several threads at once. Reads no clock and draws nothing: both are given.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.decide.similar import Promise
from appliance.similar.agree import Agreement
from appliance.similar.report import Row, Seen, report
from appliance.similar.watch import Count, Label, Opened, Watched, draws, first_day, watch

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Drawn:
    """A look-up that is answered anew: all of its label but the outcome."""

    cell: str
    day: int
    nth: int
    score: float
    share: float
    draw: float

    def label(self, agreement: Agreement) -> Label:
        return Label(self.cell, self.day, self.nth, self.score, self.share, self.draw, agreement.outcome, agreement.how)


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether a candidate of this score may be served, the threshold in force (None: the cell serves nothing), and what
    was drawn of it.
    """

    serve: bool
    threshold: float | None
    drawn: Drawn | None = None


@dataclass
class _Cell:
    labels: list[Label]
    counts: dict[int, Count]
    opened: Opened | None
    now: Watched | None = None
    worked_out: int = -1  # day


@dataclass(frozen=True)
class New:
    """What is to be written: labels, and what was counted by cell and day."""

    labels: tuple[Label, ...] = ()
    counts: Mapping[tuple[str, int], Count] = field(default_factory=dict)


class Standing:
    """The cells of one promise. `share` of the would-be hits is drawn; `deltas` are an operator's budgets by task."""

    def __init__(
        self, promise: Promise, seen: Mapping[str, Seen], *, share: float, deltas: Mapping[str, float] | None = None
    ) -> None:
        self._promise, self._share, self._deltas = promise, share, dict(deltas or {})
        self._lock = threading.Lock()
        self._cells = {
            task: _Cell(list(known.labels), dict(known.counts or {}), known.opened)
            for task in promise.cells
            for known in (seen.get(task, Seen()),)
        }
        self._labels: list[Label] = []
        self._counts: defaultdict[tuple[str, int], Count] = defaultdict(Count)

    def look_up(self, cell: str, score: float, *, now: float, draw: float) -> Ruling:
        """Count one look-up and rule on its best candidate (score 0: there is none). `cell` is a cell's id or a task's,
        `now` Unix seconds, `draw` uniform in 0..1.
        """
        task, today = cell.partition("/")[0], int(now // DAY_S)
        with self._lock:
            own = self._cells.get(task)
            if own is None:
                return Ruling(serve=False, threshold=None)
            stated = self._promise.cells[task].at(self._deltas.get(task))
            would_be = stated is not None and score >= stated.threshold
            own.counts[today] = own.counts.get(today, Count()).more(1, int(would_be))
            self._counts[task, today] = self._counts[task, today].more(1, int(would_be))
            threshold = self._watched(task, own, today).threshold
            drawn = None
            if draws(self._share, draw, score, stated):
                drawn = Drawn(task, today, own.counts[today].look_ups, score, self._share, draw)
        serve = drawn is None and threshold is not None and score >= threshold
        return Ruling(serve, threshold, drawn)

    def explain(self, cell: str, score: float, *, now: float) -> Ruling:
        """What `look_up` would rule without the lot; counts nothing."""
        task = cell.partition("/")[0]
        with self._lock:
            own = self._cells.get(task)
            threshold = self._watched(task, own, int(now // DAY_S)).threshold if own is not None else None
        return Ruling(threshold is not None and score >= threshold, threshold)

    def add(self, label: Label) -> Watched | None:
        """Take a label; how its cell stands now, None where the promise names no such cell."""
        with self._lock:
            own = self._cells.get(label.cell)
            if own is None:
                return None
            own.labels.append(label)
            self._labels.append(label)
            own.worked_out = -1
            return self._watched(label.cell, own, label.day)

    def open_at(self, task: str, opened: Opened) -> None:
        """An operator's word, as it was written: labels up to there count no longer."""
        with self._lock:
            own = self._cells.get(task)
            if own is not None:
                own.opened, own.worked_out = opened, -1

    def take_new(self) -> New:
        """What came since this was last asked; whoever takes it writes it."""
        with self._lock:
            new = New(tuple(self._labels), dict(self._counts))
            self._labels, self._counts = [], defaultdict(Count)
            return new

    def rows(self, *, now: float) -> tuple[Row, ...]:
        """The report, by cell."""
        with self._lock:
            seen = {task: Seen(tuple(own.labels), dict(own.counts), own.opened) for task, own in self._cells.items()}
        return report(self._promise, seen, today=int(now // DAY_S), deltas=self._deltas)

    def _watched(self, task: str, own: _Cell, today: int) -> Watched:
        if own.now is None or own.worked_out != today:
            first = first_day(today)
            own.labels = [label for label in own.labels if label.day >= first]
            own.counts = {day: count for day, count in own.counts.items() if day >= first}
            own.now = watch(
                self._promise.cells[task],
                own.labels,
                own.counts,
                today=today,
                delta=self._deltas.get(task),
                opened=own.opened,
            )
            own.worked_out = today
        return own.now
