"""The one stable contract: an execution path has a card, is started and stopped, says whether it is ready, and streams.

Rules kept here:
1. A path knows nothing of policy, price, retry, cache or fallback.
2. `stream` yields Text, Reasoning, ToolCall, Vector or Signals chunks and ends with exactly one Done.
3. Only PathError escapes (`guard.Guarded` sees to it), and closing the iterator cancels the runtime.
4. `ready` is cheap and does no I/O.

A new kind of path is one file in this package, one line in `registry`, a card, and the contract suite passing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import field
from typing import Any, Literal, Protocol, runtime_checkable

from appliance.paths.meter import Meter
from appliance.records.card import ModelCard
from appliance.records.chunks import (
    Chunk,
    Done,
    FinishReason,
    Reasoning,
    Signals,
    Text,
    TokenLogprob,
    ToolCall,
    Usage,
    Vector,
)
from appliance.records.request import LOCAL, Format, Kind, Labels, Message, Sampling, Thinking
from appliance.records.value import value

__all__ = [
    "Chunk",
    "Counting",
    "Done",
    "ExecutionPath",
    "FinishReason",
    "Job",
    "Meter",
    "PathError",
    "PathFault",
    "Readiness",
    "Reasoning",
    "Signals",
    "Text",
    "TokenLogprob",
    "ToolCall",
    "Usage",
    "Vector",
]

PathFault = Literal[
    "unavailable",  # not up, crashed, connection refused: try another path
    "timeout",  # connect, first token or gap ran out
    "overloaded",  # 429, queue full: try another, later
    "rejected",  # the runtime says the job is invalid (4xx): another path may take it
    "context_too_long",
    "unsupported",  # a capability the card did not claim
    "auth",  # key missing or refused
    "broken_stream",  # ended without Done, or malformed
    "policy",  # another node's policy refuses it: try another path
    "quality",  # another node has nothing that meets the quality floor: try another path
    "redaction",  # what would leave cannot be redacted, so nothing left: try another
    "budget",  # what it may cost is not left of the tenant's budget: nothing left, try another
    "audit",  # what would leave could not be written down first: nothing left, try another
    "internal",
]


class PathError(Exception):
    """The only exception that leaves a path. The message is safe to show: no prompt, secret or traceback.

    `sent`: whether whoever was asked may have done work; False only where it is known that it did none.
    """

    def __init__(
        self,
        fault: PathFault,
        message: str,
        *,
        retry_after_s: float | None = None,
        param: str | None = None,
        sent: bool = True,
    ) -> None:
        super().__init__(message)
        self.fault: PathFault = fault
        self.message = message
        self.retry_after_s = retry_after_s
        self.param = param
        self.sent = sent


@value(slots=True)
class Job:
    """What a path is asked to do; already checked against its card's capabilities.

    `inputs` is for embeddings and classification (one vector or distribution each). `signals` asks for token
    statistics; `deadline_s` is the time left, in seconds, when the job was made. `tenant_salt` parts prefix reuse.
    `meter` is written by the path while it reads, where what it is told or counts may outlive a call that breaks off.
    `member` is the one it is for, where a path has several (`paths.pool`).
    """

    id: str
    kind: Kind | Literal["classification"]
    messages: tuple[Message, ...] = ()
    prompt: str = ""
    inputs: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    format: Format = Format()
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    thinking: Thinking | None = None
    continues: bool = False  # the answer goes on where the last message, the assistant's own, ends
    n: int = 1
    signals: bool = False
    stream: bool = False  # a hint: the caller wants tokens as they come
    deadline_s: float | None = None
    tenant_salt: str = ""
    tenant: str = LOCAL
    labels: Labels = Labels()  # of the request, for paths that lead to another node
    forwarded: dict[str, Any] = field(default_factory=dict)
    meter: Meter = field(default_factory=Meter, compare=False)
    member: int = 0


@value(slots=True)
class Readiness:
    """Whether a path takes jobs now; `reason` in words when it does not. `busy` and `slots` for queue estimates.
    `trouble` is what is wrong though it takes them, in words.
    """

    ok: bool
    reason: str = ""
    busy: int = 0
    queued: int = 0
    slots: int = 1
    trouble: str = ""


class ExecutionPath(Protocol):
    """Implemented by every runtime."""

    @property
    def card(self) -> ModelCard: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def ready(self) -> Readiness: ...

    def stream(self, job: Job) -> AsyncIterator[Chunk]: ...


@runtime_checkable
class Counting(Protocol):
    """Besides, of a path that has a tokenizer: how long a prompt is, without running it. Nothing leaves the host."""

    async def count(self, job: Job) -> int | None: ...
