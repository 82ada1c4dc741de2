"""The files of a policy into a Policy, or everything that is wrong with them.

Rules kept here:
1. Pure: bytes by name in, a value out. All findings at once, each with file, line, column and reason.
2. Refused: a file that is missing or unknown, text that cannot be read, an empty set, a rule without an id or a
   reason, what the schema does not validate, what can err when it is evaluated, a schema that does not take what
   this program states, a test that fails.
3. A rule that validates can err only by arithmetic (overflow): that is refused, so that no rule can be skipped.

The files: `policy.json`, `schema.cedarschema`, `*.cedar` in the order of their names, `places.json`, `tests.json`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar

import cedarpy
from cedarpy import pst
from pydantic import BaseModel, Field, ValidationError, field_validator

from appliance.errors import ConfigInvalid
from appliance.policy.engine import Compiled, Policy, Rule
from appliance.policy.facts import PLACE_KINDS, Administer, Asking, Export, Reuse, Store, Use, places
from appliance.policy.source import Part, decoded, mark_at, rules, too_much, unreadable, words
from appliance.policy.trial import Tests, card_of, run_tests
from appliance.records.card import Frozen, Place
from appliance.records.file_fault import FileFault, Mark
from appliance.records.request import Labels

M = TypeVar("M", bound=BaseModel)
HEAD, SCHEMA, PLACES, TESTS, RULES_SUFFIX = (
    "policy.json", "schema.cedarschema", "places.json", "tests.json", ".cedar"
)  # fmt: skip
_ID = re.compile(r"[a-z0-9][a-z0-9._/-]{0,63}")
_CAN_OVERFLOW = frozenset(("+", "-", "*", "offset", "durationSince"))
_PLACE = re.compile(r"country:[A-Z]{2}|(?:node|site|region):[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Head(Frozen):
    """What policy.json holds: the name of the rules and the day on which they were issued."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    issued: date


