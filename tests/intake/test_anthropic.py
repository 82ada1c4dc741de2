"""Anthropic's wire: what is said alike on both wires is one Request; whatever else comes is refused with its place."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_type_hints

import orjson
import pytest
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsBase
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import UnknownModel, Unsupported
from appliance.features.describe import needs
from appliance.intake import Limits, parse_chat
from appliance.intake.anthropic import COUNT, MESSAGES, parse_count, parse_messages
from appliance.intake.parameters import Take
from appliance.records.request import Message, Request, Thinking
from tests.intake.wire import ABSENT, LIMITS, refusal

HELLO = [{"role": "user", "content": "Hello"}]
TOOL = {"name": "look", "description": "Look it up", "input_schema": {"type": "object", "title": "x"}}
USE = {"type": "tool_use", "id": "c1", "name": "look", "input": {"q": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "found"}
DATA = base64.b64encode(b"picture").decode()
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}
BY_NAME = {"type": "tool", "name": "look"}


def body(start: dict[str, Any] | None = None, **over: Any) -> bytes:
    base = {"model": "auto", "max_tokens": 64, "messages": HELLO} if start is None else start
    return orjson.dumps({name: value for name, value in (base | over).items() if value is not ABSENT})


def said(headers: Mapping[str, str] | None = None, limits: Limits = LIMITS, **over: Any) -> Request:
    return parse_messages(body(**over), headers or {}, limits, request_id="r1")


def of_user(*blocks: Any) -> list[Any]:
    return [{"role": "user", "content": list(blocks)}]


def of_assistant(*blocks: Any) -> list[Any]:
    return [*HELLO, {"role": "assistant", "content": list(blocks)}, *HELLO]


# -- the same on both wires -------------------------------------------------------------------------------

TEXTS = st.text(max_size=12)
NAMES = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
IDS = st.from_regex(r"toolu_[a-z0-9]{1,6}", fullmatch=True)
SCHEMAS = st.dictionaries(NAMES, st.one_of(TEXTS, st.integers(-9, 9), st.lists(TEXTS, max_size=2)), max_size=3)
MARKS = st.sampled_from(({}, {"cache_control": {"type": "ephemeral"}}, {"cache_control": None}))
Both = tuple[Any, list[Any]]  # a message on Anthropic's wire, and the messages that it is on OpenAI's


@st.composite
def text_blocks(draw: st.DrawFn, least: int = 1) -> Both:
    texts = draw(st.lists(TEXTS, min_size=least, max_size=3))
    blocks = [{"type": "text", "text": text, **draw(MARKS)} for text in texts]
    return blocks, [{"type": "text", "text": text} for text in texts]


@st.composite
def user_messages(draw: st.DrawFn) -> Both:
    if draw(st.booleans()):
        text = draw(TEXTS)
        return {"role": "user", "content": text}, [{"role": "user", "content": text}]
    results, before = [], []
    for id in draw(st.lists(IDS, max_size=2, unique=True)):
        blocks, _ = draw(text_blocks())
        content = draw(st.sampled_from((blocks[0]["text"], blocks)))
        text = content if isinstance(content, str) else "\n".join(block["text"] for block in blocks)
        failed = draw(st.booleans())
        results.append({"type": "tool_result", "tool_use_id": id, "content": content, "is_error": failed})
        before.append({"role": "tool", "tool_call_id": id, "content": f"Error: {text}" if failed else text})
    blocks, parts = draw(text_blocks(least=0 if results else 1))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(blocks)))
        data = base64.b64encode(draw(st.binary(min_size=1, max_size=9))).decode()
        blocks.insert(place, {"type": "image", "source": {**IMAGE["source"], "data": data}, **draw(MARKS)})
        parts.insert(place, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}})
    own = [{"role": "user", "content": parts}] if parts else []
    return {"role": "user", "content": [*results, *blocks]}, [*before, *own]


@st.composite
def assistant_messages(draw: st.DrawFn) -> Both:
    blocks, parts = draw(text_blocks(least=0))
    uses, calls = [], []
    for id in draw(st.lists(IDS, min_size=0 if blocks else 1, max_size=2, unique=True)):
        name, held = draw(NAMES), draw(SCHEMAS)
        uses.append({"type": "tool_use", "id": id, "name": name, "input": held, **draw(MARKS)})
        arguments = orjson.dumps(held).decode()
        calls.append({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
    thought = draw(st.sampled_from(([], [{"type": "thinking", "thinking": "hm", "signature": ""}])))
    message: dict[str, Any] = {"role": "assistant", "content": parts or None}
    if calls:
        message["tool_calls"] = calls
    return {"role": "assistant", "content": [*thought, *blocks, *uses]}, [message]


@st.composite
def both_wires(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    turns = [*draw(st.lists(st.one_of(user_messages(), assistant_messages()), max_size=4)), draw(user_messages())]
    ours: dict[str, Any] = {"messages": [turn for turn, _ in turns]}
    theirs: dict[str, Any] = {"messages": [message for _, messages in turns for message in messages]}
    if draw(st.booleans()):
        blocks, _ = draw(text_blocks())
        ours["system"] = draw(st.sampled_from((blocks, blocks[0]["text"])))
        text = ours["system"] if isinstance(ours["system"], str) else "\n".join(b["text"] for b in blocks)
        if text:
            theirs["messages"] = [{"role": "system", "content": text}, *theirs["messages"]]
    stated = {
        "model": st.sampled_from(("auto", "auto:cheap", "site/one")),
        "max_tokens": st.integers(1, 999),
        "temperature": st.one_of(st.none(), st.floats(0, 1), st.integers(0, 1)),
        "top_p": st.one_of(st.none(), st.floats(0, 1)),
        "top_k": st.one_of(st.none(), st.integers(0, 99)),
        "stream": st.booleans(),
    }
    for name, values in stated.items():
        ours[name] = theirs[name] = draw(values)
    if stops := draw(st.lists(st.text(min_size=1, max_size=4), max_size=2)):
        ours["stop_sequences"] = theirs["stop"] = stops
    if names := draw(st.lists(NAMES, max_size=2, unique=True)):
        schemas = [draw(SCHEMAS) for _ in names]
        ours["tools"] = [{"name": n, "input_schema": s, **draw(MARKS)} for n, s in zip(names, schemas, strict=True)]
        theirs["tools"] = [
            {"type": "function", "function": {"name": n, "parameters": s}} for n, s in zip(names, schemas, strict=True)
        ]
        choice = draw(st.sampled_from(("auto", "any", "none", "tool")))
        chosen = {"type": "function", "function": {"name": names[0]}}
        ours["tool_choice"] = {"type": choice} | ({"name": names[0]} if choice == "tool" else {})
        theirs["tool_choice"] = {"any": "required", "tool": chosen}.get(choice, choice)
        if choice != "none" and draw(st.booleans()):
            ours["tool_choice"]["disable_parallel_tool_use"] = True
            theirs["parallel_tool_calls"] = False
    if draw(st.booleans()):
        user = draw(TEXTS)
        ours["metadata"], theirs["user"] = {"user_id": user}, user
    if draw(st.booleans()):
        effort = draw(st.sampled_from(("low", "medium", "high", "xhigh")))
        ours["output_config"], theirs["reasoning_effort"] = {"effort": effort}, effort
    if draw(st.booleans()):
        schema = draw(SCHEMAS)
        ours["output_config"] = {**ours.get("output_config", {}), "format": {"type": "json_schema", "schema": schema}}
        form = {"name": "answer", "schema": schema, "strict": True}
        theirs["response_format"] = {"type": "json_schema", "json_schema": form}
    return ours, theirs


@settings(max_examples=150, deadline=None)
@given(both_wires())
def test_what_is_said_alike_on_both_wires_is_one_request(wires: tuple[dict[str, Any], dict[str, Any]]) -> None:
    ours, theirs = wires
    one = parse_messages(orjson.dumps(ours), {}, LIMITS, request_id="r")
    other = parse_chat(orjson.dumps(theirs), {}, LIMITS, request_id="r")
    unmarked = tuple([replace(message, marks=()) for message in one.messages])
    assert replace(one, messages=unmarked) == other
    assert len(one.digest) == 64


def test_a_limit_of_tokens_parts_what_is_asked_on_the_two_wires() -> None:
    """Anthropic's wire always states one; an answer that was made without is the answer to another question."""
    without = parse_chat(orjson.dumps({"model": "auto", "messages": HELLO}), {}, LIMITS, request_id="r1")
    assert without.digest != said().digest


