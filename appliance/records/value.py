"""`@value`: a frozen dataclass that is made quickly.

A frozen dataclass writes each field through `object.__setattr__`, which looks the name up anew every time; a request
makes some 150 fields. Here the constructor is written with what does the storing already bound: one dictionary for all
fields, or with `slots` the descriptor of each.

Rules kept here:
1. Everything but the constructor is the dataclass's own: order, defaults, equality, hash, repr, `replace`, pickling.
2. Frozen as before: `__setattr__` and `__delattr__` raise FrozenInstanceError.
3. Plain fields only: no `InitVar`, `init=False`, `kw_only` or `__post_init__`. The class is refused where it has one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")
_store_all: Callable[[object, str, dict[str, Any]], None] = object.__setattr__


@overload
def value(cls: type[T]) -> type[T]: ...
@overload
def value(*, slots: bool) -> Callable[[type[T]], type[T]]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T] | None = None, *, slots: bool = False) -> type[T] | Callable[[type[T]], type[T]]:
    """As `dataclass(frozen=True)`. With `slots` it is smaller in memory, and slower to write as JSON."""

    def decorate(cls: type[T]) -> type[T]:
        made: Any = dataclass(frozen=True, slots=slots)(cls)
        made.__init__ = _constructor(made, slots)
        return made  # type: ignore[no-any-return]

    return decorate if cls is None else decorate(cls)


def changed(one: T, **fields: Any) -> T:
    """`dataclasses.replace` of a value without slots, for where it is done for every request. Names are not checked."""
    made = object.__new__(type(one))
    _store_all(made, "__dict__", {**vars(one), **fields})
    return made


def _constructor(cls: Any, slots: bool) -> Callable[..., None]:
    names: dict[str, Any] = {"_store": _store_all, "_unset": MISSING}
    signature, given = ["self"], {}
    for each in fields(cls):
        name, default = each.name, ""
        given[name] = name
        if each.default is not MISSING:
            names[f"_default_{name}"] = each.default
            default = f"=_default_{name}"
        elif each.default_factory is not MISSING:
            names[f"_make_{name}"] = each.default_factory
            default = "=_unset"
            given[name] = f"_make_{name}() if {name} is _unset else {name}"
        if not each.init or each.kw_only:
            raise TypeError(f"{cls.__name__}.{name}: a value has plain fields only")
        signature.append(name + default)
    if hasattr(cls, "__post_init__"):
        raise TypeError(f"{cls.__name__}: a value has no __post_init__")
    if slots:
        names |= {f"_store_{name}": vars(cls)[name].__set__ for name in given}
        body = [f"_store_{name}(self, {made})" for name, made in given.items()]
    else:
        held = ", ".join(f"{name!r}: {made}" for name, made in given.items())
        body = [f"_store(self, '__dict__', {{{held}}})"]
    lines = "\n    ".join([f"def __init__({', '.join(signature)}):", *body])
    exec(lines, names)  # noqa: S102 - names of fields, as dataclasses itself does it
    constructor: Callable[..., None] = names["__init__"]
    constructor.__qualname__ = f"{cls.__qualname__}.__init__"
    constructor.__annotations__ = dict(cls.__init__.__annotations__)
    return constructor
