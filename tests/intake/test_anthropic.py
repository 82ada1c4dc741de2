"""Anthropic's wire: every parameter has its place, and what it means is one Request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_type_hints

import pytest
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsBase

from appliance.features.describe import needs
from appliance.intake import parse_chat
from appliance.intake.anthropic import COUNT, MESSAGES, parse_count
from appliance.intake.parameters import Take
from appliance.records.request import Message, Thinking
from tests.intake.anthropic_rig import DATA, HELLO, IMAGE, RESULT, TOOL, USE, body, of_assistant, of_user, said
from tests.intake.wire import ABSENT, LIMITS, refusal


@pytest.mark.parametrize(("params", "table"), [(MessageCreateParamsBase, MESSAGES), (MessageCountTokensParams, COUNT)])
def test_every_parameter_that_anthropic_documents_has_a_place_in_the_table(
    params: type, table: Mapping[str, Take]
) -> None:
    assert set(get_type_hints(params)) - {"user_profile_id", "workspace_id"} - set(table) == set()
    assert {"user_profile_id", "workspace_id"} <= set(MESSAGES)


@pytest.mark.parametrize(
    "over",
    [
        {"cache_control": {"type": "ephemeral"}},
        {"system": [{"type": "text", "text": "", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        {"system": ""},
        {"messages": of_user({"type": "text", "text": "Hello", "citations": None, "cache_control": None})},
        {"thinking": {"type": "disabled"}},
        {"speed": "standard", "container": None, "inference_geo": None},
        {"tools": [], "stop_sequences": [], "metadata": {"user_id": None}},
        {"service_tier": "auto"},
        {"stream": True},
    ],
)
def test_what_changes_no_answer_changes_no_digest(over: dict[str, Any]) -> None:
    assert said(**over).digest == said().digest


def test_a_budget_of_thinking_is_an_effort_unless_one_is_stated() -> None:
    for budget, effort in ((1024, "low"), (4095, "low"), (4096, "medium"), (16_383, "medium"), (16_384, "high")):
        thinking = {"type": "enabled", "budget_tokens": budget}
        asked = said(max_tokens=32_000, thinking=thinking)
        assert asked.forwarded == {"reasoning_effort": effort}
        assert asked.thinking == Thinking(budget)
        asked = said(output_config={"effort": "max"}, max_tokens=32_000, thinking=thinking)
        assert asked.forwarded == {"reasoning_effort": "xhigh"}


def test_who_asks_for_thinking_asks_another_question() -> None:
    """Its answer shows thinking; one that was kept without is not that answer."""
    adaptive = said(thinking={"type": "adaptive"})
    assert adaptive.thinking == Thinking()
    omitted = said(thinking={"type": "adaptive", "display": "omitted"})
    assert omitted.thinking == Thinking(show=False)
    assert len({said().digest, adaptive.digest, omitted.digest}) == 3


def test_thinking_comes_back_sealed_or_not_at_all() -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "SEAL"},
        {"type": "redacted_thinking", "data": "abc"},
        {"type": "thinking", "thinking": "unsealed", "signature": ""},
        {"type": "text", "text": "Hello"},
    ]
    message = said(messages=of_assistant(*blocks)).messages[1]
    assert message.parts == (blocks[0] | {}, blocks[1])
    assert message.content == "Hello"


def test_an_answer_may_be_begun() -> None:
    begun = said(messages=[*HELLO, {"role": "assistant", "content": "The answer is"}])
    assert begun.continues
    assert begun.messages[-1] == Message("assistant", "The answer is")
    turns = [*HELLO, {"role": "assistant", "content": "The answer is"}]
    history = parse_chat(body(messages=turns), {}, LIMITS, request_id="r")
    assert not history.continues
    assert history.digest != begun.digest


@pytest.mark.parametrize(
    ("source", "content", "kinds"),
    [
        ({"type": "text", "media_type": "text/plain", "data": "Cows."}, "On farms\nby Ann\nCows.\nWhat?", []),
        ({"type": "content", "content": "Cows."}, "On farms\nby Ann\nCows.\nWhat?", []),
        (
            {"type": "content", "content": [{"type": "text", "text": "Cows."}, IMAGE]},
            "On farms\nby Ann\nCows.\nWhat?",
            ["text", "text", "text", "image_url", "text"],
        ),
        (
            {"type": "base64", "media_type": "application/pdf", "data": DATA},
            "by Ann\nWhat?",
            ["text", "file", "text"],
        ),
    ],
)
def test_a_document_is_its_text_or_a_file(source: Any, content: str, kinds: list[str]) -> None:
    block = {"type": "document", "source": source, "title": "On farms", "context": "by Ann"}
    message = said(messages=of_user(block, {"type": "text", "text": "What?"})).messages[0]
    assert message.content == content
    assert [part["type"] for part in message.parts] == kinds


def test_a_pdf_is_for_paths_that_take_files() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": DATA}
    asked = said(messages=of_user({"type": "document", "source": source, "title": "farms.pdf"}))
    assert "files_in" in needs(asked)
    assert asked.messages[0].parts == (
        {"type": "file", "file": {"filename": "farms.pdf", "file_data": f"data:application/pdf;base64,{DATA}"}},
    )


def test_a_result_may_hold_images_and_documents() -> None:
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Cows."}}
    content = [{"type": "text", "text": "seen"}, IMAGE, document]
    messages = [*HELLO, {"role": "assistant", "content": [USE]}, *of_user({**RESULT, "content": content})]
    message = said(messages=messages, tools=[TOOL]).messages[-1]
    assert (message.role, message.content, message.tool_call_id) == ("tool", "seen\nCows.", "c1")
    assert [part["type"] for part in message.parts] == ["text", "image_url", "text"]


EPHEMERAL = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def test_hints_for_a_cache_are_marks_in_the_text() -> None:
    long, short = {"type": "text", "text": "Long.", **HOUR}, {"type": "text", "text": "Short?"}
    asked = said(system=[{"type": "text", "text": "Be brief.", **EPHEMERAL}], messages=of_user(long, short))
    assert [message.marks for message in asked.messages] == [((9, "5m"),), ((5, "1h"),)]
    assert asked.messages[1].content[:5] == "Long."
    whole = said(messages=of_user(long, short), **EPHEMERAL)
    assert whole.messages[0].marks == ((5, "1h"), (12, "5m"))
    assert said(messages=of_user(short, {**IMAGE, **EPHEMERAL})).messages[0].marks == ((6, "5m"),)


def test_a_result_of_a_tool_is_a_message_of_its_own_before_what_the_user_says() -> None:
    messages = [*HELLO, {"role": "assistant", "content": [USE]}, *of_user(RESULT, {"type": "text", "text": "and?"})]
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"q":1}'}}
    assert said(messages=messages, tools=[TOOL]).messages == (
        Message("user", "Hello"),
        Message("assistant", "", tool_calls=(call,)),
        Message("tool", "found", tool_call_id="c1"),
        Message("user", "and?"),
    )


def test_metadata_states_labels_and_the_user() -> None:
    asked = said(metadata={"user_id": "ann", "weir_classification": "restricted"})
    assert (asked.user, asked.labels.classification, asked.labels_in_body) == ("ann", "restricted", True)
    assert asked.forwarded == {"user": "ann"}
    assert said({"X-Weir-Residency": "node"}).labels.residency == "node"


def test_counting_needs_no_limit_of_tokens_and_takes_none() -> None:
    asked = parse_count(body(max_tokens=ABSENT), {}, LIMITS, request_id="r1")
    assert asked.messages == (Message("user", "Hello"),)
    assert refusal(parse_count, body(), {}, LIMITS, request_id="r1").param == "max_tokens"
