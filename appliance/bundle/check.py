"""What a node would have against a content, found before anybody signs it: for the publisher's bench and its people.

Rules kept here:
1. The verdict is the node's own: content is read by what reads it on a node, policy tests are run, denials are tried.
2. All findings at once, each with its file, and with line and column where the file has such.
3. No model is loaded and no golden prompt asked: that is for the rehearsal, on the node that would run them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from appliance.bundle import content, rehearse
from appliance.bundle.manifest import Health
from appliance.errors import ConfigInvalid

_PROGRAM = "appliance"  # the folder whose files are the program's own affair


def findings(folder: Path, health: Health, now: float) -> tuple[str, ...]:
    """Everything that is wrong with a content directory and its health set at this moment (Unix seconds), in words."""
    found = [*_unreadable(folder)]
    try:
        generation = content.load_generation(folder)
    except ConfigInvalid as error:
        return (*dict.fromkeys((*found, *(error.details or (error.message,)))),)
    found += rehearse.undenied(generation, health.denials, now)
    found += (
        f"prompt {p.name}: there is no card {p.card}" for p in health.prompts if p.card not in generation.card_by_id
    )
    return tuple(found)


def _unreadable(folder: Path) -> Iterator[str]:
    """The JSON files that are none, but for those of the policy and the cards, which are read further on."""
    for path in sorted(folder.rglob("*.json*")):
        inside = path.relative_to(folder)
        if inside.parts[0] in (_PROGRAM, "policy", "cards") or path.suffix not in (".json", ".jsonl"):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            yield f"{inside}: {'it is not UTF-8' if isinstance(error, UnicodeDecodeError) else error.strerror}"
            continue
        lines = enumerate(text.splitlines(), 1) if path.suffix == ".jsonl" else [(1, text)]
        for number, line in lines:
            try:
                if line.strip() or path.suffix == ".json":
                    json.loads(line)
            except json.JSONDecodeError as error:
                yield f"{inside}:{number + error.lineno - 1}:{error.colno}: not JSON: {error.msg}"
            except (ValueError, RecursionError) as error:
                yield f"{inside}:{number}: not usable JSON: {error}"
