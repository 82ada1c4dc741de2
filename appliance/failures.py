"""The errors that a decision or the outcomes of its steps stand for, in the caller's words.

Rules kept here:
1. Every reason is named: of each path that was nearest to serving, or of each that was tried. Paths that the caller's
   key does not cover are not named, unless by the caller.
2. Where all failed in one way that the caller can mend, the error says that one.
3. Where the caller names paths, what stands against those comes first, in the message as well.
4. Where policy refuses a request for what was found in it, the message says so.
"""

from __future__ import annotations

from math import ceil

from appliance.errors import (
    AuditUnavailable,
    BadRequest,
    BudgetSpent,
    ContextTooLong,
    NoCapacity,
    NotGoodEnough,
    PolicyRefused,
    PreferenceUnmet,
    StrategyUnmet,
    UnknownModel,
    Unsupported,
    UpstreamFailed,
    WeirError,
)
from appliance.records.decision import Asked, Candidate, Decision, StepOutcome

NOT_PERMITTED = "not-permitted"  # the fault of a call that this node's own policy refuses
_LONGEST_WAIT_S = 3600  # that a caller is told, whatever a server says
_UNCOVERED = "the key does not cover any path that could take this request"
_BY_NAME = ("provider.only", "provider.order")  # what leaves out all that it does not name


def refuse(decision: Decision, asked: Asked | None = None) -> None:
    """Raise the error that a refusal stands for, with every reason; `asked` says where things were stated."""
    if decision.refusal:
        raise _refusal(decision, asked)  # that no local name here holds: it knows this frame


def _refusal(decision: Decision, request: Asked | None) -> WeirError:
    asked = [c for c in decision.candidates if all(r.code not in ("not-named", "modality") for r in c.reasons)]
    named = _named(decision)
    nearest = tuple(dict.fromkeys((*named, *asked))) or decision.candidates
    covered = [c for c in nearest if c in named or all(reason.code != "scope" for reason in c.reasons)]
    details = tuple(f"{c.path}: {reason.text}" for c in covered for reason in c.reasons)
    if not details and any(reason.code == "scope" for c in nearest for reason in c.reasons):
        details = (_uncovered(request),)
    if decision.refusal == "unknown-model":
        words = decision.unmet or "No model of that name is on this node"
        field = "models" if decision.unmet else "model"
        return UnknownModel(f"{words}.", param=field, next_step="GET /v1/models lists them.")
    if decision.refusal == "strategy":
        field = "x-weir-strategy" if request is None or request.labels.strategy else "model"
        return StrategyUnmet(
            f"{decision.unmet}.", param=field, next_step="Leave the strategy out, or name one that fits."
        )
    first = _first(decision, named) + _raised(request, nearest)
    if decision.refusal == "preference":
        return _unmet(decision, first, details)
    if decision.unmet:
        details = (decision.unmet, *details)
    if decision.refusal == "unsupported":
        too_long = any(all(reason.code == "context" for reason in c.reasons) for c in asked)
        kind = ContextTooLong if too_long else Unsupported
        return kind(
            f"No path can serve this request as it is.{first}", details=details, next_step="See error.weir.reasons."
        )
    if decision.refusal == "policy":
        return PolicyRefused(
            f"Policy permits no path for this request.{first}", details=details, next_step="See error.weir.reasons."
        )
    if decision.refusal == "quality":
        return NotGoodEnough(
            "No permitted path meets the quality floor.",
            details=tuple(
                f"{c.path}: P(good) may be as low as {c.estimate.p_good_low:.2f}; the floor is {decision.floor:.2f}"
                for c in asked
                if c.estimate is not None
            ),
            next_step="Without X-Weir-Below-Floor: refuse the node may answer and mark it, if allowed to.",
        )
    if decision.refusal == "budget":
        return BudgetSpent(
            "What is left of the tenant's budget pays for no permitted path.",
            details=details,
            next_step="The node's operator can raise the budget; it begins anew with the next day or month (UTC).",
        )
    return NoCapacity(
        f"No permitted path can take this request now.{first}",
        details=details,
        next_step="Try again shortly.",
        retry_after_s=2,
    )


def _uncovered(request: Asked | None) -> str:
    """Why the key is in the way, without a word of what there is for other keys."""
    scope = None if request is None else request.scope
    if request is not None and scope is not None and scope.modalities and request.kind not in scope.modalities:
        return f"the key does not cover {request.kind} requests"
    return _UNCOVERED


def _named(decision: Decision) -> tuple[Candidate, ...]:
    """The paths that the caller, or the strategy, names; none where any will do."""
    found = [c for c in decision.candidates if all(r.code != "not-named" and r.rule not in _BY_NAME for r in c.reasons)]
    return tuple(found) if len(found) < len(decision.candidates) else ()


def _first(decision: Decision, named: tuple[Candidate, ...]) -> str:
    """What stands against the first path that is named, as a sentence behind another."""
    out = [candidate for candidate in named if not candidate.eligible]
    if not out:
        return ""
    reason = min(out[0].reasons, key=lambda reason: reason.code != decision.refusal)
    return f" Against {out[0].path} stands: {reason.text}."


