"""The behavioural suite of the semantic cache: which look-alikes get another's answer, and which variants get their own.

    .venv/bin/python benchmarks/semantic_suite.py                  # the seen kinds, one by one
    .venv/bin/python benchmarks/semantic_suite.py --second         # the kinds of the second part, as freely seen
    .venv/bin/python benchmarks/semantic_suite.py --third          # kinds that came later, as freely seen
    .venv/bin/python benchmarks/semantic_suite.py --fourth         # the kinds of the fourth part, as freely seen
    .venv/bin/python benchmarks/semantic_suite.py --fifth          # the kinds of the fifth part, as freely seen
    .venv/bin/python benchmarks/semantic_suite.py --sealed         # the sealed kinds, totals only
    .venv/bin/python benchmarks/semantic_suite.py --threshold 0.9  # the same threshold in every cell

Each pair of `semantic/*.jsonl` is one look-up: the first turn was stored, the second is asked, and the node's own chain
with the starter's verifier and promise says whether it is a hit. A hit in a kind whose pairs differ is false. Intervals
are Clopper and Pearson's, 95 %, two-sided. Where a cell abstains nothing is a hit; `abstained` counts those pairs, and a
run with `--threshold` shows what guards and verifier do by themselves.

Of the sealed part only totals are printed, and of kinds with more than 1 % false hits their rates but no names
(semantic/README.md says why).

Exits with 1 where a kind whose pairs differ has more than 1 % false hits, or the kinds that should hit hit less than
30 % overall.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import peers  # noqa: E402
from benchmarks.semantic_chain import Chain, Compared, interval, percent  # noqa: E402

SUITE = ROOT / "benchmarks" / "semantic"
FALSE_MOST, HITS_LEAST = 0.01, 0.30


@dataclass(slots=True)
class Kind:
    """What became of the pairs of a kind."""

    name: str
    same: bool
    pairs: int = 0
    hits: int = 0
    abstained: int = 0  # nothing objected, and the cell has no threshold
    objected: Counter[str] = field(default_factory=Counter)
    by_language: Counter[tuple[str, bool]] = field(default_factory=Counter)  # (language, hit)
    hit_rows: list[dict[str, Any]] = field(default_factory=list)
    missed_rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: dict[str, Any], found: Compared, threshold: float) -> None:
        hit = not found.objections and found.score >= threshold
        self.pairs += 1
        self.hits += hit
        self.abstained += not found.objections and threshold > 1.0
        self.objected.update(found.objections)
        self.by_language[row["language"], hit] += 1
        kept = {**row, "cosine": round(found.cosine, 3), "score": round(found.score, 4), "cell": found.cell}
        (self.hit_rows if hit else self.missed_rows).append({**kept, "objections": found.objections})

    @property
    def rate(self) -> float:
        return self.hits / self.pairs

    def facts(self) -> dict[str, Any]:
        low, high = interval(self.hits, self.pairs)
        return {
            "same": self.same, "pairs": self.pairs, "hits": self.hits, "low": low, "high": high,
            "abstained": self.abstained, "objected": dict(self.objected.most_common()),
        }  # fmt: skip


def load(part: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SUITE / f"{part}.jsonl").read_text("utf-8").splitlines()]


def run(rows: list[dict[str, Any]], chain: Chain, *, threshold: float | None, stated: bool) -> list[Kind]:
    """`stated`: each text is in the language that its row states; otherwise the node's own detection says."""
    kinds: dict[str, Kind] = {}
    for row in rows:
        tongue = row["language"] if stated else None
        found = chain.compare(chain.turn(row["a"], tongue), chain.turn(row["b"], tongue))
        limit = chain.limit(found.stored_cell, found.cell) if threshold is None else threshold
        kinds.setdefault(row["kind"], Kind(row["kind"], row["same"])).add(row, found, limit)
    return list(kinds.values())


