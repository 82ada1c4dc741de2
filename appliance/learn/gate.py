"""Fit a confidence gate from judged answers. For whoever builds content; a node reads the gate, and fits none.

Rules kept here:
1. Rows are answers to phrasings that the model has not seen; thresholds fitted on seen ones break their promise.
2. Weights are fitted on one half, thresholds certified on the other, so that the certificate is honest.
3. A floor is certified by fixed-sequence testing: from a threshold that the fitting half proposes downwards, go on
   while the Clopper-Pearson upper bound of the error among accepted answers stays within 1 - floor
   (learn-then-test, arXiv 2110.01052). Where nothing passes, the floor is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.decide.generation import Gate, GateCell, GateLevel
from appliance.judge import FEATURES, signal_vector
from appliance.learn.stats import clopper_pearson_upper
from appliance.records.chunks import Signals

FLOORS = (0.99, 0.98, 0.97, 0.96, 0.95, 0.93, 0.9, 0.85, 0.8)
_STEP = 25  # answers added between two tests of the sequence
_CELL_PRIOR = 8.0  # strength of the whole set's figures against a cell's own
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """One judged answer: the cell as the node sees it (the classifier's), and whether it was right."""

    cell: str
    signals: Signals
    right: bool
    cells: tuple[tuple[str, float], ...] = ()  # all that the classifier said; empty: `cell` for certain


def fit_gate(rows: Sequence[Row], *, id: str, model: str, source: str, confidence: float = 0.95) -> Gate:
    """A gate from at least 200 rows. Deterministic: the halves are cut by a hash of the rows."""
    if len(rows) < 200:
        raise ValueError("a gate needs at least 200 judged answers")
    order = sorted(range(len(rows)), key=lambda i: hashlib.sha256(f"{id}:{i}".encode()).digest())
    fit, hold = order[: len(order) // 2], order[len(order) // 2 :]
    x = np.array([signal_vector(row.signals) for row in rows])
    y = np.array([row.right for row in rows], dtype=float)
    mean, scale = x[fit].mean(0), np.maximum(x[fit].std(0), 1e-3)
    cells = sorted({cell for row in rows for cell in (row.cell, *(name for name, _ in row.cells))})
    design = np.hstack([np.ones((len(rows), 1)), (x - mean) / scale, _one_hot(rows, cells)])
    penalty = np.concatenate([[1e-6], np.full(x.shape[1], 1.0), np.full(len(cells), 0.5)])
    beta = _logistic(design[fit], y[fit], penalty)
    p = 1.0 / (1.0 + np.exp(-np.clip(design @ beta, -60, 60)))
    starts = {floor: safest_score(p[fit], y[fit], floor, confidence) for floor in FLOORS}
    levels = _levels([rows[i] for i in hold], p[hold], y[hold], starts, confidence)
    width = x.shape[1]
    return Gate(
        id=id,
        model=model,
        features=FEATURES,
        mean=_rounded(mean),
        scale=_rounded(scale),
        weights=_rounded(beta[1 : 1 + width]),
        bias=float(round(beta[0], 6)),
        task_bias={cell: float(round(b, 6)) for cell, b in zip(cells, beta[1 + width :], strict=True)},
        levels=tuple(levels),
        rows=len(rows),
        source=source,
    )


def _rounded(values: Array) -> tuple[float, ...]:
    return tuple(float(round(v, 6)) for v in values)


def _one_hot(rows: Sequence[Row], cells: Sequence[str]) -> Array:
    at = {cell: i for i, cell in enumerate(cells)}
    matrix = np.zeros((len(rows), len(cells)))
    for i, row in enumerate(rows):
        for cell, share in row.cells or ((row.cell, 1.0),):
            matrix[i, at[cell]] += share
    return matrix


def _logistic(x: Array, y: Array, penalty: Array) -> Array:
    """Ridge-penalised logistic regression by Newton's method."""
    beta = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ beta, -60, 60)))
        gradient = x.T @ (y - p) - penalty * beta
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        beta = beta + np.clip(step, -5, 5)
        if float(np.abs(step).max()) < 1e-8:
            break
    return np.asarray(beta)


def _levels(rows: Sequence[Row], p: Array, y: Array, starts: dict[float, float], confidence: float) -> list[GateLevel]:
    order = np.argsort(-p, kind="stable")
    levels = []
    for floor in FLOORS:
        threshold = certified_threshold(p[order], y[order], floor, confidence, start=starts[floor])
        if threshold is not None:
            levels.append(_level(rows, p, y, floor, threshold))
    return levels


def _fewest(floor: float, confidence: float) -> int:
    """Fewer answers cannot pass, even without an error."""
    return int(np.ceil(np.log(1.0 - confidence) / np.log(floor)))


def safest_score(p: Array, y: Array, floor: float, confidence: float = 0.95) -> float:
    """The score above which the fitting half's error bound is least: where the sequence may well begin.

    Strictest is not safest: among the few dozen most confident answers one that is wrong by chance ends everything.
    """
    order = np.argsort(-p, kind="stable")
    counts = range(_fewest(floor, confidence), len(p) + 1, _STEP)
    wrong = np.cumsum(1.0 - y[order])
    best = min(counts, key=lambda n: clopper_pearson_upper(int(wrong[n - 1]), n, confidence), default=1)
    return float(p[order][best - 1])


def certified_threshold(
    p: Array, y: Array, floor: float, confidence: float = 0.95, *, start: float = 1.0
) -> float | None:
    """The loosest threshold that passes the fixed sequence, or None. `p` sorted downwards, `y` beside it.

    The sequence begins at the score `start`, which must not come from these answers, and goes down from there.
    """
    best: float | None = None
    first = max(_fewest(floor, confidence), int((p >= start).sum()))
    for wanted in range(first, len(p) + 1, _STEP):
        accepted = int((p >= p[wanted - 1]).sum())  # a threshold cannot part equal scores
        wrong = int(accepted - y[:accepted].sum())
        if clopper_pearson_upper(wrong, accepted, confidence) > 1.0 - floor:
            break
        best = float(p[accepted - 1])
    return best


def _level(rows: Sequence[Row], p: Array, y: Array, floor: float, threshold: float) -> GateLevel:
    taken = p >= threshold
    accept, right = float(taken.mean()), float(y[taken].mean())
    cells: dict[str, GateCell] = {}
    for cell in sorted({row.cell for row in rows}):
        here = np.array([row.cell == cell for row in rows])
        n, k = int(here.sum()), int((here & taken).sum())
        a = (k + _CELL_PRIOR * accept) / (n + _CELL_PRIOR)
        r = (float(y[here & taken].sum()) + _CELL_PRIOR * right) / (k + _CELL_PRIOR)
        cells[cell] = GateCell(accept=round(a, 4), right=round(r, 4), n=n)
    # Rounded down, so that the written threshold accepts what the certified one accepts.
    return GateLevel(
        floor=floor,
        threshold=np.floor(threshold * 1e6) / 1e6,
        accept=round(accept, 4),
        right=round(right, 4),
        cells=cells,
    )
