"""What leaves a node is written down first, and where it cannot be, nothing leaves."""

from __future__ import annotations

import asyncio
import hmac
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from appliance import identity
from appliance.records.card import Place
from appliance.store.audit.log import Audit
from appliance.store.audit.verify import verify
from tests import policies
from tests.node.conftest import ROOT, Start, fake_card, process_node, until, upstream_card, write_content
from tests.node.doubles import FakePath, answer
from tests.standins.openai_server import OpenAIStandIn
from tests.store.audit_rig import rows

SECRET_TEXT = "a prompt that nobody may read"


def entries(state: Path, kind: str) -> list[dict[str, Any]]:
    return [json.loads(entry.payload) for entry in rows(state) if entry.kind == kind]


def check_whole(state: Path) -> None:
    assert verify(state, identity.load_public(state / "audit.pub")).finding is None


async def test_a_request_that_leaves_has_an_entry_that_says_where_to_and_under_which_rule(
    start: Start, upstream: OpenAIStandIn
) -> None:
    card = upstream_card(upstream.base_url, place=Place(site="plant", country="CH"))
    async with start(card) as weir:
        _, _, headers = await weir.ask(SECRET_TEXT, headers={"X-Weir-Residency": "country:CH"})
        state = weir.state
    (entry,) = entries(state, "egress")
    body = entry.pop("body")
    assert entry.pop("bytes") > len(SECRET_TEXT)
    assert len(body) == 64
    assert entry == {
        "decision": headers["x-weir-decision"],
        "tenant": "local",
        "classification": "internal",
        "residency": "country:CH",
        "path": "site/one",
        "tier": "site",
        "place": {"node": "", "site": "plant", "country": "CH", "region": ""},
        "rules": ["test:use"],
        "generation": headers["x-weir-policy"],
        "destination": {
            "scheme": "http",
            "host": "127.0.0.1",
            "port": int(upstream.base_url.split(":")[2].split("/")[0]),
        },
    }
    assert [entry.kind for entry in rows(state)] == ["admin", "start", "egress", "stop"]
    assert SECRET_TEXT.encode() not in (state / "audit.db").read_bytes() + (state / "audit.head").read_bytes()
    check_whole(state)


async def test_the_rules_named_are_those_of_the_moment(start: Start, upstream: OpenAIStandIn) -> None:
    """A rule that looks at the policy's age permits only when it is told the time."""
    rules = policies.RULES.replace(
        'permit (principal, action == Action::"use", resource);',
        'permit (principal, action == Action::"use", resource) when { context has age_days };',
    )
    assert rules != policies.RULES
    async with start(upstream_card(upstream.base_url), policy=rules) as weir:
        assert (await weir.ask("hello"))[0] == 200
        state = weir.state
    (entry,) = entries(state, "egress")
    assert entry["rules"] == ["test:use"]


async def test_the_digest_of_what_left_is_that_of_the_body_that_arrived(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url)) as weir:
        await weir.ask("x" * 700_000)  # sent in pieces
        state = weir.state
    salt = identity.load(state).salt
    (entry,) = entries(state, "egress")
    sent = orjson.dumps(upstream.bodies[0])
    assert (entry["bytes"], entry["body"]) == (len(sent), hmac.digest(salt, sent, "sha256").hex())


async def test_what_this_host_answers_itself_has_no_entry(start: Start, upstream: OpenAIStandIn) -> None:
    own = upstream_card(upstream.base_url, "device/one", tier="device")
    async with start(own) as weir:
        status, _, headers = await weir.ask("hello")
        assert (status, headers["x-weir-tier"]) == (200, "device")
        await weir.ask("hello")
        state = weir.state
    assert entries(state, "egress") == []


async def test_a_refusal_by_policy_is_an_entry(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url)) as weir:
        status, body, _ = await weir.ask("hello", headers={"X-Weir-Residency": "country:JP"})
        assert (status, body["error"]["code"]) == (403, "policy_refused")
        state = weir.state
    (entry,) = entries(state, "refusal")
    assert (entry["residency"], entry["rules"], entry["count"]) == ("country:JP", ["residency"], 1)
    assert not upstream.seen


async def test_refusals_that_come_again_are_counted_in_one_entry(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url)) as weir:
        for place in ("country:JP", "country:JP", "country:FR", "country:JP"):
            status, _, _ = await weir.ask("hello", headers={"X-Weir-Residency": place})
            assert status == 403
        state = weir.state
    found = [(entry["residency"], entry["count"]) for entry in entries(state, "refusal")]
    assert found == [("country:JP", 1), ("country:FR", 1), ("country:JP", 2)]


