"""Recorded cost against what the providers bill: requests of every kind, both sums to the last pico.

Whole, streamed, cancelled in the middle, retried after an error, broken off, hedged and failed calls in turn, to seven
stand-ins that keep a ledger by their own count, cached and thinking tokens among it; by a tenant with a budget.

Checked, and each a reason to exit with 1: request by request the record says what the ledger says, but where it says
that it is an estimate; and the tenant's spending, the node's counters and the daily totals are the sum of the records.

    python benchmarks/ledger.py --requests 1000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import structlog  # noqa: E402

from appliance.spent import read  # noqa: E402
from tests.node.conftest import running_node  # noqa: E402
from tests.node.ledgers import FAILING, HOW, Providers, ask_all, recorded  # noqa: E402
from tests.node.test_tenants import bearer, key, tenants  # noqa: E402


async def run(directory: Path, requests: int, at_once: int) -> dict[str, Any]:
    """The figures; `missed` says what did not hold."""
    acme = key(directory, budget_day=1_000_000.0)
    async with Providers() as providers, running_node(directory, *providers.cards, failing=FAILING) as weir:
        rows = await ask_all(weir, providers, bearer(acme), requests, at_once)
        ledger = providers.ledger()
        records = {row["id"]: row for row in await weir.records()}
        counted, still_held = weir.node.tally.counters.cost, weir.node.accounts.of("acme").set_aside
    told = {id: recorded(records[id]) for _, _, id in rows}
    known = [(how, told[id][0], ledger[prompt]) for how, prompt, id in rows if told[id][1]]
    guessed = [(how, told[id][0], ledger[prompt]) for how, prompt, id in rows if not told[id][1]]
    (spent,) = tenants(directory).one("acme").spending.values()
    (whole,) = read(directory / "state", (), None, None, None)
    total = sum(cost for cost, _ in told.values())
    missed = [f"{how}: the record says {ours}, the ledger {theirs}" for how, ours, theirs in known if ours != theirs]
    if {total} != {spent.picos, whole.sums.picos, counted}:
        missed.append(f"records {total}, spending {spent.picos}, totals {whole.sums.picos}, counters {counted}")
    if still_held:
        missed.append(f"{still_held} picos are still set aside")
    return {
        "requests": len(rows),
        "kinds": dict(Counter(how for how, _, _ in rows)),
        "upstream calls": sum(len(server.calls) for server in providers.servers.values()),
        "ledger, picos": ledger.total(),
        "recorded, picos": total,
        "stated by their providers": len(known),
        "their ledger, picos": sum(theirs for _, _, theirs in known),
        "their records, picos": sum(ours for _, ours, _ in known),
        "estimated, and said to be": dict(Counter(how for how, _, _ in guessed)),
        "missed": missed,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Recorded cost against the providers' own ledgers.")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=8)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if arguments.requests < len(HOW):
        parser.error(f"--requests: at least {len(HOW)}, one of each kind")
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(run(Path(directory), arguments.requests, arguments.at_once))
    print(json.dumps(found, indent=2))
    return 1 if found["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
