"""The event parser finds the same events however the bytes are cut."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.paths.sse import EventParser, EventTooLarge

PIECES = st.lists(
    st.sampled_from(
        [
            "data: a",
            "data:b",
            "data",
            "data:  c",
            ": comment",
            "event: error",
            "id: 7",
            "",
            "",
            "x",
            "data: é😀",
        ]
    ),
    max_size=20,
)


def events(*blocks: bytes) -> list[tuple[bytes, bytes]]:
    parser = EventParser()
    return [event for block in blocks for event in parser.feed(block)]


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"data: a\n\n", [(b"", b"a")]),
        (b"data:a\r\n\r\n", [(b"", b"a")]),
        (b"data: a\r\rdata: b\r\r", [(b"", b"a"), (b"", b"b")]),
        (b"data: a\ndata: b\n\n", [(b"", b"a\nb")]),
        (b": hello\n\ndata: a\n\n", [(b"", b"a")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [(b"error", b"a"), (b"", b"b")]),
        (b"event: lost\n\ndata: a\n\n", [(b"", b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"", b"a")]),
        (b"data\n\n", [(b"", b"")]),
        (b"data:  two blanks\n\n", [(b"", b" two blanks")]),
        (b"data: not ended\n", []),
    ],
)
def test_the_standard_s_line_rules(raw: bytes, found: list[tuple[bytes, bytes]]) -> None:
    assert events(raw) == found


@given(PIECES, st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 400), max_size=12))
def test_where_the_bytes_are_cut_makes_no_difference(lines: list[str], end: str, cuts: list[int]) -> None:
    raw = "".join(line + end for line in lines).encode()
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    assert events(*(raw[a:b] for a, b in pairwise(edges))) == events(raw)
    assert events(*(raw[k : k + 1] for k in range(len(raw)))) == events(raw)


def test_an_event_over_the_limit_is_refused_on_one_line_or_many() -> None:
    for blocks in ([b"data: " + b"x" * 200], [b"x"] * 200, [b"data: xxxxxxxx\n"] * 20):
        parser = EventParser(max_event_bytes=100)
        with pytest.raises(EventTooLarge):
            list(map(parser.feed, blocks))


def test_many_small_events_never_reach_the_limit() -> None:
    parser = EventParser(max_event_bytes=100)
    assert sum(len(parser.feed(b"data: xxxxxxxx\n\n")) for _ in range(100)) == 100


def test_a_long_line_in_single_bytes_costs_linear_time() -> None:
    parser = EventParser()
    begun = time.perf_counter()
    for _ in range(300_000):
        parser.feed(b"x")
    assert time.perf_counter() - begun < 10.0
