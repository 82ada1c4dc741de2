"""The digest of a request: equal for requests that must get the same answer from the exact cache.

Rules kept here:
1. All that determines the answer is in it; who asks, how it is delivered (stream, encoding) and ids are not.
2. The text under the hash is canonical: names sorted, numbers in one form, defaults as if unstated.
3. The tenant, policy generation and variation are not in it: the cache adds them to its key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import orjson

from appliance.records.request import Format, Sampling

_FORM = 1  # raised when the canonical text changes, so that no old entry is found by a new digest
# Passed on, and without influence on what the answer says.
WITHOUT_INFLUENCE = frozenset(
    (
        "metadata",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "user",
    )
)

_UNSTATED = asdict(Sampling())
# The other fields that count, with the value that stands for 'not stated'.
_REST: dict[str, Any] = {
    "models": (),
    "providers": None,
    "strategy": "",
    "tools": (),
    "tool_choice": None,
    "parallel_tool_calls": None,
    "thinking": None,
    "continues": False,
    "n": 1,
    "dimensions": None,
}


def digest(
    kind: str,
    fields: Mapping[str, Any],
    sampling: Mapping[str, Any],
    form: Format,
    forwarded: Mapping[str, Any],
) -> str:
    """SHA-256 (hex) over the canonical JSON of one request; `fields` and `sampling` hold what was stated."""
    get = fields.get
    canonical: list[Any] = [
        _FORM,
        kind,
        fields["model"],
        get("preference"),
        [
            (replace(message, marks=()) if message.marks else message)
            if message.parts or message.tool_calls or message.tool_call_id or message.name
            else (message.role, message.content)
            for message in get("messages", ())
        ],
        get("prompt") or get("inputs"),
        {name: value for name, value in sampling.items() if value != _UNSTATED[name]},
    ]
    rest = {name: fields[name] for name in _REST if name in fields and fields[name] != _REST[name]}
    if form.kind != "text":
        rest["format"] = form
    if forwarded:
        passed = {name: value for name, value in forwarded.items() if name not in WITHOUT_INFLUENCE}
        if passed:
            rest["forwarded"] = passed
    if rest:
        canonical.append(rest)
    return hashlib.sha256(orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS)).hexdigest()
