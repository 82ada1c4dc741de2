"""Answers to questions that mean the same: looked for, weighed against what is promised, and watched while they serve.

Rules kept here:
1. A question is compared only where its partition, its language and its words of time allow it, with questions of its
   own language, and only where something is certified for its task. One that was stored under another task is held to
   that task's promise as well. Whatever errs is a miss.
2. Served is what no guard objects to and what scores at least the threshold in force: the certified one, or a stricter
   one where labels refuted it (`similar.standing`).
3. Of the would-be hits a share is drawn by lot and answered anew; the new answer is compared with the stored one, and
   the label is kept, without text.
4. `look`, `compare`, `label` and `refresh` compute and block: they are called on the node's thread for features, one at
   a time.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import structlog

from appliance.cache.exact import Entry, ExactCache
from appliance.cache.partition import MOST_CHARACTERS, last_turn, partition_of
from appliance.cache.semantic import Near, SemanticCache
from appliance.cache.staticity import Staticity, staticity
from appliance.decide.generation import Generation
from appliance.decide.similar import Similar
from appliance.features.classify import Classifier
from appliance.features.embedder import Floats
from appliance.records.decision import CacheHit
from appliance.records.request import Request
from appliance.similar.agree import Agreement, agree
from appliance.similar.question_language import question_language
from appliance.similar.reading import LANGUAGES, read
from appliance.similar.report import Seen
from appliance.similar.standing import DAY_S, Drawn, Standing
from appliance.similar.tasks import certified_task
from appliance.similar.verifier import compare, fits
from appliance.similar.watch import Opened
from appliance.store import Store
from appliance.store.similar_labels import add_counts, add_labels, read_seen, sweep

log = structlog.get_logger("weir.semantic")
PATH_ID = "cache/semantic"
_GENERATIONS = 2  # whose standing is kept: requests of the one before may be in work


@dataclass(frozen=True, slots=True)
class Question:
    """What a question is found by, now and later."""

    partition: str
    text: str
    language: str
    task: str
    staticity: Staticity
    vector: Floats
    embedder: str  # digest of its file


@dataclass
class GenerationStanding:
    """How the task cells of one generation stand, and what an operator was known to have opened again."""

    standing: Standing
    verifier: str
    opened: dict[str, Opened]


@dataclass(frozen=True, slots=True)
class Match:
    """A stored answer that is good enough by the stated promise; `serve`: by what is in force too. `drawn`: it is
    answered anew instead.
    """

    entry: Entry
    language: str
    score: float
    p_good: float
    serve: bool
    drawn: Drawn | None
    held: GenerationStanding

    @property
    def stored(self) -> str:
        """What the stored answer says."""
        return self.entry.answer.choices[0].text

    def hit(self, now: float) -> CacheHit:
        """The match as a decision sees it."""
        entry, anew = self.entry, self.drawn is not None
        return CacheHit(PATH_ID, entry.key, now - entry.created, entry.origin, self.p_good, self.score, anew)


class Semantic:
    """Reuse of answers to similar questions, on one node."""

    def __init__(
        self, store: Store, exact: ExactCache, *, share: float, max_wrong: float | None, clock: Callable[[], float]
    ) -> None:
        """`share` of would-be hits is answered anew. `max_wrong` is the operator's budget, wrong answers of all
        look-ups; None: what the content states.
        """
        self._store = store
        self._share = share
        self._max_wrong = max_wrong
        self._clock = clock
        self.cache = SemanticCache(store, exact)
        self._held: OrderedDict[str, GenerationStanding] = OrderedDict()  # by generation
        self._lock = threading.Lock()

    def close(self) -> None:
        """Hand over what was counted."""
        self.cache.close()
        self.write()

    def asks(self, request: Request, generation: Generation) -> bool:
        """Whether anything can come of a look at this request, as far as that is cheap to say."""
        return (
            generation.similar is not None
            and PATH_ID in generation.card_by_id
            and request.kind == "chat"
            and bool(request.messages)
            and len(request.messages[-1].content) <= MOST_CHARACTERS
        )

    # ---- on the thread for features -------------------------------------------------------------------------

    def look(
        self,
        request: Request,
        task: str,
        vector: Floats,
        generation: Generation,
        classifier: Classifier,
        draw: float | None,
    ) -> tuple[Question | None, Match | None]:
        """The question as it may be kept, and the best stored one that means the same. Without a draw it counts for
        nothing. Never raises.
        """
        try:
            question = _question(request, task, vector, generation, classifier.embedder.digest)
            if question is None or question.staticity == "never":
                return None, None
            wanted = request.labels.cache == "default"
            return question, self._match(question, request, generation, draw) if wanted else None
        except Exception as error:  # noqa: BLE001 - rule 1
            log.error("semantic-miss", kind=type(error).__name__)
            return None, None

    def _match(self, question: Question, request: Request, generation: Generation, draw: float | None) -> Match | None:
        similar = generation.similar
        if similar is None or fits(similar.verifier, question.embedder):
            return None
        cell = similar.promise.cell(question.task)
        stated = cell.at(similar.promise.budgets(self._max_wrong).get(question.task)) if cell is not None else None
        if stated is None:
            return None
        now, labels = self._clock(), request.labels
        held = self._of(generation.id, similar)
        standing = held.standing
        best, score = self._nearest(question, similar, standing, now, labels.cache_max_age_s)
        if draw is None or labels.cache_score is not None:  # who asks for more than is promised says nothing of it
            ruling = standing.explain(question.task, score, now=now)
        else:
            ruling = standing.look_up(question.task, score, now=now, draw=draw)
        if best is None or score < (labels.cache_score or 0.0) or not (ruling.serve or ruling.drawn):
            return None
        serve = ruling.threshold is not None and score >= ruling.threshold
        p_good = min(best.entry.p_good, 1.0 - (stated.evidence.wrong_per_hit or 0.0))
        return Match(best.entry, question.language, score, p_good, serve, ruling.drawn, held)

    def _nearest(
        self, question: Question, similar: Similar, standing: Standing, now: float, max_age_s: float | None
    ) -> tuple[Near | None, float]:
        """The best of the nearest, and its score; 0 where there is none that a guard lets pass. One that was taken for
        another task has to be served under that task's threshold as well.
        """
        asked = read(question.text, question.language)
        best, score = None, 0.0
        for near in self.cache.nearest(question.partition, question.vector, now):
            if near.language != question.language:
                continue
            if max_age_s is not None and now - near.entry.created > max_age_s:
                continue
            compared = compare(similar.verifier, read(near.text, near.language), asked, near.cosine)
            if compared.objections or compared.score <= score:
                continue
            if near.cell == question.task or standing.explain(near.cell, compared.score, now=now).serve:
                best, score = near, compared.score
        return best, score

    def compare(self, match: Match, fresh: str, classifier: Classifier | None) -> Agreement:
        """The stored answer against a fresh one, '' where there is none."""

        def cosine(one: str, other: str) -> float:
            assert classifier is not None
            left, right = classifier.embedder.encode((one, other))
            return float(left @ right)

        return agree(match.stored, fresh, language=match.language, cosine=cosine if classifier is not None else None)

    def label(self, match: Match, found: Agreement) -> None:
        """Keep what came of a comparison."""
        if match.drawn is None:
            return
        label = match.drawn.label(found)
        now = match.held.standing.add(label)
        self.write(match.held)
        said = {"cell": label.cell, "outcome": label.outcome, "how": label.how, "score": round(label.score, 4)}
        log.info("semantic-label", **said, state=now.state if now is not None else "")

    def refresh(self) -> None:
        """Learn what an operator opened again. Raises sqlite3.Error."""
        for held in tuple(self._held.values()):
            for task, seen in self._read(held.verifier).items():
                if seen.opened is not None and held.opened.get(task) != seen.opened:
                    held.opened[task] = seen.opened
                    held.standing.open_at(task, seen.opened)

    def _of(self, generation: str, similar: Similar) -> GenerationStanding:
        held = self._held.get(generation)
        if held is None:
            verifier = similar.promise.verifier
            self.write()  # of those before, so that it is read here
            self._store.writer.flush()
            seen = self._read(verifier)
            standing = Standing(
                similar.promise, seen, share=self._share, deltas=similar.promise.budgets(self._max_wrong)
            )
            opened = {task: one.opened for task, one in seen.items() if one.opened is not None}
            held = GenerationStanding(standing, verifier, opened)
            with self._lock:
                self._held[generation] = held
                while len(self._held) > _GENERATIONS:
                    self._held.popitem(last=False)
        return held

    def _read(self, verifier: str) -> dict[str, Seen]:
        with closing(sqlite3.connect(f"file:{self._store.cache_path}?mode=ro", uri=True, timeout=5)) as connection:
            return read_seen(connection, verifier)

    # ---- on the loop ----------------------------------------------------------------------------------------

    def keep(self, question: Question, key: str, tenant: str, now: float, expires: float) -> None:
        """Let the question be found; its answer was handed to the exact cache under `key`."""
        self.cache.add(
            partition=question.partition,
            tenant=tenant,
            key=key,
            text=question.text,
            language=question.language,
            cell=question.task,
            vector=question.vector,
            now=now,
            expires=expires,
            embedder=question.embedder,
        )

    def sweep(self, now: float, embedder: str) -> None:
        """Drop what is over its time, and write what was counted."""
        self.cache.sweep(now, embedder)
        self.write()
        today = int(now // DAY_S)
        self._store.writer.put("cache", lambda connection: sweep(connection, today))

    def write(self, *more: GenerationStanding) -> None:
        """Hand the writer what was counted and labelled since, in what is held and in `more`."""
        with self._lock:
            every = {id(held): held for held in (*self._held.values(), *more)}.values()
            new = [(held.verifier, held.standing.take_new()) for held in every]

        def work(connection: sqlite3.Connection) -> None:
            for verifier, one in new:
                add_counts(connection, verifier, one.counts)
                add_labels(connection, verifier, one.labels)

        if any(one.labels or one.counts for _, one in new):
            self._store.writer.put("cache", work)


def _question(request: Request, task: str, vector: Floats, generation: Generation, embedder: str) -> Question | None:
    """None where the request is for the exact cache only."""
    partition = partition_of(request, generation.id, embedder)
    if partition is None:
        return None
    text = last_turn(request)
    language = question_language(text)
    if language not in LANGUAGES:
        return None
    return Question(partition, text, language, certified_task(task, text), staticity(text, language), vector, embedder)
