"""The one error tree: every error has a stable code, an HTTP status, a kind and a next step.

Rules kept here:
1. An error's message never contains a prompt, an answer, another caller's text, a secret or a traceback.
2. The wire shape is OpenAI's `{"error": {message, type, param, code}}` plus `weir`, pinned by a test.
3. `kind` tells a caller in one word what stood in the way: policy, capacity, quality, bad_request, or internal.

It does not format Anthropic's dialect; that belongs to the wire that speaks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Kind = Literal["policy", "capacity", "quality", "bad_request", "internal"]

# OpenAI's `type` for each kind, so that SDKs raise the exception class that their users expect.
_OPENAI_TYPE: dict[Kind, str] = {
    "policy": "permission_error",
    "capacity": "server_error",
    "quality": "server_error",
    "bad_request": "invalid_request_error",
    "internal": "server_error",
}


_TOO_MANY = 429


class WeirError(Exception):
    """Base of everything that Weir raises on purpose."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    kind: ClassVar[Kind] = "internal"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        next_step: str = "",
        details: tuple[str, ...] = (),
        retry_after_s: int | None = None,
        allow: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.next_step = next_step
        self.details = details
        self.retry_after_s = retry_after_s
        self.allow = allow

    def to_wire(self) -> dict[str, object]:
        """The body sent to a caller, in OpenAI's shape."""
        text = f"{self.message} {self.next_step}".strip()
        weir: dict[str, object] = {"kind": self.kind}
        if self.details:
            weir["reasons"] = list(self.details)
        return {
            "error": {
                "message": text,
                "type": "rate_limit_error" if self.status == _TOO_MANY else _OPENAI_TYPE[self.kind],
                "param": self.param,
                "code": self.code,
                "weir": weir,
            }
        }


class BadRequest(WeirError):
    """The request is malformed; `param` names the field."""

    code = "invalid_request"
    status = 400
    kind: ClassVar[Kind] = "bad_request"


class UnknownModel(BadRequest):
    """The model that was named is not one that this node knows."""

    code = "model_not_found"
    status = 404


class UnknownRoute(BadRequest):
    """No such address."""

    code = "not_found"
    status = 404


class WrongMethod(BadRequest):
    """The address is one of ours, and takes the methods `allow` alone."""

    code = "method_not_allowed"
    status = 405


class BodyTooLarge(BadRequest):
    """The body is over the limit, read one byte past it and no further."""

    code = "body_too_large"
    status = 413


class SlowClient(BadRequest):
    """The body did not arrive within the time allowed."""

    code = "request_timeout"
    status = 408


class Unsupported(BadRequest):
    """A parameter or capability that no permitted path can honour."""

    code = "unsupported_parameter"


class Unthreaded(Unsupported):
    """The caller wants its conversation held here. Anthropic's SDK knows the code, and sends all of it instead."""

    code = "thread_unsupported_request"


class ContextTooLong(BadRequest):
    """The prompt does not fit into the context of the path."""

    code = "context_length_exceeded"


class ForeignOrigin(WeirError):
    """A browser sent this on behalf of a page that is not ours."""

    code = "foreign_origin"
    status = 403
    kind: ClassVar[Kind] = "policy"


class Unauthorized(WeirError):
    """No valid API key came with the request. Nothing says what was wrong with one that did."""

    code = "invalid_api_key"
    status = 401
    kind: ClassVar[Kind] = "bad_request"


class NotAdmitted(WeirError):
    """The key is valid, and not for this."""

    code = "not_permitted"
    status = 403
    kind: ClassVar[Kind] = "policy"


class LabelConflict(WeirError):
    """The caller demands a label that the tenant's own excludes."""

    code = "label_conflict"
    status = 403
    kind: ClassVar[Kind] = "policy"


class PreferenceUnmet(BadRequest):
    """No path meets the caller's own preferences; `param` names one that leaves none."""

    code = "preference_unmet"
    status = 404


class StrategyUnmet(BadRequest):
    """The strategy that was named is not there for this caller, or not for this request."""

    code = "strategy_unmet"
    status = 404


class PolicyRefused(WeirError):
    """Policy leaves no path for this request."""

    code = "policy_refused"
    status = 403
    kind: ClassVar[Kind] = "policy"


class NoCapacity(WeirError):
    """Paths are permitted, but none is up, has budget, or can meet the deadline."""

    code = "no_capacity"
    status = 503
    kind: ClassVar[Kind] = "capacity"


class RateLimited(NoCapacity):
    """The tenant has used what it may use in this time."""

    code = "rate_limit_exceeded"
    status = 429


class BudgetSpent(NoCapacity):
    """What is left of the tenant's budget pays for no permitted path."""

    code = "budget_exceeded"
    status = 429


class NotGoodEnough(WeirError):
    """No permitted path meets the quality floor, and the caller forbade a below-floor answer."""

    code = "below_quality_floor"
    status = 503
    kind: ClassVar[Kind] = "quality"


class InACircle(WeirError):
    """The request comes from a node that this one asked: to ask it again would not end."""

    code = "in_a_circle"
    status = 508
    kind = "bad_request"


class UpstreamFailed(WeirError):
    """Every step of the plan failed; `details` has each path's reason."""

    code = "all_paths_failed"
    status = 502
    kind: ClassVar[Kind] = "capacity"


class AuditUnavailable(WeirError):
    """What would leave cannot be written down first, so it does not leave."""

    code = "audit_unavailable"
    status = 503
    kind: ClassVar[Kind] = "internal"


class ConfigInvalid(WeirError):
    """weir.yaml or bundle content is wrong; `details` lists every finding with its place."""

    code = "config_invalid"


class StateInvalid(WeirError):
    """The state directory is missing, foreign, or from a newer program."""

    code = "state_invalid"


class DiskFull(StateInvalid):
    """The disk of the state directory takes nothing more."""

    code = "disk_full"


@dataclass(frozen=True)
class ErrorEvent:
    """An error after the first streamed byte: sent as a last SSE event, never as a restart."""

    error: WeirError
