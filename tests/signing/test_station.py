"""Claims about a station: what roles.yaml must say, roots over time, and sealing that is interrupted."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Root

from signing import declare as declaring
from signing import files, keys, rounds
from signing import seal as sealing
from signing.errors import BenchError
from signing.evaluate import evaluate
from signing.station import Station
from tests.signing.conftest import NOW, PASSPHRASE, Publisher
from tests.signing.interrupted import points


def refused_by(publisher: Publisher) -> BenchError:
    with pytest.raises(BenchError) as refused:
        declaring.declare(publisher.station, NOW)
    return refused.value


def rotate(publisher: Publisher, old: str, new: str) -> None:
    """A declared change of roles.yaml, signed by everybody who is needed and sealed."""
    publisher.roles(old, new)
    declaring.declare(publisher.station, NOW)
    publisher.sign_all()
    publisher.seal()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("threshold: 2, days: 1095}\n  targets", "threshold: 1, days: 1095}\n  targets", "threshold_low"),
        ("threshold: 2, days: 365}\n  snapshot", "threshold: 1, days: 365}\n  snapshot", "threshold_low"),
        ("emil], threshold: 1", "emil], threshold: 3", "roles_invalid"),
        ("models:    {holders: [dora, emil]", "models: {holders: [dora, dora]", "roles_invalid"),
        ("models:    {holders: [dora, emil]", "models: {holders: [dora, station]", "roles_invalid"),
        ("models:    {holders: [dora, emil]", "models: {holders: [dora, ../emil]", "roles_invalid"),
        ("  models:", "  modles:", "roles_invalid"),
        ("publisher: Example", "publisher: \"a\\u202eb\"", "roles_invalid"),
        ("publisher: Example", "publisher: \"a\\nb\"", "roles_invalid"),
        ("publisher: Example", "publisher: ''", "roles_invalid"),
        ("publisher: Example", "publisher: " + "x" * 65, "roles_invalid"),
        ("days: 180}\n  timestamp", "days: 0}\n  timestamp", "roles_invalid"),
        ("publisher:", "surprise: 1\npublisher:", "roles_invalid"),
        ("publisher: Example", "publisher: [", "roles_invalid"),
        ("holders: [dora, emil]", "holders: [dora, nobody]", "key_missing"),
    ],
)  # fmt: skip
def test_roles_that_the_format_does_not_allow_are_refused(drafted: Publisher, old: str, new: str, code: str) -> None:
    drafted.roles(old, new)
    assert refused_by(drafted).code == code


def test_two_names_for_one_key_are_found(drafted: Publisher) -> None:
    holders = drafted.station.directory / "holders"
    text = (holders / "anna.pub").read_text()
    (holders / "boris.pub").write_text(text)
    assert refused_by(drafted).code == "key_counted_twice"
    (holders / "boris.pub").write_text(text.replace("anna", "boris"))
    assert refused_by(drafted).code == "key_counted_twice"


def test_a_first_root_is_signed_sealed_and_verifies(publisher: Publisher) -> None:
    names = {path.name for path in publisher.station.metadata.iterdir()}
    first = ("root", "targets", "models", "policies", "appliance", "snapshot")
    assert names == {"timestamp.json", *(f"1.{role}.json" for role in first)}
    assert publisher.station.drafted() == ()
    root: Metadata[Root] = Metadata.from_file(str(publisher.station.metadata / "1.root.json"))
    assert root.signed.get_root_verification_result(None, root.signed_bytes, root.signatures)
    assert root.signed.unrecognized_fields == {"x-weir-name": "Example", "x-weir-evaluation": False}


def test_declaring_again_without_a_change_drafts_nothing(publisher: Publisher) -> None:
    assert declaring.declare(publisher.station, NOW + timedelta(days=5)) == ()
    assert publisher.station.drafted() == ()


def test_declaring_again_keeps_the_signatures_of_an_unchanged_draft(drafted: Publisher) -> None:
    drafted.sign("root", "anna")
    declaring.declare(drafted.station, NOW + timedelta(days=1))
    assert rounds.look(drafted.station, "root").progress.signed == ("anna",)
    drafted.roles("publisher: Example", "publisher: Another")
    assert declaring.declare(drafted.station, NOW) == ("root",)
    assert rounds.look(drafted.station, "root").progress.signed == ()


def test_going_back_in_roles_yaml_takes_the_drafts_back(publisher: Publisher) -> None:
    before = (publisher.station.directory / "roles.yaml").read_text()
    publisher.holder("freda")
    publisher.roles("holders: [anna, boris, chen]", "holders: [anna, boris, freda]")
    declaring.declare(publisher.station, NOW)
    assert "root" in publisher.station.drafted()
    (publisher.station.directory / "roles.yaml").write_text(before)
    declaring.declare(publisher.station, NOW)
    assert "root" not in publisher.station.drafted()
    draft = publisher.station.draft("targets")
    published = publisher.station.published("targets")
    assert draft is None or (published and draft.signed.delegations == published.signed.delegations)


def test_a_lost_key_is_replaced_by_those_that_are_left(publisher: Publisher) -> None:
    publisher.holder("freda")
    publisher.roles("[anna, boris, chen]", "[anna, boris, freda]")
    made = declaring.declare(publisher.station, NOW)
    assert made[:2] == ("root", "targets")
    with pytest.raises(BenchError):
        publisher.seal()
    del publisher.signers["chen"]  # lost
    publisher.sign_all()
    publisher.seal()
    root = publisher.station.published("root")
    assert root is not None
    assert root.signed.version == 2
    declaring.renew(publisher.station, "root", NOW)
    found, digest = keys.unlock(publisher.keys / "chen.key", PASSPHRASE), rounds.look(publisher.station, "root").digest
    with pytest.raises(BenchError) as refused:
        rounds.sign(publisher.station, "root", found, digest)
    assert refused.value.code == "not_a_holder"


def test_a_new_root_needs_the_old_holders_too(publisher: Publisher) -> None:
    for name in ("freda", "gero", "hans"):
        publisher.holder(name)
    publisher.roles("root:      {holders: [anna, boris, chen]", "root:      {holders: [freda, gero, hans]")
    declaring.declare(publisher.station, NOW)
    publisher.sign("root", "freda", "gero")
    with pytest.raises(BenchError) as refused:
        publisher.seal()
    assert refused.value.code == "threshold_missed"
    publisher.sign("root", "anna", "boris")
    publisher.seal()


def test_a_chain_of_roots_over_several_rotations_is_walked_from_the_first(publisher: Publisher) -> None:
    holders = ["anna", "boris", "chen"]
    for name in ("freda", "gero", "hans", "ida"):
        publisher.holder(name)
        old = f"root:      {{holders: [{', '.join(holders)}]"
        holders = [*holders[1:], name]
        rotate(publisher, old, f"root:      {{holders: [{', '.join(holders)}]")
    trusted: Metadata[Root] = Metadata.from_file(str(publisher.station.metadata / "1.root.json"))
    for version in range(2, 6):
        following: Metadata[Root] = Metadata.from_file(str(publisher.station.metadata / f"{version}.root.json"))
        trusted.signed.verify_delegate("root", following.signed_bytes, following.signatures)
        following.signed.verify_delegate("root", following.signed_bytes, following.signatures)
        trusted = following
    assert len(holders) == 3 and not {"anna", "boris", "chen"} & set(holders)


def test_what_a_revoked_key_signed_must_be_signed_again(publisher: Publisher) -> None:
    publisher.holder("freda")
    publisher.roles("models:    {holders: [dora, emil]", "models:    {holders: [freda, emil]")
    assert declaring.declare(publisher.station, NOW) == ("targets", "models")
    publisher.sign("targets", "anna", "boris")
    with pytest.raises(BenchError) as refused:
        publisher.seal()
    assert refused.value.details == ("models: 1 signature(s) missing; may still sign: emil, freda",)
    publisher.sign("models", "freda")
    publisher.seal()


@pytest.mark.parametrize("role", ["root", "targets", "models"])
def test_what_has_expired_is_renewed_before_anything_is_sealed_on_top(publisher: Publisher, role: str) -> None:
    late = NOW + timedelta(days=365 if role == "models" else 1095)
    for other in ("policies", "appliance", "models", "targets", "root"):
        if other != role:
            declaring.renew(publisher.station, other, late)
    publisher.sign_all()
    with pytest.raises(BenchError) as refused:
        publisher.seal(late)
    assert (refused.value.code, role in refused.value.next_step) == ("expired", True)
    declaring.renew(publisher.station, role, late)
    publisher.sign_all()
    publisher.seal(late)


def test_a_clock_that_went_back_seals_nothing(publisher: Publisher) -> None:
    before = (publisher.station.metadata / "timestamp.json").read_bytes()
    with pytest.raises(BenchError) as refused:
        publisher.seal(NOW - timedelta(seconds=1))
    assert refused.value.code == "clock_behind"
    assert (publisher.station.metadata / "timestamp.json").read_bytes() == before
    publisher.seal(NOW)


def test_two_at_once_are_refused(publisher: Publisher) -> None:
    with files.alone(publisher.station.directory), pytest.raises(BenchError) as refused:
        publisher.seal()
    assert refused.value.code == "station_busy"
    publisher.seal()


def test_a_root_of_evaluation_keys_never_becomes_a_real_one(tmp_path: Path) -> None:
    made = evaluate(tmp_path / "evaluation", NOW)
    file = made.directory / "roles.yaml"
    file.write_text(file.read_text().replace("evaluation: true", "evaluation: false"))
    with pytest.raises(BenchError) as refused:
        declaring.declare(made, NOW)
    assert refused.value.code == "roles_invalid"
    root = made.published("root")
    assert root is not None and root.signed.unrecognized_fields["x-weir-evaluation"] is True


def test_a_station_of_evaluation_keys_killed_at_any_point_is_whole_or_not_there(quick_disk: Path) -> None:
    for at in points(lambda at: lambda: evaluate(quick_disk / str(at) / "made", NOW)):
        if (quick_disk / str(at) / "made").exists():
            assert Station(quick_disk / str(at) / "made").published("timestamp") is not None
    assert evaluate(quick_disk / "0" / "made", NOW).published("timestamp") is not None


def test_sealing_killed_at_any_point_is_run_again_and_completes(publisher: Publisher, quick_disk: Path) -> None:
    publisher.holder("freda")
    publisher.roles("[anna, boris, chen]", "[anna, boris, freda]")
    declaring.declare(publisher.station, NOW)
    publisher.sign_all()
    by_id = {signer.public_key.keyid: signer for signer in publisher.signers.values()}

    def prepare(at: int) -> Publisher:
        shutil.copytree(publisher.station.directory, quick_disk / str(at))
        return Publisher(Station(quick_disk / str(at)), publisher.keys, publisher.signers)

    def work(at: int) -> None:
        sealing.seal(Station(quick_disk / str(at)), by_id, NOW)

    for at in points(lambda at: (prepare(at), lambda: work(at))[1]):
        again = Station(quick_disk / str(at))
        root = again.published("root")
        assert root is not None and not again.progress("root", root).missing
        sealing.seal(again, by_id, NOW)
        assert again.drafted() == ()
        for role in ("root", "targets"):
            found = again.published(role)
            assert found is not None and found.signed.version == 2


def test_a_draft_that_was_overtaken_is_said_to_be_stale(publisher: Publisher) -> None:
    declaring.renew(publisher.station, "models", NOW)
    old = (publisher.station.drafts / "models.json").read_bytes()
    publisher.sign_all()
    publisher.seal()
    declaring.renew(publisher.station, "models", NOW)
    publisher.sign_all()
    publisher.seal()
    (publisher.station.drafts / "models.json").write_bytes(old)
    with pytest.raises(BenchError) as refused:
        publisher.seal()
    assert refused.value.code == "draft_stale"


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"signed": {"_type": "root"}, "signatures": []}'])
def test_a_damaged_draft_or_root_is_said_to_be_one(publisher: Publisher, content: bytes) -> None:
    (publisher.station.drafts / "models.json").write_bytes(content)
    with pytest.raises(BenchError) as refused:
        publisher.seal()
    assert refused.value.code == "station_invalid"
