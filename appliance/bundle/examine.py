"""What lies at a place, and whether this node would take it: run in a process of its own that can do nothing else.

Rules kept here:
1. What the node keeps is read first; then the process gives up all but reading the place, and only then reads it.
2. The verdict is that of `weir bundle verify`: trust, freshness, completeness, room. No blob is read.
3. All modules are loaded before: in a frozen program they lie in a file that cannot be read any more.
"""

from __future__ import annotations

import importlib
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import tuf.api.serialization.json  # noqa: F401  rule 3

from appliance.bundle import freshness, media, preflight, verify
from appliance.bundle.discover import MAX_BUNDLES, Found, more, plain
from appliance.bundle.freshness import Mode, Moment
from appliance.bundle.refusal import BundleRefused
from appliance.bundle.witness import text
from appliance.paths.confine import confine
from appliance.store import floors
from appliance.store.floors import Lost, TrustState


def examine(
    place: Path, state_dir: Path, mode: Mode, max_age: timedelta, *, clock_trusted: bool, unconfined: bool
) -> tuple[Found, ...]:
    """The bundles there, sorted, and one that stands for those beyond `MAX_BUNDLES`; a place that cannot be read is one
    refusal. Gives up this process's rights.

    Raises StateInvalid, NoFilter.
    """
    importlib.import_module("_strptime")  # rule 3: datetime asks for it when it first reads a time
    trusts = floors.read(state_dir)
    moment = Moment(datetime.now(UTC), clock_trusted)
    confine([place], unfiltered=unconfined)
    try:
        if not stat.S_ISDIR(os.lstat(place).st_mode):
            return ()
        lying = media.find(place)
    except OSError as error:
        return (_refused({"path": plain(place)}, place, media.refusal_of(str(place), error)),)
    except BundleRefused as error:
        return () if error.reason == "no_bundle" else (_refused({"path": plain(place)}, place, error),)
    judged = (_judged(each.path, place, state_dir, trusts, moment, mode, max_age) for each in lying[:MAX_BUNDLES])
    beyond = len(lying) - MAX_BUNDLES
    return (*judged, *([more(str(place), beyond)] if beyond > 0 else []))


def _judged(
    path: Path,
    place: Path,
    state_dir: Path,
    trusts: TrustState | Lost | None,
    moment: Moment,
    mode: Mode,
    max_age: timedelta,
) -> Found:
    told: dict[str, object] = {"path": plain(path)}
    try:
        with media.opened(path) as source:
            bundle = verify.trusted(source, trusts)
            assert isinstance(trusts, TrustState)  # a bundle was verified against it
            changes = verify.changes(verify.manifest_of(trusts), bundle.manifest)
            told |= {
                "id": text(bundle.manifest.id),
                "root": text(bundle.root_name),
                "evaluation": bundle.evaluation,
                "issued": bundle.issued.isoformat(),
                "added": len(changes.added),
                "changed": len(changes.changed),
                "removed": len(changes.removed),
                "same": verify.same(trusts, bundle),
            }
            freshness.judge(bundle, moment, mode, max_age=max_age)
            preflight.check(bundle, source, verify.host_of(state_dir, trusts))
    except BundleRefused as error:
        return _refused(told, place, error)
    return Found.model_validate({**told, "place": plain(place), "taken": True})


def _refused(told: dict[str, object], place: Path, error: BundleRefused) -> Found:
    why = {"reason": error.reason, "message": text(error.message), "next_step": text(error.next_step)}
    return Found.model_validate({**told, **why, "place": plain(place)})
