"""Puts the starter content together under build/starter: what bundles/starter holds, plus the model files it names.

Every file that a card names must be there with the digest that the card states; otherwise nothing is assembled.
Run by set-up; quick, because files are linked or copied only where they changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "bundles" / "starter"
TARGET = ROOT / "build" / "starter"
# Where the files named by cards come from: a path inside the content directory -> a path in the checkout.
MODELS = {
    "models/weir-desk.gguf": ROOT / "models/generator/weir-desk.gguf",
    "models/classifier/task-classifier.onnx": ROOT / "models/classifier/task-classifier.onnx",
    "models/embedder/model.int8.onnx": ROOT / "build/models/embedder/model.int8.onnx",
    "models/embedder/tokenizer.json": ROOT / "build/models/embedder/tokenizer.json",
    "models/embedder/manifest.json": ROOT / "build/models/embedder/manifest.json",
}


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def place(source: Path, target: Path) -> None:
    """Hard link where the file system allows it, else copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and target.samefile(source):
        return
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def main() -> int:
    problems = []
    fresh = TARGET.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    for source in sorted(SOURCE.rglob("*")):
        if source.is_file():
            place(source, fresh / source.relative_to(SOURCE))
    for name, source in MODELS.items():
        if source.is_file():
            place(source, fresh / name)
        else:
            problems.append(f"{source.relative_to(ROOT)} is missing")
    for path in sorted((fresh / "cards").glob("*.json")):
        for file in json.loads(path.read_bytes()).get("files", []):
            where = fresh / file["path"]
            if not where.is_file():
                problems.append(f"{path.name} names {file['path']}, which is not there")
            elif digest(where) != file["sha256"]:
                problems.append(f"{file['path']} is not the file that {path.name} names")
    if problems:
        print("weir set-up: the starter content is incomplete:", *problems, sep="\n  ", file=sys.stderr)
        return 1
    shutil.rmtree(TARGET, ignore_errors=True)
    fresh.rename(TARGET)
    return 0


if __name__ == "__main__":
    sys.exit(main())
