"""Says which bundles lie on media that are plugged in. Nothing is taken into use for that."""

from __future__ import annotations

import asyncio
import time
from collections import deque

import structlog

from appliance.bundle.discover import Watch
from appliance.store.audit.log import Audit

log = structlog.get_logger("weir.media")
_NOTED, _NOTED_S = 64, 3600.0  # bundles that get into the audit, in how long
_REST_S = 300.0  # after looking failed


async def announce(media: Watch, audit: Audit) -> None:
    """Log and note what is found, for as long as it runs.

    Who plugs in and out all day fills the log, which is turned over, and not the audit, which is not.
    """
    noted: deque[float] = deque(maxlen=_NOTED)
    while True:
        try:
            async for found in media.news():
                facts = found.model_dump(exclude={"message", "next_step"})
                facts["would_be_taken"] = facts.pop("taken")
                log.info("bundle-found", **facts)
                now = time.monotonic()
                if len(noted) < _NOTED or now - noted[0] > _NOTED_S:
                    noted.append(now)
                    audit.note("admin", {"act": "bundle", "step": "found", **facts})
        except Exception as error:  # noqa: BLE001 - what looks at media of strangers begins anew
            log.error("media-not-watched", kind=type(error).__name__)
            await asyncio.sleep(_REST_S)
