"""Server-sent events, parsed as they arrive.

Rules kept here:
1. The HTML standard's line rules: LF, CRLF or CR; comments, empty events and unknown fields pass without
   effect. But for llama-server's field `error`, which is read as the data of an event of that name.
2. Works on bytes: a character split between two reads is whole again before anyone decodes it.
3. Bounded: an event over `max_event_bytes` raises EventTooLarge, however slowly it grows, and costs linear
   time.

It does not know what the data means; `[DONE]` is OpenAI's and is told apart in `openai_wire`.
"""

from __future__ import annotations

MAX_EVENT_BYTES = 8 * 1024 * 1024


class EventTooLarge(ValueError):
    """One event is larger than the limit."""


class EventParser:
    """Feed it bytes, take events: (name, data); `name` is b'' when the sender gave none."""

    __slots__ = ("_data", "_held", "_held_size", "_limit", "_name", "_size", "_skip_lf", "_started")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._limit = max_event_bytes
        self._held: list[bytes] = []  # pieces of the line that has not ended
        self._held_size = 0
        self._size = 0  # bytes held for the event that has not ended
        self._data: list[bytes] = []
        self._name = b""
        self._skip_lf = False
        self._started = False

    @property
    def partial(self) -> bool:
        """Whether an event with data has begun that has not ended."""
        return bool(self._data) or (bool(self._held) and b"".join(self._held)[:5] == b"data:")

    def feed(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """The events that `block` completes."""
        if self._skip_lf and block:
            self._skip_lf = False
            if block[:1] == b"\n":  # the second half of a CRLF
                block = block[1:]
        if b"\r" in block:
            self._skip_lf = block.endswith(b"\r")
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in block:
            if block:
                self._hold(block)
            return []
        if self._held:
            self._held.append(block)
            block = b"".join(self._held)
            self._held.clear()
            self._size -= self._held_size
            self._held_size = 0
        if not self._started:
            self._started = True
            block = block.removeprefix(b"\xef\xbb\xbf")
        lines = block.split(b"\n")
        rest = lines.pop()
        events: list[tuple[bytes, bytes]] = []
        data = self._data
        for line in lines:
            if not line:
                if data:
                    events.append((self._name, data[0] if len(data) == 1 else b"\n".join(data)))
                    data.clear()
                self._name = b""
                self._size = 0
            elif line.startswith(b"data:"):
                data.append(line[6:] if line[5:6] == b" " else line[5:])
                self._grow(len(line))
            elif line == b"data":
                data.append(b"")
                self._grow(len(line))
            elif line.startswith(b"event:"):
                self._name = line[6:].removeprefix(b" ")
            elif line.startswith(b"error:"):
                self._name = b"error"
                data.append(line[6:].removeprefix(b" "))
                self._grow(len(line))
        if rest:
            self._hold(rest)
        return events

    def _grow(self, count: int) -> None:
        self._size += count
        if self._size > self._limit:
            raise EventTooLarge(f"an event is larger than {self._limit} bytes")

    def _hold(self, piece: bytes) -> None:
        self._held.append(piece)
        self._held_size += len(piece)
        self._grow(len(piece))
