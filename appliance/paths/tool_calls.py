"""The tool calls of an answer: only of tools that its job offers, and each in a place of its own.

Rules kept here:
1. A call names a tool of the job. Its name may come in pieces, longer with each piece, or whole with each piece; it is
   passed on once. No piece is let through that leads to no tool of the job.
2. Places are counted anew, as calls begin. A server that gives none, or one to two calls, begins another call with
   another id, or with another whole name.
3. A piece with nothing in it begins no call; a call that has named no tool when the answer ends is none.
4. A call has an id that no other of the conversation has, because its result is told by that alone: where the server
   gives none, or one that an earlier call had, it is made here.

It looks at names and ids alone: arguments are for whoever offered the tool to judge.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from appliance.paths.contract import Job, PathError, ToolCall


@dataclass(slots=True)
class _Call:
    """One that has begun: where it stands among its choice's calls, its id as the server has it and as it is passed on,
    and of its name what came.
    """

    place: int
    id: str
    given: str
    name: str = ""


class ToolCalls:
    """The calls of one answer, as far as it has come."""

    __slots__ = ("_begun", "_earlier", "_job", "_newest", "_offered")

    def __init__(self, job: Job) -> None:
        """Raises nothing: a tool that is in no form offers nothing."""
        functions = [tool.get("function") for tool in job.tools]
        self._offered = frozenset([str(one.get("name")) for one in functions if isinstance(one, dict)])
        self._job = job.id
        self._earlier = frozenset([call.get("id") for message in job.messages for call in message.tool_calls])
        self._begun: dict[int, list[_Call]] = {}  # by choice
        self._newest: dict[tuple[int, int | None], _Call] = {}  # by choice and the place that the server states

    def note(self, chunk: ToolCall) -> ToolCall | None:
        """The piece of a call as it is passed on, None where nothing is in it. Raises PathError where it leads to no
        tool of the job.
        """
        delta, stated = chunk.delta, chunk.delta.get("index")
        function = delta.get("function") or {}
        if not isinstance(function, dict) or not (stated is None or type(stated) is int):
            raise PathError("broken_stream", "A tool call is malformed.")
        said, id = function.get("name") or "", delta.get("id") or ""
        if type(said) is not str or type(id) is not str:
            raise _strange()
        key = (chunk.index, stated)
        call, first = self._newest.get(key), False
        if call is None or (id and call.id not in ("", id)) or self._another(call, said):
            if not (said or id or function.get("arguments")):
                return None
            begun, first = self._begun.setdefault(chunk.index, []), True
            call = self._newest[key] = _Call(len(begun), id, self._given(id, chunk.index, begun))
            begun.append(call)
        call.id = call.id or id
        fresh = self._more(call, said) if said else ""
        own = id == call.given or not (id or first)
        if call.place == stated and fresh == said and own:
            return chunk
        changed: dict[str, Any] = {**delta, "index": call.place}
        if not own:
            changed["id"] = call.given
        if said:
            changed["function"] = {**function, "name": fresh}
        return replace(chunk, delta=changed)

    def _given(self, id: str, choice: int, begun: list[_Call]) -> str:
        """The id of the call behind those that have begun in this choice: rule 4."""
        if id and id not in self._earlier and all(one.given != id for one in begun):
            return id
        return "call_" + hashlib.sha256(f"{self._job} {choice} {len(begun)}".encode()).hexdigest()[:24]

    def _another(self, call: _Call, said: str) -> bool:
        """Whether this whole name is another call's, where its server gives both the same place."""
        whole = call.name in self._offered and said in self._offered
        return whole and said != call.name and not said.startswith(call.name) and not self._leads(call.name + said)

    def _more(self, call: _Call, said: str) -> str:
        """What is new in the name. Raises PathError."""
        before = call.name
        if before and said.startswith(before) and self._leads(said) and not self._leads(before + said):
            fresh = said[len(before) :]
        elif self._leads(before + said):
            fresh = said
        else:
            raise _strange()
        call.name = before + fresh
        return fresh

    def _leads(self, name: str) -> bool:
        return any(one.startswith(name) for one in self._offered)

    def end(self) -> None:
        """The answer is whole. Raises PathError where a call named no tool of the job."""
        if not self._offered.issuperset([call.name for begun in self._begun.values() for call in begun]):
            raise _strange()


def _strange() -> PathError:
    return PathError("broken_stream", "The model called a tool that the request does not offer.")
