"""What the node and its llama.cpp worker say to each other, and how it is framed on their socket.

Rules kept here:
1. A frame is a little-endian u32 length and that many bytes of JSON; a longer length than `MAX_FRAME` ends the talk.
2. Every frame is a list whose first item names it; the layouts stand beside the names and nowhere else.
3. Both sides are the same program of the same version, so that there is nothing to negotiate.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import orjson

from appliance.paths.contract import Job
from appliance.records.request import Format, Message, Sampling

MAX_FRAME = 256 * 1024 * 1024  # bytes; a prompt is bounded long before by the wire limits
_LENGTH = struct.Struct("<I")

# node → worker
CONFIGURE = "configure"  # [CONFIGURE, Settings as a dict]
RUN = "run"  # [RUN, number, job as a dict]
COUNT = "count"  # [COUNT, number, job as a dict]; it is not run, and its end has its prompt's tokens and no choice
CANCEL = "cancel"  # [CANCEL, number]
ATTEMPT = "attempt"  # [ATTEMPT, Settings as a dict]; instead of CONFIGURE: try to break out, load nothing

# worker → node
READY = "ready"  # [READY, Facts as a dict]
FAILED = "failed"  # [FAILED, sentence]
STEP = "step"  # [STEP, texts, ends, faults, [busy, waiting], work]; work is Work's fields
#   texts:  [number, choice, text, tokens, logprobs | null]; one logprob is [token, logprob, [[token, logprob]]]
#   ends:   [number, finish reasons, [prompt, completion, cached] tokens, signals, stop strings that ended
#           choices]; one signal is Signals' fields
#   faults: [number, fault, sentence, param | null]
TRIED = "tried"  # [TRIED, {"by": str, "lacking": str, "tries": as `attempts` returns it}]; then it ends
ALIVE = "alive"  # [ALIVE]; sent about once a second while a long computation yields nothing


@dataclass(frozen=True, slots=True)
class Settings:
    """How the worker loads its model. Sizes in bytes; zero means 'decide yourself'."""

    model: str
    context: int
    sequences: int
    batch_tokens: int
    threads: int
    gpu_layers: int
    max_output_tokens: int
    address_space: int = 0
    kv_bytes: int = 0
    parked_bytes: int = 0
    unconfined: bool = False  # whether it may run where the kernel sets no seccomp filter


@dataclass(frozen=True, slots=True)
class Facts:
    """What the worker found out by loading: where it runs, what it can hold, what confines it and what does not."""

    device: str
    context: int
    sequences: int
    vocabulary: int
    parameters: int
    confined: str
    lacking: str


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker did with prompts since its start, in tokens, and what it has parked now."""

    computed: int = 0
    restored: int = 0
    parked: int = 0
    parked_bytes: int = 0


class FrameError(ValueError):
    """The other side sent something that is no frame."""


def pack(frame: list[Any]) -> bytes:
    """One frame as bytes. Raises TypeError for text that is not valid Unicode."""
    raw = orjson.dumps(frame, option=orjson.OPT_SERIALIZE_NUMPY)
    return _LENGTH.pack(len(raw)) + raw


class Unpacker:
    """Cuts a byte stream into frames."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, raw: bytes) -> list[list[Any]]:
        """The frames completed by `raw`, in order. Raises FrameError."""
        held = self._held
        held += raw
        frames: list[list[Any]] = []
        at = 0
        while len(held) - at >= 4:
            (size,) = _LENGTH.unpack_from(held, at)
            if size > MAX_FRAME:
                raise FrameError(f"a frame of {size} bytes")
            if len(held) - at - 4 < size:
                break
            with memoryview(held) as view:
                try:
                    frames.append(orjson.loads(view[at + 4 : at + 4 + size]))
                except orjson.JSONDecodeError as error:
                    raise FrameError("a frame that is not JSON") from error
            at += 4 + size
        if at:
            del held[:at]
        return frames


def job_to_wire(job: Job) -> dict[str, Any]:
    """The part of a job that the worker needs, for `pack`."""
    return {
        "id": job.id,
        "kind": job.kind,
        "messages": [[m.role, m.content, m.name] for m in job.messages],
        "prompt": job.prompt,
        "sampling": job.sampling,  # orjson writes dataclasses itself, 20 times faster than `asdict`
        "format": job.format,
        "n": job.n,
        "signals": job.signals,
        "stream": job.stream,
        "continues": job.continues,
        "deadline_s": job.deadline_s,
        "tenant_salt": job.tenant_salt,
    }


def job_from_wire(raw: dict[str, Any]) -> Job:
    """What `job_to_wire` wrote, once it has been unpacked."""
    sampling = dict(raw["sampling"])
    sampling["stop"] = tuple(sampling["stop"])
    sampling["logit_bias"] = tuple((int(token), float(bias)) for token, bias in sampling["logit_bias"])
    return Job(
        id=raw["id"],
        kind=raw["kind"],
        messages=tuple(Message(role, content, name) for role, content, name in raw["messages"]),
        prompt=raw["prompt"],
        sampling=Sampling(**sampling),
        format=Format(**raw["format"]),
        n=raw["n"],
        signals=raw["signals"],
        stream=raw["stream"],
        continues=raw["continues"],
        deadline_s=raw["deadline_s"],
        tenant_salt=raw["tenant_salt"],
    )
