"""Whether one path is asked again, and when. Pure: chance and the clock are the caller's.

Waits double and are drawn between a half and all of what they came to ("equal jitter": Brooker, Exponential Backoff And
Jitter, AWS 2015), so that those who failed together do not come again together.

Rules kept here:
1. Only what may pass is tried again; what would fail the same way is not. A refused key may be another member's good
   one.
2. A call that may have done work is not paid for twice while another path could answer; nor is one that takes longer
   than its clock, where nothing of its answer comes before all of it.
3. A server's Retry-After is waited for in full or, where that is longer than there is patience or time, not at all.
"""

from __future__ import annotations

from appliance.decide.failing import Retries
from appliance.paths.contract import PathError, PathFault

_MAY_PASS: frozenset[PathFault] = frozenset({"unavailable", "timeout", "overloaded", "broken_stream"})


def again_in(
    error: PathError,
    limits: Retries,
    *,
    tried: int,
    others: bool,
    spare: bool,
    whole: bool,
    left_s: float | None,
    draw: float,
) -> float | None:
    """Seconds until the path is asked again, after `tried` attempts, the last of which ended in `error`; None: not.

    `others`: another path could answer. `spare`: the path has a member that was not asked yet. `whole`: the answer
    was to come in one piece. `left_s` until the caller's deadline. `draw` is uniform in [0, 1).
    """
    if error.fault == "auth":  # it did no work, whatever was sent
        if not spare:
            return None
    elif error.fault not in _MAY_PASS or (error.sent and (others or (whole and error.fault == "timeout"))):
        return None
    if tried >= (limits.beside_others if others else limits.alone):
        return None
    if spare:
        wait = 0.0
    else:
        longest = limits.patience_s if others else limits.longest_wait_s
        doubled = min(limits.first_wait_s * 2.0 ** (tried - 1), longest)
        wait = max(doubled * (0.5 + 0.5 * draw), error.retry_after_s or 0.0)
        if wait > longest:
            return None
    return wait if left_s is None or wait < left_s else None
