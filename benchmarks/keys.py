"""Looking up a key: whether its time tells what is wrong with one, and what it costs a request.

One million tenants would differ in the table only; a thousand are asked here. Kinds alternate, so that drift of the
machine hits all alike. Exits with 1 where two kinds of bad keys differ by more than the bound.

    python benchmarks/keys.py
"""

from __future__ import annotations

import statistics
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from appliance.errors import Unauthorized  # noqa: E402
from appliance.records.tenant import Tenant  # noqa: E402
from appliance.tenancy.keys import Key, Roll, digest, make_key  # noqa: E402
from benchmarks import peers  # noqa: E402

TENANTS, ROUNDS, LOOKUPS, BOUND = 1000, 60, 2000, 0.05
NOW = 1e9


def main() -> int:
    texts = {}
    keys = {}
    for number in range(TENANTS):
        id, text = make_key()
        key = Key(id, digest(text), f"t{number}", 0.0)
        if number == 1:
            key = replace(key, expires=NOW - 1)
        if number == 2:
            key = replace(key, revoked=NOW - 1)
        keys[key.digest] = key
        texts[number] = text
    roll = Roll({f"t{n}": Tenant(name=f"t{n}") for n in range(TENANTS)}, keys, digest(make_key()[1]))
    shown = {
        "valid": texts[0],
        "forged": make_key()[1],
        "cut off": texts[0][:-1],
        "expired": texts[1],
        "revoked": texts[2],
        "absent": "",
    }
    taken: dict[str, list[float]] = {name: [] for name in shown}
    for _ in range(ROUNDS):
        for name, text in shown.items():
            began = time.process_time()
            for _ in range(LOOKUPS):
                with suppress(Unauthorized):
                    roll.whose(text, NOW)
            taken[name].append((time.process_time() - began) / LOOKUPS * 1e6)
    middle = {name: statistics.median(values) for name, values in taken.items()}
    bad = [value for name, value in middle.items() if name != "valid"]
    spread = max(bad) / min(bad) - 1
    rows = [("key", "us"), *((name, f"{value:.2f}") for name, value in middle.items())]
    peers.show(f"Looking up one of {TENANTS} keys, median of {ROUNDS} rounds, processor time", rows)
    print(f"\nBad keys differ by {spread:.1%} (bound {BOUND:.0%}).")
    return 0 if spread <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
