"""Waiting for the audit: together, given up, and on an event loop that is no more."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
import uvloop

from appliance.errors import AuditUnavailable
from appliance.store.audit.log import Audit
from tests.store.audit_rig import DESTINATION, departure, leave, rows, verified

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


class Door:
    """Holds the audit's writer before the disk until it is opened."""

    def __init__(self, audit: Audit) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        self.opened.set()
        audit._writer.submit("audit", lambda connection: connection.set_trace_callback(self)).result(10)

    def shut(self) -> None:
        self.reached.clear()
        self.opened.clear()

    def __call__(self, statement: str) -> None:
        if statement == "COMMIT":
            self.reached.set()
            assert self.opened.wait(10)


@pytest.mark.parametrize("loop", LOOPS)
def test_those_that_wait_together_share_a_signature_and_go_on_together(tmp_path: Path, loop: object) -> None:
    audit = Audit(tmp_path)
    door = Door(audit)
    audit.write("start", {})

    async def main() -> None:
        door.shut()
        first = asyncio.ensure_future(audit.leaving(departure(decision="first"), DESTINATION, b"{}"))
        await asyncio.to_thread(door.reached.wait, 10)
        rest = [audit.leaving(departure(decision=f"wr_{k}"), DESTINATION, b"%d" % k) for k in range(70)]
        waiting = [asyncio.ensure_future(one) for one in rest]
        await asyncio.sleep(0.01)
        assert not first.done()
        door.opened.set()
        await asyncio.gather(first, *waiting)

    with asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]
        runner.run(main())
    audit.close()
    left = [entry for entry in rows(tmp_path) if entry.kind == "egress"]
    assert len(left) == 71
    assert sum(bool(entry.signature) for entry in left) == 2
    assert verified(tmp_path).finding is None


def test_who_gives_up_waiting_does_not_take_the_entry_along(tmp_path: Path) -> None:
    audit = Audit(tmp_path)
    door = Door(audit)
    audit.write("start", {})

    async def main() -> None:
        door.shut()
        one, other = (
            asyncio.ensure_future(audit.leaving(departure(decision=name), DESTINATION, b"{}"))
            for name in ("given-up", "waits")
        )
        await asyncio.to_thread(door.reached.wait, 10)
        one.cancel()
        await asyncio.sleep(0)
        door.opened.set()
        await other
        assert one.cancelled()

    asyncio.run(main())
    audit.close()
    payloads = [entry.payload for entry in rows(tmp_path) if entry.kind == "egress"]
    assert ["given-up" in payloads[0], "waits" in payloads[1]] == [True, True]


def test_a_loop_that_closed_meanwhile_does_not_stop_the_audit(tmp_path: Path) -> None:
    audit = Audit(tmp_path)
    door = Door(audit)
    audit.write("start", {})

    async def main() -> None:
        door.shut()
        waiting = asyncio.ensure_future(audit.leaving(departure(decision="on-a-dead-loop"), DESTINATION, b"{}"))
        await asyncio.to_thread(door.reached.wait, 10)
        assert not waiting.done()

    asyncio.run(main())
    door.opened.set()
    leave(audit, decision="later")
    audit.close()
    assert ["on-a-dead-loop" in rows(tmp_path)[-2].payload, "later" in rows(tmp_path)[-1].payload] == [True, True]


def test_one_that_cannot_be_written_down_does_not_hold_up_the_others(tmp_path: Path) -> None:
    audit = Audit(tmp_path)

    async def main() -> list[object]:
        nobody = {**DESTINATION, "port": 1.5}  # no whole number
        places = (DESTINATION, nobody, DESTINATION, nobody)
        return await asyncio.gather(*(audit.leaving(departure(), p, b"") for p in places), return_exceptions=True)

    kinds = [type(found) for found in asyncio.run(main())]
    audit.close()
    assert kinds == [type(None), AuditUnavailable, type(None), AuditUnavailable]
    assert verified(tmp_path).finding is None


def test_a_commit_that_fails_lets_nobody_go_on(tmp_path: Path) -> None:
    audit = Audit(tmp_path)
    leave(audit)
    audit._writer.submit("audit", lambda c: c.execute("PRAGMA busy_timeout=0")).result(5)
    other = sqlite3.connect(tmp_path / "audit.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(AuditUnavailable):
        leave(audit, decision="while-locked")
    audit.note("admin", {"act": "noted"})
    assert audit._writer.submit("audit", lambda _: None).exception(5), "written although it is locked"
    other.execute("ROLLBACK")
    other.close()
    leave(audit, decision="later")
    audit.close()
    kept = [entry.payload for entry in rows(tmp_path)]
    assert not any("while-locked" in payload for payload in kept)
    assert any("noted" in payload for payload in kept)
    assert "later" in kept[-1]


def test_a_log_that_another_process_writes_meanwhile_fits_its_head(tmp_path: Path) -> None:
    writing = Audit(tmp_path)
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            writing.write("start", {})

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(12):
            opened = Audit(tmp_path)
            assert opened.trouble == ""
            opened.close()
    finally:
        ended.set()
        thread.join()
        writing.close()
