"""Keeps one worker process alive and carries jobs to it.

Rules kept here:
1. A worker's death costs its running jobs a PathError('unavailable') and nothing else.
2. The first restart is immediate. A worker that keeps dying young is tried again at a slow pace, with a reason.
3. The worker inherits one socket and a bare environment; what it gives up besides, it says in its facts.
4. A worker that computes but says nothing for `SILENT_S` is killed: it hangs.

It does not interpret jobs or answers; `path` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import appliance
from appliance.paths.contract import Job, PathError, PathFault
from appliance.paths.llama_cpp import protocol
from appliance.paths.llama_cpp.protocol import Facts, FrameError, Settings, Unpacker, Work, pack

log = logging.getLogger(__name__)

LOAD_S = 300.0  # seconds until a worker must have loaded its model
SILENT_S = 30.0
YOUNG_S = 20.0  # a worker that dies younger than this counts as failing
PACE_S = (0.0, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)  # before the next start, by failures in a row
FAILED_PACE_S = (5.0, 15.0, 60.0)  # the same where the worker itself said that the model cannot be loaded
STDERR_BYTES = 4096


def command(fd: int) -> list[str]:
    """How this program runs itself as a worker: the only place that knows."""
    if getattr(sys, "frozen", False):
        head = [sys.executable, "llama-worker"]
    else:
        head = [sys.executable, "-m", "appliance.paths.llama_cpp.worker"]
    return [*head, "--fd", str(fd), "--parent", str(os.getpid())]


def is_worker(executable: object, arguments: Sequence[object]) -> bool:
    """Whether this is how `command` starts a worker; what else a node starts is not."""
    head = command(0)[:-4]
    return executable == head[0] and list(arguments[: len(head)]) == head


def environment() -> dict[str, str]:
    """All that the worker may see of the node's environment."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return kept | {
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(Path(appliance.__file__).resolve().parent.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        # A waiting thread spins for some 20 µs, then sleeps. Without the spin every operation of a token pays for a
        # wake-up: 120 M parameters took 8.4 ms a token instead of 4.6. Spinning on stalls for whole scheduler slices
        # once another process wants the core: 752 ms a token beside two busy processes, 32 ms so.
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "passive"),
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "1000"),
        "OPENBLAS_NUM_THREADS": "1",
        "GGML_NO_BACKTRACE": "1",
    }


class Call:
    """One job's answers as they arrive."""

    __slots__ = ("_wake", "choices", "events", "number")

    def __init__(self, number: int, choices: int) -> None:
        self.number, self.choices = number, choices
        self.events: deque[tuple[str, Any]] = deque()
        self._wake: asyncio.Future[None] | None = None

    def put(self, kind: str, event: Any) -> None:
        self.events.append((kind, event))
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def get(self) -> tuple[str, Any]:
        while not self.events:
            self._wake = asyncio.get_running_loop().create_future()
            try:
                await self._wake
            finally:
                self._wake = None
        return self.events.popleft()


class _Wire(asyncio.Protocol):
    """The node's end of a worker's socket."""

    def __init__(self, owner: Supervisor) -> None:
        self._owner = owner
        self._unpacker = Unpacker()
        self.lost = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._unpacker.feed(data):
                self._owner.on_frame(frame)
        except (FrameError, LookupError, TypeError):
            log.error("llama_cpp: a worker sent nonsense; it is replaced")
            self._owner.kill()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)


