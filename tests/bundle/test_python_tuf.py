"""What a node relies on of the one class that is internal to python-tuf. Where this fails after an upgrade of the
library: read its new workflow against appliance/bundle/workflow.py before anything here is changed.
"""

from __future__ import annotations

import inspect
from datetime import timedelta
from pathlib import Path

import pytest
import tuf
from tuf.api.exceptions import ExpiredMetadataError, LengthOrHashMismatchError
from tuf.api.metadata import Metadata, Root, Targets

from appliance.bundle.python_tuf import trusted_set
from appliance.bundle.workflow import NEVER
from tests.bundle.publisher import NOW, Publisher, Tree

APPLIANCE = Path(__file__).resolve().parents[2] / "appliance"
RELIED_UPON = {
    "contains": "(self, role: 'str', delegator: 'str') -> 'bool'",
    "update_root": "(self, data: 'bytes') -> 'Root'",
    "update_timestamp": "(self, data: 'bytes') -> 'Timestamp'",
    "update_snapshot": "(self, data: 'bytes', trusted: 'bool | None' = False) -> 'Snapshot'",
    "update_delegated_targets": "(self, data: 'bytes', role_name: 'str', delegator_name: 'str') -> 'Targets'",
}


def named(tree: Tree, name: str) -> bytes:
    return tree[f"metadata/{name}.json"]


def test_the_class_has_the_members_that_the_workflow_calls() -> None:
    found = type(trusted_set(Publisher().roots[1], NEVER))
    assert {name: str(inspect.signature(getattr(found, name))) for name in RELIED_UPON} == RELIED_UPON, tuf.__version__
    assert all(isinstance(getattr(found, name), property) for name in ("root", "timestamp", "snapshot"))


def test_expiry_is_judged_at_the_time_it_is_given_and_by_no_clock() -> None:
    publisher = Publisher()
    tree = publisher.release()
    assert trusted_set(publisher.roots[1], NEVER).update_timestamp(named(tree, "timestamp")).version == 1
    late = trusted_set(publisher.roots[1], NOW + timedelta(days=100 * 365))
    with pytest.raises(ExpiredMetadataError):
        late.update_timestamp(named(tree, "timestamp"))


def test_a_snapshot_is_held_against_the_timestamp_but_where_it_was_before() -> None:
    publisher = Publisher()
    tree = publisher.release()
    verified = trusted_set(publisher.roots[1], NEVER)
    verified.update_timestamp(named(tree, "timestamp"))
    changed = Metadata.from_bytes(named(tree, "1.snapshot")).to_bytes() + b"\n"
    with pytest.raises(LengthOrHashMismatchError):
        verified.update_snapshot(changed)
    assert verified.update_snapshot(changed, trusted=True).version == 1


def test_what_was_verified_is_had_by_the_name_of_its_role_and_by_who_delegated_it() -> None:
    publisher = Publisher()
    tree = publisher.release()
    verified = trusted_set(publisher.roots[1], NEVER)
    verified.update_timestamp(named(tree, "timestamp"))
    verified.update_snapshot(named(tree, "1.snapshot"))
    assert not verified.contains(Targets.type, Root.type)
    verified.update_delegated_targets(named(tree, "1.targets"), Targets.type, Root.type)
    assert verified.contains(Targets.type, Root.type)
    assert verified[Targets.type] is verified.targets
    assert verified[Root.type] is verified.root


def test_nothing_else_of_the_node_names_what_is_internal_to_the_library() -> None:
    naming = {
        file.relative_to(APPLIANCE).as_posix() for file in APPLIANCE.rglob("*.py") if "tuf.ngclient" in file.read_text()
    }
    assert naming == {"bundle/python_tuf.py"}
