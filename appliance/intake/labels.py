"""Labels from request headers: what policy, the deadline and the cache are asked for.

Rules kept here:
1. An invalid value or an unknown X-Weir-* name is refused, naming the header: a typing error in a residency
   label must not turn into a request without one.
2. A header's value is never repeated in an error.
3. A header that appears twice is refused, Cache-Control alone may be split over several lines.

It does not decide whether a caller may set a label; policy combines them with the tenant's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from appliance.errors import BadRequest
from appliance.intake.fields import nearest, shown
from appliance.intake.limits import Limits
from appliance.records.request import Labels

NOTHING_STATED = Labels()
_DECIMAL = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")
_SECONDS = re.compile(r"[0-9]{1,9}")
_REGION = re.compile(r"region:([A-Za-z0-9][A-Za-z0-9._-]{0,63})")
_COUNTRY = re.compile(r"country:([A-Za-z]{2})")
_VARIATION = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Request directives of RFC 9111 that ask for less than Weir does anyway.
_HARMLESS = frozenset(("no-transform", "max-stale", "min-fresh", "stale-if-error"))
_AGAIN = "Correct or leave out this header and send the request again."


def _bad(name: str, expected: str) -> BadRequest:
    return BadRequest(f"Header {name} must be {expected}.", param=name, next_step=_AGAIN)


def _word(name: str, known: tuple[str, ...]) -> Callable[[str, Limits], str]:
    def read(value: str, _: Limits) -> str:
        word = value.strip().lower()
        if word not in known:
            raise _bad(name, "one of " + ", ".join(known))
        return word

    return read


def _residency(value: str, _: Limits) -> str:
    place = value.strip()
    if place in ("node", "site"):
        return place
    if country := _COUNTRY.fullmatch(place):
        return f"country:{country[1].upper()}"
    if _REGION.fullmatch(place):
        return place
    raise _bad("X-Weir-Residency", "node, site, country:XX (two letters) or region:NAME")


def _deadline(value: str, limits: Limits) -> float:
    text = value.strip()
    if _DECIMAL.fullmatch(text) and 0.0 < float(text) <= limits.deadline_s:
        return float(text)
    raise _bad("X-Weir-Deadline", f"seconds, more than 0 and at most {limits.deadline_s:g}")


def _floor(value: str, _: Limits) -> float:
    text = value.strip()
    if _DECIMAL.fullmatch(text) and float(text) <= 1.0:
        return float(text)
    raise _bad("X-Weir-Quality-Floor", "a number from 0 to 1")


def _variation(value: str, _: Limits) -> str:
    text = value.strip()
    if _VARIATION.fullmatch(text):
        return text
    raise _bad("X-Weir-Variation", "1 to 64 letters, digits, dots, dashes or underscores")


_HEADERS: dict[str, tuple[str, Callable[[str, Limits], Any]]] = {
    "x-weir-classification": (
        "classification",
        _word("X-Weir-Classification", ("public", "internal", "restricted", "secret")),
    ),
    "x-weir-residency": ("residency", _residency),
    "x-weir-deadline": ("deadline_s", _deadline),
    "x-weir-quality-floor": ("quality_floor", _floor),
    "x-weir-below-floor": ("below_floor", _word("X-Weir-Below-Floor", ("serve", "refuse"))),
    "x-weir-variation": ("variation", _variation),
}


def read_labels(headers: Mapping[str, str], limits: Limits) -> Labels:
    """The labels that the headers state. Raises BadRequest with the header's name in `param`."""
    names = "\n".join(headers).lower()
    if "x-weir-" not in names and "cache-control" not in names:
        return NOTHING_STATED
    stated: dict[str, Any] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower.startswith("x-weir-"):
            _read(stated, lower, value, limits)
        elif lower == "cache-control":
            _cache_control(stated, value)
    return Labels(**stated) if stated else NOTHING_STATED


def _read(stated: dict[str, Any], lower: str, value: str, limits: Limits) -> None:
    known = _HEADERS.get(lower)
    if known is None:
        near = nearest(lower, _HEADERS)
        raise BadRequest(
            f"Header {shown(lower)} is not known.",
            param=shown(lower),
            next_step=f"Did you mean {near}?" if near else "Known headers: " + ", ".join(_HEADERS) + ".",
        )
    slot, read = known
    if slot in stated:
        raise BadRequest(f"Header {lower} is stated twice.", param=lower, next_step=_AGAIN)
    stated[slot] = read(value, limits)


def _cache_control(stated: dict[str, Any], value: str) -> None:
    for directive in value.split(","):
        word, _, argument = directive.strip().lower().partition("=")
        if word == "no-store":
            stated["cache"] = "no-store"
        elif word == "no-cache":
            stated.setdefault("cache", "no-cache")  # no-store asks for more and stays
        elif word == "max-age":
            if not _SECONDS.fullmatch(argument.strip('"')):
                raise _bad("Cache-Control", "no-store, no-cache or max-age=SECONDS")
            stated["cache_max_age_s"] = int(argument.strip('"'))
        elif word and word not in _HARMLESS:
            raise _bad("Cache-Control", "no-store, no-cache or max-age=SECONDS")
