"""What a decision costs: `decide` at 8 candidates under the starter's policy, and its record as JSON.

'cold' is the first decision for labels that nobody stated before: the rules are evaluated for every candidate.

Pure computation in this process, warm, in processor time of its thread. Each figure is the median of rounds; the
least is printed beside it, because nothing but the work itself can make it smaller.

Exits with 1 where the target is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from appliance.bundle.content import policy_files  # noqa: E402
from appliance.decide import decide  # noqa: E402
from appliance.decide.generation import Gate, GateLevel, Generation  # noqa: E402
from appliance.judge import FEATURES  # noqa: E402
from appliance.policy import read_policy  # noqa: E402
from appliance.records.card import CellAccuracy, ModelCard, Price  # noqa: E402
from appliance.records.decision import Asked, Outcome, PathState, Snapshot, StepOutcome  # noqa: E402
from appliance.records.features import Features  # noqa: E402
from appliance.records.record import Record, from_json, to_json  # noqa: E402
from appliance.records.request import Labels  # noqa: E402
from benchmarks import peers  # noqa: E402

TARGET_US = 300.0
COLD_TARGET_US = 1500.0
CANDIDATES = 8
_CELLS = (("extract/easy", 0.7), ("summarise/easy", 0.2), ("other/medium", 0.1))


def card(number: int, gates: int) -> ModelCard:
    local = number < 3
    return ModelCard(
        id=f"bench/path-{number}",
        runtime="llama_cpp" if local else "openai_http",
        tier="device" if local else ("site", "sovereign", "frontier")[number % 3],  # type: ignore[arg-type]
        modalities=("chat", "completion"),
        retention="none",
        trains_on_input="no",
        languages={"en": 0.95},
        context_tokens=4096,
        price=Price() if local else Price(input_per_million=number / 10, output_per_million=number / 2.5),
        accuracy=tuple(CellAccuracy(cell=cell, p=0.8 + 0.02 * number, n=200) for cell, _ in _CELLS),
        accuracy_default=0.9,
        accuracy_default_n=500,
        gate=f"gate-{number}" if number < gates else "",
    )


def gate(number: int) -> Gate:
    width = len(FEATURES)
    floors = ((0.97, 0.9), (0.95, 0.85), (0.9, 0.7))
    return Gate(
        id=f"gate-{number}",
        model=f"bench/path-{number}",
        features=FEATURES,
        mean=(0.0,) * width,
        scale=(1.0,) * width,
        weights=(0.1,) * width,
        bias=0.0,
        levels=tuple(GateLevel(floor=f, threshold=t, accept=0.6, right=0.98) for f, t in floors),
    )


def generation(gates: int) -> Generation:
    policy = read_policy(policy_files(ROOT / "bundles/starter/policy"))
    cards = tuple(card(number, gates) for number in range(CANDIDATES))
    policy.prepare(cards)
    return Generation("bench", policy, cards, tuple(gate(number) for number in range(gates)))


def cold(features: Features, snapshot: Snapshot, rounds: int) -> tuple[float, float]:
    """Median and least of decisions whose labels are new each time, in nanoseconds."""
    content = generation(1)
    found = []
    for number in range(rounds + 5):
        labels = Labels("public", "site", purpose="commercial", locale=f"e{number:06}")
        asked = Asked("wr_bench", "chat", "auto", "balanced", labels, "local")
        began = time.thread_time_ns()
        decide(asked, features, content, snapshot)
        found.append(time.thread_time_ns() - began)
    return statistics.median(found[5:]), min(found[5:])


def timed(work: Callable[[], object], rounds: int, calls: int) -> tuple[float, float]:
    """Median and least of the rounds, in nanoseconds a call."""
    for _ in range(calls):
        work()
    found = []
    for _ in range(rounds):
        began = time.thread_time_ns()
        for _ in range(calls):
            work()
        found.append((time.thread_time_ns() - began) / calls)
    return statistics.median(found), min(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    features = Features(
        modality="chat", cells=_CELLS, language="en", language_p=0.99, characters=400,
        estimated_prompt_tokens=120, estimated_output_tokens=60, needs=frozenset({"system"}),
    )  # fmt: skip
    states = tuple(PathState(f"bench/path-{number}", True, slots=16) for number in range(CANDIDATES))
    snapshot = Snapshot(1_750_000_000.0, 0.5, states)
    facts = peers.machine("orjson", "pydantic")
    print(json.dumps(facts))
    rows = [("what", "median us", "least us", "plans")]
    found: dict[str, Any] = {}
    cases = (
        ("no gate", 0, "auto"),
        ("1 gate", 1, "auto"),
        ("3 gates, cascades of 3", 3, "auto"),
        ("named", 1, "bench/path-5"),
    )
    worst, record = 0.0, None
    for name, gates, model in cases:
        content = generation(gates)
        asked = Asked("wr_bench", "chat", model, "balanced", Labels(), "local")
        decision = decide(asked, features, content, snapshot)
        assert sum(candidate.eligible for candidate in decision.candidates) == (CANDIDATES if model == "auto" else 1)
        middle, least = timed(
            lambda a=asked, c=content: decide(a, features, c, snapshot), options.rounds, options.calls
        )
        rows.append(
            (f"decide, 8 candidates, {name}", f"{middle / 1e3:.1f}", f"{least / 1e3:.1f}", str(decision.plans_weighed))
        )
        found[name] = {"median_ns": middle, "least_ns": least, "plans": decision.plans_weighed}
        worst = max(worst, middle / 1e3)
        if gates == 1 and model == "auto":
            steps = tuple(StepOutcome(step.path, "answered", "", "", 0.1, 0.4, 120, 60) for step in decision.steps[:1])
            outcome = Outcome("answered", steps[0].path, "device", steps, 0.4, 0.001, 0.002)
            record = Record("wr_bench", 1_750_000_000.0, asked, features, snapshot, decision, outcome)
    middle, least = cold(features, snapshot, options.rounds * 10)
    rows.append(("decide, 8 candidates, new labels (cold)", f"{middle / 1e3:.1f}", f"{least / 1e3:.1f}", ""))
    found["cold"] = {"median_ns": middle, "least_ns": least}
    coldest = middle / 1e3
    assert record is not None
    text = to_json(record)
    for name, work in (("Record to JSON", lambda: to_json(record)), ("Record from JSON", lambda: from_json(text))):
        middle, least = timed(work, options.rounds, max(1, options.calls // 4))
        rows.append((f"{name}, {len(text)} bytes", f"{middle / 1e3:.1f}", f"{least / 1e3:.1f}", ""))
        found[name] = {"median_ns": middle, "least_ns": least, "bytes": len(text)}
    peers.show("Microseconds a call", rows)
    met = worst <= TARGET_US and coldest <= COLD_TARGET_US
    print(f"\n  slowest decide {worst:.0f} us, target <= {TARGET_US:.0f}; cold {coldest:.0f} us, ", end="")
    print(f"target <= {COLD_TARGET_US:.0f}: {'met' if met else 'MISSED'}")
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": facts, "figures": found, "met": met}, indent=1))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
