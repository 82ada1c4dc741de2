"""What is known of a path's upstream: its members, the breaker of each, and which of them a call goes to.

A path whose card names several addresses or keys is one pool; any other upstream is a pool of one.

Rules kept here:
1. A call goes to the member that has least in work for its weight, of those whose breaker lets it through; first to
   one that this step did not ask yet.
2. A member that asked to wait is left alone until then; the others are not.
3. What the caller's own deadline, or his request, brought about is not held against a server.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field

import structlog

from appliance.breaker import Breaker, State
from appliance.decide.failing import Breaking
from appliance.load import FRESH_S, Load
from appliance.paths.contract import PathError, PathFault
from appliance.records.card import ModelCard

log = structlog.get_logger("weir.upstreams")
# What another call would probably meet as well. The rest is of the request, or of this host.
_OF_THE_SERVER: frozenset[PathFault] = frozenset({"unavailable", "timeout", "auth", "broken_stream", "internal"})


@dataclass(slots=True)
class PoolMember:
    """One address and key. `busy` counts calls in work, `load` is what its server said of itself at `load_at`."""

    name: str
    weight: float
    room: int
    breaker: Breaker
    busy: int = 0
    load: Load | None = None
    load_at: float = 0.0

    def note_load(self, load: Load | None, at: float) -> None:
        """What its server said of itself; None: nothing, so what it said before goes on to age."""
        if load is not None:
            self.load, self.load_at = load, at

    def waiting(self, now: float) -> int:
        """Requests in its server's queue, as far as that is known and fresh."""
        return self.load.waiting if self.load is not None and now - self.load_at <= FRESH_S else 0


@dataclass(slots=True)
class Call:
    """One call to one member, from `Upstream.enter` to exactly one of `answered`, `failed`, `outlasted`,
    `given_up`."""

    upstream: Upstream
    index: int
    epoch: int
    open: bool = field(default=True)

    def answered(self, first_token_s: float | None, prompt_tokens: int) -> None:
        """It gave an answer, its first token after so long; None: that says nothing of its speed."""
        upstream = self.upstream
        limit = upstream.slow_after(prompt_tokens)
        slow = limit is not None and first_token_s is not None and first_token_s > limit
        member = self._end()
        member.breaker.answered(self.epoch, slow=slow)
        upstream.tell(member)

    def failed(self, error: PathError, *, late: bool) -> None:
        """It failed; `late`: the caller's own deadline had passed."""
        member = self._end()
        if error.retry_after_s and error.fault in ("overloaded", "unavailable"):
            member.breaker.pause(error.retry_after_s)
        if error.fault in _OF_THE_SERVER and not late:
            member.breaker.failed(self.epoch, connecting=error.fault in ("unavailable", "timeout") and not error.sent)
        else:
            member.breaker.given_up(self.epoch)
        self.upstream.tell(member)

    def outlasted(self, silent_s: float, prompt_tokens: int) -> None:
        """It was stopped because another spoke first; its own first token would have taken longer than this."""
        limit = self.upstream.slow_after(prompt_tokens)
        slow = limit is not None and silent_s > limit
        member = self._end()
        member.breaker.outlasted(self.epoch, slow=slow)
        self.upstream.tell(member)

    def given_up(self) -> None:
        """It ended before anything was known of the server."""
        if self.open:
            self._end().breaker.given_up(self.epoch)

    def _end(self) -> PoolMember:
        member = self.upstream.members[self.index]
        if self.open:
            self.open = False
            member.busy -= 1
        return member


