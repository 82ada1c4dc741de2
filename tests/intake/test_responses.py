"""/v1/responses inwards: the same question as a chat's is the same request; what cannot be done is refused by name."""

from __future__ import annotations

from typing import Any, get_args

import orjson
import pytest
from openai.types.responses.image_detail import ImageDetail

from appliance.errors import Unsupported
from appliance.intake.responses import RESPONSES, parse_responses
from appliance.records.request import Message, Request
from tests.intake.wire import ABSENT, LIMITS, chat, refusal

CALL = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Bern"}'}
CHAT_CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
TOOL = {"type": "function", "name": "weather", "description": "of a city", "parameters": {"type": "object"}}
USER = {"role": "user", "content": "Hello"}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}


def responses(**over: Any) -> Request:
    body = {"model": "auto", "input": "Hello", **over}
    raw = orjson.dumps({name: value for name, value in body.items() if value is not ABSENT})
    return parse_responses(raw, {}, LIMITS, request_id="r1")


@pytest.mark.parametrize(
    ("ours", "chats"),
    [
        ({}, {}),
        ({"input": [USER]}, {}),
        ({"input": [{"type": "message", **USER, "status": "completed"}]}, {}),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}]}, {}),
        ({"instructions": "Be brief."}, {"messages": [{"role": "system", "content": "Be brief."}, USER]}),
        ({"max_output_tokens": 7, "top_p": 0.9}, {"max_tokens": 7, "top_p": 0.9}),
        ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
        (
            {"text": {"format": {"type": "json_schema", "name": "city", "schema": SCHEMA, "strict": True}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "city", "schema": SCHEMA, "strict": True},
                }
            },
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "name": "weather"}, "parallel_tool_calls": False},
            {
                "tools": [{"type": "function", "function": {k: v for k, v in TOOL.items() if k != "type"}}],
                "tool_choice": {"type": "function", "function": {"name": "weather"}},
                "parallel_tool_calls": False,
            },
        ),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low"}),
        ({"text": {"verbosity": "low"}}, {"verbosity": "low"}),
        ({"include": ["message.output_text.logprobs"], "top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        (
            {"metadata": {"a": "b"}, "user": "ann", "store": False, "truncation": "disabled", "background": False},
            {"metadata": {"a": "b"}, "user": "ann"},
        ),
        (
            {
                "input": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "input_text", "text": "What is it?"},
                            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
                        ],
                    }
                ]
            },
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "What is it?"},
                            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                        ],
                    }
                ]
            },
        ),
        (
            {
                "input": [
                    USER,
                    {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
                     "content": [{"type": "output_text", "text": "Let me see.", "annotations": [], "logprobs": []}]},
                    {"id": "fc_1", "status": "completed", **CALL},
                    {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
                ]
            },
            {
                "messages": [
                    USER,
                    {"role": "assistant", "content": "Let me see.", "tool_calls": [CHAT_CALL]},
                    {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
                ]
            },
        ),
    ],
)  # fmt: skip
def test_what_is_said_alike_in_a_chat_is_the_same_request(ours: dict[str, Any], chats: dict[str, Any]) -> None:
    said, asked = responses(**ours), chat(**chats)
    assert said.messages == asked.messages
    assert said.digest == asked.digest
    assert (said.tools, said.tool_choice, said.format, said.sampling) == (
        asked.tools, asked.tool_choice, asked.format, asked.sampling,
    )  # fmt: skip


def test_what_is_given_back_changes_nothing_of_the_question() -> None:
    plain, stated = responses(), responses(metadata={"a": "b"}, user="ann", include=["reasoning.encrypted_content"])
    assert plain.digest == stated.digest
    assert plain.echo is not None
    assert stated.echo is not None
    assert plain.echo != stated.echo
    assert (plain.echo.seal, stated.echo.seal) == (False, True)
    back = orjson.loads(b"{" + stated.echo.fields.encode() + b"}")
    assert (back["metadata"], back["store"], back["user"]) == ({"a": "b"}, False, "ann")


@pytest.mark.parametrize("detail", get_args(ImageDetail))
def test_every_documented_detail_of_an_image_is_known(detail: str) -> None:
    url = "data:image/png;base64,AA=="
    asked = chat(messages=[
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url, "detail": detail}}]}
    ])  # fmt: skip
    said = responses(input=[{"role": "user", "content": [{"type": "input_image", "image_url": url, "detail": detail}]}])
    assert asked.messages[0].parts[0]["image_url"]["detail"] == detail
    assert said.messages[0].parts[0]["image_url"].get("detail", "auto") == detail


def test_calls_of_one_turn_are_one_message_and_their_outputs_follow() -> None:
    second = {**CALL, "call_id": "c2"}
    items = [USER, CALL, second, {"role": "assistant", "content": "Both."}, *map(output, ("c1", "c2"))]
    made = responses(input=items).messages
    assert [message.role for message in made] == ["user", "assistant", "tool", "tool"]
    assert (made[1].content, [call["id"] for call in made[1].tool_calls]) == ("Both.", ["c1", "c2"])


def output(id: str, said: Any = "x") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": id, "output": said}


