"""Take a verified bundle into use, or go back to what ran before: the order of steps, and what survives between them.

Rules kept here:
1. Order: verify, freshness, preflight, copy, build, rehearse, raise the floors, trial, health check, good. Whatever is
   refused up to the rehearsal changes neither floors nor what runs.
2. What runs is what node.db says (`store.slots`); the link `current` is made anew from it at every start of these
   functions, so that a process may be killed between any two steps.
3. An attempt is counted before it is made. One that never ended is made again, `MAX_TRIES` times in all; one that
   failed is over at once: the generation is bad, and only a person has it tried again.
4. Going back moves the link and never a floor, and never below the signed security epoch: then safe mode, in the name
   of the generation that failed.
5. One import at a time. Every step is in the audit; where the audit takes no entry, nothing is begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

from appliance.bundle import freshness, generations, media, preflight, stage, verify, witness
from appliance.bundle import manifest as form
from appliance.bundle import rehearse as rehearsing
from appliance.bundle.freshness import Freshness, Mode, Moment
from appliance.bundle.media import Source
from appliance.bundle.refusal import BundleRefused
from appliance.bundle.rehearse import Rehearsal
from appliance.bundle.trust import Trusted
from appliance.decide.generation import Generation
from appliance.errors import AuditUnavailable, StateInvalid
from appliance.records.record import Record
from appliance.store import floors
from appliance.store import slots as kept
from appliance.store.floors import Lost, TrustState
from appliance.store.slots import Slots

MAX_TRIES = 3
Outcome = Literal["good", "no_change", "mended", "renewed", "returned", "safe_mode"]


@dataclass(frozen=True)
class Means:
    """What activation needs of the node around it.

    `load` reads content as this node would; `check` is the health check of a generation's folder, '' where it is well,
    run where its crash or hang does no harm, and told of a folder that passed it before, None for none; `note` writes
    an entry of the audit and returns when it is on disk, or raises AuditUnavailable; `records` are recent ones, for the
    rehearsal.
    """

    state_dir: Path
    load: Callable[[Path], Generation]
    check: Callable[[Path, Path | None], str]
    note: Callable[[Mapping[str, object]], object]
    records: Callable[[], Iterable[Record]] = tuple
    show: stage.Show = field(default=lambda _: None)


@dataclass(frozen=True)
class Terms:
    """On which terms a bundle is taken. `root` is what a node trusts that trusts nothing yet; `thorough`: where the
    bundle is in use already, every file on the disk is compared with what was signed.
    """

    moment: Moment
    mode: Mode = "airgap"
    max_age: timedelta = freshness.MAX_AGE
    acknowledged: bool = False
    root: bytes | None = None
    thorough: bool = True


@dataclass(frozen=True)
class ActivationResult:
    """How an import or a rollback ended. `runs` is what is in force now, '' for nothing; `problem` why a trial failed;
    `copied` counts bytes; `settled` is what came of a trial that was interrupted before.
    """

    id: str
    outcome: Outcome
    runs: str
    problem: str = ""
    copied: int = 0
    age: Freshness | None = None
    rehearsal: Rehearsal | None = None
    settled: str = ""


def apply(place: Path, means: Means, terms: Terms) -> ActivationResult:
    """Take the one bundle at a place into use. Raises BundleRefused, StateInvalid or AuditUnavailable; may block long.

    A refusal leaves everything as it was, but for blobs in the store that make the next try shorter.
    """
    return apply_from(media.opened(place), witness.medium(place), means, terms)


def apply_from(
    opening: AbstractContextManager[Source], medium: Mapping[str, object], means: Means, terms: Terms
) -> ActivationResult:
    """The same from any source, which is opened once the lock is held; `medium` is what the audit says of it."""
    with _audited(means, {"step": "import", **medium, **witness.who(), **witness.clocks()}):
        state = _trusts(means)
        slots, settled = _settled(means, state)
        with opening as source:
            if state is None and terms.root is not None:
                state = verify.begin(terms.root)
            bundle = verify.trusted(source, state)
            age = freshness.judge(
                bundle, terms.moment, terms.mode, acknowledged=terms.acknowledged, max_age=terms.max_age
            )
            means.note(_step("verified", witness.verified(bundle, age)))
            assert state is not None  # a bundle was verified against it
            id = bundle.manifest.id
            if id in slots.bad:
                raise BundleRefused("marked_bad", f"{id} failed before: {slots.bad[id]}.")
            if slots.good == id and verify.same(state, bundle):
                bad = generations.rotten(bundle.manifest, means.state_dir) if terms.thorough else ()
                if not bad:
                    return ActivationResult(id, "no_change", slots.pointed, age=age, settled=settled)
                copied = _mended(bundle, bad, source, state, means)
                return ActivationResult(id, "mended", slots.pointed, "", copied, age, settled=settled)
            copied = _staged(bundle, source, state, means)
        # From here on the medium is not read.
        rehearsal = _rehearsed(bundle, means, terms.moment)
        state = _accepted(bundle, state, means)
        if slots.good == id:
            means.note(_step("renewed", {"id": id}))
            return ActivationResult(id, "renewed", slots.pointed, "", copied, age, rehearsal, settled)
        ended = _tried(means, replace(slots, trial=id, tries=0), state)
        return replace(ended, copied=copied, age=age, rehearsal=rehearsal, settled=settled)


def roll_back(means: Means) -> ActivationResult:
    """Return to the generation before, which must pass its health check again. Raises as `apply` does.

    What ran becomes the one before, so that a second call returns to it.
    """
    with _audited(means, {"step": "rollback", **witness.who(), **witness.clocks()}):
        state = _trusts(means)
        slots, settled = _settled(means, state)
        manifest = generations.read(means.state_dir, slots.previous) if slots.previous else None
        if manifest is None:
            raise BundleRefused("nothing_before", f"There is no earlier generation; {settled}." if settled else "")
        epoch = state.floors.epoch if state else 0
        if manifest.security_epoch < epoch:
            raise BundleRefused(
                "epoch_below_floor",
                f"{manifest.id} is of security epoch {manifest.security_epoch}; {epoch} is demanded.",
            )
        ended = _tried(means, replace(slots, trial=manifest.id, tries=0), state)
        return replace(ended, settled=settled)


def acknowledge(id: str, means: Means) -> str:
    """Let a generation that was marked bad be tried again; returns why it was. Raises as `apply` does."""
    with _audited(means, {"step": "acknowledge", "id": witness.text(id), **witness.who(), **witness.clocks()}):
        slots = kept.read(means.state_dir) or Slots()
        if id not in slots.bad:
            raise BundleRefused("unknown_generation", f"{id} is not marked bad.")
        bad = {other: reason for other, reason in slots.bad.items() if other != id}
        kept.write(means.state_dir, replace(slots, bad=bad))
        means.note(_step("acknowledged", {"id": id, "reason": slots.bad[id]}))
        return slots.bad[id]


def unsettled(state_dir: Path) -> bool:
    """Whether an import was cut off, or the disk does not agree with what must run: `settle` mends both.

    Raises StateInvalid.
    """
    slots = kept.read(state_dir) or Slots()
    there = generations.listed(state_dir)
    return bool(slots.trial or slots.kept - there.keys()) or slots.pointed != generations.current(state_dir)


def settle(means: Means) -> tuple[Slots, str]:
    """Bring what a killed import left to its end: what runs, and in words what came of a trial. For a node's start.

    Raises as `apply` does.
    """
    with _audited(means, {"step": "settle", **witness.clocks()}):
        return _settled(means, _trusts(means))


def _settled(means: Means, state: TrustState | None) -> tuple[Slots, str]:
    slots, missing = _recovered(means)
    lost = f"{', '.join(sorted(missing))} is missing or damaged on the disk; " if missing else ""
    if not slots.trial:
        return slots, lost.removesuffix("; ")
    ended = _tried(means, slots, state)
    said = f"{lost}the trial of {ended.id}, which was begun or is needed now, ended: {ended.outcome}"
    return kept.read(means.state_dir) or Slots(), said


def _recovered(means: Means) -> tuple[Slots, frozenset[str]]:
    """What holds, with the disk made to agree: no half generation, and `current` where it must point.

    Also the generations that should be there and are not whole.
    """
    state_dir = means.state_dir
    generations.clear(state_dir)
    there = generations.listed(state_dir)
    before = kept.read(state_dir)
    # None yet, or node.db was lost: what ran must prove itself anew.
    slots = Slots(trial=generations.current(state_dir)) if before is None else before
    missing = slots.kept - there.keys()
    slots = replace(
        slots,
        good="" if slots.good in missing else slots.good,
        previous="" if slots.previous in missing else slots.previous,
        trial="" if slots.trial in missing else slots.trial,
        fallen="" if slots.fallen in missing else slots.fallen,
    )
    if not slots.pointed and slots.previous:
        slots = replace(slots, trial=slots.previous, tries=0, previous="")
    if slots != (before or Slots()):
        means.note(_step("repaired", {"missing": sorted(missing), "trial": slots.trial}))
        kept.write(state_dir, slots)
    generations.point(state_dir, slots.pointed)
    return slots, missing


def _trusts(means: Means) -> TrustState | None:
    """What the node trusts. Raises BundleRefused where a copy was lost, which is restored by then (F2)."""
    state = floors.read(means.state_dir)
    if isinstance(state, Lost):
        means.note(_step("restored", {"copy": state.copy, "why": witness.text(state.why)}))
        floors.restore(means.state_dir, state)
        raise BundleRefused("state_lost", f"{state.why}; it is restored.".capitalize())
    return state


def _staged(bundle: Trusted, source: Source, state: TrustState, means: Means) -> int:
    """Preflight, then every blob into the store and the generation out of it. Returns the bytes that were copied."""
    manifest = bundle.manifest
    host = verify.host_of(means.state_dir, state)
    room = preflight.check(bundle, source, host)
    beyond = generations.to_join(manifest, means.state_dir) - (manifest.disk_bytes - manifest.stored)
    if room.needed + max(0, beyond) > host.free:
        raise BundleRefused("no_space", f"{room.needed + beyond} bytes must be free in {host.place}; {host.free} are.")
    copied = stage.fill(manifest, source, means.state_dir, means.show)
    generations.build(manifest, means.state_dir)
    means.note(_step("staged", {"id": manifest.id, "bytes": copied}))
    return copied


def _mended(bundle: Trusted, bad: tuple[str, ...], source: Source, state: TrustState, means: Means) -> int:
    """Build the good generation anew, what changed on the disk copied again. Returns the bytes that were copied."""
    manifest = bundle.manifest
    needed = [form.blob_path(blob.sha256) for path in bad for blob in manifest.files[path]]
    if any(source.size(path) is None for path in needed):
        raise BundleRefused("damaged_store", details=bad)
    means.note(_step("mending", {"id": manifest.id, "paths": [witness.text(path) for path in bad]}))
    generations.forget(manifest, bad, means.state_dir)
    return _staged(bundle, source, state, means)


def _rehearsed(bundle: Trusted, means: Means, moment: Moment) -> Rehearsal:
    """Rule 1: nothing has changed when this refuses, and the candidate is gone again."""
    manifest = bundle.manifest
    folder = generations.place(means.state_dir, manifest.id)
    now = max(moment.clock, bundle.issued).timestamp() if moment.trusted else bundle.issued.timestamp()
    try:
        generation, tests = rehearsing.read(folder, means.load)
        found = rehearsing.rehearse(generation, tests, manifest, means.records(), now)
        if problem := means.check(folder, _known(means, manifest.id)):
            raise BundleRefused("rehearsal_failed", f"{manifest.id} failed its rehearsal: {problem.rstrip('.')}.")
    except BundleRefused:
        rotten = generations.rotten(manifest, means.state_dir)
        slots = kept.read(means.state_dir) or Slots()
        if manifest.id not in slots.kept:
            generations.forget(manifest, rotten, means.state_dir)
        if rotten:
            raise BundleRefused("damaged_store", details=rotten) from None
        raise
    means.note(_step("rehearsed", {"id": manifest.id, **witness.rehearsed(found)}))
    return found


def _known(means: Means, id: str) -> Path | None:
    """The folder of the good generation, where it is another one: what it has unchanged need not prove itself again."""
    good = (kept.read(means.state_dir) or Slots()).good
    return generations.place(means.state_dir, good) if good not in ("", id) else None


def _accepted(bundle: Trusted, state: TrustState, means: Means) -> TrustState:
    """Raise the floors to the bundle's. Where the node trusted nothing, its first root is written before."""
    if verify.same(state, bundle):
        return state
    if floors.read(means.state_dir) is None:
        floors.write(means.state_dir, state)
    after = verify.accepted(state, bundle)
    means.note(_step("floors", {"id": bundle.manifest.id, "revision": after.revision, "epoch": after.floors.epoch}))
    floors.write(means.state_dir, after)
    return after