class Supervisor:
    """One worker at a time, restarted as rule 2 says."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings  # of the next worker
        self.facts: Facts | None = None
        self.reason = "The model is not started."
        self.restarts = 0
        self.counts = (0, 0)
        self.work = Work()  # of the present worker
        self._calls: dict[int, Call] = {}
        self._next = 0
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._failed = ""  # the worker's own word on why it could not load
        self._heard = 0.0

    @property
    def pid(self) -> int | None:
        """Of the present worker."""
        return self._process.pid if self._process is not None else None

    @property
    def choices(self) -> int:
        """Answers asked for and not yet ended."""
        return sum(call.choices for call in self._calls.values())

    async def start(self) -> None:
        """Returns when the first worker has loaded its model, or has shown that it cannot."""
        if self._task is None:
            self._settled.clear()
            self.reason = "The model is loading."
            self._task = asyncio.create_task(self._keep(), name=f"llama_cpp {self.name}")
        await self._settled.wait()

    async def stop(self) -> None:
        """End the worker and every job."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.reason = "The model is stopped."

    def kill(self) -> None:
        """End the present worker at once; it will be replaced."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)

    # -- jobs

    def open(self, job: Job, *, run: bool = True) -> Call:
        """Hand a job to the worker, to run it or only to count its prompt.

        Raises PathError('unavailable' or 'rejected').
        """
        if self.facts is None or self._transport is None:
            raise PathError("unavailable", self.reason)
        self._next += 1
        call = Call(self._next, job.n if run else 0)
        try:
            frame = pack([protocol.RUN if run else protocol.COUNT, call.number, protocol.job_to_wire(job)])
        except TypeError:
            raise PathError("rejected", "The request holds text that is not valid Unicode.") from None
        if not self._calls:
            self._heard = asyncio.get_running_loop().time()
        self._calls[call.number] = call
        self._transport.write(frame)
        return call

    def close(self, call: Call) -> None:
        """The caller wants no more of this job."""
        if self._calls.pop(call.number, None) is not None and self._transport is not None:
            self._transport.write(pack([protocol.CANCEL, call.number]))

    def on_frame(self, frame: list[Any]) -> None:
        self._heard = asyncio.get_running_loop().time()
        kind = frame[0]
        if kind == protocol.STEP:
            _, texts, ends, faults, counts, work = frame
            self.counts, self.work = (counts[0], counts[1]), Work(*work)
            for text in texts:
                if (call := self._calls.get(text[0])) is not None:
                    call.put("text", text)
            for end in ends:
                if (call := self._calls.pop(end[0], None)) is not None:
                    call.put("end", end)
            for fault in faults:
                if (call := self._calls.pop(fault[0], None)) is not None:
                    call.put("fault", PathError(fault[1], fault[2], param=fault[3]))
        elif kind == protocol.READY:
            self.facts = Facts(**frame[1])
            if self.facts.lacking:
                log.warning(
                    "llama_cpp %s: confined by %s only; %s",
                    self.name,
                    self.facts.confined or "nothing",
                    self.facts.lacking,
                )
            self.reason = ""
            self._settled.set()
        elif kind == protocol.FAILED:
            self._failed = str(frame[1])[:300]

    def _drop(self, fault: PathFault, message: str) -> None:
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.put("fault", PathError(fault, message))

    # -- the process

    async def _keep(self) -> None:
        failures = 0
        try:
            while True:
                began = asyncio.get_running_loop().time()
                loaded, why = await self._live()
                age = asyncio.get_running_loop().time() - began
                failures = 1 if loaded and age > YOUNG_S else failures + 1
                pace = PACE_S if not self._failed else FAILED_PACE_S
                delay = pace[min(failures, len(pace)) - 1]
                self.reason = why if delay < 5 else f"{why} The next try is in {delay:.0f} s."
                log.warning("llama_cpp %s: %s", self.name, self.reason)
                self._settled.set()
                await asyncio.sleep(delay)
                self.restarts += 1
        finally:
            self.facts = None
            self.reason = "The model's supervisor has ended."
            self._settled.set()
            self._drop("unavailable", "The model was stopped while it answered.")

    async def _live(self) -> tuple[bool, str]:
        """One worker's life: whether it got ready, and in words how it ended."""
        self._failed = ""
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        wire: _Wire | None = None
        loaded = False
        errors = bytearray()
        hung = False
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *command(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                env=environment(),
            )
            theirs.close()
            ours.setblocking(False)
            transport, wire = await loop.create_unix_connection(lambda: _Wire(self), sock=ours)
            self._transport = transport
            transport.write(pack([protocol.CONFIGURE, asdict(self.settings)]))
            drain = asyncio.create_task(_drain(process, errors))
            try:
                self._heard = loop.time()
                ended = asyncio.ensure_future(process.wait())
                while not (await asyncio.wait({ended}, timeout=2.0))[0]:
                    silent = loop.time() - self._heard
                    loaded = loaded or self.facts is not None
                    if (self._calls or not loaded) and silent > (SILENT_S if loaded else LOAD_S):
                        hung = True
                        self.kill()
                await wire.lost  # what it said last is read before its death is judged
                loaded = loaded or self.facts is not None
                await asyncio.wait({drain}, timeout=1.0)
            finally:
                drain.cancel()
            return loaded, self._epitaph(process.returncode or 0, bytes(errors), loaded, hung)
        except OSError as error:
            return loaded, f"The model's process could not be started ({error.strerror})."
        finally:
            self.facts = None
            self.counts, self.work = (0, 0), Work()
            self.kill()
            if self._process is not None:
                with contextlib.suppress(ProcessLookupError):
                    await asyncio.shield(self._process.wait())
            if self._transport is not None:
                self._transport.close()
                self._transport = None
            ours.close()
            theirs.close()
            self._process = None
            self._drop("unavailable", "The model's process ended while it answered; it is being restarted.")

    def _epitaph(self, code: int, errors: bytes, loaded: bool, hung: bool) -> str:
        if self._failed:
            return f"The model cannot be loaded: {self._failed}."
        if hung:
            return "The model's process hung and was ended."
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        doing = "" if loaded else " while it loaded the model (is its file damaged?)"
        # Only llama.cpp's own assertions are quoted: they name source and condition, never text of a request.
        asserts = [line for line in errors.decode("utf-8", "replace").splitlines() if "GGML_ASSERT" in line]
        return f"The model's process was {how}{doing}.{' ' + asserts[-1][-160:] if asserts else ''}"


async def _drain(process: asyncio.subprocess.Process, tail: bytearray) -> None:
    """Keep the last of what a worker prints, so that it never blocks on printing."""
    assert process.stderr is not None
    while raw := await process.stderr.read(65536):
        tail += raw
        del tail[:-STDERR_BYTES]
