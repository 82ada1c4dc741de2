"""Presses the golden bundles anew: `python -m tests.bundle.golden`. One good, and one for each way to be bad.

They lie under bundles/golden, so that every later program is tried on what an earlier publisher signed. The keys are
thrown away when this ends. A bad one is kept as what differs from the good one: `remove` and `put`, with the `reason`
for which it must be refused, and where that needs a node which has accepted something before, that node's state.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata

from appliance.bundle import manifest as form
from appliance.bundle import media, verify
from appliance.store import floors
from tests.bundle.publisher import FILES, NOW, Publisher, Tree, again, sign, target, write_tree

GOLDEN = Path(__file__).resolve().parents[2] / "bundles/golden"
GOOD = "golden-2026.1"
FAR = datetime(2126, 1, 1, tzinfo=UTC)
TEXTS = {path: data for path, data in FILES.items() if path != "models/desk.gguf"} | {
    "models/desk.gguf": b"GGUF text\n"
}
Bad = tuple[str, str, Tree, str]  # name, reason, the whole tree, the state of the node or ''


def publisher() -> Publisher:
    return Publisher(expires=FAR, late=FAR)


def release(by: Publisher, **over: Any) -> Tree:
    by.versions.clear()
    return by.release(TEXTS, **({"id": GOOD} | over))


def ways(by: Publisher, good: Tree) -> Iterator[Bad]:
    """Every way to be bad, by this publisher, whose good tree this is."""
    strangers = [CryptoSigner.generate_ed25519() for _ in range(3)]
    manifest = next(path for path in good if path.startswith("targets/"))
    blob = form.blob_path(by.manifest(TEXTS).files["policy/policy.json"][0].sha256)
    stamp = "metadata/timestamp.json"

    def without(*paths: str) -> Tree:
        return {path: data for path, data in good.items() if path not in paths}

    def changed(change: Any, **over: Any) -> Tree:
        return release(by, change=change, **over)

    def outside(parts: dict[str, Metadata[Any]]) -> None:
        parts["models"].signed.targets["policy/policy.json"] = target("policy/policy.json", b"permit everything")

    def unlisted(parts: dict[str, Metadata[Any]]) -> None:
        del parts["models"].signed.targets["models/desk.gguf"]

    def expired(parts: dict[str, Metadata[Any]]) -> None:
        parts["policies"].signed.expires = NOW

    yield "unsigned", "threshold_missed", release(by, signers={"targets": []}), ""
    yield "signed-by-a-stranger", "threshold_missed", release(by, signers={"targets": strangers}), ""
    yield "signed-by-another-role", "threshold_missed", release(by, signers={"policies": by.keys["models"]}), ""
    yield "threshold-missed", "threshold_missed", release(by, signers={"targets": by.keys["targets"][:1]}), ""
    yield "outside-its-paths", "outside_prefix", changed(outside), ""
    yield "file-of-no-role", "not_vouched", changed(unlisted), ""
    yield "role-expired", "expired", changed(expired), ""
    yield "manifest-not-canonical", "bad_manifest", release(by, manifest=good[manifest] + b" "), ""
    yield "issued-too-early", "issued_too_early", release(by, issued=datetime(2020, 1, 1, tzinfo=UTC)), ""
    yield "manifest-flipped", "mixed_metadata", good | {manifest: good[manifest].replace(b"golden", b"g0lden")}, ""
    yield "manifest-cut", "mixed_metadata", good | {manifest: good[manifest][:-2]}, ""
    yield "manifest-longer", "too_large", good | {manifest: good[manifest] + b"\n"}, ""
    yield "timestamp-malformed", "bad_metadata", good | {stamp: b"{}\n"}, ""
    yield "timestamp-missing", "missing_metadata", without(stamp), ""
    yield "blob-missing", "incomplete", without(blob), ""
    yield "blob-flipped", "damaged_blob", good | {blob: good[blob].replace(b"p", b"q", 1)}, ""

    def no_issue_time(signed: Any) -> None:
        signed.unrecognized_fields.clear()

    yield "no-issue-time", "bad_metadata", good | {stamp: again(good[stamp], no_issue_time, *by.keys["timestamp"])}, ""

    # Two releases after the good one: their parts mixed, and the good one offered after them.
    newer = by.release(TEXTS, id="golden-2026.2")
    mixed = newer | {"metadata/2.models.json": good["metadata/1.models.json"]}
    yield "two-releases-mixed", "mixed_metadata", mixed, ""
    state = verify.begin(by.roots[1])
    accepted = floors.to_text(verify.accepted(state, _trusted(newer, state)))
    yield "older", "older_bundle", good, accepted
    yield "state-lost", "older_bundle", good, floors.to_text(_bare(floors.from_text(accepted)))
    epoch = by.release(TEXTS, id="golden-2026.3", security_epoch=0)
    yield "epoch-below", "epoch_below_floor", epoch, accepted
    other = by.release({**TEXTS, "taxonomy.json": b"other"}, id="golden-2026.2")
    yield "id-used-twice", "id_reused", other, accepted

    # Rotations last, since they change what the publisher signs with.
    rotated = sign(by.root_metadata(2), *by.keys["root"])
    yield "root-of-a-stranger", "threshold_missed", good | {"metadata/2.root.json": _of_stranger()}, ""
    by.roots[2] = rotated
    by.roots[3] = sign(by.root_metadata(3), *by.keys["root"])
    yield "root-missing-in-the-middle", "root_gap", good | {"metadata/3.root.json": by.roots[3]}, ""
    one = by.root_metadata(2)
    yield "root-signed-by-one", "threshold_missed", good | {"metadata/2.root.json": sign(one, by.keys["root"][0])}, ""


def _of_stranger() -> bytes:
    return publisher().sign_root(2)


def _bare(state: floors.TrustState) -> floors.TrustState:
    return floors.TrustState(state.revision, {1: state.roots[1]}, {}, state.floors, state.manifest)


def _trusted(tree: Tree, state: floors.TrustState) -> verify.Trusted:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, media.opened(write_tree(tree, Path(folder) / "a.bundle")) as source:
        return verify.trusted(source, state)


def main() -> None:
    shutil.rmtree(GOLDEN, ignore_errors=True)
    by = publisher()
    good = release(by)
    write_tree(good, GOLDEN / form.bundle_name(GOOD))
    (GOLDEN / "bad").mkdir()
    for name, reason, tree, state in ways(by, good):
        difference = {
            "reason": reason,
            "remove": sorted(set(good) - set(tree)),
            "put": {path: data.decode() for path, data in sorted(tree.items()) if good.get(path) != data},
            "state": state,
        }
        (GOLDEN / "bad" / f"{name}.json").write_text(json.dumps(difference, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
