"""What confinement costs: processor time per token of a confined process and of two free ones, turn by turn.

Prints the ratio of pairs with their spread, and the same of the two free ones: the noise. No wall clock.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from appliance.paths.confine import Confinement, confine  # noqa: E402
from appliance.paths.contract import Job  # noqa: E402
from appliance.paths.llama_cpp.engine import Engine  # noqa: E402
from appliance.paths.llama_cpp.protocol import Settings  # noqa: E402
from appliance.paths.llama_cpp.supervisor import environment  # noqa: E402
from appliance.paths.llama_cpp.worker import load  # noqa: E402
from appliance.records.request import Sampling  # noqa: E402

TOKENS = 200


def once(engine: Engine, number: int) -> float:
    """Processor seconds per token of one completion."""
    job = Job(
        id="b",
        kind="completion",
        prompt="Sort ascending: 31, 7, 19.",
        sampling=Sampling(temperature=1.0, seed=number, max_tokens=TOKENS),
    )
    engine.submit(number, job)
    tokens, began = 0, time.process_time()
    while engine.busy:
        engine.step()
        for end in (engine.take() or [[], []])[1]:
            tokens += end[2][1]
    return (time.process_time() - began) / tokens


def child(settings: Settings, *, confined: bool) -> None:
    """Answer each number on stdin with the processor time per token of that completion."""
    held = confine([Path(settings.model)]) if confined else Confinement("nothing", "")
    engine, facts = load(settings, held)
    print(facts.confined, flush=True)
    for line in sys.stdin:
        print(once(engine, int(line)), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT / "build/starter/models/weir-desk.gguf")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--as", dest="role", choices=("free", "confined"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    settings = Settings(str(options.model), 0, 1, 128, options.threads, 0, TOKENS)
    if options.role:
        child(settings, confined=options.role == "confined")
        return 0
    command = [sys.executable, __file__, "--model", str(options.model), "--threads", str(options.threads), "--as"]
    pipe = subprocess.PIPE
    roles = ("free", "confined", "free")
    env = environment()
    children = [subprocess.Popen([*command, role], stdin=pipe, stdout=pipe, text=True, env=env) for role in roles]
    by = [one.stdout.readline().strip() for one in children]
    rows = []
    for number in range(options.runs + 3):
        turn = [0, 1, 2] if number % 2 else [2, 1, 0]  # a drift of the machine meets both sides alike
        row = [0.0] * 3
        for index in turn:
            children[index].stdin.write(f"{number}\n")
            children[index].stdin.flush()
            row[index] = float(children[index].stdout.readline())
        rows.append(row)
    for one in children:
        one.stdin.close()
        one.wait()
    free, confined, again = zip(*rows[3:], strict=True)
    print(
        f"confined by {by[1]}; {options.runs} completions of {TOKENS} tokens each, the same seeds, {options.threads} threads"
    )
    print(
        f"  processor time per token  free {1000 * statistics.median(free):.3f} ms, confined {1000 * statistics.median(confined):.3f} ms"
    )
    for name, first, second in (("confined / free", confined, free), ("free / free    ", again, free)):
        ratios = sorted(a / b for a, b in zip(first, second, strict=True))
        low, high = ratios[len(ratios) // 4], ratios[3 * len(ratios) // 4]
        print(f"  {name}           {statistics.median(ratios):.3f}  (middle half {low:.3f} to {high:.3f})")
    quick = [sorted(times)[len(times) // 10] for times in (confined, free, again)]
    print(
        f"  quickest tenth            confined / free {quick[0] / quick[1]:.3f}, free / free {quick[2] / quick[1]:.3f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