def test_two_answers_in_a_row_are_two_messages() -> None:
    made = responses(input=[USER, {"role": "assistant", "content": "One."}, {"role": "assistant", "content": "Two."}])
    assert [message.content for message in made.messages] == ["Hello", "One.", "Two."]


def thought(**over: Any) -> dict[str, Any]:
    return {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}], **over}


def test_thinking_comes_back_with_its_seal_and_not_without() -> None:
    sealed = responses(input=[USER, thought(encrypted_content="SEAL"), CALL, output("c1")]).messages[1]
    assert sealed.parts == ({"type": "thinking", "thinking": "Hm.", "signature": "SEAL"},)
    assert sealed.content == ""
    bare = responses(input=[USER, thought(), CALL, output("c1")])
    assert bare.messages[1].parts == ()
    hidden = responses(input=[USER, thought(summary=[], encrypted_content="redacted:abc"), CALL, output("c1")])
    assert hidden.messages[1].parts == ({"type": "redacted_thinking", "data": "abc"},)


def test_thinking_that_nothing_followed_is_no_turn() -> None:
    assert responses(input=[USER, thought(encrypted_content="S"), USER]).messages == (
        Message("user", "Hello"),
        Message("user", "Hello"),
    )
    assert refusal(responses, input=[thought(encrypted_content="S")]).param == "input"


def test_an_output_may_hold_images() -> None:
    made = responses(
        input=[
            USER,
            CALL,
            output(
                "c1",
                [{"type": "input_text", "text": "seen"}, {"type": "input_image", "image_url": "https://a.test/x.png"}],
            ),
        ]
    ).messages[-1]
    assert (made.role, made.content, made.parts[1]["type"]) == ("tool", "seen", "image_url")


@pytest.mark.parametrize(
    ("over", "param"),
    [
        ({"store": True}, "store"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"truncation": "auto"}, "truncation"),
        ({"context_management": []}, "context_management"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [TOOL, {"type": "file_search", "vector_store_ids": []}]}, "tools[1].type"),
        ({"tools": [{"type": "computer_use_preview"}]}, "tools[0].type"),
        ({"tools": [{**TOOL, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tools": [TOOL], "tool_choice": {"type": "web_search"}}, "tool_choice.type"),
        ({"include": ["file_search_call.results"]}, "include[0]"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [{"id": "msg_1"}]}, "input[0]"),
        ({"input": [{"type": "computer_call_output"}]}, "input[0].type"),
        ({"input": [{**CALL, "namespace": "x"}]}, "input[0].namespace"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0].file_id",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "https://a.test"}]}]},
            "input[0].content[0].file_url",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name_with_what_to_do(over: dict[str, Any], param: str) -> None:
    error = refusal(responses, **over)
    assert isinstance(error, Unsupported)
    assert error.param == param


@pytest.mark.parametrize(
    ("over", "param"),
    [
        ({"input": ABSENT}, "input"),
        ({"input": 3}, "input"),
        ({"input": []}, "input"),
        ({"input": [3]}, "input[0]"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": "x", "colour": 1}]}, "input[0]"),
        ({"input": [{**CALL, "call_id": ABSENT}]}, "input[0].call_id"),
        ({"input": [{**CALL, "name": "no spaces"}]}, "input[0].name"),
        ({"input": [output("c1", 3)]}, "input[0].output"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"input": [thought(summary=[{"type": "text", "text": "x"}])]}, "input[0].summary[0].type"),
        (
            {"input": [{"role": "assistant", "content": [{"type": "input_image", "image_url": "https://a.test"}]}]},
            "input[0].content[0].type",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "gs://b/a.png"}]}]},
            "input[0].content[0].image_url",
        ),
        ({"instructions": 3}, "instructions"),
        ({"model": ABSENT}, "model"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "text", "more": 1}}}, "text.format"),
        ({"reasoning": {"effort": "much"}}, "reasoning.effort"),
        ({"reasoning": {"mode": "pro"}}, "reasoning"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "other"}}, "tool_choice.name"),
        ({"tools": [TOOL, TOOL]}, "tools[1].name"),
        ({"tools": [{**TOOL, "colour": 1}]}, "tools[0]"),
        ({"stream_options": {"include_obfuscation": True}}, "stream_options"),
        ({"max_output_token": 3}, "max_output_token"),
        ({"max_tokens": 3}, "max_tokens"),
        ({"top_logprobs": 21}, "top_logprobs"),
    ],
)
def test_what_is_wrong_is_named(over: dict[str, Any], param: str) -> None:
    body = {"model": "auto", "input": "Hello", **over}
    items = body.get("input")
    if type(items) is list:
        body["input"] = [
            {k: v for k, v in item.items() if v is not ABSENT} if type(item) is dict else item for item in items
        ]
    assert refusal(responses, **body).param == param


def test_a_name_that_is_nearly_right_is_told() -> None:
    assert "'max_output_tokens'" in refusal(responses, max_output_token=3).next_step


def test_every_documented_parameter_is_known() -> None:
    from openai.types.responses.response_create_params import ResponseCreateParamsBase

    documented = {*ResponseCreateParamsBase.__annotations__, "stream"}
    assert documented <= set(RESPONSES), documented - set(RESPONSES)
