"""Random policies: valid rules over everything that the schema lets rules see, around the baseline and without it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests import policies

CLASSIFICATIONS = ("public", "internal", "restricted", "secret")
RIGHTS = ("licensed", "reserved")
# Every label, and what it may say.
WORDS: dict[str, tuple[str, ...]] = {
    "classification": CLASSIFICATIONS,
    "residency": ("node", "site", "country:CH", "country:DE", "country:US", "region:EU", "region:EEA"),
    "purpose": ("commercial", "research", "high-risk"),
    "rights": RIGHTS,
    "locale": ("de", "de-CH", "fr-FR", "en"),
}
_NAMED_PLACES = WORDS["residency"][2:]
TIERS = ("cache", "device", "site", "sovereign", "frontier")
PLACES = {
    "site:s1": ["country:CH"],
    "site:s2": ["country:DE"],
    "country:DE": ["region:EU"],
    "country:NO": ["region:EEA"],
    "region:EU": ["region:EEA"],
    "region:EEA": [],
}
_DAYS = (0, 1, 30, 365, 730, 1100)
# So that some rule always has a test that must hold; no question of these tests is about it.
_ADMIN = """@id("administer/any") @why("test")
permit (principal, action == Action::"administer", resource) when { principal.role == "admin" };"""
_FEW = {"classification": 4, "residency": 3}
_TEST = {"name": "an admin may", "action": "administer", "expect": "permit", "rule": "administer/any"}
# It validates, and errs when it is evaluated: what no loader lets through, and the engine has to stand all the same.
_ERRS = "context.age_days + 9223372036854775807 > 0"


@dataclass(frozen=True)
class Written:
    """A policy as files, and as what is put to the test beside them. `erring` rules come behind those of the files."""

    files: dict[str, bytes]
    erring: str
    issued: float

    @property
    def text(self) -> str:
        """All rules, in the order in which the engine counts them."""
        return "\n".join(raw.decode() for name, raw in sorted(self.files.items()) if name.endswith(".cedar"))

    @property
    def places(self) -> dict[str, list[str]]:
        places: dict[str, list[str]] = json.loads(self.files["places.json"])["places"]
        return places


def some_words(random: Random) -> dict[str, tuple[str, ...]]:
    """What labels and rules speak of in one trial: few words, so that what is remembered is also asked for again."""
    return {label: tuple(random.sample(words, min(len(words), _FEW.get(label, 2)))) for label, words in WORDS.items()}


def written(random: Random, words: dict[str, tuple[str, ...]], paths: tuple[str, ...], *, manner: str) -> Written:
    """Rules in a manner: baseline, narrowed (the baseline and more), wide, narrow, none, or errs."""
    days_old = random.choice((0, 0, 1, 30, 400, 729, 800, 20_000))
    issued = datetime.now(UTC).date() - timedelta(days=days_old)
    make = _Writer(random, words, paths)
    files = policies.starter_files()
    if manner in ("baseline", "narrowed"):
        if manner == "narrowed":
            files["more.cedar"] = "\n".join(make.forbid() for _ in range(random.randint(1, 4))).encode()
    else:
        files |= {
            "baseline.cedar": "\n".join([*_of_manner(make, manner, days_old), _ADMIN]).encode(),
            "places.json": json.dumps({"home": {}, "places": PLACES}).encode(),
        }
    # The baseline's own tests are about the baseline alone, on its own day.
    if manner != "baseline":
        rule = {"rule": "administer/admin"} if manner == "narrowed" else {}
        files["tests.json"] = json.dumps({"home": {}, "tests": [_TEST | rule]}).encode()
    files["policy.json"] = json.dumps({"id": manner, "issued": issued.isoformat()}).encode()
    erring = ""
    if manner == "errs":
        erring = "\n".join(make.erring() for _ in range(2))
    began = datetime(issued.year, issued.month, issued.day, tzinfo=UTC).timestamp()
    return Written(files, erring, began)


def _of_manner(make: _Writer, manner: str, days_old: int) -> list[str]:
    random = make.random
    if manner == "none":
        return [make.rule("permit", "store", "")]
    if manner == "narrow":
        permits = [make.permit() for _ in range(random.randint(2, 5))]
        return [*permits, make.permit("store"), *(make.forbid() for _ in range(random.randint(0, 2)))]
    use, store = make.rule("permit", "use", ""), make.rule("permit", "store", "")
    forbids = [make.forbid("store" if random.random() < 0.2 else "use") for _ in range(random.randint(1, 5))]
    if random.random() < 0.9:  # what was right yesterday, above all what was remembered yesterday
        tier = "cache" if random.random() < 0.5 else random.choice(TIERS)
        days = days_old + random.choice((0, 20, 200, 500))
        condition = f'resource.tier == "{tier}" && context has age_days && context.age_days > {days}'
        forbids.append(make.rule("forbid", "use", condition))
    return [use, store, *forbids]


class _Writer:
    def __init__(self, random: Random, words: dict[str, tuple[str, ...]], paths: tuple[str, ...]) -> None:
        self.random = random
        self._words = words
        self._paths = paths
        self._count = 0

    def rule(self, effect: str, action: str, condition: str) -> str:
        self._count += 1
        when = f" when {{ {condition} }}" if condition else ""
        who = 'principal == Tenant::"local"' if self.random.random() < 0.1 else "principal"
        head = f'@id("r{self._count}") @why("test")'
        return f'{head} {effect} ({who}, action == Action::"{action}", resource){when};'

    def permit(self, action: str = "use") -> str:
        return self.rule("permit", action, self._one_of(action, wide=True))

    def forbid(self, action: str = "use") -> str:
        said = self._one_of(action, wide=False)
        if self.random.random() < 0.3:
            said = f"{said} && !({self._atom(action)})"
        return self.rule("forbid", action, said)

    def erring(self) -> str:
        said = f'context has age_days && context.classification == "{self.random.choice(CLASSIFICATIONS)}" && {_ERRS}'
        return self.rule("forbid", "use", said)

    def _one_of(self, action: str, *, wide: bool) -> str:
        """Wide: one of several may hold; else most of them must."""
        count = self.random.choice((1, 2, 2, 3))
        return (" || " if wide else " && ").join(f"({self._atom(action)})" for _ in range(count))

    def _atom(self, action: str) -> str:
        labels = "context.labels" if action == "store" else "context"
        pick, words = self.random.choice, self._words
        places = [place for place in words["residency"] if ":" in place] or _NAMED_PLACES
        atoms: dict[str, Any] = {
            "class": lambda: f'{labels}.classification == "{pick(CLASSIFICATIONS)}"',
            "low": lambda: f'["public", "internal"].contains({labels}.classification)',
            "residency": lambda: f"{labels} has residency && resource.place in {labels}.residency",
            "stays": lambda: f"{labels} has residency && !(resource.place in {labels}.residency)",
            "demanded": lambda: f'{labels} has residency && {labels}.residency == Place::"{pick(places)}"',
            "purpose": lambda: f'{labels} has purpose && {labels}.purpose == "{pick(words["purpose"])}"',
            "rights": lambda: f'{labels} has rights && {labels}.rights == "{pick(words["rights"])}"',
            "locale": lambda: f'{labels} has locale && {labels}.locale like "*-{pick(("CH", "FR"))}"',
            "language": lambda: f"{labels} has language && resource.languages.contains({labels}.language)",
            "unfit": lambda: f"{labels} has locale && resource.unfit.contains({labels}.locale)",
            "age": lambda: f"{labels} has age_days && {labels}.age_days > {pick(_DAYS)}",
            "tier": lambda: f'resource.tier == "{pick(TIERS)}"',
            "tiers": lambda: f'["{pick(TIERS)}", "{pick(TIERS)}", "{pick(TIERS)}"].contains(resource.tier)',
            "own": lambda: "resource.own",
            "place": lambda: f'resource.place in Place::"{pick(places)}"',
            "operator": lambda: 'resource.operator == ""',
            "law": lambda: f'resource.jurisdiction == "{pick(("CH", "US", ""))}"',
            "retention": lambda: f'resource.retention == "{pick(("none", "transient", "logged", "unknown"))}"',
            "training": lambda: f'resource.training == "{pick(("no", "yes", "unknown"))}"',
            "licence": lambda: 'resource.licence like "*-nc-*"',
            "origin": lambda: "resource.provenance",
            "path": lambda: f'resource == Path::"{pick(self._paths)}"',
        }
        return str(atoms[pick(sorted(atoms))]())