def _raised(request: Asked | None, nearest: tuple[Candidate, ...]) -> str:
    """Where policy speaks of another classification than the caller gave: that, and why, as a sentence more."""
    change = None if request is None else request.raised
    if request is None or change is None or all(r.code != "policy" for c in nearest for r in c.reasons):
        return ""
    now = request.labels.classification
    return f" The request counts as {now}: raised from {change.given} by {', '.join(change.by)}."


def _unmet(decision: Decision, first: str, details: tuple[str, ...]) -> WeirError:
    reasons = [reason for candidate in decision.candidates for reason in candidate.reasons]
    names = list(dict.fromkeys(reason.rule for reason in reasons if reason.code == "preference"))
    words = decision.unmet or f"No path meets {' and '.join(names)}"
    return PreferenceUnmet(
        f"{words}.{first}",
        param=names[0] if names else "provider",
        details=details,
        next_step="Leave the preference out, or name what is there." if decision.unmet else "See error.weir.reasons.",
    )


def failed(outcomes: tuple[StepOutcome, ...], field: str) -> WeirError:
    """The error of a request whose every step failed, or too many of its calls, with each path's reason. Where none
    did, there was no time to ask anybody. `field` is where its wire has the text.
    """
    bad = [outcome for outcome in outcomes if outcome.status != "answered"]
    if not bad:
        return NoCapacity(
            "The deadline passed before all that the answer needs was asked."
            if outcomes
            else "The deadline passed before any path was asked.",
            next_step="Allow more time: X-Weir-Deadline, in seconds.",
        )
    details = tuple(map(_told, bad))
    faults = {outcome.fault for outcome in bad if outcome.status != "cancelled"}
    if faults == {NOT_PERMITTED}:
        return PolicyRefused(
            "Policy permits no path for a call that the answer is made of.",
            details=details,
            next_step="See error.weir.reasons.",
        )
    if faults == {"context_too_long"}:
        return ContextTooLong(
            "The prompt does not fit into the model's context.",
            param=field,
            details=details,
            next_step="Send less, or name a model that reads more: GET /v1/models states each one's 'context_tokens'.",
        )
    if faults == {"unsupported"}:
        return Unsupported(
            "No path can serve this request as it is.", details=details, next_step="See error.weir.reasons."
        )
    if faults == {"rejected"}:
        return BadRequest(
            "The model's runtime refused the request as invalid.",
            details=details,
            next_step="See error.weir.reasons.",
        )
    if faults == {"policy"}:
        return PolicyRefused(
            "The policy of the node that was asked permits no path for this request.",
            details=details,
            next_step="See error.weir.reasons.",
        )
    if faults == {"quality"}:
        return NotGoodEnough(
            "No permitted path gave an answer that meets the quality floor.",
            details=details,
            next_step="Without X-Weir-Below-Floor: refuse the node may answer and mark it, if allowed to.",
        )
    if faults == {"redaction"}:
        return PolicyRefused(
            "Policy permits this request redacted only, and it cannot be redacted.",
            details=details,
            next_step="See error.weir.reasons; docs/redaction.md says what can be replaced.",
        )
    if faults == {"audit"}:
        return AuditUnavailable(
            "What would leave this node cannot be written down first, so it does not leave.",
            details=details,
            next_step="The node's operator finds the reason with 'weir doctor' and 'weir status'.",
        )
    if faults == {"budget"}:
        return BudgetSpent(
            "What is left of the tenant's budget pays for none of the calls that are left to try.",
            details=details,
            next_step="The node's operator can raise the budget; it begins anew with the next day or month (UTC).",
        )
    if faults == {"overloaded"}:
        return NoCapacity(
            "Every permitted path is busy.",
            details=details,
            next_step="Try again after the seconds of Retry-After.",
            retry_after_s=_wait(outcomes) or 2,
        )
    return UpstreamFailed(
        "Every path that was tried failed."
        if len(bad) == len(outcomes)
        else "Too few of the calls that the answer is made of came to an end.",
        details=details,
        next_step="Try again shortly.",
        retry_after_s=_wait(outcomes),
    )


def _told(outcome: StepOutcome) -> str:
    """Why it is no answer, in words."""
    if outcome.status == "rejected":
        return f"{outcome.path}: its answer was judged too weak"
    if outcome.status == "cancelled":
        return f"{outcome.path}: it was stopped"
    return f"{outcome.path}: {outcome.fault}: {outcome.message}"


def _wait(outcomes: tuple[StepOutcome, ...]) -> int | None:
    """Whole seconds after which the first of those who said so may be asked again."""
    said = [outcome.retry_after_s for outcome in outcomes if outcome.retry_after_s]
    return min(_LONGEST_WAIT_S, ceil(min(said))) if said else None


def broken_off(outcomes: tuple[StepOutcome, ...]) -> WeirError:
    last = outcomes[-1]
    return UpstreamFailed(
        "The path that was answering broke off; what was sent so far is not complete.",
        details=(f"{last.path}: {last.fault}: {last.message}",),
        next_step="Send the request again.",
    )
