"""Examining a medium in a child process, for the node that watches for media (`appliance.bundle.discover`).

Rules kept here:
1. The child gets none of the node's environment but what finds programs: secrets may be in there.
2. What it answers is input from outside; an answer that is none is no verdict.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from pydantic import ValidationError

from appliance.bundle.discover import EXAMINE_S, MAX_BUNDLES, Examine, Found, unexamined
from appliance.config import Config
from appliance.doctor.child import ask, command

_NAME = "medium"
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")


def surroundings() -> dict[str, str]:
    """The child's environment. Landlock holds a process of one thread, and numpy's library would start more."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "OPENBLAS_NUM_THREADS": "1"}


def examiner(config: Config) -> Examine:
    """How this node has a place examined. May block for EXAMINE_S."""
    rules = config.bundles
    argument = {
        "state_dir": str(config.state_dir),
        "freshness": rules.freshness,
        "max_age_days": rules.max_age_days,
        "clock_trusted": rules.clock_trusted,
        "unconfined": config.paths.unconfined_workers,
    }

    def examine(place: str) -> Sequence[Found]:
        answer = ask(_NAME, {**argument, "place": place}, timeout_s=EXAMINE_S, env=surroundings())
        found = answer.value.get("found")
        if answer.ok and isinstance(found, list):
            try:
                return [Found.model_validate(each) for each in found[: MAX_BUNDLES + 1]]
            except ValidationError:
                return [unexamined(place, "the examining process answered nonsense")]
        return [unexamined(place, f"the examining process {answer.problem or 'answered nonsense'}")]

    return examine


def is_examiner(executable: object, arguments: Sequence[object]) -> bool:
    """Whether a child process that is about to start is such a one, and no other; for the node's audit hook."""
    head = [*command(), "probe", _NAME]
    return executable == head[0] and list(arguments[: len(head)]) == head
