"""Small-sample statistics, by hand: scipy is too heavy for the node. The tests compare them with published values."""

from __future__ import annotations

import math
from collections.abc import Sequence

from appliance.similar.bounds import binomial_cdf, clopper_pearson_upper

__all__ = ["auc", "binomial_cdf", "clopper_pearson_upper", "wilson"]


def wilson(k: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Two-sided Wilson interval of a rate (Wilson, 1927)."""
    if n == 0:
        return 0.0, 1.0
    p = k / n
    centre = p + z * z / (2 * n)
    spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def auc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """Area under the ROC curve (Mann-Whitney, ties halved); 0.5 where one class is missing."""
    ranked = sorted(range(len(scores)), key=lambda i: scores[i])
    positives = sum(labels)
    negatives = len(labels) - positives
    if not positives or not negatives:
        return 0.5
    rank_sum, i = 0.0, 0
    while i < len(ranked):
        j = i
        while j + 1 < len(ranked) and scores[ranked[j + 1]] == scores[ranked[i]]:
            j += 1
        rank_sum += sum((i + j) / 2 + 1 for index in ranked[i : j + 1] if labels[index])
        i = j + 1
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)
