"""Money: whole picos (10^-12 of a currency) where it is added up, floats where it is shown or recorded.

Rules kept here:
1. What is added up is added as integers, so that a sum does not depend on the order of its parts and never drifts.
2. The float of an amount is the double nearest to it. Up to 2,000 units of the currency `picos` gives the integer back.
"""

from __future__ import annotations

from collections.abc import Iterable

PICOS = 1_000_000_000_000  # of one unit of the currency


def picos(amount: float) -> int:
    """The amount in picos; of a float that `amount_of` made up to 2,000 units, exactly those."""
    return round(amount * 1e12)


def amount_of(picos: int) -> float:
    """Picos in units of the currency."""
    return picos / PICOS


def total(amounts: Iterable[float]) -> float:
    """The sum of recorded amounts."""
    return amount_of(sum(map(picos, amounts)))
