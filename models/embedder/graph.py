"""Writes all-MiniLM-L6-v2 as an ONNX graph, from its tensors alone: no PyTorch, no tracing.

Rules kept here:
1. The same tensors give the same bytes: names, order and rounding are fixed.
2. Inputs `input_ids` and `attention_mask` (int64, batch × length ≤ 256); output `embedding` (float32, batch ×
   384), mean-pooled over the mask and of L2 norm 1.
3. In int8, weights keep to 7 bits (-63..63): on CPUs without VNNI two products of 8 × 8 bits overflow the
   16-bit sum silently, and the same file would give other vectors on other hosts.

The fused operators are onnxruntime's (`com.microsoft`): the file is made for that runtime. Quantisation is
onnxruntime's dynamic scheme: weights symmetric per output column, activations asymmetric per tensor at run
time; the word table symmetric per row. It is written here by hand because the graph is, and so needs no
second pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, LAYERS, HEADS, POSITIONS, EPSILON = 384, 6, 12, 256, 1e-12
OPSET, IR_VERSION = 17, 8
MICROSOFT = "com.microsoft"
WEIGHT_LIMIT = 63  # rule 3

Precision = Literal["int8", "fp32"]
Array = np.ndarray[Any, np.dtype[Any]]
Tensors = Mapping[str, Array]


def quantise(weight: Array, axis: int, limit: int) -> tuple[Array, Array]:
    """Symmetric int8 values and float32 scales; `axis` is the one that a scale sums up."""
    scale = np.maximum(np.abs(weight).max(axis=axis), 1e-12).astype(np.float32) / np.float32(limit)
    values = np.rint(weight / np.expand_dims(scale, axis)).clip(-limit, limit).astype(np.int8)
    return values, scale.astype(np.float32)


class Graph:
    """Nodes and constants of one model, in the order in which they are written."""

    def __init__(self, precision: Precision) -> None:
        self.precision = precision
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: Array) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, op: str, inputs: list[str], name: str, outputs: int = 1, **attributes: Any) -> str:
        domain = attributes.pop("domain", "")
        names = [name] + [f"{name}.{i}" for i in range(1, outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=name, domain=domain, **attributes))
        return name

    def dense(self, x: str, weight: Array, name: str) -> str:
        """x · weight, without its bias; weight is input × output."""
        if self.precision == "fp32":
            return self.node("MatMul", [x, self.constant(f"{name}.weight", weight)], name)
        values, scale = quantise(weight, 0, WEIGHT_LIMIT)
        parts = [x, self.constant(f"{name}.weight", values), self.constant(f"{name}.scale", scale)]
        return self.node("DynamicQuantizeMatMul", parts, name, domain=MICROSOFT)

    def attention(self, x: str, weight: Array, bias: Array, mask: str, name: str) -> str:
        """Multi-head self-attention with queries, keys and values side by side in `weight` (384 × 1152)."""
        b = self.constant(f"{name}.bias", bias)
        if self.precision == "fp32":
            w = self.constant(f"{name}.weight", weight)
            return self.node("Attention", [x, w, b, mask], name, domain=MICROSOFT, num_heads=HEADS)
        values, scale = quantise(weight, 0, WEIGHT_LIMIT)
        w, s = self.constant(f"{name}.weight", values), self.constant(f"{name}.scale", scale)
        zero = self.constant(f"{name}.zero", np.zeros_like(scale, dtype=np.int8))
        q = self.node("DynamicQuantizeLinear", [x], f"{name}.input", outputs=3)
        parts = [q, w, b, f"{q}.1", s, mask, f"{q}.2", zero]
        return self.node("QAttention", parts, name, domain=MICROSOFT, num_heads=HEADS)

    def skip_norm(self, x: str, skip: str, tensors: Tensors, source: str, bias: Array, name: str) -> str:
        parts = [
            x,
            skip,
            self.constant(f"{name}.gamma", tensors[f"{source}.weight"]),
            self.constant(f"{name}.beta", tensors[f"{source}.bias"]),
            self.constant(f"{name}.bias", bias),
        ]
        return self.node("SkipLayerNormalization", parts, name, domain=MICROSOFT, epsilon=EPSILON)

    def words(self, table: Array) -> str:
        if self.precision == "fp32":
            return self.node("Gather", [self.constant("words.table", table), "input_ids"], "words")
        values, scale = quantise(table, 1, 127)
        rows = self.node("Gather", [self.constant("words.table", values), "input_ids"], "words.rows")
        scales = self.node("Gather", [self.constant("words.scale", scale[:, None]), "input_ids"], "words.scales")
        return self.node("Mul", [self.node("Cast", [rows], "words.cast", to=TensorProto.FLOAT), scales], "words")


def _embeddings(g: Graph, tensors: Tensors) -> str:
    places = tensors["embeddings.position_embeddings.weight"] + tensors["embeddings.token_type_embeddings.weight"][0]
    table = g.constant("places.table", places[:POSITIONS])
    shape = g.node("Shape", ["input_ids"], "length", start=1)
    zero = g.constant("zero", np.array([0], np.int64))
    places_used = g.node("Slice", [table, zero, shape, zero], "places")
    summed = g.node("Add", [g.words(tensors["embeddings.word_embeddings.weight"]), places_used], "summed")
    gamma = g.constant("embeddings.gamma", tensors["embeddings.LayerNorm.weight"])
    beta = g.constant("embeddings.beta", tensors["embeddings.LayerNorm.bias"])
    return g.node("LayerNormalization", [summed, gamma, beta], "embeddings", axis=-1, epsilon=EPSILON)


def _layer(g: Graph, x: str, tensors: Tensors, index: int, mask: str) -> str:
    source, name = f"encoder.layer.{index}", f"layer{index}"
    heads = [f"{source}.attention.self.{part}" for part in ("query", "key", "value")]
    weight = np.concatenate([tensors[f"{part}.weight"].T for part in heads], axis=1)
    bias = np.concatenate([tensors[f"{part}.bias"] for part in heads])
    seen = g.attention(x, weight, bias, mask, f"{name}.attention")
    out = f"{source}.attention.output"
    mixed = g.dense(seen, tensors[f"{out}.dense.weight"].T, f"{name}.mix")
    x = g.skip_norm(mixed, x, tensors, f"{out}.LayerNorm", tensors[f"{out}.dense.bias"], f"{name}.mixed")
    up = g.dense(x, tensors[f"{source}.intermediate.dense.weight"].T, f"{name}.up")
    up_bias = g.constant(f"{name}.up.bias", tensors[f"{source}.intermediate.dense.bias"])
    bent = g.node("BiasGelu", [up, up_bias], f"{name}.gelu", domain=MICROSOFT)
    down = g.dense(bent, tensors[f"{source}.output.dense.weight"].T, f"{name}.down")
    bias = tensors[f"{source}.output.dense.bias"]
    return g.skip_norm(down, x, tensors, f"{source}.output.LayerNorm", bias, f"{name}.out")


def _pool(g: Graph, x: str) -> None:
    one = g.constant("one", np.array([1], np.int64))
    mask = g.node("Cast", ["attention_mask"], "mask.float", to=TensorProto.FLOAT)
    row = g.node("Unsqueeze", [mask, one], "mask.row")  # batch × 1 × length
    total = g.node("Squeeze", [g.node("MatMul", [row, x], "pool.sum"), one], "pool.total")
    # The division by the count of tokens falls away: the norm that follows undoes any factor.
    norm = g.node("ReduceL2", [total], "pool.norm", axes=[1], keepdims=1)
    floor = g.constant("pool.floor", np.array([1e-12], np.float32))
    g.node("Div", [total, g.node("Max", [norm, floor], "pool.safe")], "embedding")


def build(tensors: Tensors, precision: Precision) -> bytes:
    """The serialised model."""
    g = Graph(precision)
    mask = g.node("Cast", ["attention_mask"], "mask.int", to=TensorProto.INT32)
    x = _embeddings(g, tensors)
    for index in range(LAYERS):
        x = _layer(g, x, tensors, index, mask)
    _pool(g, x)
    shape = ["batch", "length"]
    graph = helper.make_graph(
        g.nodes,
        "all-MiniLM-L6-v2",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, shape),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, shape),
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", WIDTH])],
        initializer=g.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="weir", ir_version=IR_VERSION)
    return model.SerializeToString(deterministic=True)
