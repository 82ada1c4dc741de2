"""One node under one random policy, with random cards, and the oracle that was told the same."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, get_args

import cedarpy

from appliance.bundle.in_force import InForce
from appliance.cache.exact import key_of
from appliance.config import Cache, Config, Listen, PlaceOfHost, Routing
from appliance.decide.generation import Gate
from appliance.intake.anthropic import parse_messages
from appliance.intake.limits import Limits
from appliance.intake.parse import parse_chat, parse_completion
from appliance.intake.responses import parse_responses
from appliance.node import Node
from appliance.paths.contract import Readiness, Usage
from appliance.paths.guard import Guarded
from appliance.policy import Policy, Rule
from appliance.policy.engine import Compiled
from appliance.records.answer import Answer, Choice
from appliance.records.card import ModelCard
from appliance.records.features import FindingKind
from appliance.records.file_fault import Mark
from appliance.records.tenant import Tenant
from appliance.snapshot import LiveFigures
from appliance.store.tenants import Tenants
from tests import factories
from tests.property import rules, wire
from tests.property.combinations import MESSAGES, RESPONSES, TELLTALES, Combination
from tests.property.oracle import Oracle, Stated
from tests.property.paths import Noting, Stage, signed

CACHE = "cache/exact"
PATHS = ("device/one", "device/two", "site/one", "sovereign/one", "frontier/one", "frontier/two")
STRATEGIES = {
    "first": {"kind": "fallback", "paths": ["frontier/one", "site/one"]},
    "split": {"kind": "split", "shares": {"frontier/one": 1, "device/one": 1, "sovereign/one": 1}},
    "sticky": {"kind": "sticky"},
    "vote": {"kind": "ensemble", "members": ["frontier/one", "device/one", "device/two", "site/one"]},
    "judged": {
        "kind": "ensemble",
        "members": ["device/one", "device/two"],
        "quorum": 1,
        "by": "arbiter",
        "arbiter": ["frontier/one", "frontier/two", "auto"],
    },
    "chain": {
        "kind": "chain",
        "draft": ["device/one", "auto"],
        "critique": ["frontier/one", "auto"],
        "polish": ["auto"],
    },
    "parts": {"kind": "partition", "paths": ["device/one"], "synthesis": ["frontier/one", "auto"], "always": True},
}
MANNERS = ("baseline", "narrowed", "narrowed", "wide", "wide", "wide", "narrow", "errs", "narrow", "none")
_LIMITS = Limits()


@dataclass
class World:
    """`slow`: detectors run out of time on all that is not looked at at once."""

    node: Node
    stage: Stage
    oracle: Oracle
    clients: list[wire.Client]
    policy: rules.Written
    cards: dict[str, ModelCard]
    words: dict[str, tuple[str, ...]]
    manner: str
    slow: bool
    keys: dict[str, str]

    def tenant(self, each: Combination) -> str:
        return each.tenant if self.keys else "local"

    def headers(self, each: Combination) -> list[tuple[str, str]]:
        """All headers of a combination, its key included."""
        key = self.keys.get(each.bad_key or each.tenant, "")
        if each.bad_key == "cut off":
            key = self.keys.get(each.tenant, "")[:-2]
        own = [("x-api-key", key) if each.other_key_header else ("Authorization", f"Bearer {key}")] if key else []
        return [("Content-Type", "application/json"), *own, *each.sent_headers]

    def move(self, random: Random) -> None:
        """Other paths are up, others cannot be reached, and time goes by for those that rest."""
        self.stage.now += random.choice((0.1, 0.5, 1.0, 3.0))
        if random.random() < 0.15:
            self.stage.gone = set(random.sample(PATHS, random.choice((0, 0, 1, 2))))
        for path in self.paths.values():
            up = random.random() < 0.85
            path.readiness = Readiness(up, "" if up else "down", queued=random.choice((0, 0, 3)), slots=8)

    def age(self, days: int) -> None:
        """So many days later, as far as policy knows."""
        self.node.generation.policy.issued -= 86_400.0 * days
        self.oracle.issued -= 86_400.0 * days

    @property
    def resting(self) -> bool:
        """Whether a path lets nobody in, because its server could not be reached."""
        return any(path.breaker.wait_s() > 0 for path in self.paths.values())

    @property
    def paths(self) -> dict[str, Noting]:
        return {id: path.inner for id, path in self.node.paths.items() if isinstance(path, Guarded)}  # type: ignore[misc]  # all are Noting

    def plant(self, combination: Combination, given: Stated) -> None:
        """An answer by another path lies in the cache for this request, whatever policy says of either."""
        read = {MESSAGES: parse_messages, RESPONSES: parse_responses}.get(combination.address, parse_chat)
        read = parse_completion if combination.kind == "completion" else read
        headers, tenant = dict(combination.sent_headers), self.tenant(combination)
        request = read(combination.body, headers, _LIMITS, request_id="planted", tenant=tenant)
        request = replace(request, labels=replace(request.labels, **asdict(given)))
        mark = self.stage.sign(combination.planted, None, tenant)
        answer = Answer("planted", combination.planted, 0, (Choice(f"planted {mark}"),), Usage(1, 1))
        key, node = key_of(request, self.node.generation.id), self.node
        node.cache.store(key, tenant, answer, origin=combination.planted, p_good=0.99, now=node.began)

    def kept(self) -> set[int]:
        """The marks of all answers that lie in the cache's database."""
        self.node.store.writer.flush()
        with closing(sqlite3.connect(self.node.store.cache_path)) as connection:
            return signed(b"\n".join(row[0] for row in connection.execute("SELECT answer FROM exact")))


