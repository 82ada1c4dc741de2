"""Turns texts into vectors with the small ONNX embedder, on one thread.

Rules kept here:
1. A text's vector depends on the text and the file alone. Activations are quantised per tensor, so texts that
   share a batch would shift each other's vectors (cosine down to 0.95): each text runs by itself.
2. onnxruntime 1.29 and newer calls home unless ORT_DISABLE_TELEMETRY is set *before* its import; `runtime()`
   is the only import of it in the node.
3. Where it runs is proved, not believed: the manifest's probe text must give the manifest's vector again.

Long texts are cut at the manifest's `max_tokens`; `Embedded.tokens` counts what was computed. It keeps no
text.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
MAX_CHARACTERS = 20_000  # before the tokenizer, which would read a megabyte to keep 256 tokens of it
PROBE_COSINE = 0.99  # int8 rounds differently from CPU to CPU; another model or a broken kernel is far below
CPU = "CPUExecutionProvider"


class ModelInvalid(Exception):
    """The model's files are missing, not the ones the manifest names, or do not compute what they should."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """One float32 vector of L2 norm 1, how many tokens were read for it, and whether the text had more."""

    vector: Floats
    tokens: int
    cut: bool = False


def runtime() -> Any:
    """The onnxruntime module (rule 2)."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # Lazily: rule 2, and read-only commands never need it.
    import onnxruntime  # type: ignore[import-untyped, unused-ignore]

    return onnxruntime


def session(path: Path, provider: str = CPU) -> Any:
    """A session on one thread, wholly on `provider`: a node that it cannot run is an error, not a detour."""
    ort = runtime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if provider != CPU:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        return ort.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        raise ModelInvalid(f"{path.name} does not load on {provider}: {type(error).__name__}") from error


def clean(text: str) -> str:
    """What the tokenizer is given: bounded, and without lone surrogates, which it refuses."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


class Embedder:
    """Encodes texts one by one. May be used from several threads at once."""

    def __init__(self, directory: Path, *, providers: Sequence[str] = (CPU,)) -> None:
        """Loads and probes the files in `directory`; the first provider that passes the probe is used.

        Raises ModelInvalid.
        """
        from tokenizers import Tokenizer  # lazily: 20 ms that read-only commands need not pay

        try:
            manifest: dict[str, Any] = json.loads((directory / "manifest.json").read_bytes())
            files = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
            golden = np.array(manifest["probe"]["vector"], np.float32)
            probe_text = str(manifest["probe"]["text"])
            self.dimensions = int(manifest["dimensions"])
            self.max_tokens = int(manifest["max_tokens"])
            self.digest = str(files["model.int8.onnx"])  # what cached vectors and thresholds belong to
            for name in ("model.int8.onnx", "tokenizer.json"):
                if hashlib.sha256((directory / name).read_bytes()).hexdigest() != files[name]:
                    raise ModelInvalid(f"{name} is not the file that the manifest names")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelInvalid(f"the embedder's files are incomplete: {type(error).__name__}") from error
        try:
            self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        except Exception as error:  # tokenizers raises no class of its own, but Exception itself
            raise ModelInvalid("tokenizer.json does not load") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_tokens)
        self._tokenizer.encode_special_tokens = True  # '[SEP]' in a caller's text is text
        self.device = self._place(directory / "model.int8.onnx", providers, probe_text, golden)

    def _place(self, path: Path, providers: Sequence[str], text: str, golden: Floats) -> str:
        problem = "no provider was named"
        for provider in providers:
            try:
                self._session = session(path, provider)
                cosine = float(self.embed(text).vector @ golden)
            except ModelInvalid as error:
                problem = str(error)
                continue
            if cosine >= PROBE_COSINE:
                return provider.removesuffix("ExecutionProvider").lower()
            problem = f"{provider} computes another vector for the probe (cosine {cosine:.3f})"
        raise ModelInvalid(problem)

    def embed(self, text: str) -> Embedded:
        """One text. Raises ModelInvalid where the runtime fails."""
        encoded = self._tokenizer.encode(clean(text))
        cut = bool(encoded.overflowing) or len(text) > MAX_CHARACTERS
        ids = np.array([encoded.ids], np.int64)
        try:
            (vectors,) = self._session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        except Exception as error:  # as in `session`
            raise ModelInvalid(f"the embedder failed: {type(error).__name__}") from error
        return Embedded(np.asarray(vectors[0], np.float32), ids.shape[1], cut)

    def encode(self, texts: Sequence[str]) -> Floats:
        """float32, len(texts) × dimensions, rows of L2 norm 1."""
        if not texts:
            return np.zeros((0, self.dimensions), np.float32)
        return np.stack([self.embed(text).vector for text in texts])


class Shelf:
    """Loads each embedder once, for all that share it. May be asked from several threads at once."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[Path, tuple[str, ...]], Embedder] = {}
        self._lock = threading.Lock()

    def take(self, directory: Path, providers: Sequence[str] = (CPU,)) -> Embedder:
        """The embedder in `directory`. Raises ModelInvalid."""
        with self._lock:
            key = (directory, tuple(providers))
            if key not in self._loaded:
                self._loaded[key] = Embedder(directory, providers=providers)
            return self._loaded[key]
