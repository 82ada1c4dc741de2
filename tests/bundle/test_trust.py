"""Claims about what a node believes: only what the right keys signed, all of one release, and never an older one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import Metadata, MetaFile, Targets

from appliance.bundle import manifest as form
from appliance.bundle import media, verify
from appliance.bundle.refusal import BundleRefused
from appliance.bundle.trust import Trusted
from appliance.store.floors import Lost, TrustState
from tests.bundle.publisher import (
    FILES,
    NOW,
    Publisher,
    Tree,
    again,
    sha256,
    sign,
    target,
    write_tar,
    write_tree,
)


def offered(tree: Tree, state: TrustState | Lost | None, folder: Path) -> Trusted:
    """What a node in this state makes of the tree, read as files of a fresh directory."""
    place = folder / f"{len(list(folder.iterdir()))}.bundle"
    with media.opened(write_tree(tree, place)) as source:
        return verify.trusted(source, state)


def refused(tree: Tree, state: TrustState | Lost | None, folder: Path) -> BundleRefused:
    with pytest.raises(BundleRefused) as raised:
        offered(tree, state, folder)
    assert raised.value.next_step
    return raised.value


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def state(publisher: Publisher) -> TrustState:
    return verify.begin(publisher.roots[1])


def test_a_good_bundle_is_believed_and_says_who_signed(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    found = offered(publisher.release(), state, tmp_path)
    assert found.manifest.id == "test-2026.1"
    assert found.manifest.files.keys() == FILES.keys()
    assert found.issued == NOW
    assert (found.root_name, found.evaluation) == ("Test publisher", True)
    assert [role.name for role in found.roles] == [
        "root", "timestamp", "snapshot", "targets", "models", "policies", "appliance",
    ]  # fmt: skip
    for role in found.roles:
        assert set(role.keys) == {key.public_key.keyid for key in publisher.keys[role.name]}
        assert role.threshold == publisher.roles[role.name][0]


def test_only_the_ids_that_met_a_threshold_are_named(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    two = publisher.keys["targets"][:2]
    found = offered(publisher.release(signers={"targets": two}), state, tmp_path)
    assert set(found.role["targets"].keys) == {key.public_key.keyid for key in two}


def test_a_tar_of_the_same_tree_says_the_same(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    tree = publisher.release()
    with media.opened(write_tar(tree, tmp_path / "test.bundle.tar")) as source:
        assert verify.trusted(source, state) == offered(tree, state, tmp_path)


def test_the_same_bundle_again_is_the_same(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    tree = publisher.release()
    after = verify.accepted(state, offered(tree, state, tmp_path))
    assert verify.same(after, offered(tree, after, tmp_path))
    newer = publisher.release()
    assert not verify.same(after, offered(newer, after, tmp_path))


# ---- who may sign ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp", "models", "policies", "appliance"])
def test_unsigned_a_strangers_and_another_roles_signature_are_refused(
    publisher: Publisher, state: TrustState, tmp_path: Path, role: str
) -> None:
    strangers = [CryptoSigner.generate_ed25519() for _ in range(3)]
    other = publisher.keys["models" if role != "models" else "timestamp"]
    for signers in ([], strangers, other):
        assert refused(publisher.release(signers={role: signers}), state, tmp_path).reason == "threshold_missed"


@pytest.mark.parametrize("role", ["targets", "policies", "appliance"])
def test_one_key_less_than_the_threshold_is_refused(
    publisher: Publisher, state: TrustState, tmp_path: Path, role: str
) -> None:
    one = publisher.keys[role][:1]
    assert refused(publisher.release(signers={role: one}), state, tmp_path).reason == "threshold_missed"


def test_one_signature_written_down_twice_counts_once(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    tree = publisher.release()
    name = "metadata/1.targets.json"
    content = json.loads(tree[name])
    content["signatures"] = [content["signatures"][0]] * 2
    change_signed(tree, publisher, "targets", json.dumps(content).encode())
    assert refused(tree, state, tmp_path).reason in ("threshold_missed", "bad_metadata")


@pytest.mark.parametrize("spelt", [str, str.upper, lambda text: " ".join((text[:2], text[2:]))])
def test_one_key_under_two_ids_counts_once(tmp_path: Path, spelt: Callable[[str], str]) -> None:
    publisher = Publisher()
    first = publisher.keys["targets"][0]
    public = SSlibKey("f" * 64, "ed25519", "ed25519", {"public": spelt(first.public_key.keyval["public"])})
    publisher.keys["targets"] = [first, CryptoSigner(first._private_key, public)]
    publisher.sign_root(1)
    state = verify.begin(publisher.roots[1])
    assert refused(publisher.release(), state, tmp_path).reason == "threshold_missed"


def change_signed(tree: Tree, publisher: Publisher, role: str, data: bytes) -> None:
    """Put other bytes in a role's place, with snapshot and timestamp made to agree."""
    tree[f"metadata/1.{role}.json"] = data

    def listed(signed: Any) -> None:
        signed.meta[f"{role}.json"] = MetaFile(1, len(data), {"sha256": sha256(data)})

    snapshot = again(tree["metadata/1.snapshot.json"], listed, *publisher.keys["snapshot"])
    tree["metadata/1.snapshot.json"] = snapshot

    def stamped(signed: Any) -> None:
        signed.snapshot_meta = MetaFile(1, len(snapshot), {"sha256": sha256(snapshot)})

    tree["metadata/timestamp.json"] = again(tree["metadata/timestamp.json"], stamped, *publisher.keys["timestamp"])


