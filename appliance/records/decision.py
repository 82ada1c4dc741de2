"""The values between looking and answering: what was asked, what was seen, what was decided, what came of it.

Rules kept here:
1. No text of a request or an answer, so that every one of these may be recorded.
2. Frozen; a Decision is a function of (Asked, Features, Generation, Snapshot) and of nothing else.
"""

from __future__ import annotations

from typing import Literal

from appliance.records.card import Tier
from appliance.records.features import FindingKind
from appliance.records.request import Classification, Kind, Labels, Preference, Providers
from appliance.records.tenant import Scope
from appliance.records.value import value

ReasonCode = Literal[
    "not-named",  # the caller named another path
    "modality",
    "capability",
    "context",
    "language",
    "policy",
    "scope",  # the tenant's keys do not cover it
    "preference",  # the caller wants no path of this kind
    "health",
    "budget",
    "deadline",
]
Refusal = Literal[
    "", "unknown-model", "unsupported", "policy", "preference", "strategy", "capacity", "budget", "quality"
]
Chosen = Literal[
    "cache-hit",  # an answer exists and may be used
    "named",  # the caller named this path
    "only-path",  # nothing else was left
    "best-utility",
    "preference",  # of what is left, the caller's order or sort chose
    "strategy",  # of what is left, a strategy of the content chose
    "below-floor",  # nothing left meets the floor; policy prefers an answer that says so
    "refused",
    "undecided",  # malformed, one too many, or gone before anything was decided
]


Raising = FindingKind | Literal["conversation"]


@value
class Carried:
    """The classification that a conversation has from what was found in it before, and the one it has apart from
    findings that can be redacted."""

    label: Classification
    redacted: Classification


@value
class Raised:
    """The classification that the caller gave, and what raised it: kinds of findings, or the conversation by what it
    carries."""

    given: Classification
    by: tuple[Raising, ...]
    carried: Carried | None = None


@value
class Asked:
    """The part of a request that decides, without its text. `labels` are those that policy was asked about; `scope` is
    the tenant's, None where that narrows nothing. `models` and `providers` are the caller's preferences; `passed_on`
    names the parameters that a path has to take as they are, where the caller wants none dropped. `strategy` is the one
    that the request names; `thread` marks its conversation for strategies that ask (a keyed digest).
    """

    id: str
    kind: Kind
    model: str
    preference: Preference
    labels: Labels
    tenant: str
    n: int = 1
    raised: Raised | None = None
    scope: Scope | None = None
    models: tuple[str, ...] = ()
    providers: Providers | None = None
    passed_on: tuple[str, ...] = ()
    strategy: str = ""
    thread: str = ""


@value
class PathState:
    """One path as it was when the snapshot was taken. Live figures are None until there are enough of them.

    `cached_prompt_tokens`: how many tokens of this request's prompt it should not have to compute. `lagging`: why
    others should be asked before it, '' where nothing speaks for that.
    """

    path: str
    ok: bool
    reason: str = ""
    busy: int = 0
    queued: int = 0
    slots: int = 1
    first_token_s: float | None = None
    first_token_p95_s: float | None = None
    decode_tokens_per_s: float | None = None
    cached_prompt_tokens: int = 0
    lagging: str = ""


@value
class CacheHit:
    """An answer that exists. `p_good` is what was known of it when it was stored; `score` is P(it answers this question
    too). `anew`: it was drawn to be answered anew for comparison, so it is not used.
    """

    path: str
    key: str
    age_s: float
    origin: str
    p_good: float
    score: float = 1.0
    anew: bool = False


@value
class Snapshot:
    """What changes between two requests, looked at once. `now` in Unix seconds; `draw` uniform in [0, 1)."""

    now: float
    draw: float
    paths: tuple[PathState, ...]
    cache: CacheHit | None = None
    budget_left: float | None = None


@value
class Reason:
    """Why a path is out. `rule` names the policy rule, or the caller's preference, where there is one."""

    code: ReasonCode
    text: str
    rule: str = ""


@value
class Estimate:
    """What is expected. Probabilities, money in the generation's currency, seconds.

    `most` is what it may cost at most, each path asked once; looked at where the tenant has a budget.
    """

    p_good: float
    p_good_low: float
    cost: float
    latency_s: float
    latency_p95_s: float
    utility: float = 0.0
    most: float = 0.0


@value
class Redacting:
    """Why a path is sent a redacted request only: what refuses it as it is, and the rules that permit it redacted."""

    refused: Reason
    rules: tuple[str, ...]


@value
class Candidate:
    """One path with everything that spoke for or against it."""

    path: str
    tier: Tier
    eligible: bool
    reasons: tuple[Reason, ...] = ()
    estimate: Estimate | None = None
    redacting: Redacting | None = None


