"""Exact bounds of small rates, from the standard library alone; the tests compare them with published values.

Rules kept here:
1. A bound is one-sided and never below the rate that was seen.
2. It holds for a number of observations that was fixed beforehand; what is looked at at any time is in `watch`.
"""

from __future__ import annotations

import math
from functools import lru_cache


def binomial_cdf(k: int, n: int, p: float) -> float:
    """P(X <= k) for X ~ Binomial(n, p)."""
    if k >= n or p <= 0.0:
        return 1.0
    if k < 0 or p >= 1.0:
        return 0.0
    log_p, log_q = math.log(p), math.log1p(-p)
    terms = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * log_p + (n - i) * log_q
        for i in range(k + 1)
    ]
    top = max(terms)
    return min(1.0, math.exp(top) * math.fsum(math.exp(t - top) for t in terms))


@lru_cache(maxsize=4096)  # a sequence of thresholds asks for the same counts again and again
def clopper_pearson_upper(k: int, n: int, confidence: float = 0.95) -> float:
    """One-sided upper confidence bound of a rate after k of n (Clopper and Pearson, 1934)."""
    if n <= 0 or k >= n:
        return 1.0
    low, high, alpha = k / n, 1.0, 1.0 - confidence
    for _ in range(60):
        middle = (low + high) / 2
        if binomial_cdf(k, n, middle) > alpha:
            low = middle
        else:
            high = middle
    return high
