"""Doctor: named checks of the host, the content and the node, each with what was seen and what to do.

Rules kept here:
1. A check passes, warns, fails or is skipped; one that cannot be carried out is skipped with the reason.
2. A check changes nothing. What may crash, hang or load a model runs in a child process (`probes`).
3. A check that breaks is itself a failure with a sentence, and never hides the others.
"""

from __future__ import annotations

from collections.abc import Callable

from appliance.doctor import content, door, host, network, runtimes, state
from appliance.doctor.check import Check, Result, Subject, Verdict, examine_all, verdict

__all__ = ["CHECKS", "Check", "Result", "Subject", "Verdict", "examine", "verdict"]

CHECKS: dict[str, Check] = {
    check.name: check for module in (host, state, content, runtimes, network, door) for check in module.CHECKS
}


def examine(
    subject: Subject, names: list[str] | None = None, told: Callable[[Result], object] = lambda _: None
) -> list[Result]:
    """Runs the named checks (all of them by default) in parallel; results in the order of the names.

    `told` has each as soon as its check has ended.
    """
    return examine_all([CHECKS[name] for name in (names if names is not None else CHECKS)], subject, told)
