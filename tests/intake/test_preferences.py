"""`model`, `models` and `provider` as OpenRouter has them said."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.errors import BadRequest, UnknownModel
from appliance.records.request import Providers
from tests.intake.wire import ABSENT, chat, completion, embedding, refusal

READ: list[tuple[dict[str, Any], Providers | None]] = [
    ({}, None),
    ({"order": [], "zdr": False, "sort": None, "allow_fallbacks": True, "data_collection": "allow"}, None),
    ({"order": ["A", "b/c", "A"]}, Providers(order=("A", "b/c"))),
    ({"only": ["A"], "ignore": ["B"]}, Providers(only=("A",), ignore=("B",))),
    ({"allow_fallbacks": False, "require_parameters": True}, Providers(allow_fallbacks=False, require_parameters=True)),
    ({"data_collection": "deny", "zdr": True}, Providers(data_collection="deny", zdr=True)),
    ({"max_price": {"prompt": 1, "completion": "2.5"}}, Providers(max_price=(("completion", 2.5), ("prompt", 1.0)))),
    ({"max_price": {"image": 0.01, "request": None}}, Providers(max_price=(("image", 0.01),))),
    ({"sort": "latency"}, Providers(sort="latency")),
    ({"sort": {"by": "price", "partition": "none"}}, Providers(sort="price", partition="none")),
    ({"quantizations": ["INT8", "q4_k_m"]}, Providers(quantisations=("int8", "q4_k_m"))),
]


@pytest.mark.parametrize(("wire", "read"), READ)
@pytest.mark.parametrize("parse", [chat, completion])
def test_a_preference_object_is_read(parse: Any, wire: dict[str, Any], read: Providers | None) -> None:
    assert parse(provider=wire).providers == read


@pytest.mark.parametrize(
    ("wire", "param"),
    [
        ([], "provider"),
        ({"orders": ["A"]}, "provider.orders"),
        ({"enforce_distillable_text": True}, "provider.enforce_distillable_text"),
        ({"preferred_min_throughput": 50}, "provider.preferred_min_throughput"),
        ({"order": "A"}, "provider.order"),
        ({"order": [""]}, "provider.order[0]"),
        ({"order": [" "]}, "provider.order"),
        ({"only": []}, "provider.only"),
        ({"only": [1]}, "provider.only[0]"),
        ({"ignore": ["x"] * 65}, "provider.ignore"),
        ({"ignore": ["x" * 129]}, "provider.ignore[0]"),
        ({"allow_fallbacks": "no"}, "provider.allow_fallbacks"),
        ({"zdr": 1}, "provider.zdr"),
        ({"data_collection": "never"}, "provider.data_collection"),
        ({"max_price": {"audio": 1}}, "provider.max_price.audio"),
        ({"max_price": {"prompt": -1}}, "provider.max_price.prompt"),
        ({"max_price": {"prompt": "NaN"}}, "provider.max_price.prompt"),
        ({"max_price": {"prompt": "1e9"}}, "provider.max_price.prompt"),
        ({"max_price": 3}, "provider.max_price"),
        ({"sort": "quality"}, "provider.sort"),
        ({"sort": {"by": "speed"}}, "provider.sort.by"),
        ({"sort": {"partition": "none"}}, "provider.sort.by"),
        ({"sort": {"by": "price", "order": "up"}}, "provider.sort"),
        ({"sort": "price", "order": ["A"]}, "provider.sort"),
        ({"quantizations": []}, "provider.quantizations"),
        ({"quantizations": ["a b"]}, "provider.quantizations[0]"),
    ],
)
def test_what_could_mean_nothing_is_refused_by_name(wire: Any, param: str) -> None:
    assert refusal(chat, provider=wire).param == param


def test_a_list_of_models_begins_with_the_model() -> None:
    request = chat(model="a", models=["b", "a", "auto"])
    assert (request.model, request.models) == ("a", ("a", "b", "auto"))
    request = chat(model=ABSENT, models=["b:nitro", "c"])
    assert (request.model, request.models, request.preference) == ("b", ("b", "c"), "fast")
    assert chat(model="a", models=["a"]).models == ()
    assert chat(model="a", models=["b"], route="fallback").models == ("a", "b")


@pytest.mark.parametrize(
    ("overrides", "param"),
    [
        ({"models": []}, "models"),
        ({"models": "a"}, "models"),
        ({"models": [1]}, "models[0]"),
        ({"models": ["a"] * 17}, "models"),
        ({"models": ["a", "auto:slow"]}, "models[1]"),
        ({"model": "a:cheap", "models": ["b:best"]}, "models[0]"),
        ({"models": ["strategy:x"]}, "models[0]"),
        ({"model": "strategy:x", "models": ["a"]}, "models"),
        ({"route": "cheapest"}, "route"),
        ({"model": "auto:strategy"}, "model"),
    ],
)
def test_a_list_that_is_none_is_refused_by_name(overrides: dict[str, Any], param: str) -> None:
    error = refusal(chat, **overrides)
    assert isinstance(error, BadRequest) and error.param == param


@pytest.mark.parametrize("model", ["strategy:", "strategy:a b", "strategy:" + "x" * 65, "Strategy:x", "x:strategy"])
def test_what_names_no_strategy_is_no_model(model: str) -> None:
    assert isinstance(refusal(chat, model=model), UnknownModel)


def test_a_strategy_is_named_in_place_of_a_model() -> None:
    request = chat(model="strategy:careful")
    assert (request.model, request.strategy) == ("auto", "careful")


def test_embeddings_have_no_preferences() -> None:
    for over in ({"models": ["a"]}, {"provider": {"zdr": True}}):
        assert refusal(embedding, **over).param in over


def test_requests_with_other_preferences_are_other_requests() -> None:
    digests = {
        chat(**over).digest
        for over in (
            {},
            {"provider": {"zdr": True}},
            {"provider": {"only": ["A"]}},
            {"model": "a", "models": ["b"]},
            {"model": "a", "models": ["c"]},
            {"model": "strategy:x"},
        )
    }
    assert len(digests) == 6
    assert chat(provider={"order": []}).digest == chat().digest
