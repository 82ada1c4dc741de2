"""How upstreams that fail are treated: limits that are content, with what is sane where a bundle says nothing.

Rules kept here:
1. Every limit has a number and a unit. Seconds, counts, shares.
2. They say how long and how often; what is permitted at all is policy's, and no limit widens it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from appliance.records.card import Frozen

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class Retries(Frozen):
    """How often one path is asked again, and how long is waited. Waits double, each between a half and all of it.

    `beside_others`: attempts where another path could answer instead; `alone`: where none could. `patience_s` and
    `longest_wait_s` are the longest single wait in either case, a server's Retry-After included.
    """

    beside_others: Annotated[int, Field(ge=1, le=10)] = 2
    alone: Annotated[int, Field(ge=1, le=10)] = 3
    first_wait_s: Positive = 0.2
    patience_s: Positive = 0.5
    longest_wait_s: Positive = 10.0


class Breaking(Frozen):
    """When a circuit breaker opens, and how it closes again.

    It opens after `connect_failures` calls in a row that could not connect; where of at least `least_calls` calls in
    the last `window_s` seconds a share of `error_share` failed; and where, of at least `least_answers`, the 95th
    percentile of the first token was over `slow_factor` times what the card says (0: never for that). It then rests for
    `pause_s`, doubling up to `longest_pause_s` each time that it opens again, and lets `probes` calls through: where
    all of them are answered it closes, and one that is not opens it again.
    """

    connect_failures: Annotated[int, Field(ge=1)] = 5
    window_s: Positive = 30.0
    least_calls: Annotated[int, Field(ge=1)] = 10
    error_share: Share = 0.5
    least_answers: Annotated[int, Field(ge=1)] = 20
    slow_factor: Annotated[float, Field(ge=0)] = 5.0
    pause_s: Positive = 5.0
    longest_pause_s: Positive = 60.0
    probes: Annotated[int, Field(ge=1)] = 3


class Hedging(Frozen):
    """Whether a second path is asked where the first gives no token in time. Off unless `on`.

    After `after_s` seconds; 0: after the 95th percentile of the path's first token, as it is lately or as its card says
    it is.
    """

    on: bool = False
    after_s: Annotated[float, Field(ge=0)] = 0.0


class Failing(Frozen):
    """All of it."""

    retries: Retries = Retries()
    breaking: Breaking = Breaking()
    hedging: Hedging = Hedging()
