"""What is different between two versions of metadata, in lines for the holder who is asked to sign.

Rules kept here:
1. Nothing that a signature covers can change without a line: the lines are made from the whole of the signed part.
2. A key is shown by its holder's name beside the first digits of its id, and by the whole id where that could mislead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

HOLDER = "x-weir-holder"  # beside a key: whose it is
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")  # a key that needs no quotes; a path has dots


def lines(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> tuple[str, ...]:
    """`+` added, `-` gone, `~` changed. The arguments are the signed part as plain values, None where there is none."""
    names = _shown({**names_of(before or {}), **names_of(after)})
    old = {} if before is None else dict(_leaves(before, "", names))
    new = dict(_leaves(after, "", names))
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
    """Key id to the holder's name, for the keys that metadata carries; the id's beginning where there is none."""
    keys = {**signed.get("keys", {}), **signed.get("delegations", {}).get("keys", {})}
    return {id: name if isinstance(name := key.get(HOLDER), str) else id[:8] for id, key in keys.items()}


def _shown(names: Mapping[str, str]) -> dict[str, str]:
    """The id whole where its short form could be taken for another's."""
    short = {id: f"{name} ({id[:16]})" for id, name in names.items()}
    seen = list(short.values())
    return {id: text if _NAME.fullmatch(names[id]) and seen.count(text) == 1 else id for id, text in short.items()}


def _leaves(value: Any, path: str, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, _below(path, key, names), names)
    elif isinstance(value, list) and value and all(_named(item) for item in value):
        order = [item["name"] for item in value]
        yield f"{path} (order)", repr(order)
        for place, item in enumerate(value):
            twice = f"#{place}" if item["name"] in order[:place] else ""
            yield from _leaves(item, _below(path, item["name"], names) + twice, names)
    elif isinstance(value, list):
        items = [names[item] if isinstance(item, str) and item in names else repr(item) for item in value]
        yield path, f"[{', '.join(items)}]"
    else:
        yield path, repr(value)


def _named(item: Any) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("name"), str)


def _below(path: str, key: str, names: Mapping[str, str]) -> str:
    shown = names.get(key) or (key if _PLAIN.fullmatch(key) else repr(key))
    return f"{path}.{shown}" if path else shown
