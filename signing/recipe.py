"""What goes into a generation: a content directory as it is, or a recipe that adds to one and takes away from it.

    name: my-site                      # the bundle is called NAME-YEAR.N
    content: build/starter             # beside the recipe, like all paths in it
    remove: [cards/weir-desk.json]
    add: {models/my-model.gguf: /srv/models/my-model.gguf}
    cards: [{id: my-model, …}]         # written to cards/ID.json
    security_epoch: 0
    least_appliance: 0.1.0
    architectures: [any]
    health: {prompts: […], denials: […]}
    sbom: my-site.spdx.json
    changelog: What is new, for people.

Rules kept here:
1. Regular files only; in the content a link is refused too, since what it points at may change unseen.
2. A card's files are in the generation, with the digest and the length that the card states.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from appliance.bundle.manifest import Health, check_path
from signing import __version__, files, gguf
from signing.errors import BenchError

_RECIPE_BYTES = 4 * 1024 * 1024
_NAME = r"^[a-z0-9][a-z0-9-]{0,47}$"
_CAN = (
    "streaming", "system", "json_object", "json_schema", "regex", "logprobs", "signals", "seed", "multiple",
    "penalties", "logit_bias", "top_k", "prefill",
)  # fmt: skip


class Recipe(BaseModel):
    """As it is written in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=_NAME)]
    content: Path | None = None
    remove: tuple[str, ...] = ()
    add: dict[str, Path] = Field(default_factory=dict)
    cards: tuple[dict[str, Any], ...] = ()
    security_epoch: Annotated[int, Field(ge=0)] = 0
    least_appliance: str = __version__
    architectures: tuple[str, ...] = ("any",)
    health: Health = Health()
    sbom: Path | None = None
    changelog: str = ""


@dataclass(frozen=True)
class Contents:
    """The files of a generation: where each comes from, or its bytes where the recipe itself states them."""

    recipe: Recipe
    files: Mapping[str, Path | bytes]
    sbom_sha256: str | None


def read(path: Path, name: str | None = None) -> Contents:
    """The contents of a recipe file or of a content directory. Raises BenchError: recipe_invalid."""
    if path.is_dir():
        recipe, beside = _recipe({"name": name or _name_of(path), "content": "."}, path), path
    else:
        recipe, beside = _parsed(path), path.parent
        if name:
            recipe = recipe.model_copy(update={"name": name})
    found: dict[str, Path | bytes] = dict(_walk(beside / recipe.content) if recipe.content else {})
    for gone in recipe.remove:
        if found.pop(gone, None) is None:
            raise _invalid(path, (f"remove: {gone} is not in the content",))
    added = {into: beside / source for into, source in recipe.add.items()}
    found |= added
    cards = [(f"cards/{_file_name(card.get('id'))}.json", card) for card in recipe.cards]
    found |= {into: _written(card, path) for into, card in cards}
    findings = [] if found else ["it names no file"]
    written = Counter(into for into, _ in cards)
    findings += [
        f"cards: {count} of them would be {into}; give them other ids" for into, count in written.items() if count > 1
    ]
    findings += [f"add: {source} is not a regular file" for source in added.values() if _is_special(source)]
    for into in found:
        try:
            check_path(into)
        except ValueError as error:
            findings.append(str(error))
    if findings:
        raise _invalid(path, tuple(findings))
    sbom = None
    if recipe.sbom:
        sbom = hashlib.sha256(files.read(beside / recipe.sbom, "recipe_invalid", 1024**3)).hexdigest()
    return Contents(recipe, found, sbom)


def for_model(model: Path, content: Path, name: str | None = None) -> str:
    """A recipe, as YAML, that adds a GGUF of one's own to a content directory, or to what another recipe says: all of
    that is kept, its health prompts too. Raises BenchError.

    The card claims no accuracy: it is asked for by its id until `accuracy` is filled in.
    """
    try:
        with model.open("rb") as stream:
            gguf.tensor_data(stream)
            stream.seek(0)
            digest, length = hashlib.file_digest(stream, "sha256").hexdigest(), model.stat().st_size
    except OSError as error:
        raise BenchError("recipe_invalid", f"{model}: {error.strerror}.", next_step="Check its name.") from None
    id = name or _file_name(model.stem)
    into = f"models/{_file_name(id)}.gguf"
    card = {
        "id": id,
        "runtime": "llama_cpp",
        "tier": "device",
        "modalities": ["chat", "completion"],
        "operator": "this node",
        "retention": "none",
        "trains_on_input": "no",
        "accelerator": "cpu",
        "capabilities": dict.fromkeys(_CAN, True),
        "accuracy_default": 0.0,
        "files": [{"path": into, "sha256": digest, "bytes": length}],
        "llama": {"sequences": 4},
    }
    said = _kept(content)
    said["name"] = f"with-{_slug(id)}"
    said["add"] = said.get("add", {}) | {into: str(model.absolute())}
    said["cards"] = [*(other for other in said.get("cards", []) if other.get("id") != id), card]
    said["changelog"] = f"Adds the model {id}."
    # That it runs to an end; what it must say, only whoever knows the model can state.
    runs = {"name": f"{id} runs", "card": id, "prompt": "Hello", "min_characters": 0}
    health = said.get("health", {})
    said["health"] = health | {"prompts": [*health.get("prompts", []), runs]}
    return f"# Press it: weir-sign press STATION THIS-FILE --out DIRECTORY\n{json.dumps(said, indent=2)}\n"


