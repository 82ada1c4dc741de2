"""What goes to another node is read there as what was meant here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from appliance.intake.labels import read_labels
from appliance.intake.limits import Limits
from appliance.intake.parse import parse_chat
from appliance.paths.contract import Job, PathError
from appliance.paths.openai_http import AnsweredByWeir, OpenAIDialect
from appliance.paths.weir_labels import headers_of
from appliance.records.request import AND, CLASSIFICATIONS, LOCAL, RIGHTS, Format, Labels, Message
from appliance.respond.headers import HeaderFacts, weir_headers
from tests.paths.upstream import card_for

NODE = "0123456789abcdef"
_places = st.sampled_from(["node", "site", "country:CH", "region:EU"])
_share = st.none() | st.floats(0, 1).map(lambda value: round(value, 6))
LABELS = st.builds(
    Labels,
    classification=st.sampled_from(CLASSIFICATIONS),
    residency=st.lists(_places, unique=True, max_size=3).map(AND.join),
    quality_floor=_share,
    below_floor=st.sampled_from(["serve", "refuse"]),
    cache=st.sampled_from(["default", "no-cache", "no-store"]),
    cache_score=_share,
    variation=st.sampled_from(["", "replay", "v.2"]),
    purpose=st.sampled_from(["", "commercial", "research", "high-risk"]),
    rights=st.sampled_from(RIGHTS),
    locale=st.sampled_from(["", "de-CH", "zh-Hant-TW"]),
    conversation=st.sampled_from(["", "ours"]),
    via=st.lists(st.sampled_from(["0" * 16, "1" * 16]), max_size=3).map(tuple),
)


def sent(labels: Labels, **over: Any) -> dict[str, str]:
    return headers_of(Job(id="j", kind="chat", labels=labels, **over), NODE)


@given(LABELS)
def test_every_label_is_read_as_it_was_and_the_conversation_stays(labels: Labels) -> None:
    read = read_labels(sent(labels), Limits())
    assert read == replace(labels, conversation="", via=(*labels.via, NODE))
    assert "ours" not in repr(sent(labels))


@given(LABELS, st.floats(0, 599))
def test_the_deadline_is_what_is_left_and_never_none_at_all(labels: Labels, left: float) -> None:
    read = read_labels(sent(labels, deadline_s=left), Limits())
    assert read.deadline_s is not None
    assert 0 < read.deadline_s <= left + 0.0011


@given(LABELS, st.sampled_from([LOCAL, "plant"]))
def test_what_a_tenant_is_answered_is_kept_for_no_other(labels: Labels, tenant: str) -> None:
    read = read_labels(sent(replace(labels, cache="default", cache_max_age_s=60), tenant=tenant), Limits())
    assert (read.cache == "no-store") == (tenant != LOCAL)
    assert read.cache_max_age_s == (None if tenant != LOCAL else 60)


@pytest.mark.parametrize(
    ("facts", "below"),
    [
        (HeaderFacts("i", reason="below-floor"), True),
        (HeaderFacts("i", reason="below-floor; strategy=primary; number 1 of 2"), True),
        (HeaderFacts("i", reason="pending; strategy=primary; number 1 of 2"), True),
        (HeaderFacts("i", reason="strategy; strategy=below-floor; number 1 of 2"), False),
        (HeaderFacts("i", reason="best-utility"), False),
        (HeaderFacts("i"), True),
        (HeaderFacts("i", cache="hit", cache_age_s=2.0), False),
    ],
)
def test_whether_an_answer_is_below_the_floor_is_read_or_feared(facts: HeaderFacts, below: bool) -> None:
    job = Job(id="j", kind="chat")
    AnsweredByWeir(job).head(CIMultiDict(weir_headers(facts)))
    assert job.meter.below_floor is below


def test_a_pattern_is_said_as_another_node_takes_it() -> None:
    card = card_for("http://127.0.0.1:9", flavour="weir")
    assert card.endpoint is not None
    job = Job(id="j", kind="chat", messages=(Message("user", "hi"),), format=Format("regex", pattern="a+"))
    body = OpenAIDialect(card, NODE).call(job, card.endpoint, streaming=False).body
    assert parse_chat(body, {}, Limits(), request_id="r").format == Format("regex", pattern="a+")


def test_an_answer_that_is_begun_goes_to_no_other_node() -> None:
    card = card_for("http://127.0.0.1:9", flavour="weir")
    assert card.endpoint is not None
    said = (Message("user", "hi"), Message("assistant", "He"))
    with pytest.raises(PathError) as caught:
        OpenAIDialect(card, NODE).call(Job(id="j", kind="chat", messages=said, continues=True), card.endpoint, False)
    assert (caught.value.fault, caught.value.param) == ("unsupported", "messages")
