"""Recall and precision of the detectors, a kind at a time, on the labelled set `benchmarks/detectors/set.jsonl`.

A kind is found in a text or not. Intervals are Wilson's, 95 %. `alarms` are texts of the groups 'near' and
'negative', which hold nothing, in which anything is found. Exits with 1 where a target is missed: recall of at least
0.98 for each kind with a checksum in sentences, at most 1 % alarms. Beside that: what looking at a conversation takes that
brings all of its turns again with each new one.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from appliance.features import detect  # noqa: E402
from appliance.features.detect.remembered import Remembered  # noqa: E402
from appliance.learn.stats import wilson  # noqa: E402

SET = ROOT / "benchmarks" / "detectors" / "set.jsonl"
CHECKED = ("iban", "card", "de-tax-id", "fr-nir", "es-dni", "it-codice-fiscale", "nl-bsn", "pl-pesel")
RECALL, ALARMS = 0.98, 0.01
TURNS, TEXTS_OF_A_TURN = 20, 25  # of a conversation; some 1,650 characters a turn


def load(path: Path = SET) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def score(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts: found and there by (kind, bare or not), false by kind, alarms of all texts that hold nothing."""
    there: Counter[tuple[str, bool]] = Counter()
    found: Counter[tuple[str, bool]] = Counter()
    false: Counter[str] = Counter()
    missed, alarmed, empty, characters = [], [], 0, 0
    began = time.process_time()
    seen = [{kind for kind, _ in detect.counts([row["text"]])} for row in rows]
    seconds = time.process_time() - began
    for row, kinds in zip(rows, seen, strict=True):
        characters += len(row["text"])
        bare = row["group"] == "bare"
        for kind in row["kinds"]:
            there[kind, bare] += 1
            found[kind, bare] += kind in kinds
            if kind not in kinds:
                missed.append(row)
        for kind in kinds - set(row["kinds"]):
            false[kind] += 1
        if not row["kinds"]:
            empty += 1
            if kinds:
                alarmed.append(row)
    return {
        "there": there, "found": found, "false": false, "missed": missed, "alarmed": alarmed, "empty": empty,
        "us_per_1000_characters": seconds * 1e9 / max(1, characters),
    }  # fmt: skip


def interval(k: int, n: int) -> str:
    low, high = wilson(k, n)
    return f"{low:.3f} to {high:.3f}" if n else "-"


def conversation(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """Processor time, in seconds, of looking at all turns of a conversation with each of its turns: anew, and where
    what came before is remembered.
    """
    texts = [row["text"] for row in rows]
    turns = [" ".join(texts[at : at + TEXTS_OF_A_TURN]) for at in range(0, TURNS * TEXTS_OF_A_TURN, TEXTS_OF_A_TURN)]
    began = time.process_time()
    for last in range(1, TURNS + 1):
        detect.counts(turns[:last])
    anew = time.process_time()
    remembered = Remembered()
    for last in range(1, TURNS + 1):
        remembered.counts("", turns[:last])
    return anew - began, time.process_time() - anew


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--show", action="store_true", help="print the texts that were missed or that alarmed")
    parser.add_argument("--set", type=Path, default=SET, help="another labelled set of the same form")
    options = parser.parse_args()
    detect.load()
    rows = load(options.set)
    result = score(rows)
    there, found, false = result["there"], result["found"], result["false"]
    print(
        f"{platform.machine()}, CPython {platform.python_version()}; {len(rows)} texts, {result['empty']} of them hold nothing"
    )
    print("| kind | recall | 95 % | bare | precision | 95 % |\n|---|---|---|---|---|---|")
    ok = True
    for kind in dict.fromkeys(kind for kind, _ in there):
        k, n = found[kind, False], there[kind, False]
        bare = f"{found[kind, True]}/{there[kind, True]}" if there[kind, True] else "-"
        right = k + found[kind, True]
        claimed = right + false[kind]
        ok &= kind not in CHECKED or k / n >= RECALL
        print(f"| {kind} | {k / n:.3f} ({k}/{n}) | {interval(k, n)} | {bare} | "
              f"{right / max(1, claimed):.3f} ({right}/{claimed}) | {interval(right, claimed)} |")  # fmt: skip
    alarms = len(result["alarmed"])
    share = alarms / result["empty"]
    ok &= share <= ALARMS
    print(
        f"alarms: {alarms} of {result['empty']} ({share:.2%}; {interval(alarms, result['empty'])}); false by kind: {dict(false)}"
    )
    print(
        f"{result['us_per_1000_characters']:.0f} us of processor time a 1,000 characters; targets {'met' if ok else 'MISSED'}"
    )
    anew, remembered = conversation(rows)
    print(
        f"{TURNS} turns of a conversation: {anew * 1e3:.0f} ms anew, {remembered * 1e3:.0f} where they are remembered"
    )
    if options.show:
        for name in ("missed", "alarmed"):
            for row in result[name]:
                print(name, row["kinds"], json.dumps(row["text"], ensure_ascii=False)[:200],
                      [f.kind for f in detect.find(row["text"])])  # fmt: skip
    if options.json:
        figures = {k: v for k, v in result.items() if k not in ("missed", "alarmed", "there", "found")}
        options.json.write_text(json.dumps({**figures, "false": dict(false), "alarms": alarms, "met": ok}, indent=1))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
