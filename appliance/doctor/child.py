"""Asking a probe in a child process, which may crash, hang or be refused without harm to doctor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True)
class Answer:
    """What the child said, or in `problem` how it failed; `signal` names the signal that ended it."""

    ok: bool
    value: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    signal: str = ""


MAX_ANSWER = 1 << 20  # bytes that are kept of what a child says
_NICE = 15  # about a thirtieth of the weight of what serves


def give_way() -> None:
    """Let whatever serves requests go first, from now on and for all that this process starts.

    A kernel that groups processes by session (sched(7), autogroup) compares sessions first; where this process leads
    one of its own, that one gives way too.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(_NICE), encoding="ascii")


def ask(
    probe: str,
    argument: Mapping[str, Any],
    *,
    timeout_s: float = 60,
    env: Mapping[str, str] | None = None,
    aside: bool = False,
) -> Answer:
    """Runs one of `probes.PROBES`. `env` replaces the environment. Never raises for what the child does.

    `aside`: in a session of its own, in which it may give way. The child ends with the thread that asks.
    """
    try:
        child = subprocess.Popen(  # noqa: S603  our own program, our own arguments, no shell
            [*command(), "probe", probe, json.dumps(dict(argument)), "--parent", str(os.getpid())],
            env=environment(os.environ if env is None else env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=aside,
        )
    except OSError as error:
        return Answer(False, problem=f"could not be started: {error.strerror}")
    try:
        ended = _heard(child, timeout_s)
    except subprocess.TimeoutExpired:
        return Answer(False, problem=f"gave no answer within {timeout_s:g} s")
    if len(ended.stdout) > MAX_ANSWER or len(ended.stderr) > MAX_ANSWER:
        return Answer(False, problem=f"said more than {MAX_ANSWER} bytes")
    if ended.returncode < 0:
        try:
            name = signal.Signals(-ended.returncode).name
        except ValueError:
            name = f"signal {-ended.returncode}"
        return Answer(False, problem=f"was ended by {name}", signal=name)
    try:
        value = json.loads(ended.stdout.decode("utf-8", "replace").strip().rpartition("\n")[2])
    except ValueError:
        words = ended.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return Answer(False, problem=f"ended with {ended.returncode}: {words[:300]}")
    if not isinstance(value, dict):
        return Answer(False, problem="answered with something that is no object")
    problem = str(value.get("problem") or "")
    return Answer(not problem, value, problem)


def _heard(child: subprocess.Popen[bytes], timeout_s: float) -> subprocess.CompletedProcess[bytes]:
    """What a child says until it ends, MAX_ANSWER bytes and one more of each stream. Raises TimeoutExpired."""
    said = {"stdout": b"", "stderr": b""}

    def hear(name: str, stream: IO[bytes]) -> None:
        said[name] = stream.read(MAX_ANSWER + 1)
        if len(said[name]) > MAX_ANSWER:
            child.kill()

    ends = time.monotonic() + timeout_s
    assert child.stdout is not None
    assert child.stderr is not None
    with child:
        streams = {"stdout": child.stdout, "stderr": child.stderr}
        hearing = [threading.Thread(target=hear, args=pair, daemon=True) for pair in streams.items()]
        try:
            for thread in hearing:
                thread.start()
            for thread in hearing:
                thread.join(max(0.0, ends - time.monotonic()))
            child.wait(max(0.0, ends - time.monotonic()))
        except BaseException:
            child.kill()
            raise
        return subprocess.CompletedProcess(child.args, child.returncode, said["stdout"], said["stderr"])


def command() -> list[str]:
    """How this program starts itself again."""
    if getattr(sys, "frozen", False):
        return [sys.executable]
    return [sys.executable, "-m", "appliance.cli.main"]


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """The environment with this package importable, wherever doctor was started from."""
    if getattr(sys, "frozen", False):
        return dict(base)
    root = str(Path(__file__).resolve().parent.parent.parent)
    return {
        **base,
        "PYTHONPATH": os.pathsep.join(part for part in (root, base.get("PYTHONPATH", "")) if part),
    }
