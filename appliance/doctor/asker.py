"""Who asks golden prompts of servers during an import: a process that is begun before the import gives up its sockets.

Rules kept here:
1. It sees no medium: it is told folders of generations that were verified and built, and reads those.
2. It reaches the servers that the generation's cards name, as far as weir.yaml lets anything leave, and nothing else;
   what it sends is in the audit before.
3. It ends with the import. One that crashes or hangs says nothing about the bundle: nothing was reached.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.bundle import servers
from appliance.bundle.servers import Answers
from appliance.doctor.child import MAX_ANSWER, command, environment

if TYPE_CHECKING:
    from appliance.egress import Door

_GRACE_S = 30.0  # beyond the servers' own limit


class Asker:
    """The import's side. `asked` and `unreached` are of all that it asked about."""

    def __init__(self, state_dir: Path, config_file: Path | None) -> None:
        """Raises OSError where the process cannot be started."""
        argument = {"state": str(state_dir), "config": str(config_file or "")}
        self._child = subprocess.Popen(  # noqa: S603  our own program, our own arguments, no shell
            [*command(), "probe", "servers", json.dumps(argument)],
            env=environment(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._answered: dict[Path, Answers] = {}

    @property
    def asked(self) -> int:
        return sum(answers.asked for answers in self._answered.values())

    @property
    def unreached(self) -> tuple[str, ...]:
        return tuple(each for answers in self._answered.values() for each in answers.unreached)

    def ask(self, folder: Path, known: Path | None) -> str:
        """What is wrong with the servers' answers, in words; '' where nothing is. A generation is asked about once."""
        if folder not in self._answered:
            self._answered[folder] = self._talk({"folder": str(folder), "known": str(known or "")})
        return "; ".join(self._answered[folder].problems)

    def close(self) -> None:
        assert self._child.stdin is not None
        self._child.kill()
        self._child.communicate()

    def _talk(self, question: Mapping[str, str]) -> Answers:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(json.dumps(question).encode() + b"\n")
            self._child.stdin.flush()
            told = json.loads(_line(self._child.stdout.fileno(), servers.LIMIT_S + _GRACE_S))
            return Answers(int(told["asked"]), tuple(map(str, told["problems"])), tuple(map(str, told["unreached"])))
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._child.kill()
            return Answers(unreached=(f"no server could be asked: {error}",))


def _line(descriptor: int, limit_s: float) -> bytes:
    """One line, within so many seconds. Raises OSError and ValueError."""
    read, ends = b"", time.monotonic() + limit_s
    while not read.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, ends - time.monotonic()))
        if not ready:
            raise TimeoutError(f"no answer within {limit_s:g} s")
        data = os.read(descriptor, 1 << 16)
        if not data:
            raise ValueError("the process that asks them ended")
        read += data
        if len(read) > MAX_ANSWER:
            raise ValueError(f"the process that asks them said more than {MAX_ANSWER} bytes")
    return read


# ---- in the process


def serve(state_dir: Path, config_file: Path | None) -> None:
    """Answer questions until there are no more."""
    from appliance.egress import Door, install_audit_hook

    door = install_audit_hook(Door(), state_dir=state_dir)
    for line in sys.stdin:
        question = json.loads(line)
        known = Path(question["known"]) if question["known"] else None
        told = asdict(_answers(door, state_dir, config_file, Path(question["folder"]), known))
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def _answers(door: Door, state_dir: Path, config_file: Path | None, folder: Path, known: Path | None) -> Answers:
    from appliance.bundle.manifest import ManifestInvalid
    from appliance.config import load
    from appliance.egress import Destination, Egress
    from appliance.errors import WeirError
    from appliance.hosted import generation_of
    from appliance.outbound import is_loopback
    from appliance.paths.registry import PathContext
    from appliance.store.audit.log import Audit

    config = load(state_dir, file=config_file)

    async def asked() -> Answers:
        generation = generation_of(config, folder)
        endpoints = [card.endpoint for card in generation.cards if card.endpoint is not None]
        listed = frozenset(Destination.parse(address) for endpoint in endpoints for address in endpoint.addresses)
        if config.egress.deny_all:
            listed = frozenset(each for each in listed if is_loopback(each.host))
        audit = Audit(state_dir)
        try:
            egress = Egress(listed, audit, door=door)
            try:
                context = PathContext(folder, egress, names=config.secrets)
                return await servers.ask(generation, folder, known, context, time.time())
            finally:
                await egress.close()
        finally:
            await asyncio.to_thread(audit.close)

    try:
        return asyncio.run(asked())
    except (OSError, ManifestInvalid, WeirError) as error:
        return Answers(unreached=(f"no server could be asked: {error}",))