class Upstream:
    """One path's. `clock` in seconds, never backwards."""

    __slots__ = ("_clock", "_slow_base", "_slow_rate", "_states", "members", "name", "used_at")

    def __init__(self, card: ModelCard, limits: Breaking, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ValueError for a card without an endpoint."""
        if card.endpoint is None:
            raise ValueError("what has no endpoint has no upstream")
        self.name = card.id
        self._clock = clock
        self.used_at = -math.inf  # by the clock
        weights = [one.weight for one in card.endpoint.members] or [1.0]
        self.members = tuple(
            PoolMember(name, weight, card.endpoint.max_concurrent, Breaker(limits, clock))
            for name, weight in zip(card.endpoint.names, weights, strict=True)
        )
        self._states: list[State] = ["closed"] * len(self.members)
        speed, factor = card.speed, limits.slow_factor
        self._slow_base = factor * speed.first_token_p95_s if factor else None
        self._slow_rate = factor / speed.prefill_tokens_per_s

    def slow_after(self, prompt_tokens: int) -> float | None:
        """Seconds after which a first token is too late; None: never."""
        return None if self._slow_base is None else self._slow_base + prompt_tokens * self._slow_rate

    def refuses(self) -> str:
        """Why no member takes a call now; '' where one does."""
        why = ""
        for member in self.members:
            said = member.breaker.refuses()
            if not said:
                return ""
            why = why or said
        return why

    @property
    def lagging(self) -> bool:
        """Whether any member was found slow."""
        return any(member.breaker.lagging for member in self.members)

    def lags(self) -> str:
        """Why another path should be asked first: every member that takes a call is slow. '' where nothing speaks for
        that.
        """
        why = ""
        for member in self.members:
            if not member.breaker.refuses():
                why = member.breaker.lags()
                if not why:
                    return ""
        return why

    def wait_s(self) -> float:
        """Seconds until one takes a call."""
        return min(member.breaker.wait_s() for member in self.members)

    def waiting(self) -> int:
        """Requests in the queues of its servers, as they say themselves."""
        if all(member.load is None for member in self.members):
            return 0
        now = self._clock()
        return sum(member.waiting(now) for member in self.members)

    def room(self) -> int:
        """Calls that the members have in work or take now. Where none takes any, it is as if all did: who comes is told
        so at once.
        """
        left = sum(one.breaker.passes(max(0, one.room - one.busy)) for one in self.members)
        if not left and self.refuses():
            return sum(one.room for one in self.members)
        return max(1, left + sum(one.busy for one in self.members))

    def full(self) -> bool:
        """Whether it is only places that are wanting."""
        return len(self.members) > 1 and not self.another(()) and not self.refuses()

    def another(self, asked: Collection[int]) -> bool:
        """Whether a member takes a call now that was not `asked` yet."""
        members = enumerate(self.members)
        return any(index not in asked and not one.breaker.refuses() and one.busy < one.room for index, one in members)

    def enter(self, asked: Collection[int] = ()) -> Call:
        """Make a call, to one that was not `asked` yet where there is one. Raises PathError where none takes it."""
        members = self.members
        if len(members) == 1:
            index = 0
            if members[0].breaker.refuses():
                raise self._refused()
        else:
            takes = [k for k, one in enumerate(members) if one.busy < one.room and not one.breaker.refuses()]
            if not takes:
                raise self._refused()
            now = self._clock()
            loads = [(one.busy + one.waiting(now) + 1) / one.weight for one in members]
            index = min(takes, key=lambda k: (k in asked, bool(members[k].breaker.lags()), loads[k], k))
        member = members[index]
        self.used_at = self._clock()
        member.busy += 1
        call = Call(self, index, member.breaker.enter())
        self.tell(member)
        return call

    def _refused(self) -> PathError:
        why = self.refuses()
        if not why:
            return PathError("overloaded", "Every place at every member of the path is taken.", sent=False)
        return PathError("unavailable", f"Not asked: {why}.", retry_after_s=self.wait_s(), sent=False)

    def tell(self, member: PoolMember) -> None:
        """Log where a breaker changed."""
        index = self.members.index(member) if len(self.members) > 1 else 0
        state = member.breaker.state
        if state != self._states[index]:
            self._states[index] = state
            say = log.warning if state == "open" else log.info
            say("breaker", path=self.name, member=member.name, state=state, why=member.breaker.why)

    def told(self) -> list[dict[str, object]]:
        """The members as operators are told of them."""
        return [
            {
                "name": one.name,
                "busy": one.busy,
                "breaker": one.breaker.state,
                "reason": one.breaker.refuses() or one.breaker.lags(),
                "opened": one.breaker.openings,
                "closed": one.breaker.closings,
                "load": asdict(one.load) if one.load is not None else None,
            }
            for one in self.members
        ]
