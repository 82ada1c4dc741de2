"""What each tenant has in work, has used and has left: asked before a request is taken, told after it ended.

Rules kept here:
1. A limit is looked at before the work that it limits: rates before a body is read, places before anything is decided,
   budgets within the decision.
2. The most that a request may cost is set aside while it is in work, so that many at once do not spend the same money
   twice: what is spent and what is set aside are never more than a budget, unless a provider charges more than can be.
3. Who is alone may use nearly all of the node; from half of it on, each tenant at work has its share by weight.
4. A tenant whose settings change keeps what it has used.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import structlog

from appliance.errors import NoCapacity, RateLimited
from appliance.records.money import amount_of, picos
from appliance.records.request import LOCAL, Labels
from appliance.records.tenant import Scope, Tenant
from appliance.tenancy.budget import Spending, Spent, resets_in
from appliance.tenancy.limits import Bucket

log = structlog.get_logger("weir.tenants")
_MOST_ALONE = 0.75  # of the places, for one tenant while others exist
_CONTENDED = 0.5  # share of the places in use from which on shares by weight hold
_TOLD_EVERY_S = 60.0
_ONE_AND_LOCAL = 2  # accounts, where there is nobody to share with


class Account:
    """One tenant at run time. `tenant` None: whoever is on this host, without limits."""

    def __init__(self, tenant: Tenant | None, spending: Spending, clock: Callable[[], float]) -> None:
        self.name = LOCAL if tenant is None else tenant.name
        self.tenant = tenant
        self.active = 0
        self.arriving = 0  # bytes of bodies that are on their way
        self.spending = spending
        self.alerts: frozenset[str] = frozenset()  # budgets whose alert was given: 'day 2026-11-21'
        self._clock = clock
        self.set_aside = 0  # picos
        self._told = -math.inf  # when a refusal for a rate last left a record
        self._requests: Bucket | None = None
        self._tokens: Bucket | None = None
        self.labels: dict[tuple[str, Labels], Labels] = {}  # by generation and what was stated
        self.resize(tenant)

    def resize(self, tenant: Tenant | None) -> None:
        """Take over other settings."""
        now = self._clock()
        self.tenant = tenant
        self.labels.clear()
        self._requests = _bucket(self._requests, None if tenant is None else tenant.requests_per_minute, now)
        self._tokens = _bucket(self._tokens, None if tenant is None else tenant.tokens_per_minute, now)

    @property
    def scope(self) -> Scope | None:
        return None if self.tenant is None else self.tenant.scope

    @property
    def weight(self) -> int:
        return 2 if self.tenant is None else self.tenant.weight

    # ---- rates ----------------------------------------------------------------------------------------------

    def admit(self) -> None:
        """Count one request. Raises RateLimited where none is left, or where tokens are overdrawn."""
        if self._requests is None and self._tokens is None:
            return
        now = self._clock()
        if self._tokens is not None and (wait := self._tokens.wait(now)) > 0:
            raise _limited("tokens", self._tokens.per_minute, wait)
        if self._requests is not None:
            if (wait := self._requests.wait(now)) > 0:
                raise _limited("requests", self._requests.per_minute, wait)
            self._requests.take(now)

    def tells(self) -> bool:
        """Whether a refusal for a rate leaves a record: one a minute does, so that who floods fills no disk."""
        now = self._clock()
        if now - self._told < _TOLD_EVERY_S:
            return False
        self._told = now
        return True

    def use_tokens(self, amount: int) -> None:
        """Count tokens, or give back a negative number of them."""
        if self._tokens is not None and amount:
            self._tokens.take(self._clock(), amount)

    # ---- money ----------------------------------------------------------------------------------------------

    def left(self, now: float) -> float | None:
        """What is left of the tighter budget, less what is set aside; None without one. Never below 0."""
        left = self._left(now)
        return None if left is None else amount_of(max(0, left))

    def _left(self, now: float) -> int | None:
        """The same in picos, and below 0 where more was spent than there was."""
        tenant = self.tenant
        if tenant is None or (tenant.budget_day is None and tenant.budget_month is None):
            return None
        spent = ((tenant.budget_day, self.spending.today), (tenant.budget_month, self.spending.month))
        return min([picos(budget) - used(now).picos for budget, used in spent if budget is not None]) - self.set_aside

    def take(self, amount: int, now: float) -> bool:
        """Set so many picos aside; False where they are not left. Whoever takes them adds them to `set_aside` again
        with the sign changed."""
        left = self._left(now)
        if left is not None and amount > left:
            return False
        self.set_aside += amount
        return True

    def resets_in(self, now: float) -> int:
        """Seconds until the budget that is tighter now begins anew."""
        tenant = self.tenant
        assert tenant is not None, "only tenants have budgets"
        day = _minus(tenant.budget_day, self.spending.today(now).cost)
        month = _minus(tenant.budget_month, self.spending.month(now).cost)
        return resets_in(now, month=month <= day)

    def used(self, now: float, spent: Spent) -> str:
        """Count what a request used; returns the UTC day. Gives the alert of a budget once for each period."""
        day = self.spending.add(now, spent)
        tenant = self.tenant
        if tenant is not None and spent.picos > 0:
            self._alert("day", day, tenant.budget_day, self.spending.today(now).cost)
            self._alert("month", day[:7], tenant.budget_month, self.spending.month(now).cost)
        return day

    def _alert(self, period: str, which: str, budget: float | None, cost: float) -> None:
        tenant = self.tenant
        if budget is None or tenant is None or cost < tenant.budget_alert * budget:
            return
        name = f"{period} {which}" + (" spent" if cost >= budget else "")
        if name not in self.alerts:
            self.alerts |= {name}
            log.warning("budget", tenant=self.name, period=period, spent=round(cost, 6), budget=budget)

    def warnings(self, now: float) -> list[str]:
        """What operators should know of its budgets."""
        tenant, found = self.tenant, []
        if tenant is not None:
            for period, budget, cost in (
                ("day", tenant.budget_day, self.spending.today(now).cost),
                ("month", tenant.budget_month, self.spending.month(now).cost),
            ):
                if budget is not None and cost >= budget:
                    found.append(f"tenant {self.name}: its budget of the {period} is spent")
                elif budget is not None and cost >= tenant.budget_alert * budget:
                    found.append(f"tenant {self.name}: {cost / budget:.0%} of its budget of the {period} is spent")
        return found


class Unwritten(NamedTuple):
    """Use by tenant and UTC day, and the ids of what is set aside on disk no longer."""

    spent: dict[tuple[str, str], Spent]
    settled: list[str]


class Accounts:
    """The accounts of all tenants, and of whoever is on this host. `places`: requests in work at once."""

    def __init__(self, places: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.active = 0
        self._places = places
        self._clock = clock
        self.local = Account(None, Spending(), clock)
        self._by_name: dict[str, Account] = {LOCAL: self.local}
        self._lock = threading.Lock()
        self._dirty: dict[tuple[str, str], Spent] = {}
        self._settled: list[str] = []

    def of(self, name: str) -> Account:
        """The account of a tenant that a key was accepted for."""
        return self._by_name[name]

    def take_over(self, tenants: Mapping[str, Tenant], spent: Mapping[str, dict[str, Spent]]) -> None:
        """Other settings; `spent` by tenant and UTC day counts for tenants that were not known before."""
        for name, tenant in tenants.items():
            known = self._by_name.get(name)
            if known is None:
                self._by_name[name] = Account(tenant, Spending(spent.get(name)), self._clock)
            elif known.tenant != tenant:
                known.resize(tenant)

    # ---- places ---------------------------------------------------------------------------------------------

    def enter(self, account: Account) -> None:
        """Give a request its place. Raises NoCapacity where the node, or the tenant's part of it, is full."""
        refusal = self.full_for(account)
        if refusal is not None:
            raise refusal
        self.active += 1
        account.active += 1

    def leave(self, account: Account) -> None:
        self.active -= 1
        account.active -= 1

    def full_for(self, account: Account) -> NoCapacity | None:
        """What `enter` would refuse with now; None where there is a place."""
        tenant = account.tenant
        if self.active >= self._places:
            what = "The node has as many requests in work as it takes."
        elif tenant is not None and tenant.concurrent is not None and account.active >= tenant.concurrent:
            what = f"The key's tenant has {account.active} requests in work, which is its limit."
            return RateLimited(what, next_step="Try again when one has ended.", retry_after_s=1)
        elif len(self._by_name) > _ONE_AND_LOCAL and account.active >= self._most(account):
            what = "The node is busy, and the key's tenant has its share of it in work."
        else:
            return None
        return NoCapacity(what, next_step="Try again shortly.", retry_after_s=1)

    def _most(self, account: Account) -> int:
        """How many places a tenant may have now."""
        alone = max(1, int(self._places * _MOST_ALONE))
        if self.active < self._places * _CONTENDED:
            return alone
        weights = sum(one.weight for one in self._by_name.values() if one.active or one is account)
        return min(alone, max(1, math.ceil(self._places * account.weight / weights)))

    # ---- use ------------------------------------------------------------------------------------------------

    def used(self, name: str, now: float, spent: Spent, settled: Sequence[str] = ()) -> None:
        """Count what a request came to; `settled` are ids of what was set aside for it, where that is on disk."""
        account = self._by_name.get(name)
        if account is None:
            return
        key = (name, account.used(now, spent))
        with self._lock:
            self._dirty[key] = self._dirty.get(key, Spent()).plus(spent)
            self._settled += settled

    @property
    def unwritten(self) -> bool:
        """Whether there is use that `take_unwritten` has not handed out."""
        return bool(self._dirty)

    def take_unwritten(self) -> Unwritten:
        """All use since this was called last, to be written down. For any thread."""
        with self._lock:
            taken = Unwritten(self._dirty, self._settled)
            self._dirty, self._settled = {}, []
        return taken

    def give_back_unwritten(self, taken: Unwritten) -> None:
        """What was taken could not be written. For any thread."""
        with self._lock:
            for key, spent in taken.spent.items():
                self._dirty[key] = self._dirty.get(key, Spent()).plus(spent)
            self._settled += taken.settled

    def warnings(self, now: float) -> list[str]:
        return [warning for account in self._by_name.values() for warning in account.warnings(now)]


def _minus(budget: float | None, spent: float) -> float:
    return math.inf if budget is None else budget - spent


def _bucket(old: Bucket | None, per_minute: int | None, now: float) -> Bucket | None:
    if per_minute is None:
        return None
    return Bucket(per_minute, now) if old is None else old.resized(per_minute, now)


def _limited(what: str, per_minute: int, wait: float) -> RateLimited:
    return RateLimited(
        f"The key's tenant may use {per_minute} {what} a minute, and has.",
        next_step="Try again after the time in Retry-After.",
        retry_after_s=math.ceil(wait),
    )