@asynccontextmanager
async def world(random: Random, number: int, folder: Path, slots: int) -> AsyncIterator[World]:
    """The node of this number, started; stopped in the end."""
    manner = MANNERS[number % len(MANNERS)]
    words = rules.some_words(random)
    policy = rules.written(random, words, (*PATHS, CACHE), manner=manner)
    slow = number % 5 == 3
    cards = {card.id: card for card in _cards(random)}
    detectors = {"raises": _raises(random), "redacts": [kind for kind in TELLTALES if random.random() < 0.7]}
    tenants = _tenants(random, words) if number % 3 else {}
    home = {"site": random.choice(("", "s1")), "country": random.choice(("", "CH", "DE")), "region": ""}
    _write(folder / "content", policy, cards, detectors | {"timeout_s": 1e-9 if slow else 60.0})
    (folder / "state").mkdir()
    keys = _keys(folder / "state", tenants)
    config = Config(
        state_dir=folder / "state",
        listen=Listen(port=0),
        place=PlaceOfHost(**home),
        cache=Cache(enabled=number % 9 != 8),
        routing=Routing(below_floor="refuse" if number % 7 == 6 else "serve"),
    )
    node = Node(config, InForce(folder=folder / "content"))
    if policy.erring:
        generation = node.generation
        node.fleet.generation = replace(generation, policy=_with_erring(generation.policy, policy))
    await node.start()
    stage = Stage(slots)
    for card in cards.values():
        if card.id != CACHE:
            node.fleet.paths[card.id] = Guarded(Noting(card, stage))
            node.fleet.figures[card.id] = LiveFigures()
    told = {id: json.loads(card.model_dump_json()) for id, card in cards.items()}
    oracle = Oracle(policy, told, {"node": "local", **home}, detectors, tenants)
    clients = wire.clients(node, slots)
    stage.hang_up = [client.hang_up for client in clients]
    try:
        yield World(node, stage, oracle, clients, policy, cards, words, manner, slow, keys)
    finally:
        for client in clients:
            client.hang_up()
        await node.stop()


def _with_erring(policy: Policy, written: rules.Written) -> Policy:
    """The policy with rules that validate and err, which the loader refuses: the engine must not rely on the loader."""
    text = f"{written.text}\n{written.erring}"
    more = written.erring.count("@id(")
    erring = tuple(Rule(f"erring/{number}", "test", "forbid", "erring.cedar", Mark()) for number in range(more))
    whole = policy.compiled
    compiled = Compiled(whole.schema, cedarpy.PolicySet.from_str(text), whole.within, (*whole.rules, *erring))
    return Policy(policy.id, issued=policy.issued, home=policy.home, compiled=compiled, digest=policy.digest)


def _tenants(random: Random, words: dict[str, tuple[str, ...]]) -> dict[str, dict[str, Any]]:
    """What each tenant is held to. The first one to little."""
    pick = random.choice
    tenants: dict[str, dict[str, Any]] = {}
    for name, share in zip(rules.TENANTS, (0.3, 1.0, 1.0), strict=True):
        settings: dict[str, Any] = {
            "models": random.sample(PATHS, 4) if random.random() < 0.3 * share else [],
            "tiers": random.sample(rules.TIERS[1:], 2) if random.random() < 0.2 * share else [],
            "modalities": ["chat"] if random.random() < 0.2 * share else [],
        }
        for label, chance in (("classification", 0.3), ("residency", 0.4), ("purpose", 0.2), ("rights", 0.2)):
            if random.random() < chance * share:
                settings[label] = pick(words[label])
        if random.random() < 0.15 * share:
            settings["locale"] = pick(words["locale"])
        if random.random() < 0.3 * share:
            settings["budget_day"] = 0.0
        if random.random() < 0.2 * share:
            settings["quality_floor"] = pick((0.5, 0.97))
        tenants[name] = settings
    return tenants


