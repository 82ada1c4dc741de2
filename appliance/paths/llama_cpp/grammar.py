"""From a wanted form (JSON, a JSON Schema, a regular expression) to llama.cpp's grammar notation, GBNF.

Rules kept here:
1. What the grammar cannot hold is refused by its name with PathError('unsupported'), never dropped.
2. JSON is compact: at most one blank where blanks may stand, so that no model can loop on white space.
3. Objects list their properties in the schema's order.
4. Sizes are bounded: a grammar is caller's input, and llama.cpp expands repetitions.
"""

from __future__ import annotations

import json
from typing import Any

from appliance.paths.contract import PathError
from appliance.paths.llama_cpp import regex
from appliance.paths.llama_cpp.automaton import Effort
from appliance.records.request import Format

MAX_RULES = 2000
MAX_DEPTH = 64
MAX_BYTES = 256 * 1024
_ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly"}
    | {"$schema", "$id", "$comment", "$defs", "definitions", "$anchor", "discriminator"}
    | {"contentMediaType", "contentEncoding"}
)
_BASE = {
    "ws": '" "?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "integer": '"-"? ("0" | [1-9] [0-9]{0,15})',
    "number": 'integer ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,3})?',
    "char": '[^"\\\\\\x00-\\x1F\\x7F] | "\\\\" (["\\\\/bfnrt] | "u" [0-9a-fA-F]{4})',
    "string": '"\\"" char* "\\""',
    "member": 'string ws ":" ws value',
    "object": '"{" ws (member (ws "," ws member)*)? ws "}"',
    "array": '"[" ws (value (ws "," ws value)*)? ws "]"',
    "value": "object | array | string | number | boolean | null",
}
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_YEAR, _DAY = "[0-9]{4}", '("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])'
_CLOCK = '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,6})?'
_ZONE = '("Z" | [+-] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])'
_FORMATS = {
    "date": f'{_YEAR} "-" {_DAY}',
    "time": f"{_CLOCK} {_ZONE}",
    "date-time": f'{_YEAR} "-" {_DAY} "T" {_CLOCK} {_ZONE}',
    "uuid": '[0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12}',
}


def of(form: Format) -> str | None:
    """The grammar of a Format, root rule `root`; None for free text. Raises PathError('unsupported')."""
    if form.kind == "text":
        return None
    if form.kind == "json_object":
        return _render({**_BASE, "root": "object"})
    if form.kind == "regex":
        rules = regex.to_gbnf(form.pattern or "", "s", Effort(), whole=True)
        return _render({"root": next(iter(rules)), **rules})
    return _Schema(form.schema or {}).grammar()


def _render(rules: dict[str, str]) -> str:
    return _bounded("\n".join(f"{name} ::= {body}" for name, body in rules.items()))


def _bounded(text: str) -> str:
    if len(text) > MAX_BYTES:
        raise PathError("unsupported", f"The wanted form needs a grammar of over {MAX_BYTES} bytes; simplify it.")
    return text


def literal(text: str) -> str:
    """A GBNF literal."""
    return '"' + "".join(regex.escape(ord(char)) for char in text) + '"'


def _refuse(what: str) -> PathError:
    return PathError("unsupported", f"This path cannot hold an answer to {what}; leave it out or use another path.")