# ---- what a role may sign -------------------------------------------------------------------------------------------


def test_a_role_that_signs_outside_its_paths_is_refused(
    publisher: Publisher, state: TrustState, tmp_path: Path
) -> None:
    def change(parts: dict[str, Metadata[Any]]) -> None:
        parts["models"].signed.targets["policy/policy.json"] = target("policy/policy.json", b"permit everything")

    error = refused(publisher.release(change=change), state, tmp_path)
    assert error.reason == "outside_prefix"
    assert "policy/policy.json" in error.details[0]


def test_a_policy_that_only_the_models_role_signed_is_refused(
    publisher: Publisher, state: TrustState, tmp_path: Path
) -> None:
    def change(parts: dict[str, Metadata[Any]]) -> None:
        moved = parts["policies"].signed.targets.pop("policy/policy.json")
        parts["models"].signed.targets["policy/policy.json"] = moved

    assert refused(publisher.release(change=change), state, tmp_path).reason == "outside_prefix"


def test_a_file_that_its_role_did_not_sign_is_refused(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    def change(parts: dict[str, Metadata[Any]]) -> None:
        del parts["models"].signed.targets["models/desk.gguf"]

    error = refused(publisher.release(change=change), state, tmp_path)
    assert (error.reason, error.details) == (
        "not_vouched",
        ("models/desk.gguf: listed by no role that answers for it",),
    )


def test_a_file_that_its_role_signed_with_other_content_is_refused(
    publisher: Publisher, state: TrustState, tmp_path: Path
) -> None:
    def other_blobs(parts: dict[str, Metadata[Any]]) -> None:
        parts["policies"].signed.targets["policy/policy.json"] = target("policy/policy.json", b"something else")

    def no_blobs(parts: dict[str, Metadata[Any]]) -> None:
        parts["policies"].signed.targets["policy/policy.json"].unrecognized_fields.clear()

    def other_whole(parts: dict[str, Metadata[Any]]) -> None:
        parts["policies"].signed.targets["policy/policy.json"].hashes["sha256"] = "0" * 64

    for change in (other_blobs, no_blobs, other_whole):
        assert refused(publisher.release(change=change), state, tmp_path).reason == "not_vouched"


def test_a_role_that_lists_more_than_the_manifest_is_refused(
    publisher: Publisher, state: TrustState, tmp_path: Path
) -> None:
    def change(parts: dict[str, Metadata[Any]]) -> None:
        parts["models"].signed.targets["models/more.gguf"] = target("models/more.gguf", b"x")

    assert refused(publisher.release(change=change), state, tmp_path).reason == "not_vouched"


def test_targets_that_list_more_than_the_manifest_are_refused(
    publisher: Publisher, state: TrustState, tmp_path: Path
) -> None:
    def change(parts: dict[str, Metadata[Any]]) -> None:
        parts["targets"].signed.targets["policy/policy.json"] = target("policy/policy.json", b"x")

    assert refused(publisher.release(change=change), state, tmp_path).reason == "bad_metadata"


def test_delegations_that_go_round_in_a_circle_end(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    def change(parts: dict[str, Metadata[Any]]) -> None:
        delegations = parts["targets"].signed.delegations
        parts["models"].signed.delegations = delegations

    found = offered(publisher.release(change=change), state, tmp_path)
    assert {role.name for role in found.roles} >= {"models", "policies", "appliance"}


# ---- one release ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["metadata/{}.snapshot.json", "metadata/{}.targets.json", "metadata/{}.models.json"])
def test_metadata_of_two_releases_is_refused(
    publisher: Publisher, state: TrustState, tmp_path: Path, name: str
) -> None:
    first, second = publisher.release(), publisher.release()
    second[name.format(2)] = first[name.format(1)]
    assert refused(second, state, tmp_path).reason == "mixed_metadata"


def test_a_timestamp_of_another_release_is_refused_or_older(
    publisher: Publisher, state: TrustState, tmp_path: Path
) -> None:
    first, second = publisher.release(), publisher.release()
    second["metadata/timestamp.json"] = first["metadata/timestamp.json"]
    assert refused(second, state, tmp_path).reason == "missing_metadata"


@pytest.mark.parametrize(
    "name",
    [
        "metadata/timestamp.json",
        "metadata/1.snapshot.json",
        "metadata/1.targets.json",
        "metadata/1.models.json",
        "metadata/2.root.json",
        "manifest",
    ],
)
def test_a_flipped_cut_longer_or_endless_file_is_refused(
    publisher: Publisher, state: TrustState, tmp_path: Path, name: str
) -> None:
    publisher.rotate("timestamp")
    tree = publisher.release()
    if name == "manifest":
        (name,) = (path for path in tree if path.startswith("targets/"))
    data = tree[name]
    reasons = set()
    for bad in (data[:-1], data[: len(data) // 2], b"", data + b"x", data + b" " * form.MAX_MANIFEST):
        reasons.add(refused(tree | {name: bad}, state, tmp_path).reason)
    for at in range(0, len(data), max(1, len(data) // 12)):
        bad = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            # White space and the ids of signatures that are not needed are all that may differ.
            assert offered(tree | {name: bad}, state, tmp_path) is not None
            assert name.endswith(("root.json", "timestamp.json"))
        except BundleRefused as error:
            reasons.add(error.reason)
    assert reasons <= {"bad_metadata", "mixed_metadata", "threshold_missed", "too_large"}


def test_every_missing_metadata_file_is_named(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    tree = publisher.release()
    for name in tree:
        if not name.startswith(("blobs", "README")) and name != "metadata/1.root.json":
            error = refused({path: data for path, data in tree.items() if path != name}, state, tmp_path)
            assert (error.reason, name in error.message) == ("missing_metadata", True)


def test_hostile_json_is_refused(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    tree = publisher.release()
    for bad in (b"[" * 9_000, b'{"a":' * 3_000, b"\xff\xfe", b"null", b"[]", b"{}", b'{"signed":{},"signatures":[]}'):
        for name in ("metadata/timestamp.json", "metadata/2.root.json"):
            assert refused(tree | {name: bad}, state, tmp_path).reason in ("bad_metadata", "threshold_missed")


# ---- never older ----------------------------------------------------------------------------------------------------


def test_an_older_bundle_is_refused(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    first, second = publisher.release(), publisher.release()
    after = verify.accepted(state, offered(second, state, tmp_path))
    assert refused(first, after, tmp_path).reason == "older_bundle"


def test_an_older_bundle_is_refused_with_all_local_metadata_lost(
    publisher: Publisher, state: TrustState, tmp_path: Path
) -> None:
    first, second = publisher.release(), publisher.release()
    after = verify.accepted(state, offered(second, state, tmp_path))
    bare = replace(after, metadata={}, roots={1: publisher.roots[1]})
    assert refused(first, bare, tmp_path).reason == "older_bundle"
    assert offered(second, bare, tmp_path).floors == after.floors


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "models", "policies", "appliance"])
def test_one_role_that_goes_back_is_refused_with_and_without_local_metadata(
    publisher: Publisher, state: TrustState, tmp_path: Path, role: str
) -> None:
    second = (publisher.release(), publisher.release())[1]
    after = verify.accepted(state, offered(second, state, tmp_path))
    publisher.versions[role] = 0  # the next release has this role at 1 again
    back = publisher.release()
    assert refused(back, after, tmp_path).reason == "older_bundle"
    error = refused(back, replace(after, metadata={}), tmp_path)
    assert error.reason == "older_bundle"
    assert error.message == f"{role} is at version 1; this node has accepted 2."


def test_a_role_that_was_accepted_may_not_vanish(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    after = verify.accepted(state, offered(publisher.release(), state, tmp_path))
    tree = publisher.release()

    def without(signed: Any) -> None:
        del signed.meta["policies.json"]

    snapshot = again(tree["metadata/2.snapshot.json"], without, *publisher.keys["snapshot"])
    tree["metadata/2.snapshot.json"] = snapshot

    def stamped(signed: Any) -> None:
        signed.snapshot_meta = MetaFile(2, len(snapshot), {"sha256": sha256(snapshot)})

    tree["metadata/timestamp.json"] = again(tree["metadata/timestamp.json"], stamped, *publisher.keys["timestamp"])
    assert refused(tree, after, tmp_path).reason == "older_bundle"
    assert refused(tree, replace(after, metadata={}), tmp_path).reason == "older_bundle"


def test_two_timestamps_of_one_version_are_not_mixed(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    after = verify.accepted(state, offered(publisher.release(), state, tmp_path))
    publisher.versions.clear()
    twin = publisher.release({**FILES, "taxonomy.json": b"other"})
    # TUF 5.4.3: at an equal version the one that is trusted stays, so that the twin's own files fit nothing.
    assert refused(twin, replace(after, metadata={"timestamp": after.metadata["timestamp"]}), tmp_path).reason == (
        "mixed_metadata"
    )


def test_a_state_whose_copies_differ_decides_nothing(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    error = refused(publisher.release(), Lost("file", "the file is missing", state), tmp_path)
    assert error.reason == "state_lost"
    assert refused(publisher.release(), None, tmp_path).reason == "no_root"


# ---- roots ----------------------------------------------------------------------------------------------------------


def test_roots_are_followed_over_missed_rotations(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    for role in ("root", "timestamp", "root", "targets", "root", "snapshot"):
        publisher.rotate(role)
    found = offered(publisher.release(), state, tmp_path)
    assert sorted(found.roots) == [1, 2, 3, 4, 5, 6, 7]
    assert found.role["root"].version == 7


def test_a_gap_in_the_roots_is_reported_as_exactly_that(
    publisher: Publisher, state: TrustState, tmp_path: Path
) -> None:
    for _ in range(3):
        publisher.rotate("root")
    tree = publisher.release()
    del tree["metadata/3.root.json"]
    error = refused(tree, state, tmp_path)
    assert error.reason == "root_gap"
    assert "3.root.json is missing" in error.message
    assert "trusts root 2" in error.message and "goes on at 4" in error.message


def test_a_rotation_that_the_old_root_did_not_sign_is_refused(tmp_path: Path) -> None:
    publisher, stranger = Publisher(), Publisher()
    state = verify.begin(publisher.roots[1])
    tree = stranger.release() | {"metadata/1.root.json": publisher.roots[1]}
    tree["metadata/2.root.json"] = stranger.sign_root(2)
    assert refused(tree, state, tmp_path).reason == "threshold_missed"


def test_a_rotation_that_the_new_root_did_not_sign_is_refused(
    publisher: Publisher, state: TrustState, tmp_path: Path
) -> None:
    old = list(publisher.keys["root"])
    publisher.rotate("root")
    tree = publisher.release()
    tree["metadata/2.root.json"] = sign(publisher.root_metadata(2), *old)
    assert refused(tree, state, tmp_path).reason == "threshold_missed"


def test_a_root_of_another_version_than_its_name_is_refused(
    publisher: Publisher, state: TrustState, tmp_path: Path
) -> None:
    publisher.rotate("root")
    publisher.rotate("timestamp")
    tree = publisher.release()
    tree["metadata/2.root.json"] = tree["metadata/3.root.json"]
    assert refused(tree, state, tmp_path).reason in ("mixed_metadata", "threshold_missed")


def test_an_endless_chain_of_roots_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "MAX_ROOTS", 3)
    publisher = Publisher()
    state = verify.begin(publisher.roots[1])
    for _ in range(3):
        publisher.rotate("timestamp")
    assert refused(publisher.release(), state, tmp_path).reason == "too_many_roots"


def test_a_bundle_without_the_roots_that_are_trusted_already_is_believed(
    publisher: Publisher, state: TrustState, tmp_path: Path
) -> None:
    publisher.rotate("root")
    after = verify.accepted(state, offered(publisher.release(), state, tmp_path))
    tree = publisher.release()
    del tree["metadata/1.root.json"], tree["metadata/2.root.json"]
    assert offered(tree, after, tmp_path).role["root"].version == 2


# ---- fast-forward ---------------------------------------------------------------------------------------------------


def test_versions_that_a_stolen_key_drove_up_are_forgotten_with_the_key(
    publisher: Publisher, state: TrustState, tmp_path: Path
) -> None:
    publisher.versions.update(timestamp=10**9, snapshot=10**9)
    far = publisher.release(issued=NOW + timedelta(days=36_500))
    after = verify.accepted(state, offered(far, state, tmp_path))
    publisher.versions.update(timestamp=1, snapshot=1)
    assert refused(publisher.release(), after, tmp_path).reason == "older_bundle"
    publisher.rotate("timestamp")
    publisher.rotate("snapshot")
    found = offered(publisher.release(), after, tmp_path)
    assert found.recovered
    assert found.floors.versions["timestamp"] == 3
    assert found.before.issued == 0
    assert found.floors.epoch == after.floors.epoch


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "models"])
def test_a_version_that_the_audit_could_not_write_down_is_refused(
    publisher: Publisher, state: TrustState, tmp_path: Path, role: str
) -> None:
    publisher.versions[role] = form.MAX_VERSION - 1
    accepted = verify.accepted(state, offered(publisher.release(), state, tmp_path))
    assert accepted.floors.versions[role] == form.MAX_VERSION
    found = refused(publisher.release(), accepted, tmp_path)
    assert (found.reason, role in found.message) == ("bad_metadata", True)


def test_a_key_that_is_only_added_forgets_nothing(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    second = (publisher.release(), publisher.release())[1]
    after = verify.accepted(state, offered(second, state, tmp_path))
    publisher.keys["timestamp"].append(CryptoSigner.generate_ed25519())
    publisher.sign_root(2)
    publisher.versions["timestamp"] = 0
    assert refused(publisher.release(), after, tmp_path).reason == "older_bundle"


# ---- the manifest ---------------------------------------------------------------------------------------------------


def test_a_signed_manifest_of_another_form_is_refused(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    good = form.write_manifest(publisher.manifest(FILES))
    content = json.loads(good)
    twins = content | {"files": content["files"] | {"Cards/desk.json": []}}
    above = content | {"files": content["files"] | {"../../etc/passwd": []}}
    for bad in (
        good + b"\n",
        json.dumps(content, indent=1).encode(),
        canonical(content | {"more": 1}),
        canonical(content | {"format": 2}),
        canonical(content | {"disk_bytes": 1}),
        canonical(twins),
        canonical(above),
    ):
        assert refused(publisher.release(manifest=bad), state, tmp_path).reason == "bad_manifest"


def canonical(content: object) -> bytes:
    return (json.dumps(content, sort_keys=True, separators=(",", ":")) + "\n").encode()


def test_a_timestamp_without_its_issue_time_is_refused(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    tree = publisher.release()

    def without(signed: Any) -> None:
        signed.unrecognized_fields.clear()

    tree["metadata/timestamp.json"] = again(tree["metadata/timestamp.json"], without, *publisher.keys["timestamp"])
    assert refused(tree, state, tmp_path).reason == "bad_metadata"


def test_what_changes_is_named(publisher: Publisher, state: TrustState, tmp_path: Path) -> None:
    after = verify.accepted(state, offered(publisher.release(), state, tmp_path))
    files = {**FILES, "models/new.gguf": b"new", "detectors.json": b"other"}
    del files["taxonomy.json"]
    found = offered(publisher.release(files, id="test-2026.2"), after, tmp_path)
    changes = verify.changes(verify.manifest_of(after), found.manifest)
    assert changes == verify.Changes(("models/new.gguf",), ("detectors.json",), ("taxonomy.json",))


def test_another_publisher_answers_for_its_own_paths_only(
    publisher: Publisher, state: TrustState, tmp_path: Path
) -> None:
    key = CryptoSigner.generate_ed25519()
    publisher.keys["acme"] = [key]
    files = {**FILES, "models/acme/tiny.gguf": b"tiny"}

    def change(parts: dict[str, Metadata[Any]]) -> None:
        delegations = parts["targets"].signed.delegations
        assert delegations is not None and delegations.roles is not None
        from tuf.api.metadata import DelegatedRole

        acme = DelegatedRole("acme", [key.public_key.keyid], 1, True, ["models/acme/*"])
        delegations.roles = {"acme": acme, **delegations.roles}
        delegations.keys[key.public_key.keyid] = key.public_key
        path = "models/acme/tiny.gguf"
        moved = parts["models"].signed.targets.pop(path)
        parts["acme"] = Metadata(Targets(1, None, publisher.expires, {path: moved}))

    def too_much(parts: dict[str, Metadata[Any]]) -> None:
        change(parts)
        parts["acme"].signed.targets["models/desk.gguf"] = target("models/desk.gguf", b"evil")

    found = offered(publisher.release(files, change=change), state, tmp_path)
    assert found.role["acme"].keys == (key.public_key.keyid,)
    assert refused(publisher.release(files, change=too_much), state, tmp_path).reason == "outside_prefix"
