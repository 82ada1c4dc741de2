"""The child process: loads one model, takes jobs from its socket, and computes until the node is gone.

Rules kept here:
1. One socket, inherited; the kernel refuses any other, and any child (`appliance.paths.confine`), from before the
   model's file is looked at.
2. It dies with the node: by signal when the parent dies, and by itself at the socket's end.
3. Nothing of a prompt or an answer is logged or printed.
4. All that one step yields goes out in one frame.

Started by `supervisor` only: `python -m appliance.paths.llama_cpp.worker --fd N --parent PID`.
"""

from __future__ import annotations

import os
import re
import resource
import select
import signal
import socket
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jinja2

from appliance.paths.confine import Confinement, NoFilter
from appliance.paths.confine import confine as give_up
from appliance.paths.confine.attempts import attempts
from appliance.paths.confine.parent import end_with
from appliance.paths.llama_cpp import library
from appliance.paths.llama_cpp.engine import Engine
from appliance.paths.llama_cpp.library import Context, LoadError, Model
from appliance.paths.llama_cpp.protocol import (
    ALIVE,
    ATTEMPT,
    CANCEL,
    CONFIGURE,
    COUNT,
    FAILED,
    READY,
    RUN,
    STEP,
    TRIED,
    Facts,
    FrameError,
    Settings,
    Unpacker,
    job_from_wire,
    pack,
)

EXIT_LOAD = 3
_SMALL = 30_000_000  # parameters; below, threads cost more in waiting for each other than they compute
_MOST_THREADS = 8
_DEFAULT_CONTEXT = 4096
_ALIVE_S = 1.0
_REST_S = 60.0  # between two looks at what has to be forgotten
_ALLOW = "paths.unconfined_workers in weir.yaml permits that"


def confine(parent: int, settings: Settings) -> Confinement:
    """Bind this process to its parent's life and its share of memory, and give up all but the model's file.

    Raises NoFilter.
    """
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the node's own Ctrl-C is answered by the supervisor
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if settings.address_space:
        resource.setrlimit(resource.RLIMIT_AS, (settings.address_space, settings.address_space))
    return give_up(parts_of(Path(settings.model)), devices=settings.gpu_layers > 0, unfiltered=settings.unconfined)


def parts_of(model: Path) -> list[Path]:
    """The files of a model: itself, and where its name says that it is one part of many, all of them."""
    named = re.fullmatch(r"(.*-)\d{5}(-of-(\d{5})\.gguf)", model.name)
    if named is None:
        return [model]
    head, tail, count = named.groups()
    return [model.with_name(f"{head}{part:05}{tail}") for part in range(1, int(count) + 1)]


def threads_for(parameters: int, wanted: int) -> int:
    """Threads of a computation where the card states none."""
    cores = len(os.sched_getaffinity(0))
    return min(wanted, cores) or (1 if parameters < _SMALL else min(cores, _MOST_THREADS))


def load(settings: Settings, confinement: Confinement) -> tuple[Engine, Facts]:
    """Raises LoadError with a sentence."""
    library.start()
    model = Model(settings.model, settings.gpu_layers)
    length = min(settings.context or min(model.n_ctx_train, _DEFAULT_CONTEXT), model.n_ctx_train)
    if length < 8:
        raise LoadError(f"the model states a context of {length} tokens")
    sequences = settings.sequences
    if settings.kv_bytes:
        each = model.kv_bytes_per_token * length
        sequences = max(1, min(sequences, settings.kv_bytes // each))
    threads = threads_for(model.n_params, settings.threads)
    batch = max(settings.batch_tokens, sequences)
    context = Context(model, context=length, sequences=sequences, batch=batch, threads=threads)
    try:
        engine = Engine(
            model,
            context,
            length=length,
            sequences=sequences,
            max_output=settings.max_output_tokens,
            parked_bytes=settings.parked_bytes,
        )
    except jinja2.TemplateError as error:
        raise LoadError(f"its chat template does not parse ({type(error).__name__})") from None
    on_gpu = settings.gpu_layers > 0 and library.C.llama_supports_gpu_offload()
    device = f"{'gpu and ' if on_gpu else ''}cpu:{threads} thread{'s' if threads > 1 else ''}"
    held = (confinement.by, confinement.lacking)
    return engine, Facts(device, length, sequences, model.n_vocab, model.n_params, *held)


class Link:
    """The worker's end of the socket."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._unpacker = Unpacker()
        self._poll = select.poll()
        self._poll.register(link, select.POLLIN)

    def receive(self, wait_ms: int | None) -> list[list[Any]]:
        """Frames that are here, or that come within `wait_ms` (None: however long). Raises EOFError."""
        if not self._poll.poll(wait_ms):
            return []
        raw = self._link.recv(1 << 18)
        if not raw:
            raise EOFError
        return self._unpacker.feed(raw)

    def send(self, frame: list[Any]) -> None:
        self._link.sendall(pack(frame))


def serve(link: Link, engine: Engine) -> None:
    """Work until the node hangs up."""
    said = rested = time.monotonic()
    holds = False  # anything that has to be forgotten in time
    while True:
        frames = link.receive(0 if engine.busy else int(_REST_S * 1000) if holds else None)
        holds = holds or bool(frames)
        if holds and time.monotonic() - rested > _REST_S:
            holds, rested = engine.rest() or engine.busy or bool(frames), time.monotonic()
        for frame in frames:
            if frame[0] == RUN:
                engine.submit(frame[1], job_from_wire(frame[2]))
            elif frame[0] == COUNT:
                engine.count(frame[1], job_from_wire(frame[2]))
            elif frame[0] == CANCEL:
                engine.cancel(frame[1])
        if engine.busy:
            engine.step()
        if (parts := engine.take()) is not None:
            link.send([STEP, *parts])
            said = time.monotonic()
        elif engine.busy and time.monotonic() - said > _ALIVE_S:
            link.send([ALIVE])
            said = time.monotonic()


def main(argv: list[str]) -> int:
    options = dict(zip(argv[::2], argv[1::2], strict=True))
    raw = socket.socket(fileno=int(options["--fd"]))
    raw.setblocking(True)
    link = Link(raw)
    try:
        first: list[list[Any]] = []
        while not first:
            first = link.receive(None)
        wanted, *about = first[0]
        if wanted not in (CONFIGURE, ATTEMPT):
            return 2
        settings = Settings(**about[0])
        try:
            confinement = confine(int(options["--parent"]), settings)
        except NoFilter as error:
            link.send([FAILED, f"{error}, so that nothing would keep the worker off the network; {_ALLOW}"])
            return EXIT_LOAD
        if wanted == ATTEMPT:
            tries = attempts(Path(settings.model), raw.fileno())
            link.send([TRIED, {"by": confinement.by, "lacking": confinement.lacking, "tries": tries}])
            return 0
        try:
            engine, facts = load(settings, confinement)
        except LoadError as error:
            link.send([FAILED, str(error)])
            return EXIT_LOAD
        except MemoryError:
            link.send([FAILED, "it needs more memory than this path may take"])
            return EXIT_LOAD
        link.send([READY, asdict(facts)])
        serve(link, engine)
    except (EOFError, ConnectionError, FrameError):
        return 0  # the node is gone
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    os._exit(code)  # not through destructors: the kernel frees everything faster and without surprises