# -- what is known ----------------------------------------------------------------------------------------


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


# -- what is refused, and where ---------------------------------------------------------------------------

DEEP: Any = 1
for _ in range(40):
    DEEP = {"a": DEEP}

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"model": ABSENT}, "model"),
    ({"max_tokens": ABSENT}, "max_tokens"),
    ({"max_tokens": None}, "max_tokens"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": "9"}, "max_tokens"),
    ({"max_tokens": True}, "max_tokens"),
    ({"messages": ABSENT}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": {}}, "messages"),
    ({"messages": ["x"]}, "messages[0]"),
    ({"messages": [{"content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": "x", "name": "ann"}]}, "messages[0]"),
    ({"messages": [*HELLO, {"role": "assistant", "content": "The answer is "}]}, "messages[1].content"),
    ({"messages": [*HELLO, {"role": "assistant", "content": ""}]}, "messages[1].content"),
    ({"messages": [*HELLO, {"role": "assistant", "content": [USE]}]}, "messages[1].content"),
    ({"messages": [*HELLO, {"role": "assistant", "content": "{"}], "thinking": {"type": "adaptive"}},
     "messages[1].role"),
    ({"messages": [*HELLO, {"role": "assistant", "content": "{"}],
      "output_config": {"format": {"type": "json_schema", "schema": {}}}}, "messages[1].role"),
    ({"messages": of_user("x")}, "messages[0].content[0]"),
    ({"messages": of_user({"text": "x"})}, "messages[0].content[0].type"),
    ({"messages": of_user({"type": "text"})}, "messages[0].content[0].text"),
    ({"messages": of_user({"type": "text", "text": 5})}, "messages[0].content[0].text"),
    ({"messages": of_user({"type": "text", "text": "x", "cache_control": 1})}, "messages[0].content[0].cache_control"),
    ({"messages": of_user({"type": "text", "text": "x", "colour": 1})}, "messages[0].content[0]"),
    ({"messages": of_user({"type": "document", "source": {}})}, "messages[0].content[0].source.type"),
    ({"messages": of_user({"type": "document"})}, "messages[0].content[0].source"),
    ({"messages": of_user({"type": "document", "source": {"type": "url", "url": "https://a.test/x.pdf"}})},
     "messages[0].content[0].source.type"),
    ({"messages": of_user({"type": "document", "source": {"type": "file", "file_id": "f"}})},
     "messages[0].content[0].source.type"),
    ({"messages": of_user({"type": "document", "source": {"type": "text", "media_type": "text/html", "data": "x"}})},
     "messages[0].content[0].source.media_type"),
    ({"messages": of_user({"type": "document", "source": {"type": "content", "content": [USE]}})},
     "messages[0].content[0].source.content[0].type"),
    ({"messages": of_user({"type": "document", "source": {"type": "content", "content": "x"},
                           "citations": {"enabled": True}})}, "messages[0].content[0].citations"),
    ({"messages": of_user({"type": "document", "source": {"type": "content", "content": "x"}, "title": []})},
     "messages[0].content[0].title"),
    ({"messages": of_user({"type": "server_tool_use"})}, "messages[0].content[0].type"),
    ({"messages": of_user(USE)}, "messages[0].content[0].type"),
    ({"messages": of_user({"type": "image"})}, "messages[0].content[0].source"),
    ({"messages": of_user({"type": "image", "source": {"type": "file", "file_id": "f"}})},
     "messages[0].content[0].source.type"),
    ({"messages": of_user({"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}})},
     "messages[0].content[0].source.url"),
    ({"messages": of_user({"type": "image", "source": {"type": "url", "url": "gs://b/a.png"}})},
     "messages[0].content[0].source.url"),
    ({"messages": of_user({"type": "image", "source": {**IMAGE["source"], "media_type": "text/html"}})},
     "messages[0].content[0].source.media_type"),
    ({"messages": of_user({"type": "image", "source": {**IMAGE["source"], "data": "no, words"}})},
     "messages[0].content[0].source.data"),
    ({"messages": of_user({**IMAGE, "transformations": {}})}, "messages[0].content[0].transformations"),
    ({"messages": of_user({"type": "text", "text": "x"}, RESULT)}, "messages[0].content[1]"),
    ({"messages": of_user({**RESULT, "tool_use_id": None})}, "messages[0].content[0].tool_use_id"),
    ({"messages": of_user({**RESULT, "content": 5})}, "messages[0].content[0].content"),
    ({"user_profile_id": "u"}, "user_profile_id"),
    ({"workspace_id": "w"}, "workspace_id"),
    ({"messages": of_user({**RESULT, "content": [RESULT]})}, "messages[0].content[0].content[0].type"),
    ({"messages": of_user({**RESULT, "is_error": "yes"})}, "messages[0].content[0].is_error"),
    ({"messages": of_user({**RESULT, "toolset_name": "browser"})}, "messages[0].content[0].toolset_name"),
    ({"messages": of_assistant(RESULT)}, "messages[1].content[0].type"),
    ({"messages": of_assistant({**USE, "input": "{}"})}, "messages[1].content[0].input"),
    ({"messages": of_assistant({**USE, "name": "a b"})}, "messages[1].content[0].name"),
    ({"messages": of_assistant({**USE, "id": ""})}, "messages[1].content[0].id"),
    ({"messages": of_assistant({**USE, "caller": {"type": "code_execution_20260120"}})},
     "messages[1].content[0].caller"),
    ({"messages": of_assistant({"type": "thinking", "thinking": 1, "signature": "s"})},
     "messages[1].content[0].thinking"),
    ({"system": 5}, "system"),
    ({"system": [{"type": "image"}]}, "system[0].type"),
    ({"temperature": 1.5}, "temperature"),
    ({"top_p": "1"}, "top_p"),
    ({"stop_sequences": "x"}, "stop_sequences"),
    ({"stop_sequences": [""]}, "stop_sequences[0]"),
    ({"stream": "yes"}, "stream"),
    ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
    ({"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 2000}, "thinking.budget_tokens"),
    ({"thinking": {"type": "between_tools"}}, "thinking.type"),
    ({"thinking": True}, "thinking"),
    ({"output_config": {"effort": "huge"}}, "output_config.effort"),
    ({"output_config": {"format": {"type": "regex"}}}, "output_config.format.type"),
    ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
    ({"output_config": {"form": 1}}, "output_config"),
    ({"metadata": {"tenant": "x"}}, "metadata"),
    ({"metadata": {"user_id": 5}}, "metadata.user_id"),
    ({"metadata": {"user_id": "x" * 513}}, "metadata.user_id"),
    ({"metadata": {"weir_colour": "red"}}, "metadata.weir_colour"),
    ({"tools": [{**TOOL, "type": "web_search_20250305"}]}, "tools[0].type"),
    ({"tools": [{**TOOL, "input_schema": None}]}, "tools[0].input_schema"),
    ({"tools": [{**TOOL, "input_schema": DEEP}]}, "tools[0].input_schema"),
    ({"tools": [{**TOOL, "name": "a.b"}]}, "tools[0].name"),
    ({"tools": [{**TOOL, "parameters": {}}]}, "tools[0]"),
    ({"tools": [{**TOOL, "defer_loading": True}]}, "tools[0].defer_loading"),
    ({"tools": [TOOL, TOOL]}, "tools[1].name"),
    ({"tool_choice": {"type": "any"}}, "tool_choice"),
    ({"tool_choice": "any", "tools": [TOOL]}, "tool_choice"),
    ({"tool_choice": {"type": "required"}, "tools": [TOOL]}, "tool_choice.type"),
    ({"tool_choice": {**BY_NAME, "name": "other"}, "tools": [TOOL]}, "tool_choice.name"),
    ({"tool_choice": {"type": "none", "disable_parallel_tool_use": True}}, "tool_choice"),
    ({"tool_choice": {"type": "auto", "disable_parallel_tool_use": 1}}, "tool_choice.disable_parallel_tool_use"),
    ({"speed": "fast"}, "speed"),
    ({"mcp_servers": []}, "mcp_servers"),
    ({"service_tier": "priority"}, "service_tier"),
    ({"seed": 1}, "seed"),
    ({"n": 2}, "n"),
    ({"max_token": 1}, "max_token"),
]  # fmt: skip


@pytest.mark.parametrize(("over", "param"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_refused_names_its_place(over: dict[str, Any], param: str) -> None:
    error = refusal(parse_messages, body(**over), {}, LIMITS, request_id="r1")
    assert error.param == param


def test_what_a_provider_would_run_or_a_model_that_is_none_is_told_apart() -> None:
    assert isinstance(refusal(parse_messages, body(container="c"), {}, LIMITS, request_id="r"), Unsupported)
    assert isinstance(refusal(parse_messages, body(model="a b"), {}, LIMITS, request_id="r"), UnknownModel)
    near = refusal(parse_messages, body(stop_sequence=["x"]), {}, LIMITS, request_id="r")
    assert near.next_step == "Did you mean 'stop_sequences'?"


@pytest.mark.parametrize(
    ("limits", "over"),
    [
        (Limits(messages=2), {"messages": HELLO * 3}),
        (Limits(messages=2), {"messages": of_user(RESULT, RESULT, RESULT)}),
        (Limits(string_chars=3), {}),
        (Limits(text_chars=12), {"messages": HELLO * 2, "system": "Hello"}),
        (Limits(parts=1), {"messages": of_user(*[{"type": "text", "text": ""}] * 2)}),
        (Limits(tools=1), {"tools": [TOOL, {**TOOL, "name": "other"}]}),
        (Limits(stops=1), {"stop_sequences": ["a", "b"]}),
        (Limits(output_tokens=9), {"max_tokens": 10}),
        (Limits(schema_bytes=9), {"tools": [TOOL]}),
        (Limits(tool_calls=1), {"messages": of_assistant(USE, USE)}),
        (Limits(depth=6), {"tools": [{**TOOL, "input_schema": DEEP}]}),
        (Limits(body_bytes=20), {}),
    ],
)
def test_every_limit_of_the_other_wire_holds_here(limits: Limits, over: dict[str, Any]) -> None:
    refusal(parse_messages, body(**over), {}, limits, request_id="r1")
