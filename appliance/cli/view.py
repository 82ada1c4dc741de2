"""Decisions and records as a person reads them, whether they came from the node or from telemetry.db.

Rules kept here:
1. Two forms are read: the one that the node explains (`/v1/route`, `/v1/decisions/ID`) and the stored record.
2. What is absent is shown as absent, never as zero; every text is cleaned before it is shown.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from appliance.cli.out import clean, duration, money, number, paint, table

Json = Mapping[str, Any]
_ASIDE = {"modality", "not-named"}  # why a path was never in question


@dataclass(frozen=True)
class Brief:
    """One request in one line. `time` in Unix seconds."""

    id: str
    time: float | None
    model: str
    path: str
    tier: str
    status: str
    reason: str
    seconds: float | None
    tokens: int | None
    cost: float | None
    tenant: str = ""  # '' for whoever is on the host


def brief(record: Json) -> Brief:
    """The one-line form."""
    decision, outcome = _decision(record), _mapping(record.get("outcome"))
    steps = _list(outcome.get("steps"))
    tokens = [count for step in steps if (count := step_tokens(step)) is not None]
    planned = step_paths(decision)
    tiers = {str(c.get("path")): str(c.get("tier", "")) for c in _list(decision.get("candidates"))}
    path = str(outcome.get("path") or (planned[0] if planned else ""))
    at = record.get("time", record.get("at"))
    return Brief(
        id=identity(record),
        time=float(at) if isinstance(at, (int, float)) else None,
        model=_model(record),
        path=path,
        tier=str(outcome.get("tier") or record.get("tier") or tiers.get(path, "")),
        status=str(outcome.get("status") or ("planned" if planned else "refused")),
        reason=reason_of(decision, outcome),
        seconds=_number(outcome.get("seconds")),
        tokens=sum(tokens) if tokens else None,
        cost=_number(outcome.get("cost")),
        tenant=tenant if (tenant := str(_mapping(record.get("asked")).get("tenant") or "")) != "local" else "",
    )


def _model(record: Json) -> str:
    """What was asked for; a strategy as a model names it, also where a header did."""
    asked = _mapping(record.get("asked"))
    model, strategy = str(asked.get("model") or record.get("model") or ""), asked.get("strategy")
    if not strategy:
        return model
    return f"strategy:{strategy}" if model in ("", "auto") else f"{model}, strategy:{strategy}"


def identity(record: Json) -> str:
    """The id that `why` takes."""
    return str(record.get("decision_id") or record.get("id") or _decision(record).get("id") or "")


def step_paths(decision: Json) -> list[str]:
    """The ids of the planned paths, in order."""
    chosen = decision.get("chosen")
    steps = chosen.get("steps") if isinstance(chosen, Mapping) else decision.get("steps")
    return [str(s.get("path")) if isinstance(s, Mapping) else str(s) for s in steps or ()]


def planned(record: Json) -> list[str]:
    """The ids of the planned paths of a record or an explained decision."""
    return step_paths(_decision(record))


def reason_of(decision: Json, outcome: Json) -> str:
    """Why the plan was chosen, or why nothing was.

    As in the response's header, 'below-floor' stands only where the answer was, whatever was expected of the plan.
    """
    chosen = decision.get("chosen")
    if chosen == "below-floor" and outcome.get("status") == "answered" and not outcome.get("below_floor"):
        chosen = "strategy" if decision.get("strategy") else "best-utility"
    text = decision.get("reason") or (chosen if isinstance(chosen, str) else "")
    if strategy := decision.get("strategy"):
        text = f"{text} ({strategy})"
    refusal = decision.get("refusal")
    return f"{text}: {refusal}" if refusal else str(text or "")


def step_tokens(step: Json) -> int | None:
    """Tokens in and out of one step."""
    if isinstance(step.get("tokens"), int):
        return int(step["tokens"])
    counts = [step.get(name) for name in ("prompt_tokens", "completion_tokens")]
    return sum(c for c in counts if isinstance(c, int)) if any(isinstance(c, int) for c in counts) else None


def clock(at: float | None) -> str:
    """Local time of day with the date, sortable."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at is not None else "-"


def explanation(record: Json, *, show_all: bool = False) -> str:
    """All of it, for `why` and `route`; candidates that were never in question only with `show_all`."""
    return "\n".join(_lines(record, show_all))


