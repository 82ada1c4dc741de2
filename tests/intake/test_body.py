"""The form of a body: size, encoding, JSON, nesting, names stated twice."""

from __future__ import annotations

import contextlib
import re
import time

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import BadRequest, BodyTooLarge
from appliance.intake import Limits
from appliance.intake.body import _outside, read_object
from tests.intake.wire import LIMITS, refusal


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"{", "not valid JSON"),
        (b'{"a":1} x', "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":Infinity}', "not valid JSON"),
        (b'{"a":1e999}', "a number that is too large"),
        (b'{"a":' + b"9" * 5000 + b"}", "a number that is too large"),
        (b'{"a":"\\ud800"}', "not valid JSON"),
        (b'{"a":"\xff"}', "not UTF-8 (at byte 6)"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8 (at byte 0)"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b'{"a":1,"a":1}', "states a name twice"),
        (b'{"a":1,"\\u0061":1}', "states a name twice"),
        (b'{"x":[{"text":"a: b","text":"c"}]}', "states a name twice"),
    ],
)
def test_a_body_that_is_not_one_clear_object_is_refused(body: bytes, words: str) -> None:
    assert words in refusal(read_object, body, LIMITS).message


@pytest.mark.parametrize("text", ["a:b", ':"', '\\":', "::::", "\\", '"{[', "]]}}", "\u2028:", "\n:\t"])
def test_colons_and_brackets_in_texts_are_texts(text: str) -> None:
    value = {"a": text, text: [{"b": text}]}
    assert read_object(orjson.dumps(value), LIMITS) == value


def test_a_body_at_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    body = b'{"a":1}'
    assert read_object(body, Limits(body_bytes=7)) == {"a": 1}
    error = refusal(read_object, body + b" ", Limits(body_bytes=7))
    assert isinstance(error, BodyTooLarge)
    assert error.status == 413


def nested(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """`levels` containers, the outermost object counted."""
    return b'{"a":' + opening * (levels - 1) + b"1" + closing * (levels - 1) + b"}"


def test_nesting_is_limited_to_the_level() -> None:
    assert read_object(nested(64), LIMITS)
    assert "nested deeper" in refusal(read_object, nested(65), LIMITS).message
    assert "nested deeper" in refusal(read_object, nested(65, b'{"b":', b"}"), LIMITS).message


@pytest.mark.parametrize("levels", [1023, 1024, 1025, 1026, 5000, 1_000_000])
@pytest.mark.parametrize("closed", [True, False])
def test_nesting_of_any_depth_is_only_an_error(levels: int, closed: bool) -> None:
    body = nested(levels) if closed else b'{"a":' + b"[" * levels
    assert refusal(read_object, body, LIMITS).status == 400


def test_the_parser_itself_stops_at_1024_levels() -> None:
    """`body` counts on it for bodies that it does not scan first."""
    orjson.loads(b"[" * 1024 + b"]" * 1024)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(b"[" * 1025 + b"]" * 1025)


def test_a_body_of_countless_small_lists_is_refused_before_it_is_parsed() -> None:
    body = b'{"a":[' + b"[]," * 60_000 + b"[]]}"
    assert "more than 50000 lists" in refusal(read_object, body, LIMITS).message


def test_many_containers_below_the_limit_are_taken() -> None:
    value = {"a": [{"text": 'x"]}]['} for _ in range(2000)]}
    assert read_object(orjson.dumps(value), LIMITS) == value


@pytest.mark.parametrize(
    "hostile",
    [
        b'{"a":"' + b'\\"' * 300_000,
        b'{"a":"' + b"\\" * 600_000,
        b'"' * 600_000,
        b"[" * 2000 + b'"' + b"\\" * 600_001,
        b"[]" * 300_000,
        b'{"a":"' + b'\\":' * 200_000 + b'"}',
    ],
)
def test_no_body_takes_more_than_linear_time(hostile: bytes) -> None:
    start = time.process_time()
    with contextlib.suppress(BadRequest):
        read_object(hostile, Limits(containers=10**9))
    assert time.process_time() - start < 2.0


# ---- many values, and long bodies -------------------------------------------------------------------------------

MANY = Limits(values=1000, containers=600)


def members(count: int) -> dict[str, bytes]:
    """Bodies of `count` entries, of all objects and lists together."""
    flat = count - 3  # besides the outermost object, its one name, and the container beside it
    return {
        "names": b'{"a":{' + b",".join(b'"%d":1' % at for at in range(flat + 1)) + b"}}",
        "numbers": b'{"a":[' + b",".join([b"0"] * (flat + 1)) + b"]}",
        "strings": b'{"a":[' + b",".join([b'","'] * (flat + 1)) + b"]}",
        "spread": b'{"a":[' + b"\n , ".join([b"[]"] * ((flat + 1) // 2)) + b"]}",
    }


@pytest.mark.parametrize("kind", ["names", "numbers", "strings", "spread"])
def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(kind: str) -> None:
    assert read_object(members(1000)[kind], MANY)
    over = members(1010)[kind]
    assert "more than 1000 values" in refusal(read_object, over, MANY).message
    assert "more than 1000 values" in refusal(read_object, over[:-1] + b",", MANY).message  # which is no JSON


def test_of_texts_no_comma_is_a_value() -> None:
    value = {"a": 'one, two, "three", {four}\\' * 5000, "b": "," * 5000}
    assert read_object(orjson.dumps(value), MANY) == value


@pytest.mark.parametrize(
    "filler",
    [b'"%07x":1,', b'"%07x":[],', b'"%07x":"\\"",', b'"%07x":{"a":null},'],
    ids=["numbers", "lists", "texts", "objects"],
)
def test_two_mebibytes_of_names_are_never_parsed(filler: bytes) -> None:
    body = b'{"metadata":{' + b"".join(filler % at for at in range((2 << 20) // len(filler % 0))) + b'"x":1}}'
    assert "more than" in refusal(read_object, body, Limits()).message


_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
TEXT = st.text(alphabet='\\",:{}[]a\n\x01\u20ac', max_size=12)
JSON = st.recursive(
    TEXT | st.sampled_from([None, True, 1, -2.5]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(value=JSON, most=st.integers(1, 12))
def test_what_stands_outside_of_strings_is_the_same_in_pieces_of_any_length(value: object, most: int) -> None:
    body = orjson.dumps(value)
    pieces = list(_outside(body, most))
    assert b"".join(pieces) == _STRING.sub(b"", body)
    assert all(len(piece) <= most + 1 for piece in pieces)


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=40) | st.text(alphabet='\\",:{}[]a', max_size=40).map(str.encode))
def test_of_what_is_no_json_no_value_before_the_fault_is_missed(body: bytes) -> None:
    """Whatever a parser reads before it stops is counted: no backslash hides what it would come to."""
    whole = b'{"a":[' + b"1," * 20 + b'"' + body
    found = b"".join(_outside(whole, 7))
    assert found.startswith(b"{:[" + b"1," * 20)