class Places(Frozen):
    """What places.json holds: where this node stands unless its host says so, and what lies in what."""

    home: Place
    places: dict[str, tuple[str, ...]]

    @field_validator("places")
    @classmethod
    def _lie_in_wider_ones(cls, stated: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, within in stated.items():
            for place in (name, *within):
                if not _PLACE.fullmatch(place):
                    raise ValueError(f"'{place[:80]}' is no place: node:NAME, site:NAME, country:XX or region:NAME")
            for place in within:
                inner, outer = PLACE_KINDS.index(name.partition(":")[0]), PLACE_KINDS.index(place.partition(":")[0])
                if inner > outer or (inner == outer and inner < len(PLACE_KINDS) - 1) or place == name:
                    raise ValueError(f"{name} cannot lie in {place}")
        return stated


def read_policy(files: Mapping[str, bytes], *, folder: str = "policy", try_out: bool = True) -> Policy:
    """The policy of these files, by their names in `folder`. Raises ConfigInvalid with every finding.

    Without `try_out` its tests must be there and readable, and are not run.
    """
    reading = _Reading(files, folder)
    policy, tests = reading.policy(), reading.json(TESTS, Tests)
    if policy is not None and tests is not None and not reading.findings:
        reading.probe(policy)
        if try_out and not reading.findings:
            for index, result in enumerate(run_tests(policy, tests)):
                if result.problem:
                    reading.add(TESTS, reading.place_in(TESTS, ("tests", index)), f"{result.name}: {result.problem}")
    if reading.findings or policy is None:
        raise ConfigInvalid(
            f"The policy in {folder} cannot be used: {len(reading.findings)} finding(s).",
            next_step="Correct what is named, or import the bundle again; what was in force stays.",
            details=tuple(reading.findings),
        )
    return policy


def read_tests(files: Mapping[str, bytes], *, folder: str = "policy") -> Tests:
    """The tests of these files. Raises ConfigInvalid."""
    reading = _Reading(files, folder)
    tests = reading.json(TESTS, Tests)
    if tests is None:
        raise ConfigInvalid(f"The policy tests in {folder} cannot be read.", details=tuple(reading.findings))
    return tests


class _Reading:
    """One pass over the files; lives for one call."""

    def __init__(self, files: Mapping[str, bytes], folder: str) -> None:
        self.files = files
        self.folder = folder
        self.findings: list[str] = []
        for name in sorted(files):
            if name not in (HEAD, SCHEMA, PLACES, TESTS) and not name.endswith(RULES_SUFFIX):
                self.add(name, Mark(), "is no file of a policy: rules are in *.cedar")

    def add(self, name: str, mark: Mark, message: str) -> None:
        self.findings.append(FileFault(mark, "", message).at(f"{self.folder}/{name}"))

    # ---- the whole ------------------------------------------------------------------------------------------

    def policy(self) -> Policy | None:
        head, stand = self.json(HEAD, Head), self.json(PLACES, Places)
        schema = self._schema()
        parts = self._parts()
        found = [rule for part in parts if (rule := self._rule(part, schema))]
        self._stand_once(found)
        if stand is not None and schema is not None:
            self._fit(stand, schema)
        if self.findings or head is None or stand is None or schema is None:
            return None
        text = "\n".join(part.own_text for part in parts)
        return Policy(
            head.id,
            issued=datetime(head.issued.year, head.issued.month, head.issued.day, tzinfo=UTC).timestamp(),
            home=stand.home,
            compiled=Compiled(schema, cedarpy.PolicySet.from_str(text), stand.places, tuple(found)),
            digest=digest(self.files),
        )

    def probe(self, policy: Policy) -> None:
        """Put a question of every kind, with every fact stated: a schema that does not take it is a finding."""
        text = self.files[SCHEMA].decode()
        for asking in _PROBES:
            error = policy.verdict(asking, policy.issued).error
            if error:
                action = type(asking).__name__.lower()
                word = next((word for word in words(text) if word.text == action), None)
                mark = mark_at(text, word.start) if word else Mark()
                self.add(SCHEMA, mark, f"does not take what this program states for '{action}': {error}")

    # ---- Cedar ----------------------------------------------------------------------------------------------

    def _text(self, name: str) -> str | None:
        if name not in self.files:
            self.add(name, Mark(), "missing")
            return None
        text, finding = decoded(self.files[name])
        if finding is not None:
            self.findings.append(finding.at(f"{self.folder}/{name}"))
            return None
        return text

    def _schema(self) -> cedarpy.Schema | None:
        text = self._text(SCHEMA)
        if text is None:
            return None
        whole = Part(SCHEMA, text, tuple(words(text)))
        if not whole.words:
            self.add(SCHEMA, Mark(), "is empty")
            return None
        finding = too_much(whole) or unreadable(whole, cedarpy.Schema.from_str)
        if finding is not None:
            self._found(whole, finding)
            return None
        return cedarpy.Schema.from_str(whole.own_text)  # a comment before it may end where the engine's do not

    def _parts(self) -> list[Part]:
        names = sorted(name for name in self.files if name.endswith(RULES_SUFFIX))
        found: list[Part] = []
        broken = False
        for name in names:
            text = self._text(name)
            if text is None:
                broken = True
            else:
                found += rules(name, text)
        if not found and not broken:
            self.add(names[0] if names else f"*{RULES_SUFFIX}", Mark(), "holds no rule: nothing would be permitted")
        return found

    def _rule(self, part: Part, schema: cedarpy.Schema | None) -> Rule | None:
        finding = too_much(part) or unreadable(part, cedarpy.PolicySet.from_str)
        if finding is not None:
            self._found(part, finding)
            return None
        tree = cedarpy.policies_to_pst(part.own_text)
        if tree.templates:
            self._found(part, part.finding("is a template, which nothing here would fill in"))
            return None
        (rule,) = tree.static_policies.values()
        for word in part.words:
            if word.text in _CAN_OVERFLOW:
                message = f"'{word.text}' can overflow, and a rule that errs would be skipped: compare plain values"
                self._found(part, part.finding(message, word))
        if schema is not None:
            self._validate(part, schema)
        return self._annotated(part, rule)

    def _validate(self, part: Part, schema: cedarpy.Schema) -> None:
        for error in cedarpy.validate_policies(part.own_text, schema).errors:
            message = re.sub(r"^for policy `policy\d+`, ", "", error.error)
            self._found(part, part.finding(message, part.named_in(message)))

    def _annotated(self, part: Part, rule: pst.Template) -> Rule | None:
        id, why = rule.annotations.get("id", ""), rule.annotations.get("why", "").strip()
        if not _ID.fullmatch(id):
            self._found(part, part.finding('needs an id in small letters: @id("residency")'))
        if not why:
            self._found(part, part.finding('needs a sentence that says why: @why("...")'))
        return Rule(id, why, rule.effect, part.file, part.mark)

    def _stand_once(self, found: list[Rule]) -> None:
        first: dict[str, Rule] = {}
        for rule in found:
            before = first.setdefault(rule.id, rule)
            if before is not rule:
                where = f"{before.file}:{before.mark.line}"
                self.add(rule.file, rule.mark, f"the id '{rule.id}' stands twice, first in {where}")

    def _found(self, part: Part, finding: FileFault) -> None:
        self.findings.append(finding.at(f"{self.folder}/{part.file}"))

    def _fit(self, stand: Places, schema: cedarpy.Schema) -> None:
        try:
            cedarpy.Entities.from_json_str(places(stand.places), schema)
        except ValueError as error:
            circular = "closure" in str(error)
            message = "regions lie in one another in a circle" if circular else f"does not fit the schema: {error}"
            self.add(PLACES, self.place_in(PLACES, ("places",)), message)

    # ---- JSON -----------------------------------------------------------------------------------------------

    def json(self, name: str, kind: type[M]) -> M | None:
        text = self._text(name)
        if text is None:
            return None
        try:
            json.loads(text, object_pairs_hook=_once)
        except json.JSONDecodeError as error:
            self.add(name, Mark(error.lineno, error.colno), f"not JSON: {error.msg}")
            return None
        except (ValueError, RecursionError) as error:
            self.add(name, Mark(), f"not usable JSON: {error}")
            return None
        try:
            return kind.model_validate_json(text)
        except ValidationError as error:
            for item in error.errors(include_input=False, include_url=False):
                field = ".".join(str(part) for part in item["loc"]) or "(file)"
                self.add(name, self.place_in(name, item["loc"]), f"{field}: {item['msg']}")
        return None

    def place_in(self, name: str, path: tuple[int | str, ...]) -> Mark:
        """Where the value at `path` stands in a JSON file that can be read (JSON is YAML, whose reader has marks)."""
        from appliance.config_read import parse_yaml

        return parse_yaml(self.files[name].replace(b"\t", b" ")).nearest(tuple(str(part) for part in path))


def digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 over the names and bytes of the files."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return whole.hexdigest()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"'{key[:80]}' is stated twice")
        found[key] = value
    return found


_EVERY = Labels("internal", "region:EU", purpose="research", rights="licensed", locale="de-CH")
_SAMPLE = card_of({"tier": "site", "known_failures": ("locale:fr",), "languages": {"de": 1.0}})
_PROBES: tuple[Asking, ...] = (
    Use(_SAMPLE, _EVERY, findings=("email", "iban"), redacted=True),
    Store(_SAMPLE, _EVERY, "tenant", findings=("email", "iban")),
    Reuse("a", "b", "site", "public", "licensed"),
    Export("a", "public", "licensed"),
    Administer("admin", "read"),
)