def _lines(record: Json, show_all: bool) -> Iterator[str]:
    decision, outcome = _decision(record), _mapping(record.get("outcome"))
    line = brief(record)
    head = [line.id or "(not recorded)"]
    if line.time is not None:
        head.append(clock(line.time))
    if line.model or line.tenant:
        asked_for = f"asked for {line.model}" if line.model else "asked"
        head.append(f"{asked_for} by {line.tenant}" if line.tenant else asked_for)
    yield clean("  ".join(head))
    steps = step_paths(decision)
    hedge = _mapping(decision.get("hedge"))
    if steps:
        stated = _list(decision.get("steps"))
        shown = [_step(step) for step in stated] or steps
        yield f"{paint('chosen', 'green')}   {clean(' then '.join(shown))}"
        for member in (one for step in stated for one in _list(_mapping(step.get("composition")).get("members"))):
            yield f"         {clean(_step(member))}"
        if spare := [_step(step) for step in _list(decision.get("fallbacks")) if step.get("why")]:
            yield f"else     {clean(', '.join(spare))}"
    elif decision.get("chosen") != "undecided" or decision.get("refusal"):
        yield paint("refused", "red")
    if hedge:
        second = _mapping(hedge.get("step")).get("path")
        yield f"hedged   with {clean(second)}, without a token after {duration(_number(hedge.get('after_s')))}"
    yield f"because  {clean(line.reason) or '-'}"
    if unmet := decision.get("unmet"):
        yield f"unmet    {clean(unmet)}"
    if generation := decision.get("generation") or record.get("generation"):
        yield f"under    generation {clean(generation)}"
    features = _mapping(record.get("features"))
    if features:
        yield f"request  {clean(', '.join(_features(features)))}"
    if found := [f"{pair[0]} {pair[1]}" for pair in features.get("findings") or () if len(pair) == 2]:
        yield f"found    {clean(', '.join(found))}"
    asked = _mapping(record.get("asked"))
    if labels := list(_labels(_mapping(asked.get("labels")))):
        yield f"labels   {clean(', '.join(labels))}"
    if change := _mapping(asked.get("raised")):
        by = ", ".join(map(str, change.get("by") or ())) or "-"
        yield f"raised   from {clean(change.get('given'))} by {clean(by)}"
    cache = _mapping(record.get("cache")) or _mapping(_mapping(record.get("snapshot")).get("cache"))
    if cache:
        near = f"{clean(cache.get('path'))}, score {number(cache.get('score'))}, {duration(cache.get('age_s'))} old"
        drawn = "; drawn to be answered anew, and not used" if cache.get("anew") else ""
        yield f"cached   {near}, made by {clean(cache.get('origin') or '-')}{drawn}"
    left = _number(_mapping(record.get("snapshot")).get("budget_left"))
    if left is not None:
        yield f"budget   {money(left)} was left"
    candidates = _list(decision.get("candidates"))
    if candidates:
        yield ""
        kept = candidates if show_all else [item for item in candidates if not _aside(item)]
        if kept:
            yield _candidates(kept, steps)
        if left_out := len(candidates) - len(kept):
            yield f"{left_out} for other requests or not named; --all shows them"
    ran = _list(outcome.get("steps"))
    if ran:
        yield ""
        yield _ran(ran)
    if outcome:
        yield ""
        yield clean(", ".join(_result(outcome)))


def _step(step: Json) -> str:
    """The path, with what is said of it."""
    path = f"{step.get('path')}{', redacted' if step.get('redacted') else ''}"
    if composition := _mapping(step.get("composition")):
        path = f"{composition.get('kind')}, at last by {path}"
    return f"{path} ({step['why']})" if step.get("why") else path


def _features(features: Json) -> Iterator[str]:
    cells = features.get("cells")
    if isinstance(cells, Mapping):
        cells = list(cells.items())
    for cell in list(cells or ())[:3]:
        if isinstance(cell, (list, tuple)) and len(cell) == 2:
            yield f"{cell[0]} {number(cell[1])}"
        else:
            yield str(cell)
    for name, value in features.items():
        if name == "cells" or value in (None, "", [], {}, False):
            continue
        if isinstance(value, (str, int, float)):
            yield f"{name.replace('_', ' ')} {number(value) if isinstance(value, float) else value}"


def _labels(labels: Json) -> Iterator[str]:
    if labels.get("classification") not in (None, "internal"):
        yield f"classification {labels['classification']}"
    if labels.get("residency"):
        yield f"residency {labels['residency']}"
    if labels.get("deadline_s") is not None:
        yield f"deadline {duration(labels['deadline_s'])}"
    if labels.get("quality_floor") is not None:
        yield f"quality floor {number(labels['quality_floor'])}"


def _aside(candidate: Json) -> bool:
    codes = {reason.get("code") for reason in _list(candidate.get("reasons"))}
    return bool(codes) and codes <= _ASIDE


