"""Claims about taking a bundle into use and back: the order of steps, and what holds when one of them fails."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.bundle import activate, generations, media, stage
from appliance.bundle.manifest import blob_path
from appliance.bundle.refusal import BundleRefused
from appliance.doctor.child import ask
from appliance.errors import AuditUnavailable
from appliance.policy import Use
from appliance.records.decision import Decision, Estimate, Outcome, Step
from appliance.records.record import Record
from appliance.records.request import Labels
from appliance.store import floors, slots
from appliance.store.slots import Slots
from tests import factories as make
from tests.bundle.publisher import sha256
from tests.bundle.rig import CUT_FILE, Rig, at, content, failing_in_use, not_below, sound
from tests.policies import RULES


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def refused(rig: Rig, place: Path, **over: object) -> BundleRefused:
    """Refused, in the audit with its reason, and nothing that runs or is trusted changed."""
    before = (rig.slots, generations.current(rig.state), floors.read(rig.state))
    with pytest.raises(BundleRefused) as raised:
        rig.apply(place, **over)  # type: ignore[arg-type]
    assert (rig.slots, generations.current(rig.state), floors.read(rig.state)) == before
    assert rig.entries[-1]["step"] == "refused"
    assert rig.entries[-1]["reason"] == raised.value.reason
    sound(rig.state)
    return raised.value


def test_a_first_bundle_is_taken_into_use_in_the_stated_order(rig: Rig) -> None:
    ended = rig.apply(rig.press("a-2026.1"))
    assert (ended.id, ended.outcome, ended.runs) == ("a-2026.1", "good", "a-2026.1")
    assert rig.steps() == [
        "import", "verified", "staged", "rehearsed", "floors", "trial", "attempt", "health", "good",
    ]  # fmt: skip
    assert rig.slots == Slots(good="a-2026.1")
    assert rig.checked == ["a-2026.1", "a-2026.1"]
    current = rig.state / "current"
    assert (current / "models/desk.gguf").read_bytes() == CUT_FILE
    assert (current / "evals/name.jsonl").stat().st_ino == stage.place(rig.state, sha256(b'"a-2026.1"\n')).stat().st_ino
    assert rig.floors.epoch == 1
    sound(rig.state)


def test_the_audit_names_who_which_medium_and_every_key(rig: Rig) -> None:
    rig.apply(rig.press("a-2026.1"))
    first, verified = rig.entries[:2]
    assert first["user"] == os.getuid()
    assert first["device"].count(":") == 1
    assert {"clock", "monotonic_ms", "place", "uuid"} <= first.keys()
    for role in verified["roles"]:
        assert set(role["keys"]) == {key.public_key.keyid for key in rig.publisher.keys[role["role"]]}
    assert verified["after"]["timestamp"] == 1
    assert {"time", "floor", "issued", "age_s", "acknowledged"} <= verified.keys()


def test_good_and_previous_are_kept_and_the_rest_is_collected(rig: Rig) -> None:
    for number in (1, 2, 3):
        rig.apply(rig.press(f"a-2026.{number}"))
    assert rig.slots == Slots(good="a-2026.3", previous="a-2026.2")
    there = generations.listed(rig.state)
    assert list(there) == ["a-2026.2", "a-2026.3"]
    blobs = {file.name for file in (rig.state / "store/sha256").glob("??/*")}
    assert blobs == {blob for manifest in there.values() for blob in manifest.blobs}


def test_a_file_that_was_put_together_is_not_copied_again(rig: Rig) -> None:
    rig.apply(rig.press("a-2026.1"))
    rig.apply(rig.press("a-2026.2"))
    first, second = (generations.place(rig.state, f"a-2026.{n}") / "models/desk.gguf" for n in (1, 2))
    assert first.stat().st_ino == second.stat().st_ino
    assert generations.to_join(generations.listed(rig.state)["a-2026.2"], rig.state) == 0


def test_the_same_bundle_again_is_no_change_and_newer_metadata_only_raises_floors(rig: Rig) -> None:
    place = rig.press("a-2026.1")
    rig.apply(place)
    before = rig.floors
    assert rig.apply(place).outcome == "no_change"
    assert rig.floors == before
    shutil.rmtree(place)
    again = rig.press("a-2026.1")
    ended = rig.apply(again)
    assert (ended.outcome, ended.copied, ended.runs) == ("renewed", 0, "a-2026.1")
    assert rig.floors.versions["timestamp"] == before.versions["timestamp"] + 1
    assert rig.slots == Slots(good="a-2026.1")


def test_a_failed_health_check_returns_marks_bad_and_keeps_the_floors(rig: Rig) -> None:
    rig.apply(rig.press("a-2026.1"))
    place = rig.press("a-2026.2")
    ended = rig.apply(place, failing_in_use(rig.state, "a-2026.2"))
    assert (ended.outcome, ended.runs, ended.problem) == ("returned", "a-2026.1", "no answer")
    assert generations.current(rig.state) == "a-2026.1"
    assert rig.slots == Slots(good="a-2026.1", bad={"a-2026.2": "no answer"})
    assert rig.floors.versions["timestamp"] == 2
    assert list(generations.listed(rig.state)) == ["a-2026.1"]
    sound(rig.state)
    assert refused(rig, place).reason == "marked_bad"
    activate.acknowledge("a-2026.2", rig.means())
    assert rig.apply(place).outcome == "good"
    with pytest.raises(BundleRefused) as raised:
        activate.acknowledge("a-2026.2", rig.means())
    assert raised.value.reason == "unknown_generation"


def test_the_first_bundle_that_fails_leaves_nothing_in_use(rig: Rig) -> None:
    ended = rig.apply(rig.press("a-2026.1"), failing_in_use(rig.state, "a-2026.1"))
    assert (ended.outcome, ended.runs) == ("returned", "")
    assert not (rig.state / "current").is_symlink()
    assert rig.apply(rig.press("a-2026.2")).outcome == "good"


def test_going_back_never_goes_below_the_security_epoch(rig: Rig) -> None:
    rig.apply(rig.press("a-2026.1"))
    ended = rig.apply(rig.press("a-2026.2", security_epoch=2), failing_in_use(rig.state, "a-2026.2"))
    assert (ended.outcome, ended.runs) == ("safe_mode", "")
    assert rig.slots == Slots(fallen="a-2026.2", bad={"a-2026.2": "no answer"})
    assert generations.current(rig.state) == "a-2026.2"
    assert rig.floors.epoch == 2
    sound(rig.state)
    with pytest.raises(BundleRefused) as raised:
        activate.roll_back(rig.means())
    assert raised.value.reason == "nothing_before"
    ill = rig.apply(rig.press("a-2026.3", security_epoch=2), failing_in_use(rig.state, "a-2026.3"))
    assert ill.outcome == "safe_mode"
    assert generations.current(rig.state) == "a-2026.2"
    assert rig.apply(rig.press("a-2026.4", security_epoch=2)).outcome == "good"
    assert rig.slots.fallen == ""


def test_a_rollback_returns_and_a_second_one_goes_forward_again(rig: Rig) -> None:
    with pytest.raises(BundleRefused) as raised:
        activate.roll_back(rig.means())
    assert raised.value.reason == "nothing_before"
    rig.apply(rig.press("a-2026.1"))
    rig.apply(rig.press("a-2026.2"))
    before = rig.floors
    assert activate.roll_back(rig.means()).runs == "a-2026.1"
    assert rig.slots == Slots(good="a-2026.1", previous="a-2026.2")
    assert activate.roll_back(rig.means()).runs == "a-2026.2"
    ended = activate.roll_back(rig.means(failing_in_use(rig.state, "a-2026.1")))
    assert (ended.outcome, ended.runs) == ("returned", "a-2026.2")
    assert rig.slots == Slots(good="a-2026.2", bad={"a-2026.1": "no answer"})
    assert rig.floors == before


def test_a_rollback_below_the_security_epoch_is_refused(rig: Rig) -> None:
    rig.apply(rig.press("a-2026.1"))
    rig.apply(rig.press("a-2026.2", security_epoch=2))
    with pytest.raises(BundleRefused) as raised:
        activate.roll_back(rig.means())
    assert raised.value.reason == "epoch_below_floor"
    assert generations.current(rig.state) == "a-2026.2"


def test_after_a_rollback_the_older_bundle_is_still_refused(rig: Rig) -> None:
    old = rig.press("a-2026.1")
    rig.apply(old)
    rig.apply(rig.press("a-2026.2"))
    activate.roll_back(rig.means())
    assert refused(rig, old).reason == "older_bundle"


@pytest.mark.parametrize("way", ["crashes", "hangs", "babbles"])
def test_a_health_check_that_crashes_or_hangs_is_a_failed_one(rig: Rig, tmp_path: Path, way: str) -> None:
    (tmp_path / "custom").mkdir()
    code = {
        "crashes": "import os; os.kill(os.getpid(), 11)",
        "hangs": "import time; time.sleep(600)",
        "babbles": "import os; print('well', flush=True); os._exit(0)",
    }[way]
    (tmp_path / "custom/sitecustomize.py").write_text(code)
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "custom")}
    rig.apply(rig.press("a-2026.1"))

    def check(folder: Path) -> str:
        if folder.name != generations.current(rig.state):
            return ""
        return ask("generation", {"folder": str(folder), "now": 0, "unconfined": True}, env=env, timeout_s=1).problem

    ended = rig.apply(rig.press("a-2026.2"), check)
    assert (ended.outcome, ended.runs) == ("returned", "a-2026.1")
    assert ended.problem
    assert "a-2026.2" in rig.slots.bad


def test_an_attempt_that_never_ends_is_made_three_times_and_then_taken_back(rig: Rig) -> None:
    class PowerCut(BaseException):
        """What no handler of ours sees."""

    rig.apply(rig.press("a-2026.1"))

    def cut(folder: Path) -> str:
        if folder.name == generations.current(rig.state):
            raise PowerCut
        return ""

    with pytest.raises(PowerCut):
        rig.apply(rig.press("a-2026.2"), cut)
    for tries in (1, 2):
        assert (rig.slots.trial, rig.slots.tries) == ("a-2026.2", tries)
        with pytest.raises(PowerCut):
            activate.settle(rig.means(cut))
    assert rig.slots.tries == activate.MAX_TRIES
    after, said = activate.settle(rig.means(cut))
    assert after.good == "a-2026.1"
    assert "returned" in said
    assert "a-2026.2" in rig.slots.bad
    assert generations.current(rig.state) == "a-2026.1"


def test_an_interrupted_trial_is_ended_by_the_next_command(rig: Rig) -> None:
    place = rig.press("a-2026.1")

    def full(facts: object) -> None:
        if isinstance(facts, dict) and facts["step"] == "health":
            raise AuditUnavailable("no room")

    with pytest.raises(AuditUnavailable):
        activate.apply(place, rig.means(note=full), rig.terms())
    assert rig.slots.trial == "a-2026.1"
    ended = rig.apply(place)
    assert (ended.outcome, rig.slots) == ("no_change", Slots(good="a-2026.1"))
    assert "which was begun" in ended.settled


def test_where_the_audit_takes_nothing_nothing_is_begun(rig: Rig) -> None:
    def full(_: object) -> None:
        raise AuditUnavailable("no room")

    with pytest.raises(AuditUnavailable):
        activate.apply(rig.press("a-2026.1"), rig.means(note=full), rig.terms())
    assert list(rig.state.iterdir()) == []


# ---- rehearsal --------------------------------------------------------------------------------------------------


def test_content_that_does_not_load_or_fails_its_policy_tests_is_refused_before_any_floor(rig: Rig) -> None:
    rig.apply(rig.press("a-2026.1"))
    files = content(rig.top / "ill")
    tests = files["policy/tests.json"].replace(b'"permit"', b'"refuse"')
    error = refused(rig, rig.press("a-2026.2", {**files, "policy/tests.json": tests}))
    assert error.reason == "unusable_content"
    assert "a secret request stays here" in error.details[0]
    del files["detectors.json"]
    assert refused(rig, rig.press("a-2026.3", files)).reason == "unusable_content"
    assert list(generations.listed(rig.state)) == ["a-2026.1"]


def test_a_denial_that_does_not_hold_is_refused(rig: Rig) -> None:
    def denial(card: str, **labels: str) -> dict[str, object]:
        return {"denials": [{"name": "d", "card": card, "labels": labels}]}

    held = rig.press("a-2026.1", health=denial("site/one", classification="secret"))
    assert rig.apply(held).rehearsal.denials == 1  # type: ignore[union-attr]
    for number, health in enumerate(
        (
            denial("site/one", classification="public"),
            denial("site/none", classification="secret"),
            denial("site/one", classification="utter"),
        ),
        2,
    ):
        error = refused(rig, rig.press(f"a-2026.{number}", health=health))
        assert (error.reason, len(error.details)) == ("rehearsal_failed", 1)


def test_a_candidate_that_fails_its_check_in_rehearsal_changes_nothing(rig: Rig) -> None:
    rig.apply(rig.press("a-2026.1"))
    place = rig.press("a-2026.2")
    error = refused(rig, place, check=lambda folder: "broken" if folder.name == "a-2026.2" else "")
    assert (error.reason, rig.slots.bad) == ("rehearsal_failed", {})
    assert rig.apply(place).outcome == "good"


def test_the_rehearsal_says_what_would_go_another_way(rig: Rig) -> None:
    """Requests that site/one answered, or nobody: the candidate forbids it to secret ones."""

    def record(id: str, **labels: Any) -> Record:
        step = Step("site/one")
        decision = Decision(id, "old", "only-path", (step,), expected=Estimate(0.9, 0.8, 0.25, 1.0, 2.0))
        asked = make.asked(id=id, labels=Labels(**labels))
        return Record(id, 1000.0, asked, make.features(), make.snapshot("site/one"), decision, Outcome("answered"))

    def refused_before(id: str, **labels: Any) -> Record:
        decision = Decision(id, "old", "refused", refusal="capacity")
        return replace(record(id, **labels), decision=decision, outcome=Outcome("refused"))

    records = [record("r1"), record("r2", classification="restricted"), record("r3", classification="secret")]
    records += [refused_before("r4"), refused_before("r5", classification="secret")]
    ended = activate.apply(rig.press("a-2026.1"), rig.means(records=lambda: records), rig.terms())
    found = ended.rehearsal
    assert found is not None
    assert (found.records, found.otherwise, found.refused, found.admitted) == (5, 3, 1, 1)
    assert found.examples == (
        "r3: site/one -> refused (policy)",
        "r4: refused (capacity) -> site/one",
        "r5: refused (capacity) -> refused (policy)",
    )
    assert found.cost_before == 0.5
    assert found.cost_after < found.cost_before
    entry = next(entry for entry in rig.entries if entry["step"] == "rehearsed")
    assert entry["cost_before_millionths"] == 500_000


def test_a_blob_that_rotted_in_the_store_is_found_and_copied_anew(rig: Rig) -> None:
    place = rig.press("a-2026.1")
    manifest = rig.publisher.manifest({"models/desk.gguf": CUT_FILE})
    with media.opened(place) as source:
        stage.stage(manifest, source, rig.state)
    blob = stage.place(rig.state, manifest.files["models/desk.gguf"][1].sha256)
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    with pytest.raises(BundleRefused) as raised:
        rig.apply(place)
    assert raised.value.reason == "damaged_store"
    assert rig.apply(place).outcome == "good"
    sound(rig.state)


def test_a_linked_file_that_rotted_is_found_when_the_rehearsal_fails(rig: Rig) -> None:
    files = content(rig.top / "content")
    place = rig.press("a-2026.1", files)
    weights = files["router/weights.json"]
    with media.opened(place) as source:
        stage.stage(rig.publisher.manifest({"router/weights.json": weights}), source, rig.state)
    blob = stage.place(rig.state, sha256(weights))
    blob.chmod(0o600)
    blob.write_bytes(b"!" * len(weights))
    error = refused(rig, place)
    assert (error.reason, error.details) == ("damaged_store", ("router/weights.json",))
    assert rig.apply(place).outcome == "good"
    sound(rig.state)


# ---- trust, time and media --------------------------------------------------------------------------------------


def test_without_a_root_nothing_is_taken(rig: Rig) -> None:
    with pytest.raises(BundleRefused) as raised:
        activate.apply(rig.press("a-2026.1"), rig.means(), activate.Terms(rig.terms().moment))
    assert raised.value.reason == "no_root"
    assert floors.read(rig.state) is None


def test_a_node_that_trusts_a_root_takes_no_other(rig: Rig) -> None:
    rig.apply(rig.press("a-2026.1"))
    (rig.top / "other").mkdir()
    other = Rig(rig.top / "other")
    terms = activate.Terms(rig.terms().moment, root=other.publisher.roots[1])
    with pytest.raises(BundleRefused) as raised:
        activate.apply(other.press("a-2026.2"), rig.means(), terms)
    assert raised.value.reason == "threshold_missed"


def test_a_lost_copy_of_the_floors_is_restored_and_nothing_imported_in_that_run(rig: Rig) -> None:
    rig.apply(rig.press("a-2026.1"))
    newer = rig.press("a-2026.2")
    before = rig.floors
    (rig.state / floors.FILE).unlink()
    with pytest.raises(BundleRefused) as raised:
        rig.apply(newer)
    assert raised.value.reason == "state_lost"
    assert "restored" in rig.steps()
    assert rig.floors == before
    assert rig.apply(newer).outcome == "good"


def test_a_lost_database_makes_what_ran_prove_itself_anew(rig: Rig) -> None:
    rig.apply(rig.press("a-2026.1"))
    before = rig.floors
    for file in rig.state.glob("node.db*"):
        file.unlink()
    with pytest.raises(BundleRefused) as raised:
        rig.apply(rig.press("a-2026.2"))
    assert raised.value.reason == "state_lost"
    not_below(rig.state, before)
    after, said = activate.settle(rig.means())
    assert after == Slots(good="a-2026.1")
    assert "good" in said


@pytest.mark.parametrize("years", [(1970, 2099, 1971), (2099, 1970, 2099), (2026, 2025, 1970)])
def test_a_clock_that_is_wrong_or_goes_back_between_imports_changes_nothing(rig: Rig, years: tuple[int, ...]) -> None:
    for number, year in enumerate(years, 1):
        ended = rig.apply(rig.press(f"a-2026.{number}"), clock=at(year))
        assert (ended.outcome, ended.age.age.days) == ("good", 0)  # type: ignore[union-attr]
    assert rig.slots.good == "a-2026.3"


def test_a_trusted_clock_in_1970_takes_a_good_bundle_and_one_in_2099_does_not(rig: Rig) -> None:
    assert refused(rig, rig.press("a-2026.1"), clock=at(2099), trusted=True).reason in ("expired", "expired_root")
    assert rig.apply(rig.press("a-2026.2"), clock=at(1970), trusted=True).outcome == "good"


def test_a_late_bundle_is_taken_with_an_acknowledgement_that_the_audit_keeps(rig: Rig) -> None:
    place = rig.press("a-2026.1")
    clock = at(2027).replace(month=4)
    assert refused(rig, place, clock=clock, trusted=True).reason == "needs_acknowledgement"
    rig.apply(place, clock=clock, trusted=True, acknowledged=True)
    (entry,) = (entry for entry in rig.entries if entry["step"] == "verified")
    assert entry["acknowledged"] is True
    assert entry["expired"] == ["timestamp", "snapshot"]


def test_two_imports_at_once_are_one(rig: Rig) -> None:
    place = rig.press("a-2026.1")
    with stage.locked(rig.state):
        assert refused(rig, place).reason == "import_in_progress"

    def inner(_: Path) -> str:
        with pytest.raises(BundleRefused) as raised:
            activate.apply(place, rig.means(), rig.terms())
        return "" if raised.value.reason == "import_in_progress" else "no lock"

    assert rig.apply(place, inner).outcome == "good"


def test_a_stick_that_is_pulled_after_the_copy_is_not_missed(rig: Rig) -> None:
    place = rig.press("a-2026.1")

    def pull(_: Path) -> str:
        shutil.rmtree(place, ignore_errors=True)
        return ""

    assert rig.apply(place, pull).outcome == "good"


def test_a_stick_that_is_pulled_during_the_copy_changes_nothing_and_is_resumed(rig: Rig) -> None:
    rig.apply(rig.press("a-2026.1"))
    place = rig.press("a-2026.2", content(rig.top / "other", site="site/two"))
    away = rig.top / "away"

    def pull(progress: stage.Progress) -> None:
        if place.exists() and progress.blobs_done < progress.blobs:
            place.rename(away)
            shutil.rmtree(away / Path(blob_path("ab")).parts[0])

    shutil.copytree(place, rig.top / "copy")
    with pytest.raises(BundleRefused) as raised:
        activate.apply(place, rig.means(show=pull), rig.terms())
    assert raised.value.reason == "medium_gone"
    assert (rig.slots.good, generations.current(rig.state)) == ("a-2026.1", "a-2026.1")
    assert rig.floors.versions["timestamp"] == 1
    sound(rig.state)
    shutil.copytree(rig.top / "copy", place)
    assert rig.apply(place).outcome == "good"


def test_what_has_a_name_and_is_not_whole_is_taken_away_and_made_anew(rig: Rig) -> None:
    rig.apply(rig.press("a-2026.1"))
    rig.apply(rig.press("a-2026.2"))
    (generations.place(rig.state, "a-2026.2") / "evals/name.jsonl").unlink()
    after, _ = activate.settle(rig.means())
    assert after == Slots(good="a-2026.1")
    assert generations.current(rig.state) == "a-2026.1"
    assert "repaired" in rig.steps()


def test_an_id_that_is_there_with_other_content_is_refused(rig: Rig) -> None:
    rig.apply(rig.press("a-2026.1"))
    rig.apply(rig.press("b-2026.1"))
    files = content(rig.top / "other", policy=RULES + "\n")
    place = rig.press("a-2026.1", {**files, "taxonomy.json": b"[]"})
    assert refused(rig, place).reason == "id_reused"


def test_a_node_serves_by_the_policy_that_current_leads_to(rig: Rig) -> None:
    from appliance.bundle.content import load_generation

    rig.apply(rig.press("a-2026.1"))
    generation = load_generation(rig.state / "current")
    card = generation.card_by_id["site/one"]
    assert generation.policy.permits(Use(card, Labels(classification="public")))


def test_slots_that_were_never_written_are_none(tmp_path: Path) -> None:
    assert slots.read(tmp_path) is None
    slots.write(tmp_path, Slots(good="a", tries=2, bad={"b": "ill"}))
    assert slots.read(tmp_path) == Slots(good="a", tries=2, bad={"b": "ill"})


# ---- what the disk holds is not what was signed -----------------------------------------------------------------


LARGE = random.Random(1).randbytes(3 << 20)


def alter(file: Path) -> None:
    """Other bytes of the same length under the same inode, as a failing disk has them; hard links share them."""
    file.chmod(0o600)
    raw = bytearray(file.read_bytes())
    raw[-2] ^= 1
    file.write_bytes(raw)


def test_a_generation_whose_policy_changed_on_the_disk_is_not_there(rig: Rig) -> None:
    first, second = rig.press("a-2026.1"), rig.press("a-2026.2")
    rig.apply(first)
    rig.apply(second)
    assert not activate.unsettled(rig.state)
    alter(generations.place(rig.state, "a-2026.2") / "router/weights.json")
    assert generations.read(rig.state, "a-2026.2") is None
    assert activate.unsettled(rig.state)
    # The file is one for both on the disk, so that neither is as it was signed.
    _, said = activate.settle(rig.means())
    assert "a-2026.2" in said and "missing or damaged on the disk" in said
    assert rig.slots.pointed == ""


def test_a_damaged_blob_gets_into_no_other_generation_and_the_next_import_heals_it(rig: Rig) -> None:
    rig.apply(rig.press("a-2026.1"))
    blob = generations.place(rig.state, "a-2026.1") / "router/weights.json"
    alter(blob)
    second = rig.press("a-2026.2")
    with pytest.raises(BundleRefused) as raised:
        rig.apply(second)
    assert (raised.value.reason, raised.value.details) == ("damaged_store", ("router/weights.json",))
    assert not generations.place(rig.state, "a-2026.2").exists()
    assert rig.apply(second).outcome == "good"
    assert rotten_of(rig, "a-2026.2") == ()


def test_the_same_bundle_again_heals_what_changed_on_the_disk(rig: Rig) -> None:
    place = rig.press("a-2026.1")
    rig.apply(place)
    alter(generations.place(rig.state, "a-2026.1") / "policy/rules.cedar")
    with pytest.raises(BundleRefused) as raised:
        rig.apply(place)
    assert raised.value.reason == "damaged_store"
    assert rig.apply(place).outcome == "good"
    assert rotten_of(rig, "a-2026.1") == ()


def test_the_same_bundle_again_heals_a_model_that_changed_on_the_disk(rig: Rig) -> None:
    """A model is too large to be read at every turn; whoever brings its bundle again has it read."""
    files = {**content(rig.top / "c"), "models/large.bin": LARGE}
    place = rig.press("a-2026.1", files)
    rig.apply(place)
    alter(generations.place(rig.state, "a-2026.1") / "models/large.bin")
    assert rig.apply(place, thorough=False).outcome == "no_change"
    ended = rig.apply(place)
    assert (ended.outcome, ended.runs, ended.copied >= len(LARGE)) == ("mended", "a-2026.1", True)
    assert rotten_of(rig, "a-2026.1") == ()
    assert rig.apply(place).outcome == "no_change"
    sound(rig.state)


def test_what_the_medium_lacks_is_not_taken_away_to_be_mended(rig: Rig) -> None:
    place = rig.press("a-2026.1", {**content(rig.top / "c"), "models/large.bin": LARGE})
    rig.apply(place)
    large = generations.place(rig.state, "a-2026.1") / "models/large.bin"
    alter(large)
    shutil.rmtree(place / "blobs")
    with pytest.raises(BundleRefused) as raised:
        rig.apply(place)
    assert raised.value.reason == "damaged_store"
    assert large.exists()


def rotten_of(rig: Rig, id: str) -> tuple[str, ...]:
    manifest = generations.read(rig.state, id)
    assert manifest is not None
    return generations.rotten(manifest, rig.state)
