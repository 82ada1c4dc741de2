"""Hosts for doctor to look at, and what one check finds on them."""

from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path
from typing import Any

from appliance.config import Config
from appliance.doctor import Result, Subject, examine
from tests.installed import placed


def subject(state: Path, **over: Any) -> Subject:
    """A subject whose state and content lie in a directory of the test."""
    base: dict[str, Any] = {
        "state_dir": state / "state",
        "listen": {"port": free()},
    }
    (state / "state").mkdir(mode=0o700, exist_ok=True)
    if (state / "content").is_dir() and not (state / "state/generations").exists():
        placed(state / "state").rmdir()
        (state / "state/generations/test-2026.1").symlink_to(state / "content")
    return Subject(Config.model_validate(base | over))


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def found(name: str, of: Subject) -> Result:
    (result,) = examine(of, [name])
    return result


def card(content: Path, *, data: bytes = b"", file: str = "m.bin", **over: Any) -> None:
    """A card with one file of these bytes."""
    (content / "cards").mkdir(parents=True, exist_ok=True)
    (content / "models").mkdir(exist_ok=True)
    (content / "models" / file).write_bytes(data)
    stated = {"path": f"models/{file}", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    base = {"id": "m", "runtime": "llama_cpp", "tier": "device", "modalities": ["chat"], "files": [stated]}
    (content / "cards" / "m.json").write_text(json.dumps(base | over))
