"""Anthropic's wire: what is not taken is refused with its place, and within the limits of the other wire."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.errors import UnknownModel, Unsupported
from appliance.intake import Limits
from appliance.intake.anthropic import parse_messages
from tests.intake.anthropic_rig import BY_NAME, HELLO, IMAGE, RESULT, TOOL, USE, body, of_assistant, of_user
from tests.intake.wire import ABSENT, LIMITS, refusal

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
