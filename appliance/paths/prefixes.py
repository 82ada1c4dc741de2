"""Which beginnings of prompts a path still holds: a tree of block hashes, believed as far as the path's own counts go.

A prompt's stable part comes first, so that requests share beginnings; what a path computed of one it need not compute
again. A block is named by a keyed hash over everything up to its end (a hash chain, as vLLM's prefix cache has it), so
the names of a prompt are a way through a tree, and the tree is a set of names that holds each one's parents.

Rules kept here:
1. The hash is keyed with the tenant's salt: prompts of two salts have no name in common. The salt is made with a key
   that lives in this process; a caller's own key can part what one tenant asks, and never join what two ask.
2. No text is kept. Memory is bounded; what was not asked for longest goes first, and never a parent before its child.
3. A prediction counts only as far as the path's own `cached_tokens` confirmed earlier ones: a path that reports none
   is never preferred.
4. A tree belongs to one path, whose card states model, tokenizer, template and adapters by digest or address. It is
   handed on with the path, and ends with it.
5. Nobody asks, nothing is hashed: a prompt below a block, and a node with one path for it, pay nothing.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from appliance.records.chunks import Usage
from appliance.records.request import Message, Request

if TYPE_CHECKING:
    from appliance.paths.contract import Job

BLOCK = 256  # bytes: about 64 tokens of text, and exactly 64 token ids of four bytes
MOST = 256  # blocks of one prompt that are looked at
HELD = 4096  # blocks that a tree remembers: some 760 kB
_NEWEST = 0.25  # weight of the newest count against all before it

Links = tuple[bytes, ...]


def links_of(raw: bytes | memoryview, seed: bytes, most: int = MOST) -> Links:
    """The names of the whole blocks of `raw`, each 16 bytes: BLAKE2b, keyed with `seed` (at most 64 bytes), over all
    bytes up to the block's end.
    """
    chain = hashlib.blake2b(key=seed, digest_size=16)
    out: list[bytes] = []
    for at in range(0, min(len(raw) // BLOCK, most) * BLOCK, BLOCK):
        chain.update(raw[at : at + BLOCK])
        out.append(chain.digest())
    return tuple(out)


def links_of_prompt(asked: Request | Job, salt: str) -> Links:
    """The names of a request's prompt, or of a job's; () where it has less than a block or cannot be written."""
    if asked.kind == "chat":
        if sum(len(message.content) for message in asked.messages) < BLOCK and not asked.tools:
            return ()
        try:
            raw = _chat(asked.messages, asked.tools)
        except (TypeError, RecursionError):  # no JSON; whoever has to send it says so
            return ()
    elif asked.kind == "completion" and len(asked.prompt) >= BLOCK:
        raw = asked.prompt[: MOST * BLOCK].encode("utf-8", "surrogatepass")
    else:
        return ()
    return links_of(raw, hashlib.sha256(salt.encode("utf-8", "surrogatepass")).digest())


def _chat(messages: tuple[Message, ...], tools: tuple[dict[str, object], ...]) -> bytes:
    """The chat in the order in which models are shown it, as far as it can be looked at."""
    parts: list[bytes] = []
    size = 0
    if tools:
        parts.append(orjson.dumps(canonical_tools(tools)))
        size = len(parts[0])
    for message in messages:
        if size >= MOST * BLOCK or message.parts:
            break
        said = f"\x1e{message.role}\x1f{message.name or ''}\x1f{message.content[: MOST * BLOCK]}"
        raw = said.encode("utf-8", "surrogatepass")
        if message.tool_calls:
            raw += orjson.dumps(message.tool_calls, option=orjson.OPT_SORT_KEYS)
        parts.append(raw)
        size += len(raw)
    return b"".join(parts)


def canonical_tools(tools: tuple[dict[str, object], ...]) -> list[dict[str, object]]:
    """Tools by name, their fields by name: two requests that differ in such order alone give the same prompt.

    The order of a schema's properties stays: models write arguments in that order.
    """
    return sorted(map(canonical_schema, tools), key=_name)


def _name(tool: dict[str, object]) -> str:
    function = tool.get("function")
    return str(function.get("name", "")) if isinstance(function, dict) else ""


# In a schema these hold names that the caller chose, in the order that is meant, and values that are meant as they are.
_NAMED = frozenset(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"))
_VALUES = frozenset(("const", "default", "enum", "examples"))


def canonical_schema(value: dict[str, object]) -> dict[str, object]:
    """A JSON schema, or what holds one, with its keywords by name; names and values of the caller as they came."""
    out: dict[str, object] = {}
    for key in sorted(value):
        held = value[key]
        if key in _NAMED and isinstance(held, dict):
            out[key] = {name: _within(one) for name, one in held.items()}
        else:
            out[key] = held if key in _VALUES else _within(held)
    return out


def _within(value: object) -> object:
    if isinstance(value, dict):
        return canonical_schema(value)
    return [_within(one) for one in value] if isinstance(value, list) else value


@lru_cache(maxsize=1)
def _key() -> bytes:
    return secrets.token_bytes(32)


def salt_of(request: Request) -> str:
    """What parts this request's computed prefixes from others': 32 hex digits, another one in every process.

    Tenant, classification and residency part: who may ask under a lower label cannot probe what was asked under a
    higher one. A caller's `prompt_cache_key` parts further.
    """
    own, labels = request.forwarded.get("prompt_cache_key"), request.labels
    return _salt(request.tenant, labels.classification, labels.residency, own if isinstance(own, str) else None)


@lru_cache(maxsize=4096)
def _salt(tenant: str, classification: str, residency: str, own: str | None) -> str:
    stated = json.dumps([tenant, classification, residency, own]).encode()
    return hashlib.blake2b(stated, key=_key(), digest_size=16).hexdigest()


class Tree:
    """Names of blocks, at most `most` of them."""

    __slots__ = ("_blocks", "_most")

    def __init__(self, most: int = HELD) -> None:
        self._most = most
        self._blocks: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._blocks)

    def depth(self, links: Links) -> int:
        """How many of a prompt's leading blocks are here."""
        blocks, count = self._blocks, 0
        for link in links:
            if link not in blocks:
                break
            count += 1
        return count

    def note(self, links: Links) -> None:
        """All of these blocks are held from now on. Parents are noted after their children, and so outlive them."""
        blocks = self._blocks
        for link in reversed(links):
            blocks[link] = None
            blocks.move_to_end(link)
        while len(blocks) > self._most:
            blocks.popitem(last=False)

    def clear(self) -> None:
        self._blocks.clear()


class Prefixes:
    """What one path holds of prompts, and how far that could be counted on so far."""

    __slots__ = ("_counted", "_tokens_per_byte", "_tree", "asked")

    def __init__(self, most: int = HELD) -> None:
        self._tree = Tree(most)
        self._counted = False
        self._tokens_per_byte = 0.0
        self.asked = False  # whether anybody wants to know

    def expected(self, links: Links) -> int:
        """How many prompt tokens this path should not have to compute."""
        self.asked = True
        return int(self._tree.depth(links) * BLOCK * self._tokens_per_byte) if self._tokens_per_byte else 0

    def depth(self, links: Links) -> int:
        """How many leading blocks it was given before."""
        return self._tree.depth(links)

    def note(self, links: Links, held: int, usage: Usage) -> None:
        """A prompt was computed, of which `held` blocks were thought to be here before; `usage` says what was."""
        if held:
            seen = usage.cached_tokens / (held * BLOCK)
            self._tokens_per_byte += (_NEWEST if self._counted else 1.0) * (seen - self._tokens_per_byte)
            self._counted = True
        self._tree.note(links)

    def clear(self) -> None:
        """The path lost all that it held."""
        self._tree.clear()
