"""Checks of the content: does it decide, are its files there, do its models compute what they should."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from appliance.decide.price import ASSUMED_OUTPUT
from appliance.doctor.check import Check, CheckOutcome, Subject, failed, passed, skipped, warned
from appliance.doctor.child import ask
from appliance.doctor.shelf import check_file
from appliance.errors import ConfigInvalid, StateInvalid
from appliance.store.node_db import DATABASE as TENANTS
from appliance.store.tenants import Tenants

PRICES_LAST = timedelta(days=90)  # before they are to be looked up anew


def _content(subject: Subject) -> CheckOutcome:
    from appliance.bundle.content import load_generation

    if subject.in_force.folder is None:
        return failed("no generation is in force", "Import a bundle: weir bundle apply PLACE --root ROOT.")
    try:
        generation = load_generation(subject.content)
    except ConfigInvalid as error:
        more = {"findings": list(error.details)}
        return failed(
            "; ".join(error.details) or error.message, "Import the bundle again, or repair the files.", **more
        )
    # Not the generation's id: the node adds what weir.yaml states before it computes that.
    return passed(f"{len(generation.cards)} cards, policy {generation.policy.id}, from {subject.in_force.id}")


def _root(subject: Subject) -> CheckOutcome:
    root = subject.in_force.root
    if root is None:
        return failed("this node trusts no root yet", "Give it one with its first bundle: weir bundle apply --root.")
    if root.evaluation:
        return warned(
            f"this node trusts {root.words}", "For real use, trust a root whose keys people hold: signing/ceremony.md."
        )
    return passed(f"this node trusts {root.words}")


def _model_files(subject: Subject) -> CheckOutcome:
    cards, findings = subject.shelf
    if not cards and not findings:
        return skipped(f"there are no cards in {subject.content / 'cards'}")
    problems = list(findings)
    count = 0
    for item in cards:
        for file in item.card.files:
            count += 1
            checked = check_file(subject.content, file, digest=True)
            if checked.problem:
                problems.append(f"{item.card.id}: {file.path} {checked.problem}")
    if problems:
        return failed("; ".join(problems), "Import the bundle again, or build the model.", problems=problems)
    return passed(f"{count} files of {len(cards)} cards have the digests that the cards state")


def _embedder(subject: Subject) -> CheckOutcome:
    directories = {
        str((subject.content / item.card.files[0].path).parent): item.card.id
        for item in subject.shelf[0]
        if item.card.runtime == "onnx" and "embedding" in item.card.modalities and item.card.files
    }
    if not directories:
        return skipped("no card names an ONNX embedder")
    said = []
    for directory, name in directories.items():
        answer = ask("embedder", {"directory": directory})
        if not answer.ok:
            return failed(f"{name}: {answer.problem}", "Import the bundle again; see also 'model-files'.")
        said.append(f"{name} gives its golden vector on {answer.value['device']} in {answer.value['ms']:.1f} ms")
    return passed("; ".join(said))


def _gguf(subject: Subject) -> CheckOutcome:
    files = [
        (item.card.id, subject.content / file.path)
        for item in subject.shelf[0]
        for file in item.card.files
        if file.path.endswith(".gguf")
    ]
    if not files:
        return skipped("no card names a GGUF file")
    if missing := [str(path) for _, path in files if not path.is_file()]:
        return skipped(f"not there yet: {', '.join(missing)}; see 'model-files'")
    said = []
    for name, path in files:
        answer = ask("gguf", {"path": str(path)}, timeout_s=120)
        if not answer.ok:
            return failed(f"{name}: {answer.problem}", "Import the bundle again, or convert the model anew.")
        said.append(f"{name} {in_words(answer.value)}")
    return passed("; ".join(said))


def in_words(gguf: Mapping[str, Any]) -> str:
    """What loading a GGUF file showed."""
    whole = "loads" if gguf["whole"] else "has a sound header and vocabulary (too large to load for a check)"
    # llama.cpp writes '?B' for a size that it has no name for.
    about = " ".join(word for word in gguf["about"].split() if "?" not in word)
    return f"{whole}: {about or 'of no known kind'}, {gguf['ms']:.0f} ms"


def _prices(subject: Subject) -> CheckOutcome:
    cards = [item.card for item in subject.shelf[0]]
    priced = [card for card in cards if not card.price.free]
    problems = [f"{card.id}: states no price, so it counts as nothing" for card in cards if not card.priced]
    if not priced and not problems:
        return skipped("no card names a price")
    since = datetime.now(UTC).date() - PRICES_LAST
    for card in priced:
        as_of = card.price.as_of
        if as_of is None:
            problems.append(f"{card.id}: its price has no date (price.as_of)")
        elif as_of < since:
            problems.append(f"{card.id}: its price is of {as_of}, from {card.price.source or 'a source not stated'}")
        if "embedding" not in card.modalities and not (card.max_output_tokens or card.context_tokens):
            problems.append(
                f"{card.id}: states neither max_output_tokens nor context_tokens, so budgets set {ASSUMED_OUTPUT} "
                "tokens aside for an answer that is not limited"
            )
    if problems:
        return warned("; ".join(problems), "Import a bundle whose cards state them.", problems=problems)
    return passed(f"the prices of {len(priced)} cards are of {since} or later")


def _tenants(subject: Subject) -> CheckOutcome:
    """A tenant whose strategy is not there gets the content's default, and its requests do not say so."""
    from appliance.bundle.content import load_generation

    state = subject.config.state_dir
    try:
        tenants = [held.tenant for held in Tenants(state).all()] if (state / TENANTS).exists() else []
        if not tenants:
            return skipped("there are no tenants")
        content = load_generation(subject.content).strategies
    except (ConfigInvalid, StateInvalid) as error:
        return skipped(f"the tenants or the content cannot be read: {error.message}")
    known = set() if content is None else set(content.strategies)
    problems = [
        f"{tenant.name}: strategy '{name}' is not in the content"
        for tenant in tenants
        for name in sorted({tenant.strategy, *tenant.strategies} - known - {""})
    ]
    if problems:
        fix = "Import a bundle that has it, or name one that is there: weir tenant set NAME --strategy STRATEGY."
        return warned("; ".join(problems), fix, problems=problems)
    return passed(f"of {len(tenants)} tenants")


CHECKS = (
    Check("content", "the content is complete and valid", _content),
    Check("trusted-root", "the node trusts the root of a publisher", _root),
    Check("prices", "the prices of the cards are dated, not old, and bounded", _prices),
    Check("tenant-strategies", "the strategies of the tenants are in the content", _tenants),
    Check("model-files", "every model file has the digest of its card", _model_files),
    Check("embedder", "the embedder gives its golden vector", _embedder),
    Check("gguf", "every GGUF file loads", _gguf),
)
