"""Of how many calls an answer is made, where a strategy makes it of several: who is asked, and what is expected.

Rules kept here:
1. Every call goes to a path that is eligible for what it will be asked. What it is asked in the end is decided again.
2. Where too few may be asked, nothing is composed, and the words say why: one answer is no vote.
3. Where the caller wants nothing below the floor, every path whose answer may be served reaches it.
4. What a reading in parts would leave out (images, files, earlier turns) is not read in parts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from appliance.decide.candidates import candidates
from appliance.decide.courses import Course, in_order
from appliance.decide.generation import Generation
from appliance.decide.ranks import meets, worth
from appliance.decide.strategies import Chain, Composed, Ensemble, Partition, Tasks
from appliance.records.decision import Asked, Candidate, ComposedCall, Composition, Estimate, Role, Snapshot, Step
from appliance.records.features import Features
from appliance.records.value import changed, value

FRAME_TOKENS = 200  # what is said around the texts that a composed call is shown
MOST_OF_NAME = 128  # bytes around each note: its name, its mark, and that it is cut off
MOST_OF_OVERLAP = 36  # bytes for each token of it: six characters of six bytes each, as JSON has them
MOST_OF_NOTE = 16  # bytes for each token of a note; hardly any text has so many


@value
class Made:
    """The step that stands for all calls, or in words why there is none."""

    found: tuple[Candidate, ...] = ()
    step: Step | None = None
    expected: Estimate | None = None
    words: str = ""
    meets_floor: bool = False


def composable(one: Composed, asked: Asked, features: Features) -> str:
    """In words why an answer to this request is not composed; '' where it may be."""
    if asked.kind != "chat":
        return "it composes answers to chats"
    if features.has_tools or "tools" in features.needs:
        return "it composes no calls of tools"
    if "prefill" in features.needs:
        return "it goes on with no answer that is begun"
    if asked.n != 1:
        return "it composes one answer, not several"
    return _in_parts(features) if isinstance(one, Partition) else ""


def _in_parts(features: Features) -> str:
    """In words why a text is not read in parts: something would be left out."""
    if features.images or "images_in" in features.needs:
        return "it reads texts in parts, no images"
    if "files_in" in features.needs:
        return "it reads texts in parts, no files"
    if features.has_sound:
        return "it reads texts in parts, no sound"
    return "it reads one text in parts, not a conversation with earlier turns" if features.earlier else ""


def composed(
    course: Course, asked: Asked, features: Features, generation: Generation, snapshot: Snapshot, floor: float
) -> Made:
    """Who is asked."""
    one = course.strategy
    if isinstance(one, Partition):
        return _partition(one, asked, features, generation, snapshot, floor)
    found = candidates(asked, features, generation, snapshot, within(course, features))
    eligible = {candidate.path: candidate for candidate in found if candidate.eligible}
    if isinstance(one, Ensemble):
        return changed(_ensemble(one, eligible, floor), found=found)
    assert isinstance(one, Chain), "the caller asks for composed ones only"
    made = _chain(one, eligible, floor)
    return changed(made, found=found)


def within(course: Course, features: Features) -> tuple[frozenset[str], str] | None:
    """The paths that a strategy names for what is asked, and what is said to all others; None where any will do."""
    one = course.strategy
    named = frozenset(one.row(features)) if isinstance(one, Tasks) else one.named
    return None if "auto" in named else (named, f"the strategy '{course.name}' names others")


def beyond(made: Made, asked: Asked, snapshot: Snapshot) -> str:
    """In words why all calls together cannot be made; '' where they can."""
    expected, left, deadline = made.expected, snapshot.budget_left, asked.labels.deadline_s
    if expected is None:
        return ""
    if left is not None and expected.most > left:
        return f"its calls may cost {expected.most:.6g}, more than the budget that is left"
    if deadline is not None and expected.latency_p95_s > deadline:
        return f"its calls take up to {expected.latency_p95_s:.2f} s, longer than the deadline of {deadline:g} s"
    return ""


def _ensemble(one: Ensemble, eligible: dict[str, Candidate], floor: float) -> Made:
    members = [eligible[path] for path in one.members if path in eligible]
    if len(members) < one.quorum:
        return Made(
            words=f"{len(members)} of its {len(one.members)} members can answer, and its quorum is {one.quorum}"
        )
    arbiter = _first(one.arbiter, eligible)
    if one.by == "arbiter" and arbiter is None:
        return Made(words="nobody can be its arbiter")
    steps = tuple(_member(who, "member", f"member {at + 1} of {len(members)}") for at, who in enumerate(members))
    how = f"agreement of {one.quorum}" if one.by == "vote" else "an arbiter reads all answers"
    if arbiter is not None:
        steps += (
            _member(arbiter, "arbiter", "arbiter" if one.by == "arbiter" else "arbiter, where they do not agree"),
        )
    last = arbiter or min(members, key=worth)
    served = [*members, *([arbiter] if arbiter else [])]
    step = _step(last, how, Composition("ensemble", steps))
    return _made(step, [members, [arbiter] if arbiter else []], last, all(meets(who, floor) for who in served))


def _chain(one: Chain, eligible: dict[str, Candidate], floor: float) -> Made:
    roles: dict[Role, tuple[str, ...]] = {"draft": one.draft, "critique": one.critique, "polish": one.polish}
    found = {role: _first(paths, eligible) for role, paths in roles.items()}
    who = {role: candidate for role, candidate in found.items() if candidate is not None}
    if len(who) < len(roles):
        missing = ", ".join(role for role in roles if role not in who)
        return Made(words=f"no path that it names can do its part: {missing}")
    steps = tuple(_member(candidate, role, role) for role, candidate in who.items())
    last = who["polish"]
    step = _step(last, "draft, critique, polish", Composition("chain", steps))
    return _made(step, [[each] for each in who.values()], last, meets(who["draft"], floor) and meets(last, floor))


def _partition(
    one: Partition, asked: Asked, features: Features, generation: Generation, snapshot: Snapshot, floor: float
) -> Made:
    fresh = one.part_tokens - one.overlap_tokens
    parts = max(2, math.ceil((features.estimated_prompt_tokens - one.overlap_tokens) / fresh))
    if parts > one.most_parts:
        return Made(words=f"it would make {parts} parts, more than {one.most_parts}")
    reading, joining = _reading(one, features), _joining(one, features, parts)
    found = candidates(asked, reading, generation, snapshot)
    reader = _first(one.paths, {each.path: each for each in found if each.eligible})
    joined = candidates(asked, joining, generation, snapshot)
    writer = _first(one.synthesis, {each.path: each for each in joined if each.eligible})
    if reader is None or writer is None:
        return Made(found, words=f"nobody can do {'the reading of parts' if reader is None else 'the synthesis'}")
    steps = (
        _member(reader, "reader", f"reads about {parts} parts", parts),
        _member(writer, "synthesis", "synthesis"),
    )
    step = _step(writer, f"in about {parts} parts", Composition("partition", steps))
    made = _made(step, [[reader] * parts, [writer]], writer, meets(writer, floor))
    assert reader.estimate is not None  # eligible candidates have one
    assert writer.estimate is not None
    most = one.most_parts * reader.estimate.most + writer.estimate.most  # how many parts it makes shows when it is cut
    return changed(made, found=found, expected=changed(made.expected, most=most))


def _reading(one: Partition, features: Features) -> Features:
    """Of a call that reads one part. Its bound is the mean of all: together they hold the text once, and each what
    stands beside it and an overlap. The most that a call may cost is concave in it, so that their sum is a bound, too.
    """
    whole = features.most_prompt_tokens
    beside = (features.most_beside_tokens or whole) + MOST_OF_OVERLAP * one.overlap_tokens
    return changed(
        features,
        estimated_prompt_tokens=one.part_tokens + FRAME_TOKENS,
        estimated_output_tokens=one.note_tokens,
        most_prompt_tokens=math.ceil(whole / one.most_parts) + beside if whole else 0,
        most_output_tokens=one.note_tokens,
    )


def _joining(one: Partition, features: Features, parts: int) -> Features:
    """Of the call that makes one answer of the notes."""
    whole = features.most_prompt_tokens
    beside = features.most_beside_tokens or whole
    notes = one.most_parts * (MOST_OF_NOTE * one.note_tokens + MOST_OF_NAME)
    return changed(
        features,
        estimated_prompt_tokens=parts * one.note_tokens + FRAME_TOKENS,
        most_prompt_tokens=beside + notes if whole else 0,
    )


def _first(paths: Sequence[str], eligible: dict[str, Candidate]) -> Candidate | None:
    ordered = in_order(paths, sorted(eligible.values(), key=worth), "number")
    return ordered[0][0] if ordered else None


def _member(candidate: Candidate, role: Role, why: str, times: int = 1) -> ComposedCall:
    return ComposedCall(candidate.path, role, why, candidate.redacting is not None, times)


def _step(last: Candidate, why: str, composition: Composition) -> Step:
    return Step(last.path, redacted=last.redacting is not None, why=why, composition=composition)


def _made(step: Step, rounds: list[list[Candidate]], last: Candidate, enough: bool) -> Made:
    """Rounds follow each other; the calls of one go out together."""
    cost = middle = high = most = 0.0
    for calls in rounds:
        estimates = [each.estimate for each in calls if each.estimate is not None]
        cost += sum(one.cost for one in estimates)
        most += sum(one.most for one in estimates)
        middle += max((one.latency_s for one in estimates), default=0.0)
        high += max((one.latency_p95_s for one in estimates), default=0.0)
    assert last.estimate is not None  # eligible candidates have one
    expected = Estimate(last.estimate.p_good, last.estimate.p_good_low, cost, middle, high, most=most)
    return Made(step=step, expected=expected, meets_floor=enough)
