"""Resident memory of `weir serve` with embedder and task classifier loaded and no worker beside it.

RSS counts shared pages in full, PSS by their share, private pages belong to the process alone; all from /proc.
Measured when the node is ready, and again after it classified and embedded texts of every length.

Exits with 1 where the target is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import peers  # noqa: E402

TARGET_MB = 400.0
_FIELDS = {"Rss": "rss", "Pss": "pss", "Private_Clean": "private", "Private_Dirty": "private", "Swap": "swap"}


def memory_of(pid: int) -> dict[str, float]:
    """MB (10^6 bytes) by kind."""
    found = dict.fromkeys(("rss", "pss", "private", "swap"), 0.0)
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in _FIELDS:
            found[_FIELDS[name]] += int(rest.split()[0]) * 1024 / 1e6
    return found


def children_of(pid: int) -> int:
    return sum(len(path.read_text().split()) for path in Path(f"/proc/{pid}/task").glob("*/children"))


def ask(url: str, body: dict[str, object]) -> dict[str, object]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, object] = json.loads(answer.read())
        return found


def use(url: str, evals: Path, texts: int) -> str:
    """Classify and embed; returns the last cell, as proof that the classifier answered."""
    prompts = [json.loads(line)["prompt"] for line in evals.read_text().splitlines()[:: max(1, 1000 // texts)]]
    prompts += ["A long text. " * 400, "Ein Satz auf Deutsch über die Pumpe in Halle 3.", "短い文"]
    cell = ""
    for prompt in prompts:
        explained = ask(f"{url}/v1/route", {"model": "auto", "messages": [{"role": "user", "content": prompt}]})
        cell = explained["features"]["cells"][0][0]  # type: ignore[index]
        if prompt == prompts[0] and cell == "other/medium":
            sys.exit("the classifier is not loaded: the first text is of the unknown cell")
    for start in range(0, len(prompts), 16):
        # The embedder refuses what is over its 256 tokens; 800 characters are within them.
        within = [prompt[:800] for prompt in prompts[start : start + 16]]
        ask(f"{url}/v1/embeddings", {"model": "all-minilm-l6-v2", "input": within})
    return cell


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--starter", type=Path, default=ROOT / "build/starter")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="weir-memory-"))
    content = peers.starter_content(work / "content", options.starter, [])
    with peers.node(work, content) as (url, child):
        ready = memory_of(child.pid)
        use(url, ROOT / "bundles/starter/evals/edge-desk.jsonl", options.texts)
        used = memory_of(child.pid)
        if children_of(child.pid):
            sys.exit("the node has child processes: this is not the node without workers")
    facts = peers.machine("onnxruntime", "tokenizers", "numpy", "aiohttp")
    print(json.dumps(facts))
    rows = [("MB (10^6 bytes)", "RSS", "PSS", "private", "swap")]
    for name, found in (("ready", ready), ("after use", used)):
        rows.append((name, *(f"{found[kind]:.0f}" for kind in ("rss", "pss", "private", "swap"))))
    peers.show(f"weir serve, {options.texts} texts classified and embedded", rows)
    met = used["rss"] <= TARGET_MB
    print(f"\n  RSS after use {used['rss']:.0f} MB, target <= {TARGET_MB:.0f}: {'met' if met else 'MISSED'}")
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": facts, "ready": ready, "used": used, "met": met}, indent=1))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