def _candidates(candidates: list[Json], steps: list[str]) -> str:
    rows = []
    for item in candidates:
        figures = {**item, **_mapping(item.get("estimate"))}
        path = str(item.get("path", ""))
        mark = "*" if path in steps else ("" if item.get("eligible") else "-")
        rows.append(
            (
                mark,
                path,
                number(figures.get("p_good")),
                number(figures.get("p_good_low")),
                money(figures.get("cost")),
                duration(figures.get("latency_p50_s", figures.get("latency_s"))),
                duration(figures.get("latency_p95_s")),
                money(figures.get("utility")),
                "; ".join([*_redacting(item), *(_reason(one, figures) for one in item.get("reasons") or ())]),
            )
        )
    headers = ("", "PATH", "GOOD", "LOW", "COST", "P50", "P95", "UTILITY", "WHY NOT")
    return table(headers, rows, right=("GOOD", "LOW", "COST", "P50", "P95", "UTILITY"))


def _redacting(candidate: Json) -> Iterator[str]:
    """That a path may have the request redacted only, and by which rules."""
    redacting = _mapping(candidate.get("redacting"))
    if redacting:
        refused = _mapping(redacting.get("refused")).get("rule")
        permitted = ", ".join(map(str, redacting.get("rules") or ()))
        yield f"redacted: [{refused}] refuses it as it is, [{permitted}] permits it so"


def _reason(reason: object, figures: Json) -> str:
    if not isinstance(reason, Mapping):
        return str(reason)
    rule = f" [{reason['rule']}]" if reason.get("rule") else ""
    if reason.get("code") == "budget" and (most := _number(figures.get("most"))) is not None:
        rule += f" ({money(most)} at most)"
    return f"{reason.get('code', '')}: {reason.get('text', '')}{rule}"


def _ran(steps: list[Json]) -> str:
    rows = []
    for step in steps:
        judged = _mapping(step.get("judgement")).get("p_good", step.get("judged"))
        status = " ".join(str(part) for part in (step.get("status"), step.get("fault")) if part)
        rows += [_tried(step, one) for one in _list(step.get("attempts"))]
        rows.append(
            (
                _asked(step),
                status,
                duration(step.get("seconds")),
                number(step_tokens(step)),
                money(step.get("cost")),
                number(judged) if isinstance(judged, (int, float)) else judged or "-",
                step.get("device") or "-",
                "; ".join(part for part in (*_notes(step), step.get("message", "")) if part),
            )
        )
    headers = ("RAN", "STATUS", "TIME", "TOKENS", "COST", "JUDGED", "DEVICE", "")
    return table(headers, rows, right=("TIME", "TOKENS", "COST", "JUDGED"))


def _tried(step: Json, attempt: Json) -> tuple[str, ...]:
    """The row of an attempt that was followed by another at the same path."""
    waited = _number(attempt.get("waited_s"))
    said = (attempt.get("message", ""), f"asked again after {duration(waited)}" if waited else "asked again at once")
    return (
        _asked({"path": step.get("path", ""), "member": attempt.get("member")}),
        f"failed {attempt.get('fault', '')}",
        duration(attempt.get("seconds")),
        number(step_tokens(attempt)),
        money(attempt.get("cost")),
        "-",
        "-",
        "; ".join(part for part in said if part),
    )


def _asked(step: Json) -> str:
    """The path, and the member of it that was asked."""
    return f"{step.get('path', '')} ({step['member']})" if step.get("member") else str(step.get("path", ""))


def _notes(step: Json) -> Iterator[str]:
    """What is to be known of a step besides."""
    yield str(step.get("role") or "")
    yield _replaced(step)
    if step.get("shared"):
        yield "run by another request, identical and at the same time"
    if step.get("hedged"):
        yield "stopped: another path gave its first token first" if step.get("status") == "cancelled" else "hedged"
    if step.get("attempts"):
        yield "tokens and cost with its earlier attempts"
    if step.get("cost_known") is False:
        yield "its cost is an estimate"
    if step.get("usage_note"):
        yield f"the usage that its provider stated is {step['usage_note']}"


def _replaced(step: Json) -> str:
    counts = ", ".join(f"{pair[0]} {pair[1]}" for pair in step.get("redacted") or () if len(pair) == 2)
    return f"replaced {counts}" if counts else ""


def _result(outcome: Json) -> Iterator[str]:
    status = str(outcome.get("status") or "")
    if status:
        yield f"{status} ({outcome['error_code']})" if outcome.get("error_code") else status
    if outcome.get("below_floor"):
        yield "below the quality floor"
    if _number(outcome.get("seconds")) is not None:
        yield f"in {duration(outcome['seconds'])}"
    if _number(outcome.get("cost")) is not None:
        yield f"cost {money(outcome['cost'])}"
    if _number(outcome.get("frontier_cost")) is not None:
        yield f"the frontier would have cost {money(outcome['frontier_cost'])}"


def _decision(record: Json) -> Json:
    return _mapping(record.get("decision")) or record


def _mapping(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Json]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, (list, tuple)) else []


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
