"""The audit: entries a second that are on disk, by 1 and by 64 writers at once, against a bare loop of fsync.

Rounds alternate between the three, so that drift of the disk hits all alike. The bare loop appends as many bytes as an
entry takes and calls fdatasync after each. Exits with 1 where 64 writers do not share their syncs: fewer than 10 times the
entries of one writer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from appliance.records.card import Place  # noqa: E402
from appliance.records.departure import Departure  # noqa: E402
from appliance.store.audit.log import Audit  # noqa: E402

DEPARTURE = Departure(
    "wr_0123456789",
    "acme",
    "internal",
    "country:CH",
    "site/one",
    "site",
    Place(site="plant"),
    ("p:class/internal",),
    "g1",
)
DESTINATION = {"scheme": "https", "host": "api.example", "port": 443}
BODY = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 1000 + b'"}]}'
ENTRY_BYTES, TARGET = 900, 10.0


def bare(directory: Path, seconds: float) -> tuple[float, float]:
    """Syncs a second and processor time of each."""
    with (directory / "bare").open("ab", buffering=0) as file:
        count, began, busy = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - began < seconds:
            file.write(b"x" * ENTRY_BYTES)
            os.fdatasync(file.fileno())
            count += 1
        return count / (time.perf_counter() - began), (time.process_time() - busy) / count


async def appended(audit: Audit, writers: int, seconds: float) -> tuple[float, float]:
    """Entries a second and processor time of each."""
    count, began, busy = 0, time.perf_counter(), time.process_time()

    async def one() -> None:
        nonlocal count
        while time.perf_counter() - began < seconds:
            await audit.leaving(DEPARTURE, DESTINATION, BODY)
            count += 1

    await asyncio.gather(*(one() for _ in range(writers)))
    return count / (time.perf_counter() - began), (time.process_time() - busy) / count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round of each side")
    parser.add_argument(
        "--directory", type=Path, help="on the disk to measure; default: the system's for temporary files"
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    rates: dict[str, list[float]] = {"bare": [], "1": [], "64": []}
    costs: dict[str, list[float]] = {"bare": [], "1": [], "64": []}
    with tempfile.TemporaryDirectory(prefix="weir-audit-", dir=options.directory) as work:
        directory = Path(work)
        audit = Audit(directory)
        for _ in range(options.rounds):
            sides = (
                ("bare", lambda: bare(directory, options.seconds)),
                ("1", lambda: asyncio.run(appended(audit, 1, options.seconds))),
                ("64", lambda: asyncio.run(appended(audit, 64, options.seconds))),
            )
            for name, side in sides:
                rate, cost = side()
                rates[name].append(rate)
                costs[name].append(cost)
        audit.close()
    figures = {
        name: {
            "per_second": statistics.median(rates[name]),
            "ratio_to_bare": statistics.median(r / b for r, b in zip(rates[name], rates["bare"], strict=True)),
            "processor_us_each": statistics.median(costs[name]) * 1e6,
        }
        for name in rates
    }
    for name, row in figures.items():
        side = "bare fdatasync loop" if name == "bare" else f"audit, {name} at once"
        print(
            f"{side:22} {row['per_second']:9.0f} a second  {row['ratio_to_bare']:6.2f} of bare"
            f"  {row['processor_us_each']:7.0f} us of processor time each"
        )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))
    shared = figures["64"]["per_second"] / figures["1"]["per_second"]
    print(f"64 writers get {shared:.1f} times the entries of one (target {TARGET:g})")
    return 0 if shared >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
