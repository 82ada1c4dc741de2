"""From the bytes of a body to one JSON object, with everything about its form checked.

Rules kept here:
1. Size first, nesting and number of values before parsing: orjson itself refuses more than 1024 levels (tested), and a
   body with more than 1024 opening brackets, or with more commas than it may hold values, is scanned without a parser
   before it is parsed.
2. No step holds the interpreter for longer than a look at all bytes takes: values cost a parser far more than bytes do,
   and what is slow for each byte looks at a piece at a time. So other threads go on while this one reads a long body.
3. A name that is stated twice in one object is refused: two readers of such a body may disagree about it.
4. Errors give a position, never a piece of the body.

Cost: beside orjson's own, three counts of a byte and one walk over the containers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from appliance.errors import BadRequest, BodyTooLarge
from appliance.intake.limits import Limits

_PARSER_DEPTH = 1024
_PIECE = 1 << 18
_BRACKET = re.compile(rb"[\[{]+|[\]}]+")


def read_object(body: bytes, limits: Limits) -> dict[str, Any]:
    """The body as a JSON object. Raises BodyTooLarge or BadRequest."""
    if len(body) > limits.body_bytes:
        raise BodyTooLarge(f"The body is larger than {limits.body_bytes} bytes.", next_step="Send a smaller request.")
    opened = body.count(b"{") + body.count(b"[")
    many = len(body) > limits.values and opened + body.count(b",") > limits.values  # texts have commas, too
    if many or opened > _PARSER_DEPTH:
        _scan(body, limits)
    wire: Any = None
    fault: orjson.JSONDecodeError | None = None
    try:
        wire = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        fault = error
    if fault is not None:  # raised out here: the decoder's error holds the whole body
        raise _unreadable(body, fault.pos, fault.msg, limits)
    if type(wire) is not dict:
        raise BadRequest("The body must be a JSON object.", next_step="Send one object in curly brackets.")
    pairs = _walk(wire, limits)
    # Colons in texts make the first count too high; then the texts are taken out and it is counted again.
    if body.count(b":") != pairs and sum(piece.count(b":") for piece in _outside(body)) != pairs:
        raise BadRequest("The body states a name twice in the same object.", next_step="State every name once.")
    return wire


def _scan(body: bytes, limits: Limits) -> None:
    """Nesting and numbers of containers and values of text that is not parsed yet; no recursion, linear time."""
    depth = opened = commas = 0
    for piece in _outside(body):
        for match in _BRACKET.finditer(piece):
            run = match.group()
            if run[0] in b"[{":
                depth += len(run)
                opened += len(run)
                if depth > limits.depth:
                    raise _too_deep(limits)
                if opened > limits.containers:
                    raise _too_many(f"{limits.containers} lists and objects")
            else:
                depth -= len(run)
        commas += piece.count(b",")
        if opened + commas > limits.values:
            raise _too_many(f"{limits.values} values")


def _outside(body: bytes, most: int = _PIECE) -> Iterator[bytes]:
    """What stands outside of strings, of about `most` bytes of the body at a time.

    Of what is no JSON it is right up to the place where a parser stops.
    """
    at, inside = 0, False
    while at < len(body):
        piece = body[at : at + most]
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2:  # no piece ends within an escape
            piece = body[at : at + most + 1]
        at += len(piece)
        # Of a run of backslashes each pair is one sign, from its left; a quote behind one that is left closes nothing.
        parts = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        yield b"".join(parts[inside::2])
        inside ^= len(parts) % 2 == 0


def _walk(wire: dict[str, Any], limits: Limits) -> int:
    """How many names all objects hold together; level by level, so that nesting is counted on the way."""
    level: list[Any] = [wire]
    depth = pairs = 0
    while level:
        depth += 1
        if depth > limits.depth:
            raise _too_deep(limits)
        below: list[Any] = []
        for container in level:
            values: Any = container
            if type(container) is dict:
                pairs += len(container)
                values = container.values()
            for value in values:
                kind = type(value)
                if kind is dict or kind is list:
                    below.append(value)
        level = below
    return pairs


def _too_many(what: str) -> BadRequest:
    return BadRequest(f"The body holds more than {what}.", next_step="Send a smaller request.")


def _too_deep(limits: Limits) -> BadRequest:
    return BadRequest(f"The body is nested deeper than {limits.depth} levels.", next_step="Send flatter JSON.")


def _unreadable(body: bytes, place: int, why: str, limits: Limits) -> BadRequest:
    if "depth" in why:
        return _too_deep(limits)
    if "infinity" in why:
        return BadRequest("The body holds a number that is too large.", next_step="Send a smaller number.")
    if not body.strip():
        return BadRequest("The body is empty.", next_step="Send a JSON object.")
    bad = _not_utf8(body)
    if bad is not None:
        return BadRequest(f"The body is not UTF-8 (at byte {bad}).", next_step="Send the body as UTF-8.")
    return BadRequest(f"The body is not valid JSON (near character {place}).", next_step="Send valid JSON.")


def _not_utf8(body: bytes) -> int | None:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return None
