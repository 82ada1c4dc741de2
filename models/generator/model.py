"""The network: a small llama (RMSNorm, rotary positions in halves, SwiGLU, tied embeddings), and greedy decoding.

Rules kept here:
1. Nothing that llama.cpp's `llama` architecture cannot run: no biases, no norms on queries or keys.
2. Logits are computed only where they are asked for; the last layer's feed-forward part likewise.

Shapes: B sequences, T positions, W width, H heads, D width of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Shape:
    """Everything that fixes the weights' shapes."""

    vocabulary: int = 1024
    width: int = 192
    layers: int = 5
    heads: int = 6
    hidden: int = 512
    context: int = 1024
    rope_base: float = 10_000.0
    epsilon: float = 1e-5


Cache = list[tuple[Tensor, Tensor]]


class Block(nn.Module):
    """One layer: attention, then the gated feed-forward part."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.attention_norm = nn.Parameter(torch.ones(shape.width))
        self.feed_norm = nn.Parameter(torch.ones(shape.width))
        self.qkv = nn.Parameter(torch.randn(3 * shape.width, shape.width) * shape.width**-0.5)
        self.out = nn.Parameter(torch.zeros(shape.width, shape.width))
        self.gate_up = nn.Parameter(torch.randn(2 * shape.hidden, shape.width) * shape.width**-0.5)
        self.down = nn.Parameter(torch.zeros(shape.width, shape.hidden))

    def attend(
        self, x: Tensor, rope: tuple[Tensor, Tensor], past: tuple[Tensor, Tensor] | None, mask: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Mixed values before the output projection, (B, T, W), and the keys and values so far."""
        s = self.shape
        rows, length, _ = x.shape
        qkv = F.linear(F.rms_norm(x, (s.width,), self.attention_norm, s.epsilon), self.qkv)
        qkv = qkv.view(rows, length, 3, s.heads, s.width // s.heads)
        cos, sin = rope
        first, second = qkv[:, :, :2].chunk(2, dim=-1)
        turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
        query, key = turned[:, :, 0].transpose(1, 2), turned[:, :, 1].transpose(1, 2)
        value = qkv[:, :, 2].transpose(1, 2)
        if past is not None:
            key, value = torch.cat((past[0], key), dim=2), torch.cat((past[1], value), dim=2)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None)
        return mixed.transpose(1, 2).reshape(rows, length, s.width), (key, value)

    def feed(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Add the projected attention and the feed-forward part to the stream, at any positions (…, W)."""
        x = x + F.linear(mixed, self.out)
        gate, up = F.linear(F.rms_norm(x, (self.shape.width,), self.feed_norm, self.shape.epsilon), self.gate_up).chunk(
            2, dim=-1
        )
        return x + F.linear(F.silu(gate) * up, self.down)


class Model(nn.Module):
    """Token ids in, logits out."""

    cos: Tensor
    sin: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.randn(shape.vocabulary, shape.width) * 0.05)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.width))
        half = shape.width // shape.heads // 2
        rate = shape.rope_base ** (-torch.arange(half, dtype=torch.float64) / half)
        angle = torch.outer(torch.arange(shape.context, dtype=torch.float64), rate).float()
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, ids: Tensor, wanted: Tensor) -> Tensor:
        """Logits (len(wanted), vocabulary) at flat positions `wanted` of ids (B, T); padding stands on the right."""
        x = F.embedding(ids, self.embedding)
        length = ids.shape[1]
        rope = (self.cos[:length].view(1, length, 1, 1, -1), self.sin[:length].view(1, length, 1, 1, -1))
        for block in self.blocks:
            mixed, _ = block.attend(x, rope, None, None)
            if block is self.blocks[-1]:
                x, mixed = x.flatten(0, 1)[wanted], mixed.flatten(0, 1)[wanted]
            x = block.feed(x, mixed)
        return F.linear(F.rms_norm(x, (self.shape.width,), self.norm, self.shape.epsilon), self.embedding)

    def step(self, ids: Tensor, positions: Tensor, mask: Tensor, cache: Cache | None) -> tuple[Tensor, Cache]:
        """Logits (B, vocabulary) after the last of ids (B, T), with keys and values kept; any mask (B, 1, T, S)."""
        x = F.embedding(ids, self.embedding)
        shape = (*positions.shape, 1, 1, self.cos.shape[1])
        rope = (self.cos[positions].view(shape), self.sin[positions].view(shape))
        kept: Cache = []
        for number, block in enumerate(self.blocks):
            mixed, pair = block.attend(x, rope, cache[number] if cache else None, mask)
            kept.append(pair)
            x = block.feed(x, mixed)
        return F.linear(F.rms_norm(x[:, -1], (self.shape.width,), self.norm, self.shape.epsilon), self.embedding), kept


@dataclass(frozen=True)
class Answer:
    """Generated ids (the end mark included, where it came), and per token the model's own doubts, in nats."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    entropies: tuple[float, ...]
    margins: tuple[float, ...]


@torch.inference_mode()
def generate(model: Model, prompts: Sequence[Sequence[int]], end: int, most: int = 96) -> list[Answer]:
    """Greedy answers to a batch of prompts; at most `most` tokens each. Pads on the left, so mix lengths sparingly."""
    device = model.embedding.device
    rows, longest = len(prompts), max(map(len, prompts))
    ids = torch.zeros((rows, longest), dtype=torch.long, device=device)
    start = torch.tensor([longest - len(prompt) for prompt in prompts], device=device)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt, device=device)
    column = torch.arange(longest, device=device)
    positions = (column[None] - start[:, None]).clamp(min=0)
    mask = (column[None, None] >= start[:, None, None]) & (column[None, None] <= column[None, :, None])
    # A padded row must see something, or softmax divides by zero; what it computes is never read.
    mask = (mask | torch.eye(longest, dtype=torch.bool, device=device)[None])[:, None]
    logits, cache = model.step(ids, positions, mask, None)
    found: list[list[tuple[int, float, float, float]]] = [[] for _ in prompts]
    done = [False] * rows
    for count in range(min(most, model.shape.context - longest)):
        logprobs = logits.float().log_softmax(-1)
        best = logprobs.topk(2, dim=-1)
        entropy = -(logprobs.exp() * logprobs).sum(-1)
        chosen = best.indices[:, 0]
        table = zip(
            chosen.tolist(),
            best.values[:, 0].tolist(),
            entropy.tolist(),
            (best.values[:, 0] - best.values[:, 1]).tolist(),
            strict=True,
        )
        for row, entry in enumerate(table):
            if not done[row]:
                found[row].append(entry)
                done[row] = entry[0] == end
        if all(done):
            break
        width = longest + count + 1
        seen = (torch.arange(width, device=device)[None] >= start[:, None])[:, None, None]
        logits, cache = model.step(chosen[:, None], (longest + count - start)[:, None], seen, cache)
    return [
        Answer(tuple(e[0] for e in row), tuple(e[1] for e in row), tuple(e[2] for e in row), tuple(e[3] for e in row))
        for row in found
    ]
