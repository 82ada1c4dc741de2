"""Chat bodies: what is understood, and what is refused under which name."""

from __future__ import annotations

import base64
from typing import Any, get_args

import pytest
from openai.types.chat import ChatCompletion
from openai.types.shared.reasoning_effort import ReasoningEffort

from appliance.errors import UnknownModel, Unsupported
from appliance.intake import Limits, parse_chat
from appliance.records.answer import Answer, Choice
from appliance.records.request import Format, Labels, Message, Sampling
from appliance.respond import chat_body
from tests.intake.wire import ABSENT, chat, refusal

USER = {"role": "user", "content": "Hello"}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
IMAGE = "data:image/png;base64," + base64.b64encode(b"png").decode()
PICTURE = {"type": "image_url", "image_url": {"url": IMAGE}}


def says(*messages: dict[str, Any]) -> tuple[Message, ...]:
    return chat(messages=list(messages)).messages


def test_a_plain_request_has_defaults_everywhere_else() -> None:
    request = chat()
    assert (request.id, request.kind, request.model, request.preference) == ("r1", "chat", "auto", "balanced")
    assert request.messages == (Message("user", "Hello"),)
    assert request.sampling == Sampling()
    assert request.format == Format()
    assert request.labels == Labels()
    assert request.forwarded == {}
    assert request.tenant == "local"


@pytest.mark.parametrize(
    ("overrides", "slot", "value"),
    [
        ({"temperature": 1}, "temperature", 1.0),
        ({"temperature": -0.0}, "temperature", 0.0),
        ({"temperature": None}, "temperature", None),
        ({"top_p": 0.5}, "top_p", 0.5),
        ({"max_tokens": 7}, "max_tokens", 7),
        ({"max_completion_tokens": 7}, "max_tokens", 7),
        ({"max_completion_tokens": 7, "max_tokens": 7}, "max_tokens", 7),
        ({"top_k": 40}, "top_k", 40),
        ({"top_k": -1}, "top_k", 0),
        ({"min_p": 0.1}, "min_p", 0.1),
        ({"seed": -(2**63)}, "seed", -(2**63)),
        ({"frequency_penalty": -2}, "frequency_penalty", -2.0),
        ({"presence_penalty": 2}, "presence_penalty", 2.0),
        ({"repeat_penalty": 1.1}, "repeat_penalty", 1.1),
        ({"repetition_penalty": 1.1}, "repeat_penalty", 1.1),
        ({"stop": "END"}, "stop", ("END",)),
        ({"stop": ["a", "b"]}, "stop", ("a", "b")),
        ({"stop": []}, "stop", ()),
        ({"logit_bias": {"20": 1, "3": -100}}, "logit_bias", ((3, -100.0), (20, 1.0))),
        ({"logprobs": True}, "logprobs", True),
        ({"logprobs": True, "top_logprobs": 20}, "top_logprobs", 20),
    ],
)
def test_sampling_parameters_are_read(overrides: dict[str, Any], slot: str, value: object) -> None:
    read = getattr(chat(**overrides).sampling, slot)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("overrides", "slot", "value"),
    [
        ({"n": 16}, "n", 16),
        ({"stream": True}, "stream", True),
        ({"stream": True, "stream_options": {"include_usage": True}}, "stream_usage", True),
        ({"stream": True, "stream_options": {"include_obfuscation": False}}, "stream_usage", False),
        ({"tools": [TOOL]}, "tools", (TOOL,)),
        ({"tools": [TOOL], "tool_choice": "required"}, "tool_choice", "required"),
        ({"tool_choice": "none"}, "tool_choice", "none"),
        ({"tools": [TOOL], "parallel_tool_calls": False}, "parallel_tool_calls", False),
        ({"response_format": {"type": "text"}}, "format", Format()),
        ({"response_format": {"type": "json_object"}}, "format", Format("json_object")),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
            "format",
            Format("json_schema", SCHEMA, "x", False),
        ),
        ({"guided_json": SCHEMA}, "format", Format("json_schema", SCHEMA, "guided", True)),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": SCHEMA, "strict": True, "description": "d"},
                }
            },
            "format",
            Format("json_schema", SCHEMA, "x", True, description="d"),
        ),
        ({"guided_regex": "[0-9]+"}, "format", Format("regex", pattern="[0-9]+")),
        ({"regex": "[0-9]+", "guided_regex": "[0-9]+"}, "format", Format("regex", pattern="[0-9]+")),
        ({"user": "u1"}, "user", "u1"),
        ({"safety_identifier": "s1"}, "user", "s1"),
        ({"safety_identifier": "s1", "user": "u1"}, "user", "u1"),
        ({"user": "u1", "safety_identifier": "s1"}, "user", "u1"),
        ({"cache_prompt": True, "store": False, "min_tokens": 0}, "forwarded", {}),
    ],
)
def test_other_parameters_are_read(overrides: dict[str, Any], slot: str, value: object) -> None:
    assert getattr(chat(**overrides), slot) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metadata", {"run": "7"}),
        ("service_tier", "auto"),
        ("user", "u"),
        ("safety_identifier", "s"),
        ("prompt_cache_key", "k"),
        ("reasoning_effort", "low"),
        ("verbosity", "high"),
        ("prediction", {"type": "content", "content": "x"}),
        ("web_search_options", {}),
        ("modalities", ["text"]),
        ("chat_template_kwargs", {"enable_thinking": False}),
    ],
)
def test_what_weir_does_not_interpret_is_passed_on(name: str, value: object) -> None:
    overrides: dict[str, Any] = {name: value}
    assert chat(**overrides).forwarded == overrides


