"""The form of an answer: JSON Schemas of every kind that a caller may send, and what fits them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.judge import form_fault
from appliance.records.request import Format


def fault(value: Any, schema: Any) -> str:
    return form_fault(orjson.dumps(value).decode(), "stop", Format("json_schema", schema=schema))


@pytest.mark.parametrize(
    ("value", "schema", "fits"),
    [
        ({"a": 1}, {"properties": {"a": True}}, True),
        ({"a": 1}, {"properties": {"a": False}}, False),
        ({"b": 1}, {"properties": {"a": False}}, True),
        ({"a": {"b": 1}}, {"properties": {"a": {"properties": {"b": True}}}}, True),
        ({"a": 1}, {"required": True}, True),
        ({"a": 1}, {"required": "a"}, True),
        ({}, {"required": ["a"]}, False),
        ({"a": 1}, {"properties": []}, True),
        ({"a": 1}, {"properties": [], "additionalProperties": True}, True),
        ({"a": 1}, {"properties": None, "required": None, "enum": None, "items": True}, True),
        ([1, 2], {"items": True}, True),
        (3, {"enum": "3"}, True),
        ({"a": 1}, {"properties": {"a": 7}}, True),
    ],
    ids=str,
)
def test_a_schema_of_any_shape_is_judged_and_never_crashes(value: Any, schema: Any, fits: bool) -> None:
    assert (fault(value, schema) == "") == fits


@pytest.mark.parametrize(
    ("value", "kind", "fits"),
    [
        (1, "integer", True),
        (1.0, "integer", True),
        (1.5, "integer", False),
        (True, "integer", False),
        (False, "number", False),
        (1.0, "number", True),
        (True, "boolean", True),
        (1, "boolean", False),
        ("1", "integer", False),
    ],
)
def test_an_integer_is_one_by_value_and_true_is_none(value: Any, kind: str, fits: bool) -> None:
    assert (fault({"a": value}, {"properties": {"a": {"type": kind}}}) == "") == fits
    assert (fault([value], {"items": {"type": kind}}) == "") == fits


@pytest.mark.parametrize("name", [["a"], {"a": 1}], ids=str)
def test_names_that_are_none_in_required_do_not_crash_judging(name: Any) -> None:
    assert fault({"a": 1}, {"required": [name]}) in ("", "not as the schema asks")


scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["a", "object", "array", "integer", ""])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
)
keywords = st.sampled_from(["type", "properties", "required", "items", "enum", "additionalProperties"])
schemas = st.recursive(
    scalars,
    lambda inner: st.dictionaries(
        keywords, inner | st.dictionaries(st.sampled_from("ab"), inner, max_size=2) | st.lists(scalars, max_size=2)
    ),
)


@settings(max_examples=300, deadline=None)
@given(values, st.dictionaries(keywords, schemas))
def test_no_schema_that_json_can_write_crashes_judging(value: Any, schema: Any) -> None:
    assert fault(value, schema) in ("", "not as the schema asks")
