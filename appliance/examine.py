"""What is known of a request before it is decided, and without what it may leave: described, scanned and redacted.

Rules kept here:
1. What nobody needs is not computed.
2. Nothing long is done on the loop, and a long text holds up no short one, nor any classifying.
3. What could not be read counts as 'unscanned', and what could not be redacted does not leave.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import structlog

from appliance.decide.generation import Generation
from appliance.decide.labels import Detectors
from appliance.features import detect, language
from appliance.features.classify import Classifier
from appliance.features.describe import describe
from appliance.features.detect.remembered import Counts, GiveUp, Remembered, together
from appliance.features.detect.texts import attachments, meanings, written
from appliance.fleet import Fleet
from appliance.fleets import Fleets
from appliance.records.features import FindingKind
from appliance.records.request import Request
from appliance.redact import NotRedactable, Redaction, redact
from appliance.semantic import Semantic
from appliance.serve import Described

log = structlog.get_logger("weir.examine")
_LONG_CHARS = 50_000  # of one request
T = TypeVar("T")


class Examiner:
    """`start` before use, `close` at the end.

    Classifying is done on `features`, the description of long texts on `reading`; `draw` is uniform in [0, 1).
    """

    def __init__(
        self,
        fleets: Fleets,
        semantic: Semantic,
        *,
        similar: bool,
        features: Executor,
        reading: Executor,
        draw: Callable[[], float],
    ) -> None:
        """`similar` tells whether the host has similar questions looked for at all."""
        self._fleets = fleets
        self._semantic = semantic
        self._similar = similar
        self._features = features
        self._reading = reading
        self._draw = draw
        self._remembered = Remembered()
        self._detecting = ThreadPoolExecutor(1, thread_name_prefix="weir-detect")
        self._detecting_long = ThreadPoolExecutor(1, thread_name_prefix="weir-detect-long")

    async def start(self) -> None:
        """Load what the first request would wait for."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._features, language.load)
        await loop.run_in_executor(self._detecting, detect.load)

    def close(self) -> None:
        """Begin nothing more."""
        self._detecting.shutdown(wait=False, cancel_futures=True)
        self._detecting_long.shutdown(wait=False, cancel_futures=True)

    async def describe(self, request: Request, fleet: Fleet, *, similar: bool, watched: bool) -> Described:
        """What is known of the request. Its task is classified, off the loop, only where there is something to choose,
        or where `similar` questions are to be looked for; one that is not `watched` counts for nothing.
        """
        named = fleet.generation.card_by_id.get(request.model)
        needless = "auto" not in (request.model, *request.models) and not (
            named is not None and named.gate
        )  # a gate reads the task too
        similar = similar and self._similar and self._semantic.asks(request, fleet.generation)
        classifier = fleet.classifier
        loop = asyncio.get_running_loop()
        if (needless and not similar) or request.kind == "embedding" or classifier is None:
            contents = [message.content for message in request.messages] or [request.prompt, *request.inputs]
            if sum(map(len, contents)) > _LONG_CHARS:
                return Described(await loop.run_in_executor(self._reading, describe, request))
            return Described(describe(request))
        draw = self._draw() if watched else None
        work = partial(self._describe, request, classifier, fleet.generation if similar else None, draw)
        return await loop.run_in_executor(self._features, work)

    def _describe(
        self, request: Request, classifier: Classifier, generation: Generation | None, draw: float | None
    ) -> Described:
        """On the thread for features. With a generation similar questions are looked for."""
        features = describe(request, classifier)
        vector, features = features.embedding, replace(features, embedding=None)
        if generation is None or vector is None:
            return Described(features)
        task = features.cells[0][0].partition("/")[0]
        found = self._semantic.look(request, task, np.asarray(vector, np.float32), generation, classifier, draw)
        return Described(features, *found)

    async def detect(self, request: Request) -> Counts:
        """What detectors find in all texts of the request, by kind. Where they fail or are late: 'unscanned'."""
        remembered, tenant = self._remembered, request.tenant
        try:
            read = tuple(written(request))
            size = sum(map(len, read))
            if size > _LONG_CHARS:
                found = await self._aside(partial(remembered.counts, tenant, read), size)
            else:
                before, new = remembered.known(tenant, read)
                texts = tuple(one.text for one in new)
                if detect.quick(texts) and detect.quick(meanings(texts)):
                    looked = remembered.look(new)
                else:
                    looked = await self._aside(partial(remembered.look, new), size)
                found = together((*before, *looked))
            media = attachments(request)
        except Exception as error:  # noqa: BLE001 - whatever failed, the text was not read, and the label says so
            log.error("not-scanned", kind=type(error).__name__)
            return (("unscanned", 1),)
        return (("attachment", media), *found) if media else found

    async def _aside(self, look: Callable[[GiveUp], T], characters: int) -> T:
        """What detectors find, on a thread of their own. Raises TimeoutError."""
        given_up = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._fleets.current.generation.detectors.timeout_s):
                return await loop.run_in_executor(self._thread_for(characters), look, given_up.is_set)
        finally:
            given_up.set()  # also where the client went away: the thread stops at its next piece

    async def redact(self, request: Request, known: tuple[FindingKind, ...], detectors: Detectors) -> Redaction:
        """The request without what can be redacted. Raises NotRedactable, also where it takes too long or fails."""
        given_up = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(detectors.timeout_s):
                work = partial(redact, request, detectors.redacts, known, given_up.is_set)
                return await loop.run_in_executor(self._thread_for(sum(map(len, written(request)))), work)
        except NotRedactable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever failed, it is not redacted, so it does not leave
            log.error("not-redacted", kind=type(error).__name__)
            raise NotRedactable("looking at it failed or took too long") from None
        finally:
            given_up.set()

    def _thread_for(self, characters: int) -> Executor:
        return self._detecting if characters <= _LONG_CHARS else self._detecting_long
