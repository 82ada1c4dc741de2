"""The record that every request leaves, whatever happened to it.

Rules kept here:
1. No prompt and no answer text. What stands here suffices to replay the decision.
2. JSON in, JSON out, the same value (property test).
3. Nothing that a record holds has slots: orjson writes what has a `__dict__` four times as fast.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import orjson
from pydantic import TypeAdapter

from appliance.records.decision import Asked, Decision, Outcome, Snapshot
from appliance.records.features import Features
from appliance.records.mould import Mould, hole
from appliance.records.totals import parts_of
from appliance.records.value import changed, value

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


class Alike(NamedTuple):
    """A record that differs from another, of an exact hit, in the moment alone. Times as in Record and its values."""

    like: Likeness
    id: str
    time: float
    draw: float
    age_s: float
    seconds: float

    @property
    def outcome(self) -> Outcome:
        """But for its times, which are the first one's."""
        return self.like.record.outcome


class Likeness:
    """What the records of an exact hit and of its repetitions have in common; `kept` is where its store has it, for the
    store alone. Raises ValueError as `to_json` does.
    """

    __slots__ = ("json", "kept", "parts", "record")

    def __init__(self, record: Record) -> None:
        hit, (step,) = record.snapshot.cache, record.outcome.steps
        id, now, seconds = hole("id"), hole("time"), hole("seconds")
        self.record = record
        self.kept: object = None
        cells = record.features.cells
        self.parts = parts_of(record.asked.tenant, cells[0][0] if cells else "", record.outcome, frozenset())
        self.json = Mould(
            to_json(
                changed(
                    record,
                    id=id,
                    time=now,
                    asked=changed(record.asked, id=id),
                    snapshot=changed(
                        record.snapshot, now=now, draw=hole("draw"), cache=changed(hit, age_s=hole("age_s"))
                    ),
                    decision=changed(record.decision, id=id),
                    outcome=changed(
                        record.outcome,
                        steps=(changed(step, first_token_s=seconds, seconds=seconds),),
                        seconds=seconds,
                    ),
                )
            )
        )


def encode(value: object) -> object:
    """What orjson does not know of a record's values: sets become sorted lists."""
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(type(value).__name__)


def to_json(record: Record | Alike) -> bytes:
    """Canonical enough to compare by eye; `embedding` is dropped."""
    if isinstance(record, Alike):
        like, id, time, draw, age_s, seconds = record
        return like.json.pour({"id": id, "time": time, "draw": draw, "age_s": age_s, "seconds": seconds})
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
