"""Whether an answer calls tools that its job offers, and no others.

Rules kept here:
1. A call names a tool of the job. Its name may come in pieces, or whole with each piece of it, but no piece is let
   through that leads to no tool of the job.
2. A call that has named no tool when the answer ends is none.

It looks at names alone: arguments are for whoever offered the tool to judge.
"""

from __future__ import annotations

from appliance.paths.contract import Job, PathError, ToolCall


class Calls:
    """The calls of one answer, as far as it has come."""

    __slots__ = ("_named", "_offered")

    def __init__(self, job: Job) -> None:
        """Raises nothing: a tool that is in no form offers nothing."""
        functions = [tool.get("function") for tool in job.tools]
        self._offered = frozenset([str(one.get("name")) for one in functions if isinstance(one, dict)])
        self._named: dict[tuple[int, int], str] = {}  # by choice and place

    def note(self, chunk: ToolCall) -> None:
        """Take in a piece of a call. Raises PathError where it leads to no tool of the job."""
        function, place = chunk.delta.get("function"), chunk.delta.get("index", 0)
        if type(place) is not int:
            raise PathError("broken_stream", "A tool call has no valid place in the answer.")
        said = function.get("name") if isinstance(function, dict) else None
        before = self._named.setdefault((chunk.index, place), "")
        if not said:
            return
        if type(said) is not str:
            raise _strange()
        name = said if said in self._offered else before + said
        if not any(one.startswith(name) for one in self._offered):
            raise _strange()
        self._named[chunk.index, place] = name

    def end(self) -> None:
        """The answer is whole. Raises PathError where a call named no tool of the job."""
        if not self._offered.issuperset(self._named.values()):
            raise _strange()


def _strange() -> PathError:
    return PathError("broken_stream", "The model called a tool that the request does not offer.")