class _Schema:
    """One schema on its way to a grammar."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._root = schema
        self._rules: dict[str, str] = dict(_BASE)
        self._states: dict[str, str] = {}  # rules of regular expressions
        self._effort = Effort()
        self._refs: dict[str, str] = {}

    def grammar(self) -> str:
        self._rules["root"] = self._visit(self._root, 0)
        return _render(self._rules | self._states)

    def _rule(self, body: str) -> str:
        if len(self._rules) >= MAX_RULES:
            raise _refuse(f"a schema of over {MAX_RULES} parts")
        name = f"r{len(self._rules)}"
        self._rules[name] = body
        return name

    def _visit(self, schema: Any, depth: int) -> str:
        """The name of the rule for `schema`."""
        if depth > MAX_DEPTH:
            raise _refuse(f"a schema nested more than {MAX_DEPTH} deep")
        if schema is True or schema == {}:
            return "value"
        if not isinstance(schema, dict):
            raise _refuse(f"a schema that is {json.dumps(schema)[:40]}")
        keys = {key for key in schema if key not in _ANNOTATIONS}
        if "$ref" in keys:
            self._only(keys, {"$ref"})
            return self._reference(schema["$ref"], depth)
        for union in ("anyOf", "oneOf"):
            if union in keys:
                self._only(keys, {union, "type"})
                return self._rule(" | ".join(self._visit(part, depth + 1) for part in self._some(schema[union])))
        if "allOf" in keys:
            self._only(keys, {"allOf"})
            if len(parts := self._some(schema["allOf"])) != 1:
                raise _refuse("'allOf' of several schemas")
            return self._visit(parts[0], depth + 1)
        if "const" in keys or "enum" in keys:
            self._only(keys, {"const", "enum", "type"})
            values = [schema["const"]] if "const" in keys else self._some(schema["enum"])
            return self._rule(" | ".join(literal(json.dumps(value, ensure_ascii=False)) for value in values))
        kind = schema.get("type")
        if isinstance(kind, list):
            return self._rule(" | ".join(self._visit({**schema, "type": one}, depth + 1) for one in self._some(kind)))
        if kind is None:
            kind = self._guess(keys)
        return self._typed(kind, schema, keys, depth)

    def _typed(self, kind: Any, schema: dict[str, Any], keys: set[str], depth: int) -> str:
        if kind == "object":
            return self._object(schema, keys, depth)
        if kind == "array":
            return self._array(schema, keys, depth)
        if kind == "string":
            return self._string(schema, keys)
        if kind == "integer" and keys & {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}:
            self._only(keys, {"type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
            return self._rule(_integers(schema))
        self._only(keys, {"type"})
        if kind not in _TYPES:
            raise _refuse(f"type {json.dumps(kind)[:40]}")
        return str(kind)

    @staticmethod
    def _only(keys: set[str], known: set[str]) -> None:
        if strange := sorted(keys - known):
            raise _refuse(f"the schema keyword {strange[0]!r} at this place")

    @staticmethod
    def _some(parts: Any) -> list[Any]:
        if not isinstance(parts, list) or not parts:
            raise _refuse("an empty list of alternatives")
        return parts

    @staticmethod
    def _guess(keys: set[str]) -> str:
        """The type that a schema without one must mean, from its keywords."""
        if keys & {"properties", "required", "additionalProperties"}:
            return "object"
        if keys & {"items", "prefixItems", "minItems", "maxItems"}:
            return "array"
        if keys & {"pattern", "minLength", "maxLength", "format"}:
            return "string"
        raise _refuse(f"the schema keyword {min(keys)!r} without a type" if keys else "a schema without a type")

    def _reference(self, ref: Any, depth: int) -> str:
        if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
            raise _refuse("a '$ref' that leaves the schema")
        if ref not in self._refs:
            target: Any = self._root
            for step in ref.split("/")[1:]:
                part = step.replace("~1", "/").replace("~0", "~")
                if not isinstance(target, dict) or part not in target:
                    raise _refuse("a '$ref' to nowhere")
                target = target[part]
            if isinstance(target, dict) and target.get("$ref") == ref:
                raise _refuse("a '$ref' to itself")
            name = self._rule("")
            self._refs[ref] = name
            self._rules[name] = self._visit(target, depth + 1)
        return self._refs[ref]

    def _object(self, schema: dict[str, Any], keys: set[str], depth: int) -> str:
        self._only(keys, {"type", "properties", "required", "additionalProperties"})
        properties, required = self._members(schema)
        extra = schema.get("additionalProperties", not properties)
        if not properties and extra is True and not required:
            return "object"
        if missing := sorted(required - set(properties)):
            raise _refuse(f"the required property {missing[0][:40]!r} that has no schema")
        if properties and isinstance(extra, dict):
            raise _refuse("'additionalProperties' with a schema beside 'properties'")
        members = [
            (self._rule(f'{literal(json.dumps(name, ensure_ascii=False))} ws ":" ws {self._visit(part, depth + 1)}'),
             name in required)
            for name, part in properties.items()
        ]  # fmt: skip
        if not members:
            if extra is False:
                return self._rule('"{" ws "}"')
            member = self._rule(f'string ws ":" ws {self._visit(extra, depth + 1)}')
            return self._rule(f'"{{" ws ({member} (ws "," ws {member})*)? ws "}}"')
        # Right to left: `after` may follow once something stands before it, `first` may come first.
        after, first, can_be_empty = "", "", True
        for member, needed in reversed(members):
            rest = self._rule(f'ws "," ws {member} {after}')
            head = f"{member} {after}"
            first = self._rule(head if needed or not first else f"{head} | {first}")
            after = rest if needed else self._rule(f"{rest} | {after or literal('')}")
            can_be_empty = can_be_empty and not needed
        return self._rule(f'"{{" ws {first}{"?" if can_be_empty else ""} ws "}}"')

    @staticmethod
    def _members(schema: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
        """The properties by name, and which of them must be there."""
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, dict):
            raise _refuse("'properties' that are not listed by name")
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise _refuse("'required' that is no list of names")
        return properties, set(required)

    def _array(self, schema: dict[str, Any], keys: set[str], depth: int) -> str:
        self._only(keys, {"type", "items", "prefixItems", "minItems", "maxItems"})
        if "prefixItems" in keys:
            self._only(keys - ({"items"} if schema.get("items") is False else set()), {"type", "prefixItems"})
            parts = [self._visit(part, depth + 1) for part in self._some(schema["prefixItems"])]
            return self._rule('"[" ws ' + ' ws "," ws '.join(parts) + ' ws "]"')
        item = self._visit(schema.get("items", True), depth + 1)
        low, high = self._bounds(schema, "minItems", "maxItems")
        if high == 0:
            return self._rule('"[" ws "]"')
        more = f'(ws "," ws {item}){{{max(low - 1, 0)},{"" if high is None else high - 1}}}'
        inner = f"{item} {more}" if low else f"({item} {more})?"
        return self._rule(f'"[" ws {inner} ws "]"')

    def _string(self, schema: dict[str, Any], keys: set[str]) -> str:
        if "pattern" in keys:
            self._only(keys, {"type", "pattern"})
            if not isinstance(schema["pattern"], str):
                raise _refuse("'pattern' that is no text")
            prefix = f"r{len(self._rules)}s"
            rules = regex.to_gbnf(schema["pattern"], prefix, self._effort, json_string=True)
            name = self._rule(f'"\\"" {next(iter(rules))} "\\""')
            self._states |= rules
            return name
        if "format" in keys:
            self._only(keys, {"type", "format"})
            if not isinstance(schema["format"], str) or schema["format"] not in _FORMATS:
                raise _refuse(f"the string format {json.dumps(schema['format'])[:40]}")
            return self._rule(f'"\\"" {_FORMATS[schema["format"]]} "\\""')
        self._only(keys, {"type", "minLength", "maxLength"})
        low, high = self._bounds(schema, "minLength", "maxLength")
        if low == 0 and high is None:
            return "string"
        return self._rule(f'"\\"" char{{{low},{"" if high is None else high}}} "\\""')

    @staticmethod
    def _bounds(schema: dict[str, Any], low_key: str, high_key: str) -> tuple[int, int | None]:
        low, high = schema.get(low_key, 0), schema.get(high_key)
        for value in (low, 0 if high is None else high):
            if type(value) is not int or not 0 <= value <= regex.MAX_REPEAT:
                raise _refuse(f"{low_key!r} or {high_key!r} outside 0 to {regex.MAX_REPEAT}")
        if high is not None and high < low:
            raise _refuse(f"{high_key!r} below {low_key!r}")
        return low, high


def _integers(schema: dict[str, Any]) -> str:
    """A rule body for the integers of a closed range; one-sided ranges end at 15 digits."""
    limits = [schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")]
    if any(limit is not None and (not isinstance(limit, int) or isinstance(limit, bool)) for limit in limits):
        raise _refuse("bounds of an integer that are no integers")
    edge = 10**15 - 1
    low = max(-edge if limits[0] is None else limits[0], -edge if limits[1] is None else limits[1] + 1)
    high = min(edge if limits[2] is None else limits[2], edge if limits[3] is None else limits[3] - 1)
    if low > high or low < -edge or high > edge:
        raise _refuse("a range of integers that is empty or wider than 15 digits")
    parts = [f'"-" ({" | ".join(_span(max(1, -high), -low))})'] if low < 0 else []
    if high >= 0:
        parts += _span(max(low, 0), high)
    return " | ".join(parts)


def _span(low: int, high: int) -> list[str]:
    """Alternatives that match exactly the decimal numbers from `low` to `high`, both at least zero."""
    out = []
    while low <= high:
        # The widest block that starts at `low`, ends within `high`, and keeps one number of digits.
        size = 1
        while low % (size * 10) == 0 and low + size * 10 - 1 <= high and low >= size * 10:
            size *= 10
        count = min(9 - low // size % 10, (high - low + 1) // size - 1)
        head, digit, zeros = str(low // size)[:-1], low // size % 10, len(str(size)) - 1
        rest = f" [0-9]{{{zeros}}}" if zeros else ""
        out.append((f"{literal(head)} " if head else "") + f"[{digit}-{digit + count}]" + rest)
        low += (count + 1) * size
    return out