@pytest.mark.parametrize("effort", get_args(get_args(ReasoningEffort)[0]))
def test_every_documented_effort_is_known_and_the_greatest_is_the_greatest_that_paths_know(effort: str) -> None:
    assert chat(reasoning_effort=effort).forwarded == {"reasoning_effort": "xhigh" if effort == "max" else effort}


@pytest.mark.parametrize(
    ("model", "read", "preference"),
    [
        ("auto", "auto", "balanced"),
        ("auto:cheap", "auto", "cheap"),
        ("auto:fast", "auto", "fast"),
        ("auto:best", "auto", "best"),
        ("auto:floor", "auto", "cheap"),
        ("auto:nitro", "auto", "fast"),
        ("site/qwen3-32b", "site/qwen3-32b", "balanced"),
        ("site/qwen3-32b:floor", "site/qwen3-32b", "cheap"),
        ("site/qwen3-32b:best", "site/qwen3-32b", "best"),
    ],
)
def test_a_suffix_is_a_preference(model: str, read: str, preference: str) -> None:
    request = chat(model=model)
    assert (request.model, request.preference) == (read, preference)


@pytest.mark.parametrize("model", ["llama3:8b", "../etc", "", "a b", "x" * 129, "ft:gpt:org::id"])
def test_a_model_that_cannot_be_an_id_is_not_known(model: str) -> None:
    error = refusal(chat, model=model)
    assert isinstance(error, UnknownModel)
    assert error.param == "model"


@pytest.mark.parametrize(
    ("overrides", "param"),
    [
        ({"model": ABSENT}, "model"),
        ({"model": None}, "model"),
        ({"model": 3}, "model"),
        ({"model": "auto:slow"}, "model"),
        ({"model": "auto:"}, "model"),
        ({"messages": ABSENT}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [USER, {"content": "x"}]}, "messages[1].role"),
        ({"messages": [USER, {"role": "wizard", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages[0].role"),
        ({"messages": [USER, USER, {"role": "user", "content": 3}]}, "messages[2].content"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "gif"}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": IMAGE}}]}]},
            "messages[0].content[0].type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp:x"}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "gs://b/a.png"}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "user", "content": "x", "tool_call_id": "c"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "user", "content": "x", "tool_calls": [CALL]}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].id"),
        ({"messages": [{"role": "user", "content": "x", "name": 3}]}, "messages[0].name"),
        ({"messages": [{"role": "user", "content": "x", "colour": 3}]}, "messages[0]"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.0}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_tokens": 10**7}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_completion_tokens"),
        ({"repeat_penalty": 1.0, "repetition_penalty": 1.2}, "repetition_penalty"),
        ({"seed": 2**63}, "seed"),
        ({"seed": True}, "seed"),
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stop": ["ok", 3]}, "stop[1]"),
        ({"stop": ""}, "stop[0]"),
        ({"stop": "x" * 257}, "stop[0]"),
        ({"logit_bias": {"the": 1}}, "logit_bias"),
        ({"logit_bias": {"7": 101}}, "logit_bias.7"),
        ({"logit_bias": {"7": 1, "07": 1}}, "logit_bias"),
        ({"logprobs": 3}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"usage": True}}, "stream_options"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {}}, "response_format.type"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_object", "schema": SCHEMA}}, "response_format"),
        ({"response_format": {"type": "text", "json_schema": {"name": "x", "schema": SCHEMA}}}, "response_format"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}, "strict": True}},
            "response_format",
        ),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
            "response_format.json_schema.schema",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x y", "schema": {}}}},
            "response_format.json_schema.name",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}, "y": 1}}},
            "response_format.json_schema",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "bold": True}]}]},
            "messages[0].content[0]",
        ),
        ({"response_format": {"type": "json_object"}, "regex": "x"}, "regex"),
        ({"guided_json": "{}"}, "guided_json"),
        ({"regex": ""}, "regex"),
        ({"tools": {}}, "tools"),
        ({"tools": [TOOL, {"type": "custom"}]}, "tools[1].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": [TOOL, TOOL]}, "tools[1].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "a", "parameters": []}}]},
            "tools[0].function.parameters",
        ),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": "sometimes"}, "tool_choice"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}},
            "tool_choice.function.name",
        ),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort"),
        ({"prediction": {"content": "x" * 200_000}}, "prediction"),
        ({"user": 5}, "user"),
    ],
)
def test_what_is_malformed_is_refused_by_the_name_of_its_field(overrides: dict[str, Any], param: str) -> None:
    error = refusal(chat, **overrides)
    assert error.param == param
    assert error.status in (400, 404)


