"""`weir card`: a card for a GGUF file of one's own."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import click

from appliance.cli.common import OK, CliError, WeirCommand
from appliance.cli.out import clean

_CAN = (
    "streaming", "system", "json_object", "json_schema", "regex", "logprobs", "signals", "seed", "multiple",
    "penalties", "logit_bias", "top_k",
)  # fmt: skip


@click.command(
    "card",
    cls=WeirCommand,
    short_help="Write a card for a GGUF file.",
    examples=("weir card /srv/models/my-model.gguf > my-model.json",),
)
@click.argument("gguf", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--id", "name", help="The id to ask for it by, instead of the file's name.")
def command(gguf: Path, name: str | None) -> int:
    """Write a card for a GGUF file.

    The card goes to stdout. It states the file with its digest, and claims no accuracy: fill in `accuracy` per task
    cell, with sample sizes, for `auto` to consider it; until then ask for it by its id.
    """
    path = gguf.absolute()
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise CliError(f"{clean(gguf.name)} is not a GGUF file.", next_step="Convert it with llama.cpp first.")
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CliError(f"{clean(path)} cannot be read: {error.strerror}.", next_step="Check its name.") from None
    card = {
        "id": re.sub(r"[^A-Za-z0-9._-]+", "-", name or path.stem).strip("-._") or "my-model",
        "runtime": "llama_cpp",
        "tier": "device",
        "modalities": ["chat", "completion"],
        "operator": "this node",
        "retention": "none",
        "trains_on_input": "no",
        "accelerator": "cpu",
        "capabilities": dict.fromkeys(_CAN, True),
        "accuracy_default": 0.0,  # nothing is claimed: `auto` takes it where its card states more
        "files": [{"path": str(path), "sha256": digest, "bytes": path.stat().st_size}],
        "llama": {"sequences": 4},
    }
    click.echo(json.dumps(card, indent=2))
    return OK
