"""Read a content directory into a Generation.

Rules kept here:
1. All findings at once, each with its file and field; nothing half-read is ever used.
2. The generation's id is the digest of what decides, in canonical form, so that equal content has an equal id.
3. Reading a generation opens no model file; `damaged` compares one card's files with what the card states.

Layout: `cards/*.json`, `policy/` (see `policy.load`), `detectors.json`, `router/weights.json`,
`router/strategies.json`, `router/gate-*.json`, `similar/verifier.json` with `similar/promise.json`, `models/…`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, ValidationError

from appliance.bundle.manifest import check_path
from appliance.decide.generation import Gate, Generation, Weights
from appliance.decide.labels import Detectors
from appliance.decide.similar import Promise, Similar, Verifier
from appliance.decide.strategies import Strategies
from appliance.errors import ConfigInvalid
from appliance.judge import FEATURES
from appliance.policy import MAX_BYTES, Policy, read_policy
from appliance.records.card import Endpoint, ModelCard, Place
from appliance.similar.measures import NAMES
from appliance.similar.promise import claims

M = TypeVar("M", bound=BaseModel)


def load_generation(
    content_dir: Path,
    *,
    home: Place | None = None,
    weights: Mapping[str, object] | None = None,
) -> Generation:
    """The content as one value, with what the host states of itself laid over it. Raises ConfigInvalid.

    `home` says where this host stands, and with it where paths on this host do; `weights` replaces single fields.
    """
    findings: list[str] = []
    policy = _read_policy(content_dir / "policy", findings)
    detectors = _read(content_dir / "detectors.json", Detectors, findings)
    weights_path = content_dir / "router" / "weights.json"
    weighed = _read(weights_path, Weights, findings) if weights_path.exists() else Weights()
    card_paths = sorted((content_dir / "cards").glob("*.json"))
    cards = [card for path in card_paths if (card := _read(path, ModelCard, findings))]
    gates = [
        gate for path in sorted((content_dir / "router").glob("gate-*.json")) if (gate := _read(path, Gate, findings))
    ]
    findings += _cross_check(cards, gates)
    findings += _currencies(cards, weighed) if weighed is not None else []
    strategies_path = content_dir / "router" / "strategies.json"
    strategies = _read(strategies_path, Strategies, findings) if strategies_path.exists() else None
    if strategies is not None:
        paths = {card.id for card in cards if card.tier not in ("cache", "reuse")}
        findings += [f"strategies.json: {words}" for words in strategies.strangers(paths)]
    similar = _read_similar(content_dir / "similar", cards, findings)
    if findings or policy is None or detectors is None or weighed is None:
        raise ConfigInvalid(
            f"The content in {content_dir} cannot be used: {len(findings)} finding(s).",
            next_step="Import the bundle again, or repair the named files.",
            details=tuple(findings),
        )
    if weights:
        weighed = Weights.model_validate(weighed.model_dump() | dict(weights))
    if home is not None:
        policy = policy.at_home(home)
        cards = [_at_home(card, home) for card in cards]
    policy.prepare(cards)
    id = _digest(policy, detectors, weighed, cards, gates, similar, strategies)
    return Generation(id, policy, tuple(cards), tuple(gates), weighed, detectors, similar, strategies)


def cards_in(content_dir: Path) -> dict[str, ModelCard]:
    """The cards alone, by id. Raises ConfigInvalid."""
    findings: list[str] = []
    read = [_read(path, ModelCard, findings) for path in sorted((content_dir / "cards").glob("*.json"))]
    if findings:
        raise ConfigInvalid(f"The cards in {content_dir} cannot be used.", details=tuple(findings))
    return {card.id: card for card in read if card is not None}


def damaged(card: ModelCard, content_dir: Path) -> str:
    """In words what is wrong with the first bad file of a card, '' where all are as stated. Reads them; may block."""
    for file in card.files:
        try:
            with (content_dir / file.path).open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            return f"{file.path}: {error.strerror}"
        if found != file.sha256:
            return f"{file.path} is not the file that the card states"
    return ""


def _at_home(card: ModelCard, home: Place) -> ModelCard:
    """What this program computes itself stands where the host stands."""
    return card.model_copy(update={"place": home}) if card.tier in ("cache", "reuse", "device") else card


def policy_files(folder: Path) -> dict[str, bytes]:
    """The files of a policy by name, each read one byte past what is read of it. Raises OSError; may block."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue  # an editor's own
        with path.open("rb") as opened:
            found[path.name] = opened.read(MAX_BYTES + 1)
    return found


def _read_policy(folder: Path, findings: list[str]) -> Policy | None:
    try:
        return read_policy(policy_files(folder), folder=folder.name)
    except FileNotFoundError:
        findings.append(f"{folder.name}: missing")
    except OSError as error:
        findings.append(f"{folder.name}: {error.strerror}")
    except ConfigInvalid as error:
        findings += error.details
    return None


