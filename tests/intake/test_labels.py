"""Labels in headers."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from appliance.errors import BadRequest
from appliance.intake.labels import read_labels
from appliance.intake.parse import parse_chat
from appliance.records.request import Labels
from tests.intake.wire import LIMITS, chat, refusal


@pytest.mark.parametrize(
    ("headers", "labels"),
    [
        ({}, {}),
        ({"Accept": "*/*", "X-Stainless-OS": "Linux", "": ""}, {}),
        ({"X-Weir-Classification": "Restricted"}, {"classification": "restricted"}),
        ({"x-weir-residency": "node"}, {"residency": "node"}),
        ({"X-WEIR-RESIDENCY": "country:ch"}, {"residency": "country:CH"}),
        ({"X-Weir-Residency": " region:EU-west.1 "}, {"residency": "region:EU-west.1"}),
        ({"X-Weir-Deadline": "2.5"}, {"deadline_s": 2.5}),
        ({"X-Weir-Quality-Floor": "0.8"}, {"quality_floor": 0.8}),
        ({"X-Weir-Quality-Floor": "1"}, {"quality_floor": 1.0}),
        ({"X-Weir-Below-Floor": "refuse"}, {"below_floor": "refuse"}),
        ({"X-Weir-Variation": "b-2"}, {"variation": "b-2"}),
        ({"Cache-Control": "no-store"}, {"cache": "no-store"}),
        ({"Cache-Control": "no-cache, no-store"}, {"cache": "no-store"}),
        ({"Cache-Control": "no-store, no-cache"}, {"cache": "no-store"}),
        ({"cache-control": "No-Cache"}, {"cache": "no-cache"}),
        ({"Cache-Control": "max-age=60"}, {"cache_max_age_s": 60}),
        ({"Cache-Control": "max-age=0, no-transform"}, {"cache_max_age_s": 0}),
    ],
)
def test_labels_are_read(headers: dict[str, str], labels: dict[str, Any]) -> None:
    assert chat(headers=headers).labels == Labels(**labels)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Weir-Classification", "kanarienvogel"),
        ("X-Weir-Classification", ""),
        ("X-Weir-Residency", "mars"),
        ("X-Weir-Residency", "country:CHE"),
        ("X-Weir-Residency", "region:"),
        ("X-Weir-Deadline", "0"),
        ("X-Weir-Deadline", "-1"),
        ("X-Weir-Deadline", "nan"),
        ("X-Weir-Deadline", "1e2"),
        ("X-Weir-Deadline", "٣"),
        ("X-Weir-Deadline", "3601"),
        ("X-Weir-Quality-Floor", "1.1"),
        ("X-Weir-Quality-Floor", "inf"),
        ("X-Weir-Below-Floor", "maybe"),
        ("X-Weir-Variation", "a b"),
        ("X-Weir-Variation", "x" * 65),
        ("Cache-Control", "max-age=soon"),
        ("Cache-Control", "max-age"),
        ("Cache-Control", "only-if-cached"),
    ],
)
def test_an_invalid_label_is_refused_by_the_name_of_its_header(name: str, value: str) -> None:
    error = refusal(chat, headers={name: value})
    assert error.param == name


@pytest.mark.parametrize("name", ["X-Weir-Classification", "X-Weir-Residency", "X-Weir-Deadline", "Cache-Control"])
def test_the_value_of_a_header_is_not_repeated(name: str) -> None:
    assert "kanarienvogel" not in str(refusal(chat, headers={name: "kanarienvogel"}).to_wire())


def test_an_unknown_weir_header_is_refused_rather_than_overlooked() -> None:
    error = refusal(chat, headers={"X-Weir-Residancy": "node"})
    assert error.param == "x-weir-residancy"
    assert "x-weir-residency" in error.next_step


def test_a_label_stated_twice_is_refused() -> None:
    headers = {"X-Weir-Residency": "node", "x-weir-residency": "site"}
    assert refusal(read_labels, headers, LIMITS).param == "x-weir-residency"


def test_labels_are_read_from_the_headers_of_the_web_server() -> None:
    lines = (("Cache-Control", "no-cache"), ("cache-control", "max-age=5"), ("X-Weir-Deadline", "1"))
    headers = CIMultiDictProxy(CIMultiDict(lines))
    assert read_labels(headers, LIMITS) == Labels(cache="no-cache", cache_max_age_s=5, deadline_s=1.0)
    twice = CIMultiDict((*lines, ("x-weir-deadline", "2")))
    assert refusal(read_labels, twice, LIMITS).param == "x-weir-deadline"


# ---- purpose, rights, locale, and metadata --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "value", "slot", "label"),
    [
        ("X-Weir-Purpose", "Commercial", "purpose", "commercial"),
        ("X-Weir-Purpose", "high-risk", "purpose", "high-risk"),
        ("X-Weir-Rights", "reserved", "rights", "reserved"),
        ("X-Weir-Locale", "DE-ch", "locale", "de-CH"),
        ("X-Weir-Locale", "zh-hant-tw", "locale", "zh-Hant-TW"),
        ("X-Weir-Locale", "es-419", "locale", "es-419"),
    ],
)
def test_purpose_rights_and_locale_are_read(header: str, value: str, slot: str, label: str) -> None:
    assert getattr(read_labels({header: value}, LIMITS), slot) == label


@pytest.mark.parametrize(
    ("header", "value"),
    [("X-Weir-Purpose", "fun"), ("X-Weir-Rights", ""), ("X-Weir-Locale", "german"), ("X-Weir-Locale", "de_CH")],
)
def test_others_are_refused_without_repeating_them(header: str, value: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_labels({header: value}, LIMITS)
    assert caught.value.param == header
    assert not value or value not in caught.value.message


@pytest.mark.parametrize(
    ("headers", "metadata", "expected"),
    [
        ({}, {"weir_classification": "secret"}, {"classification": "secret"}),
        ({}, {"weir_classification": "public"}, {"classification": "internal"}),  # the default stays
        (
            {"X-Weir-Classification": "restricted"},
            {"weir-classification": "internal"},
            {"classification": "restricted"},
        ),
        ({"X-Weir-Rights": "licensed"}, {"X-Weir-Rights": "reserved"}, {"rights": "reserved"}),
        ({}, {"weir_residency": "country:de", "weir_locale": "de"}, {"residency": "country:DE", "locale": "de"}),
        ({"X-Weir-Residency": "site"}, {"weir_residency": "site"}, {"residency": "site"}),
    ],
)
def test_metadata_tightens_labels_and_stays_here(
    headers: dict[str, str], metadata: dict[str, str], expected: dict[str, str]
) -> None:
    body = orjson.dumps({"model": "auto", "messages": [{"role": "user", "content": "q"}], "metadata": metadata})
    request = parse_chat(body, headers, LIMITS, request_id="r")
    assert {slot: getattr(request.labels, slot) for slot in expected} == expected
    assert "metadata" not in request.forwarded


def test_other_metadata_is_passed_on() -> None:
    metadata = {"run": "7", "weir_purpose": "research"}
    body = orjson.dumps({"model": "auto", "messages": [{"role": "user", "content": "q"}], "metadata": metadata})
    assert parse_chat(body, {}, LIMITS, request_id="r").forwarded == {"metadata": {"run": "7"}}


@pytest.mark.parametrize(
    ("headers", "metadata", "where"),
    [
        ({}, {"weir_clasification": "secret"}, "metadata.weir_clasification"),
        ({}, {"weir_deadline": "3"}, "metadata.weir_deadline"),
        ({}, {"weir_residency": "Bern"}, "metadata.weir_residency"),
        ({}, {"weir_residency": "node", "weir-residency": "site"}, "metadata.weir-residency"),
        ({"X-Weir-Residency": "site"}, {"weir_residency": "country:CH"}, "metadata.weir_residency"),
        ({"X-Weir-Purpose": "research"}, {"weir_purpose": "commercial"}, "metadata.weir_purpose"),
    ],
)
def test_metadata_that_is_wrong_or_contradicts_is_refused_by_name(
    headers: dict[str, str], metadata: dict[str, str], where: str
) -> None:
    body = orjson.dumps({"model": "auto", "messages": [{"role": "user", "content": "q"}], "metadata": metadata})
    with pytest.raises(BadRequest) as caught:
        parse_chat(body, headers, LIMITS, request_id="r")
    assert caught.value.param == where
    assert caught.value.next_step
    assert "Bern" not in caught.value.message
