"""What to expect of one path: P(good), cost, latency. Pure arithmetic.

Rules kept here:
1. Cell figures shrink towards the card's default (Beta prior of strength `prior_n`); a small sample moves little.
2. The lower bound is one-sided 95 %, by the normal approximation to the Beta posteriors of the cells. It orders
   and screens paths. Only a gate's certified threshold is called a quality floor.
3. Live figures win over the card's once there are any; waiting in a queue counts.
4. What a path holds of the prompt shortens its median only: the seconds of prefill saved, against the seconds in its
   queue. The 95th percentile and the cost are as if nothing were held; who counts on them must not be disappointed.
"""

from __future__ import annotations

import math

from appliance.decide.generation import Weights
from appliance.decide.price import price_of
from appliance.records.card import ModelCard
from appliance.records.chunks import Usage
from appliance.records.decision import Asked, Estimate, PathState
from appliance.records.features import Features

_Z95 = 1.6449


def p_good(card: ModelCard, features: Features, weights: Weights) -> tuple[float, float]:
    """P(good answer) and its lower bound over the request's cells."""
    default = card.accuracy_default
    default_n = card.accuracy_default_n or weights.default_claim_n
    mean = variance = covered = 0.0
    rows = card.accuracy_by_cell
    for cell, share in features.cells:
        row = rows.get(cell)
        if row is None:
            m, n = default, float(default_n)
        else:
            n = row.n + weights.prior_n
            m = (row.p * row.n + default * weights.prior_n) / n
        mean += share * m
        variance += share * m * (1.0 - m) / (n + 1.0)
        covered += share
    if covered < 1.0:
        mean += (1.0 - covered) * default
        variance += (1.0 - covered) * default * (1.0 - default) / (default_n + 1.0)
    return mean, max(0.0, mean - _Z95 * math.sqrt(variance))


def cost(card: ModelCard, features: Features, seconds: float) -> float:
    """Expected price of one answer that takes so long, in the card's currency."""
    if card.price.free:
        return 0.0
    expected = Usage(features.estimated_prompt_tokens, features.estimated_output_tokens)
    return price_of(card.price, expected, images=features.images, seconds=seconds)


def latency(card: ModelCard, state: PathState, features: Features) -> tuple[float, float]:
    """Expected seconds to the last token, median and 95th percentile."""
    speed = card.speed
    first = state.first_token_s if state.first_token_s is not None else speed.first_token_s
    first95 = state.first_token_p95_s if state.first_token_p95_s is not None else speed.first_token_p95_s
    rate = state.decode_tokens_per_s or speed.decode_tokens_per_s
    work = features.estimated_prompt_tokens / speed.prefill_tokens_per_s + features.estimated_output_tokens / rate
    wait = state.queued * (first + work) / max(1, state.slots)
    fresh = max(0, features.estimated_prompt_tokens - state.cached_prompt_tokens)
    rest = fresh / speed.prefill_tokens_per_s + features.estimated_output_tokens / rate
    return wait + first + rest, wait + max(first, first95) + 1.5 * work


def estimate(card: ModelCard, state: PathState, asked: Asked, features: Features, weights: Weights) -> Estimate:
    """All of it for one path that runs alone and takes its answer as it comes."""
    mean, low = p_good(card, features, weights)
    middle, high = latency(card, state, features)
    return valued(asked, weights, mean, low, cost(card, features, middle) * max(1, asked.n), middle, high)


def valued(
    asked: Asked, weights: Weights, mean: float, low: float, money: float, middle: float, high: float
) -> Estimate:
    """Expected utility: business value x P(good) - cost - latency weight x delay, as the caller prefers."""
    value, delay = preferred(asked, weights)
    return Estimate(mean, low, money, middle, high, value * mean - money - delay * middle)


def preferred(asked: Asked, weights: Weights) -> tuple[float, float]:
    """What a good answer and a second of waiting are worth to this caller."""
    value, delay = weights.business_value, weights.latency_weight
    if asked.scope is not None and asked.scope.business_value is not None:
        value = asked.scope.business_value
    if asked.preference == "cheap":
        value *= 0.25
    elif asked.preference == "fast":
        delay *= 25.0
    elif asked.preference == "best":
        value *= 100.0
    return value, delay
