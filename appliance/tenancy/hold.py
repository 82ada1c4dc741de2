"""Money that is set aside for one request: what its plan may cost at most, and more where more is tried.

Rules kept here:
1. No call begins unless what it may cost at most is set aside, beside what the request's other calls cost or may cost.
2. What a call turned out to cost less is there for the request's next call; all that is over is let go at its end.

Not locked: for the event loop alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from appliance.records.money import picos
from appliance.tenancy.accounts import Account


class Hold:
    """Made by `held`. `begins` before each call, `ends` after it; `release` once, when its costs were counted as spent.

    `amount` in picos. `written` is done when it is on disk, or cannot be; None where it is not to be. `grown` is called
    whenever the amount was raised.
    """

    __slots__ = ("_account", "_at_risk", "_now", "_spent", "amount", "grown", "id", "written")

    def __init__(self, account: Account, id: str, amount: int, now: float) -> None:
        self.id = id
        self.amount = amount
        self.written: asyncio.Future[None] | None = None
        self.grown: Callable[[Hold], object] | None = None
        self._account = account
        self._now = now  # of the request, whose day and month pay
        self._at_risk = 0
        self._spent = 0

    def begins(self, most: int) -> bool:
        """Whether a call may begin that costs so many picos at most: they are set aside, now at the latest."""
        lacking = self._spent + self._at_risk + most - self.amount
        if lacking > 0:
            if not self._account.take(lacking, self._now):
                return False
            self.amount += lacking
            if self.grown is not None:
                self.grown(self)
        self._at_risk += most
        return True

    def ends(self, most: int, cost: float) -> None:
        """A call that began with this most has ended and cost this much."""
        self._at_risk -= most
        self._spent += picos(cost)

    def release(self) -> None:
        """Let go of all of it."""
        self._account.set_aside -= self.amount
        self.amount = 0


def held(account: Account, id: str, plan: float, now: float) -> Hold:
    """Set aside what a plan may cost at most. Where that is not left (it was, when it was decided), none of its calls
    begins that is not paid for.
    """
    amount = picos(plan)
    return Hold(account, id, amount if account.take(amount, now) else 0, now)