Role = Literal["member", "arbiter", "draft", "critique", "polish", "reader", "synthesis"]


@value
class ComposedCall:
    """One of several calls of which an answer is made: who is asked as what, and how many times."""

    path: str
    role: Role
    why: str = ""
    redacted: bool = False
    times: int = 1


@value
class Composition:
    """Several calls that make one answer."""

    kind: Literal["ensemble", "chain", "partition"]
    members: tuple[ComposedCall, ...]


@value
class Step:
    """One path to run. With a gate, an answer judged below `threshold` goes on to the next step.

    `redacted`: it may be sent the request only with what can be redacted replaced. `why` it stands where it does, where
    utility does not say so. `composition`: it stands for these calls, and `path` is the last one's.
    """

    path: str
    gate: str = ""
    threshold: float | None = None
    redacted: bool = False
    why: str = ""
    composition: Composition | None = None


@value
class Hedge:
    """What is asked as well where the plan's only step has given no token after `after_s` seconds."""

    step: Step
    after_s: float


@value
class Decision:
    """The plan, and why. Without steps it is a refusal, and `refusal` says of which kind; `unmet` what was asked for by
    name and is not there. `strategy` chose among what was left.
    """

    id: str
    generation: str
    chosen: Chosen
    steps: tuple[Step, ...] = ()
    fallbacks: tuple[Step, ...] = ()
    floor: float = 0.0
    expected: Estimate | None = None
    candidates: tuple[Candidate, ...] = ()
    refusal: Refusal = ""
    plans_weighed: int = 0
    hedge: Hedge | None = None
    unmet: str = ""
    strategy: str = ""

    @property
    def calls(self) -> tuple[tuple[str, int], ...]:
        """By path, how often the plan asks it where all its steps are run."""
        return tuple(
            [
                (call.path, call.times)
                for step in self.steps
                for call in (
                    step.composition.members if step.composition is not None else (ComposedCall(step.path, "member"),)
                )
            ]
        )

    @property
    def below_floor(self) -> bool:
        return self.chosen == "below-floor"


@value
class Judgement:
    """How good an answer is thought to be. `form` names what was wrong with its form, if anything."""

    p_good: float
    accepted: bool
    threshold: float | None = None
    form: str = ""


@value
class Attempt:
    """One try at a step that failed and was followed by another at the same path.

    `seconds` it took, and `waited_s` passed before the next. What it used and cost is part of the step's.
    """

    fault: str
    message: str
    seconds: float
    waited_s: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost: float = 0.0
    cost_known: bool = True
    member: str = ""
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0


# What is wrong with the usage that a provider stated: nothing of it, all zero; too little or too much for what was
# read; parts that are more than their whole.
UsageNote = Literal["", "missing", "too-low", "too-high", "inconsistent"]


@value
class StepOutcome:
    """What one step came to. Times in seconds from the start of the step; `cost` as the card prices it.

    `attempts` are those before the last; tokens and cost are of all of them together. Without `cost_known` some of it
    is an estimate, because a call ended before its provider said what it had used, or it said nothing or too little
    (`usage_note`, of the last). `member` is the one that was asked
    last, where the path has several. `hedged`: another path was asked as well, and whichever spoke first was heard.

    `redacted` counts by kind what was replaced in what it was sent. `role`: as what it was asked, where several calls
    make one answer. `retry_after_s`: after which its server, where it said so, may be asked again. `shared`: another
    request, identical and at work at the same time, ran it, and its record has the costs.
    """

    path: str
    status: Literal["answered", "rejected", "failed", "cancelled"]
    fault: str = ""
    message: str = ""
    first_token_s: float | None = None
    seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost: float = 0.0
    finish_reason: str = ""
    device: str = ""
    judgement: Judgement | None = None
    mean_logprob: float | None = None
    min_logprob: float | None = None
    redacted: tuple[tuple[FindingKind, int], ...] = ()
    shared: bool = False
    attempts: tuple[Attempt, ...] = ()
    cost_known: bool = True
    member: str = ""
    hedged: bool = False
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0
    usage_note: UsageNote = ""
    role: str = ""
    retry_after_s: float | None = None


@value
class Outcome:
    """What the request came to. `frontier_cost` is the fixed counterfactual: all of it to the named frontier path. Both
    costs are in `currency`.
    """

    status: Literal["answered", "refused", "failed", "cancelled"]
    path: str = ""
    tier: Tier | Literal[""] = ""
    steps: tuple[StepOutcome, ...] = ()
    seconds: float = 0.0
    cost: float = 0.0
    frontier_cost: float = 0.0
    below_floor: bool = False
    error_code: str = ""
    http_status: int = 200
    currency: str = ""
