"""The record that every request leaves, whatever happened to it.

Rules kept here:
1. No prompt and no answer text. What stands here suffices to replay the decision.
2. JSON in, JSON out, the same value (property test).
3. Nothing that a record holds has slots: orjson writes what has a `__dict__` four times as fast.
"""

from __future__ import annotations

from functools import lru_cache

import orjson
from pydantic import TypeAdapter

from appliance.records.decision import Asked, Decision, Outcome, Snapshot
from appliance.records.features import Features
from appliance.records.value import value

SCHEMA = 1


@value
class Record:
    """One request from intake to outcome. `time` in Unix seconds."""

    id: str
    time: float
    asked: Asked
    features: Features
    snapshot: Snapshot
    decision: Decision
    outcome: Outcome
    schema: int = SCHEMA


def encode(value: object) -> object:
    """What orjson does not know of a record's values: sets become sorted lists."""
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(type(value).__name__)


def to_json(record: Record) -> bytes:
    """Canonical enough to compare by eye; `embedding` is dropped."""
    features = record.features
    if features.embedding is not None:
        raise ValueError("an embedding must not enter a record")
    return orjson.dumps(record, default=encode)


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Record]:
    return TypeAdapter(Record)


def from_json(text: bytes | str) -> Record:
    """Inverse of `to_json`. Raises ValueError on anything that is not a record of this schema."""
    return _adapter().validate_json(text)
