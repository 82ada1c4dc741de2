"""Claims about two wires: what is said alike on Anthropic's and on OpenAI's is one Request."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.intake import parse_chat
from appliance.intake.anthropic import parse_messages
from tests.intake.anthropic_rig import HELLO, IMAGE, said
from tests.intake.wire import LIMITS

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