def _kept(content: Path) -> dict[str, Any]:
    """What a recipe that adds to this one begins with; paths absolute, since the new one may lie elsewhere."""
    if content.is_dir():
        return {"content": str(content.absolute())}
    recipe, beside = _parsed(content), content.parent.absolute()
    said = recipe.model_dump(mode="json", exclude_defaults=True)
    said |= {name: str(beside / said[name]) for name in ("content", "sbom") if name in said}
    if recipe.add:
        said["add"] = {into: str(beside / source) for into, source in recipe.add.items()}
    return said


def check_cards(cards: Mapping[str, bytes], cut: Mapping[str, tuple[str, int]]) -> None:
    """Rule 2; `cut` has digest and length by path. Raises BenchError: recipe_invalid."""
    findings = []
    for path, content in cards.items():
        try:
            stated = [(file["path"], (file["sha256"], file["bytes"])) for file in json.loads(content).get("files", [])]
        except (ValueError, TypeError, KeyError, AttributeError):
            findings.append(f"{path}: not a card")
            continue
        for file, what in stated:
            if file not in cut:
                findings.append(f"{path}: names {file}, which is not in the content")
            elif cut[file] != what:
                findings.append(f"{path}: {file} is another file than the card states")
    if findings:
        raise BenchError("recipe_invalid", "The cards do not fit their files.", details=tuple(findings))


def _walk(content: Path) -> dict[str, Path]:
    found = {}
    if not content.is_dir():
        raise BenchError("recipe_invalid", f"{content} is no directory.", next_step="Check 'content' of the recipe.")
    for path in sorted(content.rglob("*")):
        inside = path.relative_to(content)
        if any(part.startswith(".") for part in inside.parts):
            continue  # an editor's own, or the file system's
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise BenchError("recipe_invalid", f"{path} is a link or a device.", next_step="Put the file itself there.")
        if path.is_file():
            found[inside.as_posix()] = path
    return found


def _is_special(source: Path) -> bool:
    """Whether it is there and no file: a device has no end, or an empty one, and a pipe waits."""
    return source.exists() and not source.is_file()


def _parsed(path: Path) -> Recipe:
    """A recipe file. Raises BenchError."""
    text = files.read(path, "recipe_invalid", _RECIPE_BYTES)
    try:
        said = YAML(typ="safe", pure=True).load(text.decode("utf-8"))
    except (YAMLError, ValueError, RecursionError):  # a day that there is not, or brackets without an end
        raise _invalid(path, ("it is not YAML",)) from None
    return _recipe(said, path)


def _recipe(said: object, path: Path) -> Recipe:
    try:
        return Recipe.model_validate(said)
    except ValidationError as error:
        raise _invalid(
            path,
            tuple(
                f"{'.'.join(str(part) for part in item['loc']) or '(file)'}: {item['msg']}"
                for item in error.errors(include_input=False, include_url=False)
            ),
        ) from None


def _written(card: Mapping[str, Any], path: Path) -> bytes:
    try:
        text = json.dumps(card, indent=1, sort_keys=True, allow_nan=False, default=_day)
    except (TypeError, ValueError, RecursionError):
        raise _invalid(path, (f"cards: {card.get('id')} holds a value that JSON cannot carry",)) from None
    return f"{text}\n".encode()


def _day(value: object) -> str:
    """A day, which YAML knows by itself and JSON does not."""
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError


def _file_name(id: object) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", str(id)).strip("-._") or "my-model"


def _slug(id: str) -> str:
    return (re.sub(r"[^a-z0-9]+", "-", id.lower()).strip("-") or "my-model")[:40]


def _name_of(path: Path) -> str:
    return _slug(path.resolve().name)


def _invalid(path: Path, details: tuple[str, ...]) -> BenchError:
    return BenchError("recipe_invalid", f"{path} cannot be pressed.", details=details)
