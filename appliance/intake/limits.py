"""How much one request may hold: every limit of the wire border, with its unit.

Rules kept here:
1. Each limit is a number that an operator may lower or raise; no limit hides in the parsing code.
2. The defaults leave room for the longest honest request of a 128k-token model.
"""

from __future__ import annotations

from dataclasses import dataclass

# orjson writes at most 254 levels; the digest and the paths must be able to write what was read.
MOST_DEPTH = 128


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds, all inclusive. Characters are Unicode code points, bytes are bytes on the wire."""

    body_bytes: int = 16 * 1024 * 1024
    depth: int = 64  # nested lists and objects, the body itself counted
    containers: int = 50_000  # lists and objects in all
    values: int = 100_000  # entries of lists and objects in all; a parser takes up to half a microsecond for each
    string_chars: int = 4_000_000  # one text of a message, a prompt or an input
    text_chars: int = 4_000_000  # all texts together
    messages: int = 4096
    parts: int = 256  # per message
    tools: int = 128
    tool_calls: int = 128  # per message
    stops: int = 16
    stop_chars: int = 256
    inputs: int = 2048
    choices: int = 16  # n
    output_tokens: int = 1_000_000
    logit_bias: int = 1024  # entries
    schema_bytes: int = 128 * 1024  # a JSON schema, or one tool's parameters
    schema_depth: int = 32
    pattern_chars: int = 4096
    forwarded_bytes: int = 128 * 1024  # all parameters that are passed on, together
    deadline_s: float = 3600.0

    def __post_init__(self) -> None:
        if not 4 <= self.depth <= MOST_DEPTH:
            raise ValueError(f"depth must be within 4 and {MOST_DEPTH}")
