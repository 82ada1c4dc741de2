"""Labels from request headers and metadata: what policy, the deadline and the cache are asked for.

Rules kept here:
1. An invalid value or an unknown X-Weir-* name is refused, naming the header: a typing error in a residency
   label must not turn into a request without one.
2. A header's value is never repeated in an error.
3. A header that appears twice is refused, Cache-Control alone may be split over several lines.
4. Metadata (an SDK's way to state labels without headers) only tightens what headers and defaults say.

It does not decide whether a caller may set a label; policy combines them with the tenant's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from appliance.errors import BadRequest
from appliance.intake.fields import nearest, shown
from appliance.intake.limits import Limits
from appliance.records.request import AND, CLASSIFICATIONS, RIGHTS, Labels

NOTHING_STATED = Labels()
_DECIMAL = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")
_SECONDS = re.compile(r"[0-9]{1,9}")
_REGION = re.compile(r"region:([A-Za-z0-9][A-Za-z0-9._-]{0,63})")
_COUNTRY = re.compile(r"country:([A-Za-z]{2})")
_LOCALE = re.compile(r"([A-Za-z]{2,3})(?:-([A-Za-z]{4}))?(?:-([A-Za-z]{2}|[0-9]{3}))?")
_VIA = re.compile(r"[0-9a-f]{16}(?:,[0-9a-f]{16}){0,7}")
_CONVERSATION = re.compile(r"[ -~]{1,256}")
_STRATEGY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VARIATION = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Request directives of RFC 9111 that ask for less than Weir does anyway.
_HARMLESS = frozenset(("no-transform", "max-stale", "min-fresh", "stale-if-error"))
_MOST_PLACES = 4  # that one residency joins
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
    places = [_place(place.strip()) for place in value.split("&")]
    if len(places) > _MOST_PLACES:
        raise _bad("X-Weir-Residency", f"at most {_MOST_PLACES} places")
    return AND.join(dict.fromkeys(places))


def _place(place: str) -> str:
    if place in ("node", "site"):
        return place
    if country := _COUNTRY.fullmatch(place):
        return f"country:{country[1].upper()}"
    if _REGION.fullmatch(place):
        return place
    raise _bad("X-Weir-Residency", "node, site, country:XX (two letters) or region:NAME, or several joined by '&'")


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


def _score(value: str, _: Limits) -> float:
    text = value.strip()
    if _DECIMAL.fullmatch(text) and float(text) <= 1.0:
        return float(text)
    raise _bad("X-Weir-Cache-Score", "a number from 0 to 1")


def _variation(value: str, _: Limits) -> str:
    text = value.strip()
    if _VARIATION.fullmatch(text):
        return text
    raise _bad("X-Weir-Variation", "1 to 64 letters, digits, dots, dashes or underscores")


def _strategy(value: str, _: Limits) -> str:
    text = value.strip()
    if _STRATEGY.fullmatch(text):
        return text
    raise _bad("X-Weir-Strategy", "the name of a strategy")


def _conversation(value: str, _: Limits) -> str:
    text = value.strip()
    if _CONVERSATION.fullmatch(text):
        return text
    raise _bad("X-Weir-Conversation", "1 to 256 printable ASCII characters")


def _via(value: str, _: Limits) -> tuple[str, ...]:
    text = value.strip()
    if _VIA.fullmatch(text):
        return tuple(text.split(","))
    raise _bad("X-Weir-Via", "the ids of 1 to 8 nodes, each 16 hex digits, as nodes state it to each other")


def _locale(value: str, _: Limits) -> str:
    if tag := _LOCALE.fullmatch(value.strip()):
        language, script, region = tag.groups(default="")
        return "-".join(part for part in (language.lower(), script.title(), region.upper()) if part)
    raise _bad("X-Weir-Locale", "a language with a script or a region, such as de, de-CH or zh-Hant-TW")


_HEADERS: dict[str, tuple[str, Callable[[str, Limits], Any]]] = {
    "x-weir-classification": (
        "classification",
        _word("X-Weir-Classification", CLASSIFICATIONS),
    ),
    "x-weir-residency": ("residency", _residency),
    "x-weir-purpose": ("purpose", _word("X-Weir-Purpose", ("commercial", "research", "high-risk"))),
    "x-weir-rights": ("rights", _word("X-Weir-Rights", ("licensed", "reserved"))),
    "x-weir-locale": ("locale", _locale),
    "x-weir-deadline": ("deadline_s", _deadline),
    "x-weir-quality-floor": ("quality_floor", _floor),
    "x-weir-below-floor": ("below_floor", _word("X-Weir-Below-Floor", ("serve", "refuse"))),
    "x-weir-cache-score": ("cache_score", _score),
    "x-weir-variation": ("variation", _variation),
    "x-weir-strategy": ("strategy", _strategy),
    "x-weir-conversation": ("conversation", _conversation),
    "x-weir-via": ("via", _via),
}


# What metadata may state, and which of two values is the tighter one; None where no two can be compared.
_ORDERED: dict[str, tuple[str, ...] | None] = {
    "classification": CLASSIFICATIONS,
    "residency": None,
    "purpose": None,
    "rights": RIGHTS,
    "locale": None,
    "conversation": None,
}


def is_label(name: str) -> bool:
    """Whether an entry of the metadata is meant for Weir."""
    return name.lower().replace("_", "-").startswith(("weir-", "x-weir-"))


def tightened(labels: Labels, metadata: Mapping[str, str], limits: Limits) -> Labels:
    """The labels with what the metadata's `weir_*` entries demand besides. Raises BadRequest naming the entry."""
    stated: dict[str, Any] = {}
    for name, value in metadata.items():
        where = f"metadata.{shown(name)}"
        header = "x-weir-" + name.lower().replace("_", "-").removeprefix("x-").removeprefix("weir-")
        slot, read = _HEADERS.get(header, ("", None))
        if read is None or slot not in _ORDERED:
            known = ", ".join(f"weir_{word}" for word in _ORDERED)
            raise BadRequest(f"'{where}' is no label.", param=where, next_step=f"Metadata may state {known}.")
        try:
            wanted = read(value, limits)
        except BadRequest as error:
            said = error.message.replace("Header", f"'{where}', like header", 1)
            raise BadRequest(said, param=where, next_step="Correct this entry and send the request again.") from None
        if slot in stated and stated[slot] != wanted:
            raise BadRequest(f"'{where}' is stated twice.", param=where, next_step="State each label once.")
        stated[slot] = _tighter(where, _ORDERED[slot], getattr(labels, slot), wanted)
    return replace(labels, **stated) if stated else labels


def _tighter(where: str, order: tuple[str, ...] | None, held: str, wanted: str) -> str:
    if order is not None:
        return max(held, wanted, key=order.index)
    if held and held != wanted:
        raise BadRequest(
            f"'{where}' and the header demand two things at once.", param=where, next_step="State one of the two."
        )
    return wanted


def read_labels(headers: Mapping[str, str], limits: Limits) -> Labels:
    """The labels that the headers state. Raises BadRequest with the header's name in `param`."""
    names = "\n".join(headers).lower()
    if "x-weir-" not in names and "cache-control" not in names:
        return NOTHING_STATED
    if "x-weir-" not in names:
        return _of_cache_control(
            tuple([value for name, value in headers.items() if len(name) == 13 and name.lower() == "cache-control"])
        )
    stated: dict[str, Any] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower.startswith("x-weir-"):
            _read(stated, lower, value, limits)
        elif lower == "cache-control":
            _cache_control(stated, value)
    return Labels(**stated) if stated else NOTHING_STATED


@lru_cache(maxsize=64)
def _of_cache_control(values: tuple[str, ...]) -> Labels:
    stated: dict[str, Any] = {}
    for value in values:
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