async def test_another_generation_is_an_administrative_entry(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    from tests.node.conftest import running_node

    async with running_node(tmp_path, upstream_card(upstream.base_url)) as weir:
        before, state = weir.node.generation.id, weir.state
    async with running_node(tmp_path, upstream_card(upstream.base_url, "site/two")) as weir:
        after = weir.node.generation.id
    acts = [entry for entry in entries(state, "admin") if entry["act"] == "generation"]
    assert acts == [{"act": "generation", "from": before, "to": after}]
    check_whole(state)


def full(audit: Audit) -> None:
    def work(connection: Any) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")

    audit._writer.submit("audit", work).result(5)


def roomy(audit: Audit) -> None:
    audit._writer.submit("audit", lambda c: c.execute("PRAGMA max_page_count=1000000")).result(5)


async def test_where_the_audit_cannot_be_written_nothing_leaves_and_the_cascade_goes_on(
    start: Start, upstream: OpenAIStandIn
) -> None:
    here = FakePath(fake_card("device/a", accuracy_default=0.6), answer("from here"))
    async with start(upstream_card(upstream.base_url), fakes=(here,), routing={"quality_floor": 0.1}) as weir:
        await asyncio.to_thread(full, weir.node.audit)
        faults, paths = set(), set()
        for number in range(40):  # until the pages that are there are used up
            _, _, headers = await weir.ask(f"hello {number}", model="auto:best")
            record = await weir.record(headers["x-weir-decision"])
            faults |= {step["fault"] for step in record["outcome"]["steps"]}
            paths.add(headers["x-weir-path"])
        assert "audit" in faults
        assert "device/a" in paths
        arrived = sum(upstream.seen.values())
        status, body, _ = await weir.ask("only there", model="site/one")
        assert (status, body["error"]["code"]) == (503, "audit_unavailable")
        assert sum(upstream.seen.values()) == arrived
        _, ready = await weir.get("/readyz")
        assert any("nothing leaves" in reason for reason in ready["reasons"])
        await asyncio.to_thread(roomy, weir.node.audit)
        assert (await weir.ask("again", model="site/one"))[0] == 200
        state = weir.state
    assert len(entries(state, "egress")) == arrived + 1
    check_whole(state)


def test_a_file_size_limit_lets_nothing_leave_and_leaves_a_log_that_verifies(tmp_path: Path) -> None:
    """The kernel refuses the writes, of the database and of the head alike."""
    script = textwrap.dedent(
        """
        import asyncio, resource, sys
        from pathlib import Path
        from appliance.errors import AuditUnavailable
        from appliance.store.audit.log import Audit
        from tests.store.audit_rig import leave
        audit = Audit(Path(sys.argv[1]))
        leave(audit)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
        left = 1
        for _ in range(60):
            try:
                leave(audit)
                left += 1
            except AuditUnavailable:
                assert audit.trouble
        audit.close()
        print(left)
        """
    )
    for limit in (3_000, 60_000):
        state = tmp_path / str(limit)
        state.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", script, str(state), str(limit)],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=100,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        left = int(done.stdout.splitlines()[-1])
        assert 1 <= left < 61
        assert len(entries(state, "egress")) >= left  # an entry without a departure is no lie; the reverse would be
        Audit(state).close()
        check_whole(state)


class Deadly(list[Any]):
    """What an upstream received. The moment the body number `at` arrives, the process that sent it is killed."""

    at, pid = 0, 0

    def append(self, body: Any) -> None:
        super().append(body)
        if len(self) == self.at:
            os.kill(self.pid, signal.SIGKILL)


@pytest.mark.slow
async def test_a_kill_at_any_point_loses_no_entry_of_what_left(tmp_path: Path, upstream: OpenAIStandIn) -> None:
    content, chance = write_content(tmp_path / "content", upstream_card(upstream.base_url)), random.Random(7)

    bodies = upstream.bodies = Deadly()

    def turn(number: int) -> Path:
        with process_node(tmp_path, content) as node:

            def ask(worker: int) -> None:
                for count in range(200):
                    try:
                        node.ask(f"{number} {worker} {count}", model="site/one")
                    except (OSError, ValueError, http.client.HTTPException):
                        return

            workers = [threading.Thread(target=ask, args=(worker,)) for worker in range(4)]
            bodies.pid, bodies.at = node.child.pid, len(bodies) + chance.randint(1, 40)
            for worker in workers:
                worker.start()
            assert node.child.wait(60) == -signal.SIGKILL
            for worker in workers:
                worker.join(40)
            return node.state

    for number in range(6):
        state = await asyncio.to_thread(turn, number)
    assert len(bodies) == sum(upstream.seen.values()) >= 6
    salt = identity.load(state).salt
    written = {entry["body"] for entry in entries(state, "egress")}
    for body in bodies:  # each is another text, so each has an entry of its own
        assert hmac.digest(salt, orjson.dumps(body), "sha256").hex() in written
    assert len({orjson.dumps(body) for body in bodies}) == len(bodies)
    check_whole(state)


async def test_what_the_door_refused_is_in_the_audit_counted(start: Start, upstream: OpenAIStandIn) -> None:
    async with start(upstream_card(upstream.base_url)) as weir:
        door = weir.node.egress.door
        for _ in range(5):
            door.refuse("connect", "198.51.100.7:443")
        await until(lambda: entries(weir.state, "refusal"))
        for number in range(200):  # more than the door keeps
            door.refuse("resolve", f"host{number % 2}.example")
        state = weir.state
    found = entries(state, "refusal")
    assert found[0] | {"generation": ""} == {
        "attempt": "connect", "where": "198.51.100.7:443", "decision": "", "generation": "", "count": 1
    }  # fmt: skip
    by_place: dict[str, int] = {}
    for entry in found:
        by_place[entry["where"]] = by_place.get(entry["where"], 0) + entry["count"]
    assert by_place["198.51.100.7:443"] == 5
    assert sum(by_place.values()) == 205
    check_whole(state)
