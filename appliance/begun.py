"""What runs a decision: one execution, or for a composed answer one that makes several.

Rules kept here:
1. All that outlives its request by a moment is a function, no method: what a request leaves behind must hold no circle,
   or only the collector takes it away, and it takes long.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from appliance.compose import Composing
from appliance.decide.candidates import kinds_of
from appliance.decide.labels import Detectors, raised
from appliance.execute import Execution
from appliance.features.count import bounded
from appliance.features.describe import describe
from appliance.flight import Executing
from appliance.recorded import asked_of
from appliance.records.decision import Asked, Carried, Decision, Snapshot
from appliance.records.features import Features
from appliance.records.request import Request
from appliance.records.value import changed
from appliance.redact import Redaction
from appliance.tenancy.hold import Hold

if TYPE_CHECKING:
    from appliance.fleet import Fleet
    from appliance.node import Node


class Begun(NamedTuple):
    """Where and when a request is run. `at` by the clock of its execution, `now` in Unix seconds; `weight` is its
    tenant's, `hold` pays for it.
    """

    node: Node
    fleet: Fleet
    at: float
    now: float
    weight: int
    hold: Hold | None


def executing(
    begun: Begun,
    request: Request,
    asked: Asked,
    features: Features,
    decision: Decision,
    snapshot: Snapshot,
    carried: Carried | None,
) -> Executing:
    """What runs the decision; nothing of it has begun."""
    begin = partial(_execution, begun)
    if not decision.steps or decision.steps[0].composition is None:
        return begin(request, features, decision)
    generation = begun.fleet.generation
    inspect = partial(_inspected, begun.node, generation.detectors, asked, features, carried)
    return Composing(request, decision, generation, snapshot, inspect=inspect, begin=begin)


def _execution(begun: Begun, request: Request, features: Features, decision: Decision) -> Execution:
    node, fleet, hold = begun.node, begun.fleet, begun.hold
    return Execution(
        request,
        features if hold is None else bounded(request, features),
        decision,
        fleet.generation,
        fleet.paths,
        began=begun.at,
        now=begun.now,
        redact=partial(_redacted, node, fleet.generation.detectors),
        turns=fleet.turns,
        upstreams=fleet.upstreams,
        weight=begun.weight,
        purse=hold,
        draw=node.draw,
    )


async def _inspected(
    node: Node, detectors: Detectors, asked: Asked, features: Features, carried: Carried | None, request: Request
) -> tuple[Request, Asked, Features]:
    """A request that is made for a call of a composed answer: labelled by what is found in it and in the whole."""
    given = asked.labels if asked.raised is None else replace(asked.labels, classification=asked.raised.given)
    found = dict(features.findings)
    for kind, count in await node.examiner.detect(request):
        found[kind] = max(count, found.get(kind, 0))
    findings = tuple(found.items())
    labels, by = raised(replace(request.labels, classification=given.classification), findings, detectors, carried)
    request = changed(request, labels=labels)
    described = changed(describe(request), cells=features.cells, findings=findings)
    return request, asked_of(request, by, asked.scope), described


async def _redacted(node: Node, detectors: Detectors, request: Request, features: Features) -> Redaction:
    return await node.examiner.redact(request, kinds_of(features), detectors)
