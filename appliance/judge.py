"""Judge: how good is this answer, as far as the node can tell from the answer itself. Pure.

Rules kept here:
1. Wrong form is never good: empty, cut off, or not the JSON that was asked for.
2. Confidence comes from token statistics through a calibrated gate; without a gate the answer is taken as it comes.
3. The vector's order is the gate's; a gate with other features is refused when it is loaded, not here.

Signals: quantiles of token log-probabilities (Gupta et al., arXiv 2404.10136), because sum and mean alone are
length-biased; the logistic rule sees the length too and may correct for it.
"""

from __future__ import annotations

import math
from typing import Any

import orjson

from appliance.decide.generation import Gate
from appliance.records.chunks import Signals
from appliance.records.decision import Judgement
from appliance.records.features import Features
from appliance.records.request import Format

FEATURES = (
    "mean_logprob",
    "min_logprob",
    "q10_logprob",
    "q25_logprob",
    "q50_logprob",
    "log_sum_logprob",
    "log_tokens",
    "entropy",
    "margin",
)


def signal_vector(signals: Signals) -> tuple[float, ...]:
    """The gate's input, in the order of FEATURES; natural logs, finite."""
    q10, q25, q50 = signals.quantiles
    raw = (
        signals.mean_logprob,
        signals.min_logprob,
        q10,
        q25,
        q50,
        math.log1p(max(0.0, -signals.sum_logprob)),
        math.log(max(1, signals.tokens)),
        signals.entropy,
        signals.margin,
    )
    return tuple(min(50.0, max(-50.0, x)) if math.isfinite(x) else -50.0 for x in raw)


def p_right(gate: Gate, signals: Signals, features: Features) -> float:
    """P(right) by the gate's logistic rule; the task intercept is weighed by the request's cells."""
    z = gate.bias
    for x, mean, scale, weight in zip(signal_vector(signals), gate.mean, gate.scale, gate.weights, strict=True):
        z += weight * (x - mean) / scale
    for cell, share in features.cells:
        z += share * gate.task_bias.get(cell, gate.task_bias.get(cell.split("/", 1)[0], 0.0))
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, z))))


def judge(
    text: str,
    finish_reason: str,
    form: Format,
    features: Features,
    signals: Signals | None,
    gate: Gate | None,
    threshold: float | None,
    prior: float,
    *,
    called_tools: bool = False,
) -> Judgement:
    """Judge one answer. `prior` is P(good) of the path where no gate applies."""
    fault = "" if called_tools else form_fault(text, finish_reason, form)
    if fault:
        return Judgement(0.0, threshold is None and fault == "cut off", threshold, fault)
    if gate is None or threshold is None:
        return Judgement(prior, True, threshold)
    if signals is None:
        return Judgement(prior, False, threshold)  # what the gate could not look at is not certified
    p = p_right(gate, signals, features)
    return Judgement(p, p >= threshold, threshold)


def form_fault(text: str, finish_reason: str, form: Format) -> str:
    """In a word what is wrong with the form of an answer, or ''."""
    if not text.strip():
        return "empty"
    if finish_reason == "content_filter":
        return "filtered"
    if form.kind in ("json_object", "json_schema"):
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return "not JSON"
        if not isinstance(value, dict) and form.kind == "json_object":
            return "not a JSON object"
        if form.kind == "json_schema" and form.schema is not None and not _fits(value, form.schema):
            return "not as the schema asks"
    return "cut off" if finish_reason == "length" else ""


_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def _fits(value: Any, schema: Any) -> bool:
    """Type, required, properties, items and enum; other keywords are left to the runtime that was constrained."""
    if not isinstance(schema, dict):  # true and false are schemas too; what is none is the runtime's to refuse
        return schema is not False
    kind = schema.get("type")
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(kind, str) and kind in _TYPES and not isinstance(value, _TYPES[kind]):
        return False
    if isinstance(value, bool) and kind in ("integer", "number"):
        return False
    if isinstance(schema.get("enum"), list) and value not in schema["enum"]:
        return False
    if isinstance(value, dict):
        properties, required = schema.get("properties"), schema.get("required")
        properties = properties if isinstance(properties, dict) else {}
        if isinstance(required, list) and any(isinstance(name, str) and name not in value for name in required):
            return False
        if schema.get("additionalProperties") is False and any(name not in properties for name in value):
            return False
        return all(_fits(value[name], sub) for name, sub in properties.items() if name in value)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return all(_fits(item, schema["items"]) for item in value)
    return True
