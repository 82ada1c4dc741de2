"""Staging a bundle against `sha256sum` and `cp` with fsync of the same file, in turns, on this disk.

    .venv/bin/python benchmarks/bundle.py [--gib 1] [--rounds 3] [--where DIR] [--json FILE]

Wall seconds of each round, the ratio of the least ones, and the most memory that staging held.
Exits with 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from appliance.bundle import manifest as form
from appliance.bundle.manifest import Blob, Manifest

TARGET_RATIO, TARGET_MIB = 1.5, 64
STAGE = """
import sys
from pathlib import Path
from appliance.bundle import manifest, media, stage
with media.opened(Path(sys.argv[1])) as source:
    stage.stage(manifest.read_manifest(Path(sys.argv[2]).read_bytes()), source, Path(sys.argv[3]))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def bundle(top: Path, gib: float) -> tuple[Path, Path]:
    """A directory with one file of random bytes as blobs, and its manifest."""
    length = int(gib * 2**30)
    pieces = []
    (top / "a.bundle/metadata").mkdir(parents=True)
    for at, size in form.cuts(length):
        part, digest = top / f"part{at}", hashlib.sha256()
        with part.open("wb") as out:
            for done in range(0, size, 1 << 20):
                data = os.urandom(min(1 << 20, size - done))
                digest.update(data)
                out.write(data)
        place = top / "a.bundle" / form.blob_path(digest.hexdigest())
        place.parent.mkdir(parents=True, exist_ok=True)
        part.rename(place)
        pieces.append(Blob(digest.hexdigest(), size))
    stated = Manifest(
        id="benchmark-2026.1",
        security_epoch=0,
        least_appliance="0.1.0",
        architectures=("any",),
        files={"models/large.gguf": tuple(pieces)},
        disk_bytes=length,
    )
    (top / "generation.json").write_bytes(form.write_manifest(stated))
    return top / "a.bundle", top / "generation.json"


def timed(command: list[str | Path]) -> tuple[float, str]:
    os.sync()
    begin = time.perf_counter()
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - begin, ended.stdout


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gib", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--where", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.where) as folder:
        top = Path(folder)
        place, manifest = bundle(top, given.gib)
        blobs = [path for path in (place / "blobs").rglob("*") if path.is_file()]
        ours, theirs, memory = [], [], 0
        for _ in range(given.rounds):
            state = top / "state"
            state.mkdir()
            seconds, out = timed([sys.executable, "-c", STAGE, place, manifest, state])
            ours.append(seconds)
            memory = max(memory, int(out))
            shutil.rmtree(state)
            (top / "copy").mkdir()
            summed, _ = timed(["sha256sum", *blobs])
            copied, _ = timed(["sh", "-c", 'to=$1; shift; cp "$@" "$to" && sync "$to"/*', "cp", top / "copy", *blobs])
            theirs.append(summed + copied)
            shutil.rmtree(top / "copy")
    ratio, mib = min(ours) / min(theirs), memory / 1024
    found = {
        "gib": given.gib,
        "stage_s": [round(each, 2) for each in ours],
        "sha256sum_and_cp_s": [round(each, 2) for each in theirs],
        "ratio_of_least": round(ratio, 2),
        "stage_memory_mib": round(mib, 1),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(found, indent=1))
    if given.json is not None:
        given.json.write_text(json.dumps(found))
    return int(ratio > TARGET_RATIO or mib > TARGET_MIB)


if __name__ == "__main__":
    sys.exit(main())
