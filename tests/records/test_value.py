"""`@value` is a frozen dataclass in everything but how it is made."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, replace
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter

from appliance.records.value import changed, value


@dataclass(frozen=True)
class Model:
    """What the two below are compared with."""

    name: str
    count: int = 1
    more: dict[str, int] = field(default_factory=dict, compare=False)
    hidden: tuple[float, ...] | None = field(default=None, repr=False, compare=False)


@value
class Plain:
    name: str
    count: int = 1
    more: dict[str, int] = field(default_factory=dict, compare=False)
    hidden: tuple[float, ...] | None = field(default=None, repr=False, compare=False)


@value(slots=True)
class Slotted:
    name: str
    count: int = 1
    more: dict[str, int] = field(default_factory=dict, compare=False)
    hidden: tuple[float, ...] | None = field(default=None, repr=False, compare=False)


@pytest.fixture(params=[Plain, Slotted])
def made(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("given", [("a",), ("a", 2), ("a", 2, {"x": 1}), ("a", 2, {}, (0.5,))])
def test_it_holds_what_a_dataclass_would(made: Any, given: tuple[Any, ...]) -> None:
    ours, theirs = made(*given), Model(*given)
    assert asdict(ours) == asdict(theirs)
    assert repr(ours) == repr(theirs).replace("Model", made.__name__)
    assert hash(ours) == hash(theirs)
    assert ours == made(*given)
    assert orjson.dumps(ours) == orjson.dumps(theirs)
    assert replace(ours, count=7) == made("a", 7, *given[2:])
    assert pickle.loads(pickle.dumps(ours)) == copy.deepcopy(ours) == ours


def test_a_changed_one_is_another_and_leaves_the_first_alone() -> None:
    first = Plain("a", 2, {"x": 1})
    assert changed(first, name="b") == replace(first, name="b") == Plain("b", 2)
    assert changed(first, name="b").more is first.more
    assert first == Plain("a", 2)


def test_nothing_in_it_can_be_changed(made: Any) -> None:
    one = made("a")
    for name in ("name", "more", "new"):
        with pytest.raises((FrozenInstanceError, TypeError)):
            setattr(one, name, "b")
    with pytest.raises((FrozenInstanceError, TypeError)):
        del one.name
    assert one == made("a")


def test_what_a_factory_makes_is_shared_with_nobody(made: Any) -> None:
    assert made("a").more is not made("a").more


def test_wrong_arguments_are_refused_as_ever(made: Any) -> None:
    for given, named in (((), {}), (("a", 1, {}, None, 5), {}), (("a",), {"other": 1}), (("a",), {"name": "b"})):
        with pytest.raises(TypeError):
            made(*given, **named)
    assert list(inspect.signature(made).parameters) == ["name", "count", "more", "hidden"]


def test_json_is_read_back_into_it(made: Any) -> None:
    assert TypeAdapter(made).validate_json(b'{"name": "a", "count": 3}') == made("a", 3)


def test_what_it_does_not_know_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="plain fields"):
        value(type("Named", (), {"__annotations__": {"a": int}, "a": field(kw_only=True)}))
    with pytest.raises(TypeError, match="__post_init__"):
        value(type("Late", (), {"__annotations__": {"a": int}, "__post_init__": lambda self: None}))
