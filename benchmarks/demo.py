"""`make demo`: a node on a temporary state answers a workload, with a stand-in for the frontier and without any.

Everything is real but two things. The frontier is a small server on loopback that answers with the computed truth, at a
frontier's price and delay; it is labelled as a stand-in wherever it appears. And the keys that signed the bundles were
made on the spot, for evaluation only, as the nodes say wherever they say whom they trust. Nothing connects outside
loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from openai import AsyncOpenAI
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from appliance.bundle.in_force import in_force  # noqa: E402
from appliance.learn.stats import wilson  # noqa: E402
from benchmarks.peers import free_port, press, process, take_into_use, wait_for  # noqa: E402
from benchmarks.workload import Item, draw, is_right, load  # noqa: E402

EVALS = ROOT / "bundles/starter/evals/edge-desk.jsonl"
FRONTIER = "frontier/stand-in"
CLIENTS = 4


@dataclass(frozen=True)
class Result:
    """One answered request. Times in seconds."""

    item: Item
    path: str
    reason: str
    right: bool
    seconds: float
    decision: str


def stand_in_card(port: int) -> dict[str, object]:
    """The stand-in as a path: a frontier's price and speed, and a place far away."""
    return {
        "id": FRONTIER,
        "runtime": "openai_http",
        "tier": "frontier",
        "description": "STAND-IN for a frontier service: answers with the computed truth.",
        "modalities": ["chat"],
        "place": {"country": "US", "region": "NA"},
        "operator": "stand-in",
        "retention": "transient",
        "trains_on_input": "no",
        "accelerator": "gpu",
        "capabilities": {"json_object": True, "json_schema": True, "tools": True, "seed": True, "multiple": True},
        "price": {"input_per_million": 2.5, "output_per_million": 10.0},
        "speed": {"first_token_s": 0.45, "first_token_p95_s": 0.8, "decode_tokens_per_s": 60.0},
        "accuracy_default": 0.995,
        "accuracy_default_n": 1000,
        "endpoint": {"base_url": f"http://127.0.0.1:{port}/v1", "model": "stand-in"},
    }


async def ask(client: AsyncOpenAI, item: Item, model: str) -> Result:
    extra: dict[str, object] = {}
    if item.schema is not None:
        extra["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": item.task, "schema": item.schema, "strict": True},
        }
    messages = [{"role": "user", "content": item.prompt}]
    began = time.perf_counter()
    if item.stream:
        opened = await client.chat.completions.with_raw_response.create(
            model=model, messages=messages, temperature=0, stream=True, **extra
        )
        text = ""
        async for event in opened.parse():
            for choice in event.choices:
                text += choice.delta.content or ""
        headers = opened.headers
    else:
        raw = await client.chat.completions.with_raw_response.create(
            model=model, messages=messages, temperature=0, **extra
        )
        text, headers = raw.parse().choices[0].message.content or "", raw.headers
    seconds = time.perf_counter() - began
    path, reason = headers["x-weir-path"], headers["x-weir-reason"]
    return Result(item, path, reason, is_right(item, text), seconds, headers["x-weir-decision"])


async def run_all(url: str, items: list[Item], model: str = "auto", *, clients: int = CLIENTS) -> list[Result]:
    """All items in their order, `clients` at a time. The default of `CLIENTS` leaves room for repeats to be repeats."""
    results: list[Result] = []
    waiting = iter(items)
    headers = {} if model == "auto" else {"Cache-Control": "no-store"}
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0, default_headers=headers) as client:

        async def work() -> None:
            for item in waiting:
                results.append(await ask(client, item, model))

        await asyncio.gather(*(work() for _ in range(clients)))
    return results


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(title: str, results: list[Result], costs: dict[str, tuple[float, float]]) -> None:
    print(f"\n{title}")
    print(f"  {'PATH':22} {'SHARE':>6} {'N':>4}  {'ACCURACY (95 %)':>22} {'P50':>8} {'P95':>8} {'COST':>10}")
    for path in sorted({r.path for r in results}, key=lambda p: (p != "cache/exact", p)):
        mine = [r for r in results if r.path == path]
        line(path, mine, len(results), sum(costs.get(r.decision, (0, 0))[0] for r in mine))
    line("all", results, len(results), sum(costs.get(r.decision, (0, 0))[0] for r in results))
    for difficulty in ("easy", "medium", "hard"):
        mine = [r for r in results if r.item.difficulty == difficulty and not r.item.repeat]
        local = [r for r in mine if not r.path.startswith("frontier/")]
        right = sum(r.right for r in local)
        print(f"    {difficulty:8} first asked: {len(mine)}, kept local {len(local)}, of those right {right}")


def line(name: str, mine: list[Result], total: int, cost: float) -> None:
    right = sum(r.right for r in mine)
    low, high = wilson(right, len(mine))
    times = [r.seconds for r in mine]
    print(
        f"  {name:22} {len(mine) / total:6.1%} {len(mine):4}  {right / len(mine):7.1%} ({low:5.1%}-{high:6.1%})"
        f" {percentile(times, 0.5) * 1000:6.0f}ms {percentile(times, 0.95) * 1000:6.0f}ms {cost:10.6f}"
    )


def read_costs(state: Path) -> dict[str, tuple[float, float]]:
    from appliance.store import open_reader

    return {row["id"]: (row["outcome"]["cost"], row["outcome"]["frontier_cost"]) for row in open_reader(state).all()}


