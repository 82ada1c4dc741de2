"""Tools, tool choice and answer formats: parameters with a shape of their own.

Rules kept here:
1. Shapes are checked as far as every path needs them; inside a JSON schema only size and nesting are.
2. What is checked is passed on as it came, so nothing inside is dropped.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from appliance.intake.fields import array, choice, flag, missing, obj, refused, text, wrong
from appliance.intake.limits import Limits
from appliance.records.request import Format

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAMED = "1 to 64 letters, digits, dashes or underscores"
_FORMAT_FIELDS = ("name", "description", "schema", "strict")
_ELSEWHERE = "Leave the others out; a schema stands in 'json_schema.schema', with the type 'json_schema'."
_CHOICES = ("none", "auto", "required")


def depth_of(value: object, most: int) -> int:
    """Nesting of lists and objects, counted no further than one past `most`."""
    level, depth = [value], 0
    while level := [item for item in level if type(item) is dict or type(item) is list]:
        depth += 1
        if depth > most:
            break
        level = [below for item in level for below in (item.values() if isinstance(item, dict) else item)]
    return depth


def read_schema(where: str, value: object, limits: Limits) -> dict[str, Any]:
    """A JSON schema: an object of bounded size and nesting."""
    schema = obj(where, value)
    if depth_of(schema, limits.schema_depth) > limits.schema_depth:
        raise refused(where, f"nested at most {limits.schema_depth} levels deep", "Flatten the schema.")
    if len(orjson.dumps(schema)) > limits.schema_bytes:
        raise refused(where, f"at most {limits.schema_bytes} bytes as JSON", "Send a smaller schema.")
    return schema


def read_format(parameter: str, value: object, limits: Limits) -> Format | None:
    """`response_format`; None where it asks for plain text, which is what Weir does anyway."""
    wire = obj(parameter, value)
    if wire.get("type") is None:
        raise missing(f"{parameter}.type", "text, json_object or json_schema")
    kind = choice(f"{parameter}.type", wire["type"], ("text", "json_object", "json_schema"))
    known = ("type", "json_schema") if kind == "json_schema" else ("type",)
    if any(value is not None and name not in known for name, value in wire.items()):
        raise refused(parameter, "an object of only " + " and ".join(f"'{name}'" for name in known), _ELSEWHERE)
    if kind == "text":
        return None
    if kind == "json_object":
        return Format("json_object")
    where = f"{parameter}.json_schema"
    if wire.get("json_schema") is None:
        raise missing(where, "an object with 'name' and 'schema'")
    return read_named_schema(where, obj(where, wire["json_schema"]), limits)


def read_named_schema(where: str, wire: dict[str, Any], limits: Limits) -> Format:
    """A JSON schema that the answer must have, with its name."""
    name = text(f"{where}.name", wire.get("name", ""), 64)
    if not _NAME.fullmatch(name):
        raise refused(f"{where}.name", _NAMED)
    if wire.get("schema") is None:
        raise missing(f"{where}.schema", "a JSON schema (an object)")
    for key in wire:
        if key not in _FORMAT_FIELDS:
            raise refused(where, "an object of " + ", ".join(_FORMAT_FIELDS))
    schema = read_schema(f"{where}.schema", wire["schema"], limits)
    strict = False if wire.get("strict") is None else flag(f"{where}.strict", wire["strict"])
    description = ""
    if wire.get("description") is not None:
        description = text(f"{where}.description", wire["description"], limits.schema_bytes)
    return Format("json_schema", schema, name, strict, description=description)


def read_guided_json(where: str, value: object, limits: Limits) -> Format:
    """vLLM's `guided_json`: a bare schema, always strict."""
    return Format("json_schema", read_schema(where, value, limits), "guided", True)


def read_pattern(where: str, value: object, limits: Limits) -> Format:
    """A regular expression that the whole answer must match. Its grammar is the path's affair."""
    return Format("regex", pattern=text(where, value, limits.pattern_chars, least=1))


def read_tools(parameter: str, value: object, limits: Limits) -> tuple[dict[str, Any], ...]:
    """Function tools, in their wire form."""
    tools = array(parameter, value, limits.tools)
    names: set[str] = set()
    for index, entry in enumerate(tools):
        where = f"{parameter}[{index}]"
        tool = obj(where, entry)
        if tool.get("type") is None:
            raise missing(f"{where}.type", "function")
        choice(f"{where}.type", tool["type"], ("function",))
        if tool.get("function") is None:
            raise missing(f"{where}.function", "an object with 'name' and 'parameters'")
        where = f"{where}.function"
        check_function(where, obj(where, tool["function"]), names, limits)
    return tuple(tools)


def check_function(where: str, function: dict[str, Any], names: set[str], limits: Limits) -> None:
    """A function that a model may call; `names` are those of the functions before it, and get its own."""
    if function.get("name") is None:
        raise missing(f"{where}.name", _NAMED)
    name = text(f"{where}.name", function["name"], 64)
    if not _NAME.fullmatch(name):
        raise refused(f"{where}.name", _NAMED)
    if name in names:
        raise refused(f"{where}.name", "different from the names of the other tools")
    names.add(name)
    if function.get("description") is not None:
        text(f"{where}.description", function["description"], limits.schema_bytes)
    if function.get("parameters") is not None:
        read_schema(f"{where}.parameters", function["parameters"], limits)
    if function.get("strict") is not None:
        flag(f"{where}.strict", function["strict"])


def read_tool_choice(parameter: str, value: object) -> str | dict[str, Any]:
    """none, auto, required, or one function by name."""
    if type(value) is str:
        return choice(parameter, value, _CHOICES)
    if type(value) is not dict:
        raise wrong(parameter, "none, auto, required or an object that names a function", value)
    choice(f"{parameter}.type", value.get("type"), ("function",))
    function = obj(f"{parameter}.function", value.get("function"))
    text(f"{parameter}.function.name", function.get("name"), 64, least=1)
    return value


def chosen_tool(tool_choice: object) -> str | None:
    """The name that a checked `tool_choice` insists on."""
    if isinstance(tool_choice, dict):
        name: str = tool_choice["function"]["name"]
        return name
    return None


def has_tool(tools: tuple[dict[str, Any], ...], name: str) -> bool:
    """Whether a tool of that name is offered."""
    return any(tool["function"]["name"] == name for tool in tools)
