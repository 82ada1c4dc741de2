"""Policies for tests: the starter's schema with rules of a test's own."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from appliance.policy import Policy, read_policy
from appliance.records.card import Place

STARTER = Path(__file__).resolve().parent.parent / "bundles" / "starter" / "policy"
HOME = Place(node="n1", site="s1", country="CH", region="EU")

# Wider than the baseline: public requests may go anywhere on any terms, and internal ones may be logged.
RULES = """
@id("use") @why("test") permit (principal, action == Action::"use", resource);

@id("class/restricted/tiers") @why("test")
forbid (principal, action == Action::"use", resource)
when { context.classification == "restricted" && !["cache", "reuse", "device", "site"].contains(resource.tier) };

@id("class/secret/tiers") @why("test")
forbid (principal, action == Action::"use", resource)
when { context.classification == "secret" && resource.tier != "device" };

@id("class/restricted/retention") @why("retention is not accepted")
forbid (principal, action == Action::"use", resource)
when { context.classification == "restricted" && !resource.own && resource.retention != "none" };

@id("class/internal/retention") @why("retention is not accepted")
forbid (principal, action == Action::"use", resource)
when { context.classification == "internal" && !resource.own && resource.retention == "unknown" };

@id("training") @why("its operator may train on what it is sent")
forbid (principal, action == Action::"use", resource)
when { context.classification != "public" && !resource.own && resource.training != "no" };

@id("residency") @why("residency demands another place")
forbid (principal, action == Action::"use", resource)
when { context has residency && !resource.own } unless { resource.place in context.residency };

@id("store") @why("test") permit (principal, action == Action::"store", resource);

@id("as-it-is") @why("nothing is sent redacted")
forbid (principal, action == Action::"use", resource) when { context has redacted };
"""
NO_CACHE = """
@id("no-cache") @why("test") forbid (principal, action == Action::"use", resource) when { resource.tier == "cache" };
"""
NOT_ACME = (
    RULES
    + """
@id("not-acme") @why("test")
forbid (principal == Tenant::"acme", action in [Action::"use", Action::"store"], resource)
when { resource.tier == "frontier" };
"""
)
REDACTED = RULES.replace("{ context has redacted }", '{ context has redacted && resource.retention != "none" }')
NO_STORE = '@id("no-store") @why("test") forbid (principal, action == Action::"store", resource);'


def files(text: str = RULES, **over: bytes) -> dict[str, bytes]:
    """The files of a policy with these rules; `over` replaces files by their stem."""
    test = {"name": "a secret request stays here", "labels": {"classification": "secret"}, "card": {"tier": "device"}}
    made = {
        "policy.json": b'{"id": "test", "issued": "1970-01-01"}',
        "schema.cedarschema": (STARTER / "schema.cedarschema").read_bytes(),
        "rules.cedar": text.encode(),
        "places.json": json.dumps({"home": HOME.model_dump(), "places": {}}).encode(),
        "tests.json": json.dumps({"home": {}, "tests": [test | {"expect": "permit", "rule": "use"}]}).encode(),
    }
    stems = {name.partition(".")[0]: name for name in made}
    return made | {stems[stem]: raw for stem, raw in over.items()}


def starter_files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in STARTER.iterdir()}


def write(folder: Path, text: str = RULES) -> Path:
    """The files in `folder`, as a content directory has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in files(text).items():
        (folder / name).write_bytes(raw)
    return folder


@lru_cache(maxsize=32)
def _read(text: str) -> Policy:
    return read_policy(files(text))


def policy(text: str = RULES) -> Policy:
    """A policy with these rules that has answered nothing yet."""
    return _read(text).at_home(HOME)


@lru_cache(maxsize=1)
def _starter() -> Policy:
    return read_policy(starter_files())


def starter(home: Place = HOME) -> Policy:
    """The starter's policy that has answered nothing yet."""
    return _starter().at_home(home)