def _read(path: Path, kind: type[M], findings: list[str]) -> M | None:
    try:
        read = kind.model_validate_json(path.read_bytes())
        _canonical(read.model_dump(mode="json"))
        return read
    except FileNotFoundError:
        findings.append(f"{path.name}: missing")
    except OSError as error:
        findings.append(f"{path.name}: {error.strerror}")
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False):
            field = ".".join(str(part) for part in item["loc"]) or "(file)"
            findings.append(f"{path.name}: {field}: {item['msg']}")
    except TypeError:
        findings.append(f"{path.name}: a whole number in it has more than 64 bits")
    return None


def _read_similar(folder: Path, cards: list[ModelCard], findings: list[str]) -> Similar | None:
    """Both files or neither; without them nothing similar is served."""
    if not folder.exists():
        return None
    verifier = _read(folder / "verifier.json", Verifier, findings)
    promise = _read(folder / "promise.json", Promise, findings)
    if verifier is None or promise is None:
        return None
    if verifier.names != NAMES:
        findings.append("verifier.json: it was trained on other measures than this program computes")
    if promise.verifier != verifier.digest:
        findings.append("promise.json: it was certified for another verifier")
    if promise.embedder != verifier.embedder_sha256:
        findings.append("promise.json: it was certified with another embedder than the verifier's")
    embedders = {
        file.sha256 for card in cards if "embedding" in card.modalities for file in card.files if card.runtime == "onnx"
    }
    if embedders and verifier.embedder_sha256 not in embedders:
        findings.append("verifier.json: it was trained with another embedder than the cards name")
    for name, cell in promise.cells.items():
        if claim := claims(cell):
            findings.append(f"promise.json: cell '{name}': {claim}")
    return Similar(verifier=verifier, promise=promise)


def _currencies(cards: list[ModelCard], weights: Weights) -> list[str]:
    """Prices that cannot be compared with what a good answer is worth. Nothing is converted: no rate would be true."""
    priced = [(f"cards: '{card.id}'", card.price) for card in cards]
    priced.append(("router/weights.json: the frontier", weights.frontier.price))
    return [
        f"{name} is priced in {price.currency}, the weights in {weights.currency}"
        for name, price in priced
        if price.currency != weights.currency and not price.free
    ]


def _cross_check(cards: list[ModelCard], gates: list[Gate]) -> list[str]:
    findings = []
    seen: set[str] = set()
    for card in cards:
        if card.id in seen:
            findings.append(f"cards: id '{card.id}' stands twice")
        seen.add(card.id)
        findings += _strange_files(card)
        if card.gate and card.gate not in {gate.id for gate in gates}:
            findings.append(f"cards: '{card.id}' names gate '{card.gate}', which is not there")
        if card.runtime == "openai_http" and card.endpoint is None:
            findings.append(f"cards: '{card.id}' has runtime openai_http but no endpoint")
        if card.tier == "device" and card.endpoint is not None and not _all_on_loopback(card.endpoint):
            findings.append(f"cards: '{card.id}' is of tier device, but its endpoint is not on this host")
        if any(gate.id == card.gate and gate.model != card.id for gate in gates):
            findings.append(f"cards: '{card.id}' names gate '{card.gate}', which was fitted for another model")
    for gate in gates:
        if not all(scale > 0 for scale in gate.scale):
            findings.append(f"gates: '{gate.id}' has a scale that is not above 0")
        if gate.features != FEATURES:
            findings.append(f"gates: '{gate.id}' was fitted on other signals than this program computes")
        if not len(gate.mean) == len(gate.scale) == len(gate.weights) == len(gate.features):
            findings.append(f"gates: '{gate.id}' has vectors of different lengths")
    return findings


def _strange_files(card: ModelCard) -> list[str]:
    """Files of a card that no generation can hold, such as one of the host's own."""
    findings = []
    for file in card.files:
        try:
            check_path(file.path)
        except ValueError as error:
            findings.append(f"cards: '{card.id}' names a file that is no part of the content: {error}")
    return findings


def _all_on_loopback(endpoint: Endpoint) -> bool:
    return all(map(_on_loopback, endpoint.addresses))


def _on_loopback(url: str) -> bool:
    try:
        return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")
    except ValueError:
        return False


def _digest(
    policy: Policy,
    detectors: Detectors,
    weights: Weights,
    cards: list[ModelCard],
    gates: list[Gate],
    similar: Similar | None,
    strategies: Strategies | None,
) -> str:
    content: dict[str, object] = {
        "policy": {"files": policy.digest, "home": policy.home.model_dump(mode="json")},
        "detectors": detectors.model_dump(mode="json"),
        "weights": weights.model_dump(mode="json"),
        "cards": [card.model_dump(mode="json") for card in cards],
        "gates": [gate.model_dump(mode="json") for gate in gates],
        "similar": similar.model_dump(mode="json") if similar is not None else None,
    }
    if strategies is not None:
        content["strategies"] = strategies.model_dump(mode="json")
    return hashlib.sha256(_canonical(content)).hexdigest()[:16]


def _canonical(content: object) -> bytes:
    """What the digest is made of. Raises TypeError for a whole number that it cannot write."""
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