def totals(kinds: list[Kind]) -> dict[str, Any]:
    """Of the kinds that must not hit, and of those that should."""
    found: dict[str, Any] = {}
    for name, same in (("false hits", False), ("hits", True)):
        of = [kind for kind in kinds if kind.same is same]
        pairs, hits = sum(kind.pairs for kind in of), sum(kind.hits for kind in of)
        low, high = interval(hits, pairs)
        languages = sorted({language for kind in of for language, _ in kind.by_language})
        found[name] = {
            "kinds": len(of), "pairs": pairs, "hits": hits, "low": low, "high": high,
            "abstained": sum(kind.abstained for kind in of),
            "by language": {
                language: [sum(kind.by_language[language, True] for kind in of),
                           sum(kind.by_language[language, False] + kind.by_language[language, True] for kind in of)]
                for language in languages
            },
        }  # fmt: skip
    wrong = [kind for kind in kinds if not kind.same and kind.rate > FALSE_MOST]
    found["kinds over the limit"] = len(wrong)
    found["rates over the limit"] = sorted((kind.rate for kind in wrong), reverse=True)
    found["worst kind"] = max((kind.rate for kind in kinds if not kind.same), default=0.0)
    found["met"] = not wrong and found["hits"]["hits"] >= HITS_LEAST * found["hits"]["pairs"]
    return found


def print_kinds(kinds: list[Kind]) -> None:
    for same, title in ((False, "Kinds that must not hit: false hits"), (True, "Kinds that should hit: hits")):
        rows: list[tuple[str, ...]] = [("kind", "pairs", "hits", "share", "95 %", "abstained", "objected (pairs)")]
        for kind in sorted((kind for kind in kinds if kind.same is same), key=lambda kind: -kind.rate):
            low, high = interval(kind.hits, kind.pairs)
            why = ", ".join(f"{name} {count}" for name, count in kind.objected.most_common(4))
            span = f"{percent(low)} to {percent(high)}"
            counts = (str(kind.pairs), str(kind.hits), percent(kind.rate), span, str(kind.abstained))
            rows.append((kind.name, *counts, why))
        peers.show(title, rows)


def print_totals(found: dict[str, Any]) -> None:
    for name in ("false hits", "hits"):
        of = found[name]
        languages = ", ".join(f"{tongue} {hits}/{pairs}" for tongue, (hits, pairs) in of["by language"].items())
        span = f"{percent(of['low'])} to {percent(of['high'])}"
        print(f"\n{name}: {of['hits']} of {of['pairs']} pairs of {of['kinds']} kinds, ", end="")
        print(f"{percent(of['hits'] / of['pairs'])} ({span}); abstained {of['abstained']}; {languages}")
    print(f"kinds over {percent(FALSE_MOST)} false hits: {found['kinds over the limit']}", end="; ")
    print(f"the worst has {percent(found['worst kind'])}")
    if found["rates over the limit"]:
        print(f"their rates: {', '.join(map(percent, found['rates over the limit']))}")
    print(f"target: none over it, and hits >= {percent(HITS_LEAST)}: {'met' if found['met'] else 'MISSED'}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--second", action="store_true", help="the second part, sealed until 2026-11-22")
    other.add_argument("--third", action="store_true", help="the kinds that came later")
    other.add_argument("--fourth", action="store_true", help="the fourth part, sealed until 2026-11-22")
    other.add_argument("--fifth", action="store_true", help="the fifth part, sealed until 2026-11-22")
    other.add_argument("--sealed", action="store_true", help="the sealed part; totals only")
    parser.add_argument("--threshold", type=float, help="of every cell, instead of the promise's")
    parser.add_argument("--stated", action="store_true", help="take each row's language, instead of detecting it")
    parser.add_argument("--examples", type=int, default=0, help="print so many false hits and misses of each kind")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    if options.sealed and options.examples:
        parser.error("--examples shows pairs, which --sealed keeps from sight")
    chain = Chain()
    part = next((name for name in ("second", "third", "fourth", "fifth", "sealed") if getattr(options, name)), "seen")
    kinds = run(load(part), chain, threshold=options.threshold, stated=options.stated)
    found = totals(kinds)
    if not options.sealed:
        print_kinds(kinds)
    for kind in kinds:
        for row in (kind.missed_rows if kind.same else kind.hit_rows)[: options.examples]:
            print(json.dumps(row, ensure_ascii=False))
    print(f"\n{part} part, threshold {options.threshold or 'of the promise'}", end="")
    print_totals(found)
    if options.json is not None:
        by_kind = {} if options.sealed else {kind.name: kind.facts() for kind in kinds}
        facts = {"part": part, "threshold": options.threshold, "totals": found, "kinds": by_kind}
        options.json.write_text(json.dumps(facts, indent=1))
    return 0 if found["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
