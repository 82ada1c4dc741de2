"""What a request whose every step failed is told: a code, and what to do next."""

from __future__ import annotations

import pytest

from appliance.failures import failed
from appliance.records.decision import StepOutcome

FAULTS = {
    "context_too_long": "context_length_exceeded",
    "unsupported": "unsupported_parameter",
    "rejected": "invalid_request",
    "policy": "policy_refused",
    "quality": "below_quality_floor",
    "redaction": "policy_refused",
    "audit": "audit_unavailable",
    "budget": "budget_exceeded",
    "overloaded": "no_capacity",
    "unavailable": "all_paths_failed",
    "not-permitted": "policy_refused",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_failure_says_what_to_do_next(fault: str) -> None:
    error = failed((StepOutcome("site/one", "failed", fault=fault, message="It said no."),), "input")
    assert (error.code, error.details) == (FAULTS[fault], (f"site/one: {fault}: It said no.",))
    assert error.next_step
    # Only a text that is too long is of one field, whichever the caller's wire has it in.
    assert error.param == ("input" if fault == "context_too_long" else None)
