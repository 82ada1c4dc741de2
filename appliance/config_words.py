"""What a configuration error means, in a sentence that helps: the likely key, the allowed values, the limit.

Rules kept here:
1. A value is shown only when the caller passes it; for secrets it passes none.
2. A suggestion is made only when it is close; otherwise the known keys are listed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

_LIMITS = {
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "greater_than": ("gt", "must be more than {}"),
    "less_than": ("lt", "must be less than {}"),
}
_TYPES = {
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a section of keys and values",
    "is_instance_of": "must be a path",
    "path_type": "must be a path",
}


def sections(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """The model and every section in it, with their paths, in the order of the file."""
    yield path, model
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from sections(kind, (*path, name))


def explain(error: Mapping[str, Any], model: type[BaseModel], value: object = None) -> str:
    """One sentence for one of pydantic's errors."""
    kind = str(error["type"])
    context = error.get("ctx", {})
    loc = tuple(str(part) for part in error["loc"])
    given = f", not {_show(value)}" if value is not None else ""
    if kind == "extra_forbidden":
        return unknown_key(loc, model)
    if kind == "value_error":
        return f"{context.get('error', error['msg'])}{given}"
    if kind in _LIMITS:
        name, sentence = _LIMITS[kind]
        return sentence.format(context[name]) + given
    if kind == "literal_error":
        return f"must be one of {context['expected']}{given}{_near_literal(str(context['expected']), value)}"
    if kind in _TYPES:
        hint = "" if value is not None else ", but is empty"
        if kind == "string_type" and value is not None:
            hint = "; put quotes around it"
        return f"{_TYPES[kind]}{given}{hint}"
    return str(error["msg"])[:1].lower() + str(error["msg"])[1:] + given


def unknown_key(loc: tuple[str, ...], model: type[BaseModel]) -> str:
    """Says that the key is unknown, and which one was likely meant, here or in another section."""
    by_path = dict(sections(model))
    here = by_path.get(loc[:-1])
    name = loc[-1]
    known = list(here.model_fields) if here else []
    if close := difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1, cutoff=0.6):
        return f"unknown key; did you mean '{'.'.join((*loc[:-1], close[0]))}'?"
    elsewhere = [".".join((*path, key)) for path, section in by_path.items() for key in section.model_fields]
    if same := [path for path in elsewhere if path.rsplit(".", 1)[-1] == name]:
        return f"unknown key here; did you mean '{same[0]}'?"
    return f"unknown key; known here: {', '.join(known)}"


def _near_literal(expected: str, value: object) -> str:
    options = expected.replace("'", "").replace(" or ", ", ").split(", ")
    close = difflib.get_close_matches(str(value).lower(), options, n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def _show(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (tuple, list)):
        return "a list"
    return repr(value)
