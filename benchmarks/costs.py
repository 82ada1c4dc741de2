"""How long `weir cost` takes over a million requests, and what adding up the totals costs the writer.

Records of 20 tenants, 6 paths, 10 tasks and 30 days go through the node's own store; then the command runs as a process
of its own. The records themselves are pruned before, as retention would.

    python benchmarks/costs.py --requests 1000000
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from appliance.records.decision import Asked, Decision, Outcome, Snapshot, StepOutcome  # noqa: E402
from appliance.records.features import Features  # noqa: E402
from appliance.records.record import Record  # noqa: E402
from appliance.records.request import Labels  # noqa: E402
from appliance.store import Store  # noqa: E402
from appliance.store.totals import Totals  # noqa: E402

DAY = 1_795_262_400.0
TASKS = ("arithmetic", "chat", "code", "extract", "knowledge", "lists", "summarise", "topic", "translate", "other")
_SNAPSHOT = Snapshot(DAY, 0.5, ())


def record(n: int) -> Record:
    """The n-th request."""
    id, path = f"r{n}", f"site/{n % 6}"
    step = StepOutcome(
        path, "answered", prompt_tokens=100, completion_tokens=20, cached_tokens=n % 50, cost=(n % 1000) / 1e6
    )
    outcome = Outcome("answered", path, "site", (step,), cost=step.cost, frontier_cost=0.001, currency="USD")
    asked = Asked(id, "chat", "auto", "balanced", Labels(), f"tenant-{n % 20}")
    features = Features("chat", cells=((f"{TASKS[n // 7 % 10]}/easy", 1.0),))
    return Record(id, DAY + n // 11 % 30 * 86_400.0, asked, features, _SNAPSHOT, Decision(id, "g", "named"), outcome)


def main() -> int:
    parser = argparse.ArgumentParser(description="What a report of costs costs.")
    parser.add_argument("--requests", type=int, default=1_000_000)
    requests = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        store = Store(state)
        for n in range(requests):
            store.add(record(n))
            if n % 20_000 == 19_999:
                store.prune(before=0.0, max_bytes=32 << 20)
                store.writer.flush()
        store.close()
        some = [record(n) for n in range(20_000)]
        totals, began = Totals(), time.process_time()
        for one in some:
            totals.add(one)
        adding = time.process_time() - began
        command = [sys.executable, "-m", "appliance.cli.main", "cost", "--state", str(state), "--json"]
        runs = []
        for options in ((), ("--by", "day"), ("--by", "tenant", "--by", "path", "--by", "task", "--by", "day")):
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, check=True)
            wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
            rows = json.loads(done.stdout)["rows"]
            assert sum(row["requests"] for row in rows) == requests
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            runs.append(
                {"by": options[1::2] or ["path"], "rows": len(rows), "cpu_s": round(cpu, 3), "wall_s": round(wall, 3)}
            )
    found = {"requests": requests, "adding_us_a_record": round(adding / len(some) * 1e6, 2), "reports": runs}
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
