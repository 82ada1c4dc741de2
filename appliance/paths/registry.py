"""Which runtimes there are: one line each.

Rules kept here:
1. Importing this file imports no runtime; a factory imports its own when it is called.
2. What it builds is guarded (`guard.Guarded`).

It starts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import ConfigInvalid
from appliance.features.embedder import Shelf
from appliance.paths.contract import ExecutionPath
from appliance.paths.guard import Guarded
from appliance.paths.pool import Pool

if TYPE_CHECKING:
    from appliance.egress import Egress
    from appliance.paths.dialect import Dialect
    from appliance.paths.keyed import Tokens
    from appliance.records.card import ModelCard


@dataclass(frozen=True, slots=True)
class PathContext:
    """What runtimes need of the node. `names` is what the host's configuration calls its secrets, and `secrets` turns a
    reference on this host into a key; None: the usual way. `node` is what the node calls itself towards other nodes,
    `member` the name of one of several that a path has.
    """

    content_dir: Path
    egress: Egress
    secrets: Callable[[str], str] | None = None
    embedders: Shelf = field(default_factory=Shelf)
    unconfined_workers: bool = False
    node: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    member: str = ""


def _llama_cpp(card: ModelCard, context: PathContext) -> ExecutionPath:
    from appliance.paths.llama_cpp.path import LlamaCppPath

    return LlamaCppPath(card, context.content_dir, unconfined=context.unconfined_workers)


def _onnx(card: ModelCard, context: PathContext) -> ExecutionPath:
    from appliance.paths.onnx import OnnxPath

    # The embedder is where its tokenizer lies; a classifier's head is a model elsewhere.
    files = [context.content_dir / file.path for file in card.files]
    directory = next((file.parent for file in files if file.name == "tokenizer.json"), None)
    if directory is None:
        raise ValueError("a card of runtime onnx lists the files of its embedder, tokenizer.json among them")
    heads = [file for file in files if file.suffix == ".onnx" and file.parent != directory]
    head = heads[0] if heads and "classification" in card.modalities else None
    return OnnxPath(card, directory, head=head, shelf=context.embedders)


def _openai_http(card: ModelCard, context: PathContext) -> ExecutionPath:
    from appliance.paths.openai_http import OpenAIDialect

    return _http(card, context, OpenAIDialect(card, context.node))


def _bedrock_http(card: ModelCard, context: PathContext) -> ExecutionPath:
    from appliance.paths.bedrock_http import BedrockDialect

    return _http(card, context, BedrockDialect(card))


def _cohere_http(card: ModelCard, context: PathContext) -> ExecutionPath:
    from appliance.paths.cohere_http import CohereDialect

    return _http(card, context, CohereDialect(card))


def _anthropic_http(card: ModelCard, context: PathContext) -> ExecutionPath:
    from appliance.paths.anthropic_http import AnthropicDialect
    from appliance.paths.anthropic_vertex import VertexDialect
    from appliance.paths.google_tokens import on_vertex, tokens_of

    if on_vertex(card):
        return _http(card, context, VertexDialect(card), tokens_of(card))
    return _http(card, context, AnthropicDialect(card))


def _gemini_http(card: ModelCard, context: PathContext) -> ExecutionPath:
    from appliance.paths.gemini_http import GeminiDialect
    from appliance.paths.google_tokens import tokens_of

    return _http(card, context, GeminiDialect(card), tokens_of(card))


def _http(
    card: ModelCard,
    context: PathContext,
    dialect: Dialect,
    tokens: Callable[[Egress, str], Tokens] | None = None,
) -> ExecutionPath:
    from appliance.paths.http import HttpPath
    from appliance.paths.secrets import resolve_secret

    secrets = context.secrets or resolve_secret
    names, member = context.names, context.member
    return HttpPath(card, context.egress, dialect, secrets, tokens=tokens, names=names, member=member)


RUNTIMES: dict[str, Callable[[ModelCard, PathContext], ExecutionPath]] = {
    "llama_cpp": _llama_cpp,
    "onnx": _onnx,
    "openai_http": _openai_http,
    "anthropic_http": _anthropic_http,
    "gemini_http": _gemini_http,
    "bedrock_http": _bedrock_http,
    "cohere_http": _cohere_http,
}


def build_path(card: ModelCard, context: PathContext) -> ExecutionPath:
    """The path that `card` describes, guarded and not started. ConfigInvalid for an unusable card."""
    factory = RUNTIMES.get(card.runtime)
    if factory is None:
        raise ConfigInvalid(
            f"Card {card.id} names the runtime {card.runtime!r}, which this program does not have.",
            param="runtime",
            next_step=f"Known runtimes: {', '.join(sorted(RUNTIMES))}.",
        )
    try:
        return Guarded(_pooled(card, context, factory))
    except ValueError as error:  # the runtimes' constructors name what the card lacks
        raise ConfigInvalid(f"Card {card.id} cannot be used: {error}.") from error


def _pooled(
    card: ModelCard, context: PathContext, factory: Callable[[ModelCard, PathContext], ExecutionPath]
) -> ExecutionPath:
    """The path itself; or where its card names several members, a pool of them."""
    if card.endpoint is None or not card.endpoint.members:
        return factory(card, context)
    members = [
        factory(card.model_copy(update={"endpoint": one}), replace(context, member=name))
        for name, one in zip(card.endpoint.names, card.endpoint.pool, strict=True)
    ]
    return Pool(card, tuple(members))


def moved(path: ExecutionPath, content_dir: Path) -> None:
    """The files of this path lie in another content directory from now on; what is loaded stays."""
    if path.card.runtime != "llama_cpp":
        return  # it has all of its files in memory, or none
    from appliance.paths.llama_cpp.path import LlamaCppPath

    runtime = path.inner if isinstance(path, Guarded) else path
    if isinstance(runtime, LlamaCppPath):
        runtime.lies_in(content_dir)
