"""Writes small llama-architecture GGUF files with random weights, so that tests and benchmarks download none.

Rules kept here:
1. The same `Shape` and seed always give the same bytes.
2. The vocabulary is a real byte-level BPE: all 256 bytes, pair merges, fillers, then control tokens.

The files are valid models that speak nonsense. `truncated`, `wrong_magic` and `patched` spoil a valid one.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_F32, _F16, _Q8_0 = 0, 1, 8
_ALIGN = 32


@dataclass(frozen=True, slots=True)
class Shape:
    """What the model looks like. `kind` is f32, f16 or q8_0; `template` '' leaves the chat template out."""

    vocab: int = 512
    width: int = 64
    layers: int = 2
    heads: int = 4
    ff: int = 128
    context: int = 512
    kind: str = "f32"
    seed: int = 7
    template: str = CHATML
    scale: float = 1.0
    eos_bias: float = 0.0


TINY = Shape()
SMALL = Shape(vocab=4096, width=128, layers=4, heads=4, ff=384, context=1024, kind="f16")
HUNDRED_M = Shape(vocab=32000, width=768, layers=10, heads=12, ff=2048, context=2048, kind="q8_0")


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-in for each of the 256 bytes."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    out, extra = [], 0
    for byte in range(256):
        if byte in keep:
            out.append(chr(byte))
        else:
            out.append(chr(256 + extra))
            extra += 1
    return out


def vocabulary(size: int) -> tuple[list[str], list[int], list[str]]:
    """Tokens, their types (1 normal, 3 control) and the merges."""
    alphabet = byte_alphabet()
    tokens, merges = list(alphabet), []
    seen = set(tokens)
    letters = [alphabet[ord(c)] for c in ' etaoinshrdlucmfwypvbgkjqxz,.":{}[]0123456789']
    room = size - len(SPECIALS)
    for left in letters:
        for right in letters:
            pair = left + right
            if len(tokens) < room and pair not in seen:
                tokens.append(pair)
                seen.add(pair)
                merges.append(f"{left} {right}")
    filler = 0
    while len(tokens) < room:
        tokens.append(f"zq{filler}z")
        filler += 1
    return tokens + list(SPECIALS), [1] * len(tokens) + [3] * len(SPECIALS), merges


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _string(value)
    if all(isinstance(item, str) for item in value):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(_string(item) for item in value)
    return struct.pack("<IIQ", 9, 5, len(value)) + struct.pack(f"<{len(value)}i", *value)


def metadata(shape: Shape) -> dict[str, Any]:
    tokens, types, merges = vocabulary(shape.vocab)
    out: dict[str, Any] = {
        "general.architecture": "llama",
        "general.name": "tiny random",
        "llama.context_length": shape.context,
        "llama.embedding_length": shape.width,
        "llama.block_count": shape.layers,
        "llama.feed_forward_length": shape.ff,
        "llama.attention.head_count": shape.heads,
        "llama.attention.head_count_kv": shape.heads,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": shape.width // shape.heads,
        "llama.vocab_size": shape.vocab,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": shape.vocab - 3,
        "tokenizer.ggml.eos_token_id": shape.vocab - 1,
        "tokenizer.ggml.add_bos_token": False,
    }
    if shape.template:
        out["tokenizer.chat_template"] = shape.template
    return out


def _shapes(shape: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "token_embd.weight", (shape.vocab, shape.width)
    for layer in range(shape.layers):
        blk = f"blk.{layer}."
        yield blk + "attn_norm.weight", (shape.width,)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            yield f"{blk}{name}.weight", (shape.width, shape.width)
        yield blk + "ffn_norm.weight", (shape.width,)
        yield blk + "ffn_gate.weight", (shape.ff, shape.width)
        yield blk + "ffn_up.weight", (shape.ff, shape.width)
        yield blk + "ffn_down.weight", (shape.width, shape.ff)
    yield "output_norm.weight", (shape.width,)
    yield "output.weight", (shape.vocab, shape.width)


def _tensor(rng: np.random.Generator, name: str, dims: tuple[int, ...], shape: Shape) -> tuple[int, bytes]:
    if len(dims) == 1:
        return _F32, np.ones(dims, np.float32).tobytes()
    spread = shape.scale * (2.0 if name == "token_embd.weight" else 3.0) / dims[1] ** 0.5
    if shape.kind == "q8_0":
        blocks = np.empty(dims[0] * dims[1] // 32, dtype=[("d", "<f2"), ("q", "i1", 32)])
        blocks["d"] = spread / 70.0
        blocks["q"] = rng.integers(-120, 121, size=(len(blocks), 32), dtype=np.int8)
        return _Q8_0, blocks.tobytes()
    values = rng.standard_normal(dims, dtype=np.float32) * np.float32(spread)
    if name == "output.weight" and shape.eos_bias:
        values[-1] *= 1.0 + shape.eos_bias  # the end token then leads, or trails, more often
    return (_F32, values.tobytes()) if shape.kind == "f32" else (_F16, values.astype(np.float16).tobytes())


def write(path: Path, shape: Shape = TINY) -> Path:
    """Write a model to `path` and return it."""
    rng = np.random.default_rng(shape.seed)
    pairs = metadata(shape)
    tensors = [(name, dims, *_tensor(rng, name, dims, shape)) for name, dims in _shapes(shape)]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    head += b"".join(_string(key) + _value(value) for key, value in pairs.items())
    offset = 0
    for name, dims, kind, raw in tensors:
        head += _string(name) + struct.pack(f"<I{len(dims)}Q", len(dims), *reversed(dims))
        head += struct.pack("<IQ", kind, offset)
        offset += -(-len(raw) // _ALIGN) * _ALIGN
    with path.open("wb") as file:
        file.write(head + b"\0" * (-len(head) % _ALIGN))
        for _, _, _, raw in tensors:
            file.write(raw + b"\0" * (-len(raw) % _ALIGN))
    return path


def truncated(source: Path, target: Path, share: float) -> Path:
    """The first `share` of a valid file."""
    raw = source.read_bytes()
    target.write_bytes(raw[: int(len(raw) * share)])
    return target


def patched(source: Path, target: Path, offset: int, raw: bytes) -> Path:
    """A valid file with `raw` written over it at `offset`."""
    whole = bytearray(source.read_bytes())
    whole[offset : offset + len(raw)] = raw
    target.write_bytes(bytes(whole))
    return target


if __name__ == "__main__":
    write(Path(sys.argv[2]), {"tiny": TINY, "small": SMALL, "hundred": HUNDRED_M}[sys.argv[1]])
