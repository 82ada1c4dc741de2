"""Chaos: what a node makes of upstreams in trouble, and whether its books agree with theirs.

Four upstreams, in the order of utility: one answers 429, one hangs after ten tokens, one cuts the connection inside of a
chunk, one is well. 32 clients ask 1,000 times, half of them streaming, each with a deadline; some leave in the middle of
their stream. After three fifths of them the first three are well again.

Checked, and each a reason to exit with 1:
1. Every request is answered, or refused or broken off with its reasons.
2. No text is lost, doubled or mixed: the upstreams number their tokens.
3. No request ends more than 100 ms after its deadline.
4. The breakers of the two that break off open and, once they are well, close; that of the first never opens.
5. What the node recorded and what it took off the tenant's budget is what the upstreams would bill, to the token, but
   for calls that it says it can only estimate; what its audit says was sent is what they received, to the byte.

    python benchmarks/chaos.py
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hmac
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import aiohttp  # noqa: E402

from appliance import identity  # noqa: E402
from appliance.records.tenant import Tenant  # noqa: E402
from appliance.store import Reader  # noqa: E402
from appliance.store.tenants import Tenants  # noqa: E402
from tests.node.conftest import process_node, write_content  # noqa: E402
from tests.node.failing import card_of, whose  # noqa: E402
from tests.standins.numbered import Remote  # noqa: E402
from tests.store.audit_rig import rows  # noqa: E402

DEADLINE_S = 8.0
CLOCKS = {"first_byte_timeout_s": 3.0, "gap_timeout_s": 1.0}
OVER_S = 0.1
LEAVE = 0.05  # of streaming clients
HEALED = 0.6  # of the requests are over by then
FAILING = {
    "breaking": {"least_calls": 6, "pause_s": 1.0, "longest_pause_s": 2.0, "probes": 2},
    "retries": {"first_wait_s": 0.05},
}


@dataclass
class Seen:
    """What the clients saw."""

    ended: Counter[str] = field(default_factory=Counter)
    by_path: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    latest: float = -DEADLINE_S  # against the deadline, seconds
    left: int = 0


async def chaos(directory: Path, *, requests: int, at_once: int, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
    """The counts, and under 'missed' what does not hold."""
    troubles = {"a": "429", "b": "hang", "c": "cut", "d": ""}
    with contextlib.ExitStack() as stack:
        servers = tuple(
            stack.enter_context(Remote(name, trouble=trouble, retry_after=1, tokens=20, pause_s=0.001))
            for name, trouble in troubles.items()
        )
        speed = {"first_token_s": 0.02, "first_token_p95_s": 0.2, "decode_tokens_per_s": 10_000.0}
        cards = [card_of(server, cost=k / 10_000, speed=speed, endpoint=CLOCKS) for k, server in enumerate(servers)]
        state = directory / "state"
        state.mkdir(parents=True)
        _, key = Tenants(state).add(Tenant(name="chaos", budget_day=1000.0), now=time.time())
        content = write_content(directory / "content", *cards, failing=FAILING)
        made = process_node(directory, content, cache={"enabled": False})
        node = await asyncio.to_thread(made.__enter__)
        try:
            seen = Seen()
            headers = {"Authorization": f"Bearer {key}", "X-Weir-Deadline": f"{deadline_s:g}"}
            connector = aiohttp.TCPConnector(limit=at_once)
            async with aiohttp.ClientSession(node.url, connector=connector, headers=headers) as session:
                work = iter(range(requests))
                draws = random.Random(6)

                async def client() -> None:
                    for k in work:
                        if k == int(HEALED * requests):
                            for server in servers:
                                await asyncio.to_thread(server.change, trouble="")
                        leaves = k % 2 == 0 and draws.random() < LEAVE
                        await _ask(session, k, seen, deadline_s, leaves=leaves)

                await asyncio.gather(*(client() for _ in range(at_once)))
                operator = (state / "operator.key").read_text().strip()
                paths = await _until_closed(session, Seen(), operator)
        finally:
            await asyncio.to_thread(made.__exit__, None, None, None)
        for server in servers:
            server.settle()
    return _judged(seen, servers, paths, state, requests)


async def _ask(
    session: aiohttp.ClientSession, k: int, seen: Seen, deadline_s: float, *, leaves: bool, model: str = "auto"
) -> None:
    stream = k % 2 == 0
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": f"request number {k} please"}]}
    began = time.monotonic()
    try:
        async with session.post("/v1/chat/completions", json=body) as response:
            if leaves and response.status == 200:
                await response.content.readany()
                response.close()
                seen.ended["left by its client"] += 1
                seen.left += 1
                return
            raw = await response.read()
    except aiohttp.ClientError as error:
        seen.wrong.append(f"{k}: the node broke the connection: {type(error).__name__}")
        return
    finally:
        if not leaves:
            seen.latest = max(seen.latest, time.monotonic() - began - deadline_s)
    ended, text = _read(raw, response.status, stream=stream)
    seen.ended[ended] += 1
    if model != "auto":
        return
    try:
        name, count = whose(text)
    except AssertionError as error:
        seen.wrong.append(f"{k}: {error}")
        return
    if ended == "answered":
        seen.by_path[name] += 1
        if count != 20:
            seen.wrong.append(f"{k}: answered with {count} of 20 tokens")


def _read(raw: bytes, status: int, *, stream: bool) -> tuple[str, str]:
    """How it ended, in words, and its text. An error that names no reason is 'without a reason'."""
    if status != 200 or not stream:
        found = json.loads(raw)
        if status == 200:
            return "answered", found["choices"][0]["message"]["content"]
        return _refused(f"refused with {status}", found), ""
    events = [block[6:] for block in raw.decode().split("\n\n") if block]
    found = [json.loads(event) for event in events if event != "[DONE]"]
    text = "".join(choice["delta"].get("content") or "" for event in found for choice in event.get("choices", []))
    if events and events[-1] == "[DONE]":
        return "answered", text
    return (_refused("broken off", found[-1]) if found else "without a reason"), text


def _refused(how: str, found: dict[str, Any]) -> str:
    error = found.get("error") or {}
    reasons = (error.get("weir") or {}).get("reasons") or error.get("reasons")
    return f"{how}: {error.get('code')}" if reasons else f"without a reason: {how}"


async def _until_closed(session: aiohttp.ClientSession, seen: Seen, operator: str) -> list[dict[str, Any]]:
    """The paths as the node tells of them once their breakers are closed. Nobody else asks for those that are dearer than
    the first, so whoever is not closed is asked for by name.
    """
    ends, k = time.monotonic() + 20, 1_000_000
    while True:
        async with session.get("/weir/v1/status", headers={"Authorization": f"Bearer {operator}"}) as response:
            paths: list[dict[str, Any]] = (await response.json())["paths"]
        shut = [path["id"] for path in paths if path["members"] and path["members"][0]["breaker"] != "closed"]
        if not shut or time.monotonic() > ends:
            return paths
        for name in shut:
            k += 1
            await _ask(session, k, seen, DEADLINE_S, leaves=False, model=name)
        await asyncio.sleep(0.1)


def _judged(
    seen: Seen, servers: tuple[Remote, ...], paths: list[dict[str, Any]], state: Path, requests: int
) -> dict[str, Any]:
    missed = list(seen.wrong)
    missed += [f"{count} ended {how}" for how, count in seen.ended.items() if how.startswith("without")]
    if seen.latest > OVER_S:
        missed.append(f"a request ended {seen.latest:.3f} s after its deadline")
    breakers = {path["id"]: path["members"][0] for path in paths if path["members"]}
    for name in ("site/b", "site/c"):
        one = breakers[name]
        if not one["opened"] or one["breaker"] != "closed":
            missed.append(f"the breaker of {name} opened {one['opened']} times and is {one['breaker']}")
    if breakers["site/a"]["opened"]:
        missed.append("429 opened a breaker")
    records = list(Reader(state / "telemetry.db").all())
    steps = [step for record in records for step in record["outcome"]["steps"]]
    told = {
        "tokens in": sum(step["prompt_tokens"] for step in steps),
        "tokens out": sum(step["completion_tokens"] for step in steps),
        "cost": sum(step["cost"] for step in steps),
    }
    (held,) = Tenants(state).all()
    spent = [sum(column) for column in zip(*held.spending.values(), strict=True)]
    told |= {"spent": spent[0] / 1e12, "spent tokens": spent[2]}
    received = {
        "tokens in": sum(server.billed[0] for server in servers),
        "tokens out": sum(server.billed[1] for server in servers),
        "cost": sum(_due(server, k / 10_000) for k, server in enumerate(servers)),
    }
    received |= {"spent": received["cost"], "spent tokens": received["tokens in"] + received["tokens out"]}
    # A call whose end the node could not wait for is an estimate, and said to be one; on a quiet host there is none.
    guessed = sum(not one["cost_known"] for step in steps for one in (step, *step["attempts"]))
    far = {"tokens in": 4 * guessed, "cost": 0.001 * guessed, "spent": 0.001 * guessed}
    missed += [
        f"{what}: the node says {told[what]}, the upstreams {received[what]}"
        for what in received
        if abs(told[what] - received[what]) > far.get(what, 24 * guessed) + 1e-9
    ]
    audited, bodies = _audited(state), Counter[tuple[int, str]]()
    salt = identity.load(state).salt
    for server in servers:
        bodies.update((server.port, hmac.digest(salt, body, "sha256").hex()) for body in server.bodies)
    more, less = sum((audited - bodies).values()), sum((bodies - audited).values())
    unsent = sum(1 for step in steps if step["status"] in ("cancelled", "failed") and not step["prompt_tokens"])
    if less or more > unsent:
        missed.append(f"the audit has {more} bodies that nobody received, and lacks {less}")
    attempts = sum(len(step["attempts"]) for step in steps)
    return {
        "requests": requests,
        "records": len(records),
        "ended": dict(seen.ended.most_common()),
        "answered by": dict(seen.by_path.most_common()),
        "calls": {server.name: dict(Counter(call.ended for call in server.calls)) for server in servers},
        "attempts that were followed by another": attempts,
        "latest_ms_against_its_deadline": round(seen.latest * 1000),
        "breakers": {name: {k: one[k] for k in ("breaker", "opened", "closed")} for name, one in breakers.items()},
        "bodies": sum(bodies.values()),
        "written down and then not sent": more,
        "bytes": sum(len(body) for server in servers for body in server.bodies),
        "calls whose cost is an estimate": guessed,
        "the node says": told,
        "the upstreams say": received,
        "missed": missed,
    }


def _due(server: Remote, per_call: float) -> float:
    """What a stand-in's ledger comes to: a call that was billed any token costs its price as well."""
    tokens_in, tokens_out = server.billed
    return (tokens_in + 2 * tokens_out) / 1e6 + per_call * sum(1 for call in server.calls if call.prompt_tokens)


def _audited(state: Path) -> Counter[tuple[int, str]]:
    entries = [json.loads(entry.payload) for entry in rows(state) if entry.kind == "egress"]
    return Counter((entry["destination"]["port"], entry["body"]) for entry in entries)


def main() -> int:
    parser = argparse.ArgumentParser(description="A node among upstreams in trouble.")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--json", type=Path, help="write what was found here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(chaos(Path(directory), requests=arguments.requests, at_once=arguments.at_once))
    print(json.dumps(found, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2))
    return 1 if found["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