def _tried(means: Means, slots: Slots, state: TrustState | None) -> ActivationResult:
    """One attempt of `slots.trial`, counted before it is made, and what follows from it."""
    state_dir, id = means.state_dir, slots.trial
    if slots.tries == 0:
        means.note(_step("trial", {"id": id, "from": slots.good}))
    if slots.tries >= MAX_TRIES:
        return _returned(means, slots, state, f"{MAX_TRIES} attempts were begun and none ended")
    slots = replace(slots, tries=slots.tries + 1)
    kept.write(state_dir, slots)
    generations.point(state_dir, id)
    means.note(_step("attempt", {"id": id, "number": slots.tries}))
    problem = means.check(generations.place(state_dir, generations.current(state_dir)), _known(means, id))
    means.note(_step("health", {"id": id, "well": not problem, "problem": witness.text(problem)}))
    if problem:
        return _returned(means, slots, state, problem)
    bad = {other: reason for other, reason in slots.bad.items() if other != id}
    before = slots.previous if slots.good == id else slots.good
    slots = Slots(good=id, previous=before, bad=bad)
    kept.write(state_dir, slots)
    means.note(_step("good", {"id": id, "from": before}))
    _swept(state_dir, slots)
    return ActivationResult(id, "good", id)


def _returned(means: Means, slots: Slots, state: TrustState | None, problem: str) -> ActivationResult:
    """Rule 4."""
    state_dir, failed = means.state_dir, slots.trial
    bad = {**slots.bad, failed: witness.text(problem)}
    target = slots.good or slots.fallen
    manifest = generations.read(state_dir, target) if target else None
    epoch = state.floors.epoch if state else 0
    if manifest is not None and manifest.security_epoch < epoch:
        after = Slots(fallen=failed, bad=bad)
    else:
        previous = "" if slots.previous == failed else slots.previous
        after = replace(slots, trial="", tries=0, previous=previous, bad=bad)
    outcome: Outcome = "safe_mode" if after.fallen else "returned"
    kept.write(state_dir, after)
    generations.point(state_dir, after.pointed)
    means.note(_step(outcome, {"id": failed, "to": after.good, "epoch": epoch, "problem": witness.text(problem)}))
    _swept(state_dir, after)
    return ActivationResult(failed, outcome, after.good, problem)


def _swept(state_dir: Path, slots: Slots) -> None:
    """Collection can wait: what it does not take away now, it takes the next time."""
    with suppress(OSError):
        generations.sweep(state_dir, slots.kept)


def _step(step: str, facts: Mapping[str, object]) -> dict[str, object]:
    return {"act": "bundle", "step": step, **facts}


@contextmanager
def _audited(means: Means, facts: Mapping[str, object]) -> Iterator[None]:
    """The lock, trouble of the state directory's disk as a refusal, and every refusal in the audit (rule 5)."""
    means.note({"act": "bundle", **facts})
    try:
        with stage.locked(means.state_dir), stage.writing(means.state_dir):
            yield
    except (BundleRefused, StateInvalid) as error:
        note_refusal(means, error)
        raise


def note_refusal(means: Means, error: BundleRefused | StateInvalid) -> None:
    """Tell the audit of a refusal, where it takes the entry."""
    reason = error.reason if isinstance(error, BundleRefused) else error.code
    with suppress(AuditUnavailable):
        means.note(_step("refused", {"reason": reason, "message": witness.text(error.message)}))
