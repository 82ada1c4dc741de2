"""How old a bundle may be, judged without a clock that anybody need trust: pure functions of signed times and floors.

Rules kept here:
1. The floor F is the latest of the program's build time and every accepted issue time; no local clock moves it.
2. The time T at which expiry is judged is the later of the clock and F where the operator trusts the clock, else F.
   Whatever the bundle itself states as its issue time counts as well: T is at least that.
3. `strict`: every expiry holds. `airgap`: where only timestamp or snapshot have expired, taking the bundle needs an
   acknowledgement, and within `max_age` only. Root, targets and delegated roles always hold.
4. A bundle issued before F is refused in both.
5. Versions and floors keep old bundles out (`trust`); times only say how old the newest one is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from appliance.bundle.refusal import BundleRefused
from appliance.bundle.trust import Trusted

Mode = Literal["strict", "airgap"]

# No bundle of this form was signed earlier; a packaged program has its own, later time.
FORM_SINCE = datetime(2026, 10, 1, tzinfo=UTC)
MAX_AGE = timedelta(days=180)
_WAITED_FOR = ("timestamp", "snapshot")  # what couriers may be late with


@dataclass(frozen=True)
class Moment:
    """When a bundle is judged. `clock` is the local clock read once, in UTC; `trusted` says that it counts."""

    clock: datetime
    trusted: bool = False
    built: datetime = FORM_SINCE


@dataclass(frozen=True)
class Freshness:
    """How a bundle stands in time. `age` is T less the issue time; `expired` names roles that have expired at T."""

    floor: datetime
    time: datetime
    issued: datetime
    age: timedelta
    expired: tuple[str, ...]
    acknowledged: bool


def floor(built: datetime, issued: int) -> datetime:
    """F. `issued` is the newest accepted issue time in seconds since 1970."""
    return max(built, datetime.fromtimestamp(issued, UTC))


def judge(
    bundle: Trusted, moment: Moment, mode: Mode, *, acknowledged: bool = False, max_age: timedelta = MAX_AGE
) -> Freshness:
    """Whether the bundle is fresh enough. Raises BundleRefused, with the reason that stands first.

    `acknowledged` counts only where an acknowledgement is what is missing; the result says whether it was needed.
    """
    low = floor(moment.built, bundle.before.issued)
    if bundle.issued < low:
        raise BundleRefused(
            "issued_too_early", f"The bundle was signed at {bundle.issued:{_FORM}}, before {low:{_FORM}}."
        )
    time = max(moment.clock, bundle.issued) if moment.trusted else bundle.issued
    expired = tuple(role.name for role in bundle.roles if time >= role.expires)
    found = Freshness(low, time, bundle.issued, time - bundle.issued, expired, acknowledged=False)
    if "root" in expired:
        raise BundleRefused("expired_root", f"Root {bundle.role['root'].version} expired before {time:{_FORM}}.")
    hard = [name for name in expired if mode == "strict" or name not in _WAITED_FOR]
    if hard:
        raise BundleRefused("expired", f"At {time:{_FORM}} these have expired: {', '.join(hard)}.")
    if mode == "airgap" and found.age > max_age:
        raise BundleRefused("too_old", f"The bundle was signed {found.age.days} days ago; {max_age.days} are allowed.")
    if expired and not acknowledged:
        raise BundleRefused(
            "needs_acknowledgement",
            f"{' and '.join(expired).capitalize()} expired before {time:{_FORM}}; "
            f"the bundle is {found.age.days} days old.",
        )
    return Freshness(low, time, bundle.issued, found.age, expired, acknowledged=bool(expired))


_FORM = "%Y-%m-%d %H:%M UTC"
