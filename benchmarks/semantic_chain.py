"""What the benchmarks of the semantic cache share: the node's own chain on two texts, with no node around it.

Rules kept here:
1. Every step is the node's own code on the starter's own files: language, embedder, task classifier, staticity, reading,
   guards, measures, verifier, promise. Nothing is tuned, chosen or mended here.
2. What the node would not look up is a miss here too: a language that guards do not know, a question of the moment.
3. A threshold is the stricter of both turns' cells; a cell that abstains serves nothing, unless the benchmark was told a
   threshold.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from appliance.cache.staticity import staticity  # noqa: E402
from appliance.features.classify import Classifier  # noqa: E402
from appliance.features.embedder import Floats  # noqa: E402
from appliance.learn.stats import clopper_pearson_upper  # noqa: E402
from appliance.similar.measures import measures  # noqa: E402
from appliance.similar.promise import Promise  # noqa: E402
from appliance.similar.question_language import question_language as detected  # noqa: E402
from appliance.similar.reading import LANGUAGES, Reading, read  # noqa: E402
from appliance.similar.tasks import certified_task  # noqa: E402
from appliance.similar.verifier import Comparison, Verifier, compare  # noqa: E402

MODELS = ROOT / "build" / "starter" / "models"
SIMILAR = ROOT / "bundles" / "starter" / "similar"
LANGUAGE, NEVER = "(language)", "(staticity)"  # beside the guards' names: why a pair was not compared


@dataclass(frozen=True, slots=True)
class Turn:
    """A user turn as the node knows it. `reading` is None where it is not looked up by likeness, for `why`."""

    text: str
    vector: Floats
    cell: str
    language: str
    reading: Reading | None
    why: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Two turns. `score` is what the node goes by, 0 where anything objects; `unguarded` is the verifier's alone."""

    cosine: float
    objections: tuple[str, ...]
    score: float
    unguarded: float
    cell: str  # of the turn that was asked
    stored_cell: str


class Chain:
    """Loaded once; each text is embedded, classified and read once."""

    def __init__(self, models: Path = MODELS, similar: Path = SIMILAR) -> None:
        self.classifier = Classifier.load(models / "embedder", models / "classifier" / "task-classifier.onnx")
        self.verifier = Verifier.model_validate_json((similar / "verifier.json").read_bytes())
        self.promise = Promise.model_validate_json((similar / "promise.json").read_bytes())
        for name, whose in (("verifier", self.verifier.embedder_sha256), ("promise", self.promise.embedder)):
            if whose != self.classifier.embedder.digest:
                raise SystemExit(f"similar/{name}.json belongs to another embedder file than the one in {models}")
        self._turns: dict[tuple[str, str | None], Turn] = {}

    def turn(self, text: str, tongue: str | None = None) -> Turn:
        """`tongue`: the language as it is stated; None asks the node's own detection."""
        held = self._turns.get((text, tongue))
        if held is None:
            held = self._turns[text, tongue] = self.look(text, tongue)
        return held

    def look(self, text: str, tongue: str | None = None) -> Turn:
        """As `turn`, made anew."""
        found = self.classifier.classify(text)
        spoken = detected(text) if tongue is None else tongue
        why = LANGUAGE if spoken not in LANGUAGES else NEVER if staticity(text, spoken) == "never" else ""
        task, _, rest = found.cells[0][0].partition("/")
        cell = f"{certified_task(task, text)}/{rest}"
        return Turn(text, found.embedding, cell, spoken, None if why else read(text, spoken), why)

    def compare(self, stored: Turn, asked: Turn) -> Compared:
        cosine = min(1.0, float(stored.vector @ asked.vector))
        if stored.reading is None or asked.reading is None:
            why = {turn.why for turn in (stored, asked)} - {""}
            return Compared(cosine, tuple(sorted(why)), 0.0, 0.0, asked.cell, stored.cell)
        found = self.judge(stored.reading, asked.reading, cosine)
        alone = found.score
        if found.objections and found.objections != ("error",):
            alone = self.verifier.score(measures(stored.reading, asked.reading, cosine))
        return Compared(cosine, found.objections, found.score, alone, asked.cell, stored.cell)

    def judge(self, stored: Reading, asked: Reading, cosine: float) -> Comparison:
        return compare(self.verifier, stored, asked, cosine)

    def limit(self, *cells: str) -> float:
        """What a score has to reach for turns of these cells; infinite where one of them abstains."""
        return max(map(self._threshold, cells))

    def _threshold(self, cell: str) -> float:
        promised = self.promise.cell(cell)
        threshold = None if promised is None else promised.threshold
        return math.inf if threshold is None else threshold


def interval(k: int, n: int) -> tuple[float, float]:
    """Two-sided 95 % interval of a rate (Clopper and Pearson, 1934)."""
    return 1.0 - clopper_pearson_upper(n - k, n, 0.975), clopper_pearson_upper(k, n, 0.975)


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"
