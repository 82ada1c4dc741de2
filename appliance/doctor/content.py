"""Checks of the content: does it decide, are its files there, do its models compute what they should."""

from __future__ import annotations

from appliance.doctor.check import Check, Finding, Subject, failed, passed, skipped, warned
from appliance.doctor.child import ask
from appliance.doctor.shelf import check_file
from appliance.errors import ConfigInvalid


def _content(subject: Subject) -> Finding:
    from appliance.bundle.content import load_generation

    config = subject.config
    if not config.content_dir.is_dir():
        return failed(f"{config.content_dir} is not there", "Import a bundle, or set content_dir in weir.yaml.")
    try:
        generation = load_generation(config.content_dir, config.paths.unsigned_cards)
    except ConfigInvalid as error:
        more = {"findings": list(error.details)}
        return failed(
            "; ".join(error.details) or error.message, "Import the bundle again, or repair the files.", **more
        )
    # Not the generation's id: the node adds what weir.yaml states before it computes that.
    return passed(f"{len(generation.cards)} cards, policy {generation.policy.id}, from {config.content_dir}")


def _unsigned(subject: Subject) -> Finding:
    cards = subject.config.paths.unsigned_cards
    if cards:
        names = ", ".join(str(card) for card in cards)
        return warned(f"nobody signed {names}", "For development only: take paths.unsigned_cards out of weir.yaml.")
    return passed("every card is of the content, whose signatures this version does not verify")


def _model_files(subject: Subject) -> Finding:
    cards, findings = subject.shelf
    if not cards and not findings:
        return skipped(f"there are no cards in {subject.config.content_dir / 'cards'}")
    problems = list(findings)
    count = 0
    for item in cards:
        for file in item.card.files:
            count += 1
            checked = check_file(subject.config.content_dir, file, item.source, digest=True)
            if checked.problem:
                problems.append(f"{item.card.id}: {file.path} {checked.problem}")
    if problems:
        return failed("; ".join(problems), "Import the bundle again, or build the model.", problems=problems)
    return passed(f"{count} files of {len(cards)} cards have the digests that the cards state")


def _embedder(subject: Subject) -> Finding:
    directories = {
        str((subject.config.content_dir / item.card.files[0].path).parent): item.card.id
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


def _gguf(subject: Subject) -> Finding:
    files = [
        (item.card.id, subject.config.content_dir / file.path)
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
        value = answer.value
        whole = "loads" if value["whole"] else "has a sound header and vocabulary (too large to load for a check)"
        # llama.cpp writes '?B' for a size that it has no name for.
        about = " ".join(word for word in value["about"].split() if "?" not in word)
        said.append(f"{name} {whole}: {about or 'of no known kind'}, {value['ms']:.0f} ms")
    return passed("; ".join(said))


CHECKS = (
    Check("content", "the content is complete and valid", _content),
    Check("unsigned-cards", "no card stands outside the content", _unsigned),
    Check("model-files", "every model file has the digest of its card", _model_files),
    Check("embedder", "the embedder gives its golden vector", _embedder),
    Check("gguf", "every GGUF file loads", _gguf),
)