def _keys(state: Path, tenants: dict[str, dict[str, Any]]) -> dict[str, str]:
    """A key of each tenant by its name, and some that open nothing."""
    if not tenants:
        return {}
    now, keys, kept = time.time(), {}, Tenants(state)
    for name, settings in tenants.items():
        _, keys[name] = kept.add(Tenant.model_validate({"name": name, **settings}), now=now)
    first = rules.TENANTS[0]
    key, keys["revoked"] = kept.rotate(first, now=now, grace_s=86_400.0)
    kept.revoke(first, now=now, key=key.id)
    _, keys["expired"] = kept.rotate(first, now=now, grace_s=86_400.0, expires=now - 1)
    keys["forged"] = keys[first][:-4] + ("AAAA" if keys[first][-4:] != "AAAA" else "BBBB")
    keys["another's name"] = f"{keys[first][:14]}{keys['b'][14:]}"[:-1] + "-"
    return keys


def _raises(random: Random) -> dict[str, str]:
    """What each kind raises to; some are left out, which means the strictest."""
    kinds = [kind for kind in get_args(FindingKind) if random.random() < 0.9]
    return {kind: random.choice(rules.CLASSIFICATIONS) for kind in kinds}


def _cards(random: Random) -> list[ModelCard]:
    pick = random.choice
    cards = [_card(random, CACHE, runtime="exact_cache", modalities=("chat", "completion"))]
    for id in PATHS:
        over: dict[str, Any] = {}
        if id != "frontier/one":  # one that can do everything, so that it is policy that keeps requests from it
            over["modalities"] = pick((("chat", "completion"), ("chat", "completion", "embedding"), ("chat",)))
            over["gate"] = f"gate-{id.replace('/', '-')}" if random.random() < 0.5 else ""
            over["languages"] = pick(({}, {}, {"en": 1.0}, {"de": 0.9, "fr": 0.9}, {"de-CH": 0.7}))
        if id.startswith("device/"):  # cheap and weak, so that answers are judged and sent back
            over |= {"accuracy_default": pick((0.7, 0.7, 0.95)), "price": {}}
        cards.append(_card(random, id, **over))
    return cards


def _card(random: Random, id: str, **over: Any) -> ModelCard:
    pick = random.choice
    names = ("streaming", "system", "json_object", "multiple", "seed", "signals", "images_in")
    base: dict[str, Any] = {
        "runtime": "noting",
        "tier": id.partition("/")[0],
        "modalities": ("chat", "completion", "embedding"),
        "place": {
            "site": pick(("", "s1", "s2")),
            "country": pick(("", "CH", "DE", "US")),
            "region": pick(("", "EU", "EEA")),
        },
        "operator": pick(("", "somebody")),
        "jurisdiction": pick(("", "CH", "US")),
        "retention": pick(("none", "none", "transient", "logged", "unknown")),
        "trains_on_input": pick(("no", "no", "yes", "unknown")),
        "licence": pick(("", "MIT", "CC-BY-NC-4.0", "Research only")),
        "provenance": pick(("", "trained here")),
        "known_failures": pick(((), (), ("locale:de-CH",), ("locale:fr", "slow"))),
        "capabilities": {name: id == "frontier/one" or random.random() < 0.85 for name in names},
        "accuracy_default": pick((0.9, 0.99)),
        "accuracy_default_n": 1000,
        "price": {"per_request": pick((0.0001, 0.002, 0.005))},
        "speed": {
            "first_token_s": 1e-4, "first_token_p95_s": 1e-3, "prefill_tokens_per_s": 1e7, "decode_tokens_per_s": 1e7
        },
    }  # fmt: skip
    return factories.card(id, **(base | over))


def _gate(card: ModelCard) -> Gate:
    """Accepts where the mean log-probability is near 0, sends back where it is low."""
    return factories.gate(card.gate, card.id, floor=0.9, weights=(3.0, *(0.0,) * 8), bias=2.0)


def _write(folder: Path, policy: rules.Written, cards: dict[str, ModelCard], detectors: dict[str, Any]) -> None:
    """The content directory, as a bundle would leave it."""
    for name in ("cards", "router", "policy"):
        (folder / name).mkdir(parents=True)
    for name, raw in policy.files.items():
        (folder / "policy" / name).write_bytes(raw)
    (folder / "detectors.json").write_text(json.dumps(detectors))
    (folder / "router" / "weights.json").write_text(json.dumps({"quality_floor": 0.8}))
    (folder / "router" / "strategies.json").write_text(json.dumps({"strategies": STRATEGIES}))
    for card in cards.values():
        # The runtime that nobody has costs the node this path until the test hands its own over.
        (folder / "cards" / f"{card.id.replace('/', '-')}.json").write_text(card.model_dump_json())
        if card.gate:
            (folder / "router" / f"gate-{card.id.replace('/', '-')}.json").write_text(_gate(card).model_dump_json())
