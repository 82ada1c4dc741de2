"""What a candidate would do, found out before it does anything: recent requests decided again under it, denials tried.

Rules kept here:
1. Pure but for `read`, which opens the content: generations and records in, a summary out. No model is loaded here
   (`health` does, in a process of its own).
2. A recorded request is decided again with what was seen then; a path that did not run then counts as not running, so
   what a new model would win does not show.
3. A denial holds only where the policy refuses: a card that is missing denies nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from appliance.bundle.content import policy_files
from appliance.bundle.manifest import Denial, Manifest
from appliance.bundle.refusal import BundleRefused
from appliance.decide.generation import Generation
from appliance.errors import BadRequest, ConfigInvalid
from appliance.intake.labels import read_labels
from appliance.intake.limits import Limits
from appliance.policy import read_tests
from appliance.records.decision import Decision
from appliance.records.record import Record
from appliance.replay import decided_anew

_EXAMPLES = 5


@dataclass(frozen=True)
class Rehearsal:
    """What came out. Counts, and money in the candidate's currency.

    `records` were decided again; of these `otherwise` go another way, `refused` are refused that were not, `admitted`
    are not refused that were. The costs are what was expected then and is now, over those that are answered by both.
    """

    content: str  # id of the content, as records and the audit have it
    cards: int
    policy_tests: int
    denials: int
    records: int = 0
    otherwise: int = 0
    refused: int = 0
    admitted: int = 0
    cost_before: float = 0.0
    cost_after: float = 0.0
    currency: str = ""
    examples: tuple[str, ...] = ()


def read(folder: Path, load: Callable[[Path], Generation]) -> tuple[Generation, int]:
    """The candidate's content, whose policy tests held, and how many they are. Raises BundleRefused."""
    try:
        return load(folder), len(read_tests(policy_files(folder / "policy")).tests)
    except ConfigInvalid as error:
        raise BundleRefused("unusable_content", details=error.details or (error.message,)) from None


def undenied(generation: Generation, denials: Iterable[Denial], now: float) -> tuple[str, ...]:
    """The denials that do not hold at this moment (Unix seconds), in words."""
    found = []
    for denial in denials:
        card = generation.card_by_id.get(denial.card)
        if card is None:
            found.append(f"denial {denial.name}: there is no card {denial.card}")
            continue
        try:
            labels = read_labels({f"X-Weir-{name.title()}": text for name, text in denial.labels.items()}, Limits())
        except BadRequest as error:
            found.append(f"denial {denial.name}: {error.message}")
            continue
        if generation.policy.refusal(card, labels, now) is None:
            found.append(f"denial {denial.name}: {denial.card} is permitted")
    return tuple(found)


def rehearse(
    generation: Generation, policy_tests: int, manifest: Manifest, records: Iterable[Record], now: float
) -> Rehearsal:
    """Decide the records again under the candidate. Raises BundleRefused where a denial does not hold."""
    if findings := undenied(generation, manifest.health.denials, now):
        raise BundleRefused("rehearsal_failed", f"{len(findings)} denials do not hold.", details=findings)
    count = otherwise = refused = admitted = 0
    before = after = 0.0
    examples: list[str] = []
    for record in records:
        again = decided_anew(record, generation)
        if again is None:
            continue
        count += 1
        then, now_goes = _way(record.decision), _way(again)
        if then != now_goes:
            otherwise += 1
            refused += bool(record.decision.steps) and not again.steps
            admitted += bool(again.steps) and not record.decision.steps
            if len(examples) < _EXAMPLES:
                examples.append(f"{record.id}: {then} -> {now_goes}")
        if record.decision.expected and again.expected:
            before += record.decision.expected.cost
            after += again.expected.cost
    return Rehearsal(
        content=generation.id,
        cards=len(generation.cards),
        policy_tests=policy_tests,
        denials=len(manifest.health.denials),
        records=count,
        otherwise=otherwise,
        refused=refused,
        admitted=admitted,
        cost_before=before,
        cost_after=after,
        currency=generation.weights.currency,
        examples=tuple(examples),
    )


def _way(decision: Decision) -> str:
    """Where a decision leads, in words: its paths in order, or the kind of refusal."""
    return ", ".join(step.path for step in decision.steps) or f"refused ({decision.refusal})"