@dataclass(frozen=True)
class Prepared:
    """A node that has its bundle and was not started. `upstream`: the stand-in's port; 0 for none."""

    state: Path
    port: int
    upstream: int = 0


def prepare(state: Path, *, stand_in: bool) -> Prepared:
    """A new node with the starter bundle, or with one that has the stand-in's card besides."""
    state.mkdir(mode=0o700)
    made = Prepared(state, free_port(), free_port() if stand_in else 0)
    (state / "weir.yaml").write_text(json.dumps({"listen": {"host": "127.0.0.1", "port": made.port}}))
    if not stand_in:
        take_into_use(state, ROOT / "build/bundles", ROOT / "build/evaluation/metadata/1.root.json")
        return made
    bench = state.with_name(f"{state.name}-bench")
    bench.mkdir()
    starter = YAML(typ="safe").load((ROOT / "bundles/starter.yaml").read_text(encoding="utf-8"))
    recipe = starter | {
        "name": "weir-demo", "content": str(ROOT / "build/starter"), "cards": [stand_in_card(made.upstream)],
    }  # fmt: skip
    (bench / "recipe.yaml").write_text(json.dumps(recipe))
    take_into_use(state, *press(bench, bench / "recipe.yaml"))
    return made


def one_run(prepared: Prepared, items: list[Item]) -> tuple[list[Result], list[Result]]:
    """Results through the node, and (with a stand-in) of everything sent to the frontier."""
    state, upstream = prepared.state, prepared.upstream
    log = state / "node.log"
    url = f"http://127.0.0.1:{prepared.port}"
    python = sys.executable
    if not upstream:
        with process([python, "-m", "appliance.cli.main", "serve", "--state", str(state)], log) as node:
            wait_for(f"{url}/readyz", node, log)
            return asyncio.run(run_all(url, items)), []
    server = [python, "-m", "tests.standins.openai_server", "--port", str(upstream), "--answers", str(EVALS)]
    server += ["--delay-first", "0.45", "--tokens-per-s", "60"]
    with (
        process(server, log),
        process([python, "-m", "appliance.cli.main", "serve", "--state", str(state)], log) as node,
    ):
        wait_for(f"{url}/readyz", node, log)
        through = asyncio.run(run_all(url, items))
        everything = asyncio.run(run_all(url, items, FRONTIER, clients=16))
    return through, everything


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=360)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the totals here")
    options = parser.parse_args()
    items = draw(load(EVALS), requests=options.requests, seed=options.seed)
    work = Path(tempfile.mkdtemp(prefix="weir-demo-"))
    schemas, streams = sum(i.schema is not None for i in items), sum(i.stream for i in items)
    print(
        f"{len(items)} requests, {sum(i.repeat for i in items)} of them exact repeats, {streams} streamed,"
        f" {schemas} with a JSON schema; phrasings and values that no model was trained or calibrated on."
    )
    state, state_alone = work / "with-stand-in", work / "no-upstream"
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda at: prepare(at, stand_in=at is state), (state, state_alone))
    trusts = in_force(state)
    print(
        f"Runs on {trusts.id} and {in_force(state_alone).id}, under {trusts.root.words if trusts.root else 'no root'}."
    )
    through, everything = one_run(first, items)
    costs = read_costs(state)
    table("With a STAND-IN for the frontier (computed truth at a frontier's price and delay)", through, costs)
    alone, _ = one_run(second, items)
    table("With no upstream at all", alone, read_costs(state_alone))
    totals = summary(through, everything, alone, costs)
    print("\nTotals, with the stand-in")
    print(f"  kept off the frontier       {totals['kept_off_frontier']:.1%}")
    print(
        f"  cost                        {totals['cost']:.6f} USD against {totals['cost_all_frontier']:.6f} all-frontier"
    )
    print(f"  accuracy                    {totals['accuracy']:.1%} against {totals['accuracy_all_frontier']:.1%}")
    print(f"  accuracy with no upstream   {totals['accuracy_no_upstream']:.1%}, and what is below the floor says so")
    print(f"\nRecords: {state} and {state_alone}")
    print(f"  .venv/bin/weir why {through[0].decision} --state {state}")
    if options.json:
        options.json.write_text(json.dumps(totals, indent=1))
    return 0


def summary(
    through: list[Result], everything: list[Result], alone: list[Result], costs: dict[str, tuple[float, float]]
) -> dict[str, float]:
    mine = [costs[r.decision] for r in through]
    full = [costs[r.decision] for r in everything]
    return {
        "requests": len(through),
        "kept_off_frontier": sum(r.path != FRONTIER for r in through) / len(through),
        "accuracy": sum(r.right for r in through) / len(through),
        "accuracy_all_frontier": sum(r.right for r in everything) / len(everything),
        "accuracy_no_upstream": sum(r.right for r in alone) / len(alone),
        "cost": sum(cost for cost, _ in mine),
        "cost_all_frontier": sum(cost for cost, _ in full),
        "p50_s": percentile([r.seconds for r in through], 0.5),
        "p50_all_frontier_s": percentile([r.seconds for r in everything], 0.5),
    }


if __name__ == "__main__":
    os.environ.setdefault("NO_PROXY", "*")
    sys.exit(main())
