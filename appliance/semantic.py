"""Answers to questions that mean the same: looked for, weighed against what is promised, and watched while they serve.

Rules kept here:
1. A question is compared only where its partition, its language and its words of time allow it, with questions of its
   own task and language, and only where something is certified for that task. Whatever errs is a miss.
2. Served is what no guard objects to and what scores at least the threshold in force: the certified one, or a stricter
   one where labels refuted it (`similar.watch`).
3. Of the would-be hits a share is drawn by lot and answered anew; the new answer is compared with the stored one, and
   the label is kept, without text.
4. `look`, `compare`, `label` and `refresh` compute and block: they are called on the node's thread for features, one at
   a time. What they share with the loop is counted under a lock.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import structlog

from appliance.cache.exact import Entry, ExactCache
from appliance.cache.partition import MOST_CHARACTERS, last_turn, partition_of
from appliance.cache.semantic import SemanticCache
from appliance.cache.staticity import Staticity, staticity
from appliance.decide.generation import Generation
from appliance.decide.similar import CellPromise, Similar
from appliance.features.classify import Classifier
from appliance.features.embedder import Floats
from appliance.records.decision import CacheHit
from appliance.records.request import Request
from appliance.similar.agree import Agreement, agree
from appliance.similar.reading import LANGUAGES, read
from appliance.similar.report import Seen
from appliance.similar.tongue import tongue
from appliance.similar.verifier import compare, fits
from appliance.similar.watch import RUN_DAYS, Count, Label, Watched, draws, watch
from appliance.store import Store
from appliance.store.similar_labels import add_counts, add_labels, read_seen, sweep

log = structlog.get_logger("weir.semantic")
PATH_ID = "cache/semantic"
_DAY_S = 86_400


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


@dataclass(frozen=True, slots=True)
class Match:
    """A stored answer that may serve. `drawn`: it is to be answered anew, by the lot `draw`; `nth` look-up of its task
    on this day (from 1970, UTC). `served`: it scores the threshold in force.
    """

    entry: Entry
    task: str
    language: str
    score: float
    p_good: float
    served: bool
    drawn: bool
    draw: float
    day: int
    nth: int
    verifier: str

    @property
    def stored(self) -> str:
        """What the stored answer says."""
        return self.entry.answer.choices[0].text

    def hit(self, now: float) -> CacheHit:
        """The match as a decision sees it."""
        entry = self.entry
        return CacheHit(PATH_ID, entry.key, now - entry.created, entry.origin, self.p_good, self.score, self.drawn)


class Semantic:
    """Of one node."""

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
        self._lock = threading.Lock()
        self._seen: dict[str, dict[str, Seen]] = {}  # by verifier and task
        self._unwritten: dict[tuple[str, str, int], Count] = {}  # by verifier, task and day
        self._watched: dict[tuple[str, str], tuple[int, Watched]] = {}

    def close(self) -> None:
        """Hand over what was counted."""
        self.cache.close()
        self._write_counts()

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
        cell = similar.promise.cell(question.task) if similar is not None else None
        stated = cell.at(self._budget(cell)) if cell is not None else None
        if similar is None or cell is None or stated is None or fits(similar.verifier, question.embedder):
            return None
        now, labels = self._clock(), request.labels
        asked = read(question.text, question.language)
        best, score = None, 0.0
        for near in self.cache.nearest(question.partition, question.vector, now):
            if near.language != question.language or near.cell != question.task:
                continue
            if labels.cache_max_age_s is not None and now - near.entry.created > labels.cache_max_age_s:
                continue
            compared = compare(similar.verifier, read(near.text, near.language), asked, near.cosine)
            if not compared.objections and compared.score > score:
                best, score = near, compared.score
        would_be = best is not None and score >= stated.threshold
        day, nth = int(now // _DAY_S), 0
        if draw is not None:
            nth = self._count(similar.verifier.digest, question.task, day, would_be=would_be)
        if best is None or not would_be or score < (labels.cache_score or 0.0):
            return None
        in_force = self._in_force(similar, question.task, cell, day)
        wrong = stated.evidence.wrong_per_hit or 0.0
        return Match(
            best.entry,
            question.task,
            question.language,
            score,
            min(best.entry.p_good, 1.0 - wrong),
            in_force.threshold is not None and score >= in_force.threshold,
            draw is not None and draws(self._share, draw, score, stated),
            draw or 0.0,
            day,
            nth,
            similar.verifier.digest,
        )

    def compare(self, match: Match, fresh: str, classifier: Classifier | None) -> Agreement:
        """The stored answer against a fresh one, '' where there is none."""

        def cosine(one: str, other: str) -> float:
            assert classifier is not None
            left, right = classifier.embedder.encode((one, other))
            return float(left @ right)

        return agree(match.stored, fresh, language=match.language, cosine=cosine if classifier is not None else None)

    def label(self, match: Match, found: Agreement) -> None:
        """Keep what came of a comparison."""
        label = Label(match.task, match.day, match.nth, match.score, self._share, match.draw, found.outcome, found.how)
        with self._lock:
            tasks = self._of(match.verifier)
            seen = tasks.get(match.task, Seen())
            tasks[match.task] = replace(seen, labels=(*seen.labels, label))
            self._watched.pop((match.verifier, match.task), None)
        self._write_counts()
        self._store.writer.put("cache", lambda connection: add_labels(connection, match.verifier, (label,)))
        log.info("semantic-label", cell=match.task, outcome=found.outcome, how=found.how, score=round(match.score, 4))

    def refresh(self) -> None:
        """Let go of labels that have aged out, and learn what an operator opened again. Raises sqlite3.Error."""
        today = int(self._clock() // _DAY_S)
        first = today - today % RUN_DAYS - RUN_DAYS
        with self._lock:
            for verifier, tasks in self._seen.items():
                opened = {task: seen.opened for task, seen in self._read(verifier).items()}
                for task, seen in tasks.items():
                    labels = tuple(label for label in seen.labels if label.day >= first)
                    counts = {day: count for day, count in (seen.counts or {}).items() if day >= first}
                    tasks[task] = Seen(labels, counts, opened.get(task))
            self._watched.clear()

    def _in_force(self, similar: Similar, task: str, cell: CellPromise, day: int) -> Watched:
        key = (similar.verifier.digest, task)
        with self._lock:
            known = self._watched.get(key)
            if known is not None and known[0] == day:
                return known[1]
            seen = self._of(key[0]).get(task, Seen())
            now = watch(cell, seen.labels, seen.counts or {}, today=day, delta=self._budget(cell), opened=seen.opened)
            before = known[1].state if known is not None else "open"
            self._watched[key] = day, now
        if now.state != before:
            log.warning("semantic-cell", cell=task, state=now.state, threshold=now.threshold)
        return now

    def _budget(self, cell: CellPromise) -> float | None:
        """The operator may only tighten."""
        return None if self._max_wrong is None else min(cell.delta, self._max_wrong)

    def _count(self, verifier: str, task: str, day: int, *, would_be: bool) -> int:
        """Count one look-up; which of its task it is on that day."""
        with self._lock:
            tasks = self._of(verifier)
            seen = tasks.get(task, Seen())
            counts = dict(seen.counts or {})
            old = counts.get(day, Count())
            new = counts[day] = Count(old.look_ups + 1, old.would_be_hits + would_be)
            tasks[task] = replace(seen, counts=counts)
            unwritten = self._unwritten.get((verifier, task, day), Count())
            self._unwritten[verifier, task, day] = Count(unwritten.look_ups + 1, unwritten.would_be_hits + would_be)
        return new.look_ups

    def _of(self, verifier: str) -> dict[str, Seen]:
        """What is on record of one verifier's scores, read once. The lock is held."""
        tasks = self._seen.get(verifier)
        if tasks is None:
            tasks = self._seen[verifier] = self._read(verifier)
        return tasks

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
        self._write_counts()
        today = int(now // _DAY_S)
        self._store.writer.put("cache", lambda connection: sweep(connection, today))

    def _write_counts(self) -> None:
        with self._lock:
            unwritten, self._unwritten = self._unwritten, {}
        for (verifier, task, day), count in unwritten.items():
            self._store.writer.put("cache", partial(_add_count, verifier, {(task, day): count}))


def _question(request: Request, task: str, vector: Floats, generation: Generation, embedder: str) -> Question | None:
    """None where the request is for the exact cache only."""
    partition = partition_of(request, generation.id, embedder)
    if partition is None:
        return None
    text = last_turn(request)
    language = tongue(text)
    if language not in LANGUAGES:
        return None
    return Question(partition, text, language, task, staticity(text, language), vector, embedder)


def _add_count(verifier: str, counts: Mapping[tuple[str, int], Count], connection: sqlite3.Connection) -> None:
    add_counts(connection, verifier, counts)