@pytest.mark.parametrize("value", [10**30, -(10**30), 2**64, 1.5])
@pytest.mark.parametrize(("name", "span"), [("max_tokens", "1 to 1000000"), ("seed", f"{-(2**63)} to {2**63 - 1}")])
def test_a_number_that_is_out_of_range_is_told_its_range(name: str, span: str, value: float) -> None:
    body = b'{"model": "auto", "%b": %b, "messages": [{"role": "user", "content": "x"}]}'
    error = refusal(parse_chat, body % (name.encode(), str(value).encode()), {}, Limits(), request_id="r1")
    assert (error.param, error.message) == (name, f"'{name}' must be an integer from {span}.")


@pytest.mark.parametrize(
    "overrides",
    [
        {"store": True},
        {"audio": {"voice": "alloy", "format": "wav"}},
        {"modalities": ["text", "audio"]},
        {"functions": []},
        {"function_call": "auto"},
        {"guided_choice": ["a"]},
        {"grammar": "root ::= x"},
        {"prompt": "x"},
        {"extra_body": {}},
        {"min_tokens": False},
    ],
)
def test_what_no_path_could_honour_is_refused_by_name(overrides: dict[str, Any]) -> None:
    error = refusal(chat, **overrides)
    assert isinstance(error, Unsupported)
    assert error.code == "unsupported_parameter"
    assert error.param == next(iter(overrides))


def test_an_unknown_parameter_is_refused_with_the_one_that_was_meant() -> None:
    error = refusal(chat, temprature=1)
    assert error.param == "temprature"
    assert "Did you mean 'temperature'?" in error.next_step


def test_an_unknown_name_is_shown_cut_and_printable() -> None:
    error = refusal(chat, **{"é\r\nx-evil: 1" + "y" * 500: 1})
    assert error.param is not None
    assert len(error.param) == 64
    assert error.param.startswith("???x-evil")


def test_parts_of_text_become_one_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert says({"role": "user", "content": parts}) == (Message("user", "a\nb"),)


def test_parts_that_are_not_text_are_kept_in_their_order_beside_the_text() -> None:
    parts = [{"type": "image_url", "image_url": {"url": IMAGE}}, {"type": "text", "text": "What is it?"}]
    (message,) = says({"role": "user", "content": parts})
    assert message.content == "What is it?"
    assert list(message.parts) == parts


def test_a_conversation_with_tools_is_read_whole() -> None:
    messages = says(
        {"role": "developer", "content": "Be brief."},
        USER | {"name": "Ann"},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None, "annotations": []},
        {"role": "tool", "content": "12 degrees", "tool_call_id": "c1"},
        {"role": "assistant", "refusal": "I would rather not."},
    )
    assert messages == (
        Message("developer", "Be brief."),
        Message("user", "Hello", name="Ann"),
        Message("assistant", "", tool_calls=(CALL,)),
        Message("tool", "12 degrees", tool_call_id="c1"),
        Message("assistant", "I would rather not."),
    )


@pytest.mark.parametrize(
    "choice", [Choice("Hi"), Choice("", (CALL,), "tool_calls"), Choice("Hi", (CALL,), "tool_calls")]
)
def test_an_answers_message_can_be_sent_back_as_the_sdk_gives_it(choice: Choice) -> None:
    body = chat_body(Answer("i", "m", 1, (choice,)))
    message = ChatCompletion.model_validate_json(body).choices[0].message.model_dump()
    assert says(USER, message)[1] == Message("assistant", choice.text, tool_calls=choice.tool_calls)


@pytest.mark.parametrize(
    ("limits", "overrides", "param"),
    [
        (Limits(messages=1), {"messages": [USER, USER]}, "messages"),
        (Limits(string_chars=4), {}, "messages[0].content"),
        (Limits(text_chars=9), {"messages": [USER, USER]}, "messages"),
        (Limits(tools=0), {"tools": [TOOL]}, "tools"),
        (Limits(schema_bytes=10), {"guided_json": SCHEMA}, "guided_json"),
        (Limits(schema_depth=2), {"guided_json": SCHEMA}, "guided_json"),
        (Limits(pattern_chars=2), {"regex": "abc"}, "regex"),
        (Limits(parts=1), {"messages": [{"role": "user", "content": [{}, {}]}]}, "messages[0].content"),
    ],
)
def test_every_limit_holds(limits: Limits, overrides: dict[str, Any], param: str) -> None:
    assert refusal(chat, limits=limits, **overrides).param == param


def test_text_exactly_at_the_limit_is_taken() -> None:
    assert chat(limits=Limits(string_chars=5, text_chars=5)).messages[0].content == "Hello"


@pytest.mark.parametrize(
    "address",
    [
        "data:image/png;base64,!!!",
        "data:image/png;base64,",
        "data:image/png,AA==",
        "data:image/png;base64,AA==\r\nX: y",
        "https:///a.png",
        "http://",
        "data:text/plain;base64,AA==",
    ],
)
def test_a_picture_is_at_an_address_or_in_it(address: str) -> None:
    parts = [{"type": "image_url", "image_url": {"url": address}}]
    assert refusal(chat, messages=[{"role": "user", "content": parts}]).param == "messages[0].content[0].image_url.url"
