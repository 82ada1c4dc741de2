"""What is different between two versions of metadata, in lines for the holder who is asked to sign.

Rules kept here:
1. Nothing that a signature covers can change without a line: the lines are made from the whole of the signed part.
2. A key is shown by its holder's name beside the first digits of its id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

HOLDER = "x-weir-holder"  # beside a key: whose it is


def lines(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> tuple[str, ...]:
    """`+` added, `-` gone, `~` changed. The arguments are the signed part as plain values."""
    names = {**_names(before or {}), **_names(after)}
    old, new = dict(_leaves(before or {}, "", names)), dict(_leaves(after, "", names))
    found = []
    for path in [*old, *(path for path in new if path not in old)]:
        if path not in new:
            found.append(f"- {path}: {old[path]}")
        elif path not in old:
            found.append(f"+ {path}: {new[path]}")
        elif old[path] != new[path]:
            found.append(f"~ {path}: {old[path]} -> {new[path]}")
    return tuple(found)


def names_of(signed: Mapping[str, Any]) -> dict[str, str]:
    """Key id to the holder's name, for the keys that metadata carries."""
    return {id: key.get(HOLDER, id[:8]) for id, key in _keys(signed)}


def _keys(signed: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [*signed.get("keys", {}).items(), *signed.get("delegations", {}).get("keys", {}).items()]


def _names(signed: Mapping[str, Any]) -> dict[str, str]:
    return {id: f"{name} ({id[:8]})" for id, name in names_of(signed).items()}


def _leaves(value: Any, path: str, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            shown = names.get(key, key)
            yield from _leaves(inner, f"{path}.{shown}" if path else shown, names)
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) and "name" in item for item in value):
        yield f"{path} (order)", ", ".join(item["name"] for item in value)
        for place, item in enumerate(value):
            twice = item["name"] in [other["name"] for other in value[:place]]
            yield from _leaves(item, f"{path}.{item['name']}" + (f"#{place}" if twice else ""), names)
    elif isinstance(value, list):
        yield path, "[" + ", ".join(names.get(item, repr(item)) if isinstance(item, str) else repr(item) for item in value) + "]"
    else:
        yield path, repr(value)
