"""Which path a caller prefers, as OpenRouter has it said: `model` with its suffix, `models`, `provider`.

Rules kept here:
1. Nothing here permits anything: what is read orders paths, or takes some away.
2. A name in `provider` that is not known is refused, and so is a value that could mean nothing here.
3. `order` and `sort` exclude each other: two orders are none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

from appliance.errors import UnknownModel, Unsupported
from appliance.intake.fields import array, choice, flag, missing, nearest, number, obj, refused, shown, text, wrong
from appliance.records.request import Preference, Priced, Providers

if TYPE_CHECKING:
    from appliance.intake.parameters import Draft

MOST_MODELS = 16
_MOST_NAMES = 64
_MOST_MONEY = 1e9
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_STRATEGY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,12})?")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
# OpenRouter's `:floor` and `:nitro` ask for the cheapest and for the fastest.
SUFFIXES: dict[str, Preference] = {"cheap": "cheap", "fast": "fast", "best": "best", "floor": "cheap", "nitro": "fast"}
_BY_STRATEGY = "strategy"
_SORTS = ("price", "throughput", "latency")
_LATER = "Leave it out: Weir drops no preference silently."


def model(draft: Draft, name: str, value: object) -> None:
    """`model`: 'auto' or the id of a path, with a suffix perhaps; or 'strategy:' and the name of one."""
    if type(value) is not str:
        raise wrong(name, "a string", value)
    draft.fields["model"] = value if value == "auto" else _one(draft, name, value, strategies=True)


def models(draft: Draft, name: str, value: object) -> None:
    """`models`: what is tried one after the other; where `model` is stated as well, that comes first."""
    found = []
    for index, entry in enumerate(array(name, value, MOST_MODELS, least=1)):
        where = f"{name}[{index}]"
        if type(entry) is not str:
            raise wrong(where, "a string", entry)
        found.append(_one(draft, where, entry, strategies=False))
    draft.fields["models"] = tuple(found)


def require_model(draft: Draft) -> None:
    """`model` is the one parameter that every endpoint needs; the first of `models` will do."""
    fields = draft.fields
    stated = fields.get("models", ())
    if "model" not in fields:
        if not stated:
            raise missing("model", "'auto' or the id of a path", "Send 'auto' to let Weir choose.")
        fields["model"] = stated[0]
    if stated:
        if fields.get("strategy"):
            raise refused("models", "left out where 'model' names a strategy", "State one of the two.")
        together = tuple(dict.fromkeys((fields["model"], *stated)))
        fields["models"] = together if len(together) > 1 else ()


def _one(draft: Draft, where: str, value: str, *, strategies: bool) -> str:
    base, colon, suffix = value.partition(":")
    if colon and base == _BY_STRATEGY and strategies and _STRATEGY.fullmatch(suffix):
        draft.fields["strategy"] = suffix
        return "auto"
    if colon and suffix in SUFFIXES:
        _prefer(draft, where, SUFFIXES[suffix])
        value = base
    elif colon and base == "auto":
        words = ", ".join(f"auto:{word}" for word in SUFFIXES)
        raise refused(where, f"auto or one of {words}, if it starts with auto")
    if not _MODEL.fullmatch(value):
        raise UnknownModel(
            "The model is not known.", param=where, next_step="GET /v1/models lists them; or send 'auto'."
        )
    return value


def _prefer(draft: Draft, where: str, preference: Preference) -> None:
    held = draft.fields.setdefault("preference", preference)
    if held != preference:
        raise refused(where, "of the same suffix as the other names", "State one suffix for all of them.")


# -- the preference object --------------------------------------------------------------------------------


def provider(draft: Draft, name: str, value: object) -> None:
    """`provider`: OpenRouter's preference object."""
    stated: dict[str, Any] = {}
    for key, entry in obj(name, value).items():
        read = _KEYS.get(key)
        where = f"{name}.{shown(key)}"
        if read is None:
            near = nearest(key, _KEYS)
            raise Unsupported(
                f"'{where}' is not supported.", param=where, next_step=f"Did you mean '{near}'?" if near else _LATER
            )
        if entry is not None:
            read(stated, where, entry)
    if stated.get("order") and stated.get("sort"):
        raise refused(f"{name}.sort", f"left out where '{name}.order' is stated", "State one of the two.")
    if stated:
        providers = Providers(**stated)
        draft.fields["providers"] = None if providers == _NOTHING else providers


def _names(field: str) -> Any:
    def read(stated: dict[str, Any], where: str, value: object) -> None:
        # An empty list of those to use would use nobody.
        entries = array(where, value, _MOST_NAMES, least=1 if field == "only" else 0)
        found = [text(f"{where}[{index}]", entry, 128, least=1).strip() for index, entry in enumerate(entries)]
        if not all(found):
            raise refused(where, "a list of names")
        stated[field] = tuple(dict.fromkeys(found))

    return read


def _quantisations(stated: dict[str, Any], where: str, value: object) -> None:
    found = []
    for index, entry in enumerate(array(where, value, _MOST_NAMES, least=1)):
        word = text(f"{where}[{index}]", entry, 32, least=1).lower()
        if not _WORD.fullmatch(word):
            raise refused(f"{where}[{index}]", "the name of a quantisation, such as int8 or q4_k_m")
        found.append(word)
    stated["quantisations"] = tuple(dict.fromkeys(found))


def _flag(field: str) -> Any:
    def read(stated: dict[str, Any], where: str, value: object) -> None:
        stated[field] = flag(where, value)

    return read


def _collection(stated: dict[str, Any], where: str, value: object) -> None:
    stated["data_collection"] = choice(where, value, ("allow", "deny"))


def _sort(stated: dict[str, Any], where: str, value: object) -> None:
    if type(value) is not dict:
        stated["sort"] = choice(where, value, _SORTS)
        return
    for key, entry in value.items():
        if key not in ("by", "partition"):
            raise refused(where, "a word, or an object with 'by' and 'partition'")
        if entry is not None:
            known = _SORTS if key == "by" else ("model", "none")
            stated["sort" if key == "by" else "partition"] = choice(f"{where}.{key}", entry, known)
    if "partition" in stated and "sort" not in stated:
        raise missing(f"{where}.by", "price, throughput or latency")


def _max_price(stated: dict[str, Any], where: str, value: object) -> None:
    found: list[tuple[str, float]] = []
    for key, entry in obj(where, value).items():
        field = f"{where}.{shown(key)}"
        if key not in get_args(Priced):
            raise Unsupported(
                f"'{field}' is not supported.", param=field, next_step=f"Prices are of {', '.join(get_args(Priced))}."
            )
        if entry is not None:
            money = float(entry) if type(entry) is str and _DECIMAL.fullmatch(entry) else entry
            found.append((key, number(field, money, 0.0, _MOST_MONEY)))
    stated["max_price"] = tuple(sorted(found))


_NOTHING = Providers()
_KEYS: dict[str, Any] = {
    "order": _names("order"),
    "only": _names("only"),
    "ignore": _names("ignore"),
    "allow_fallbacks": _flag("allow_fallbacks"),
    "require_parameters": _flag("require_parameters"),
    "data_collection": _collection,
    "zdr": _flag("zdr"),
    "max_price": _max_price,
    "sort": _sort,
    "quantizations": _quantisations,
}
KEYS = frozenset(_KEYS)
