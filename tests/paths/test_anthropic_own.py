"""What Anthropic's own wire says inwards goes out to Anthropic as it was said, and is refused by others by name."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from appliance.intake.anthropic import parse_messages
from appliance.intake.limits import Limits
from appliance.paths.anthropic_http import AnthropicDialect
from appliance.paths.anthropic_wire import MAKER, MessageReading, build_body
from appliance.paths.contract import Job, PathError
from appliance.paths.gemini_wire import build_body as gemini_body
from appliance.records.chunks import Usage
from appliance.records.request import Message, Sampling, Thinking
from tests import factories as make

EPHEMERAL = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}
PIXEL = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}}


def job(**over: Any) -> Job:
    """What a message on the wire becomes, as far as a path is told."""
    body = {"model": "auto", "max_tokens": 4096, "messages": [{"role": "user", "content": "Hello"}], **over}
    asked = parse_messages(orjson.dumps(body), {}, Limits(), request_id="r")
    return Job(
        id="j", kind="chat", messages=asked.messages, sampling=asked.sampling, tools=asked.tools,
        thinking=asked.thinking, continues=asked.continues, forwarded=asked.forwarded,
    )  # fmt: skip


def sent(reasoning: str = "budget", **over: Any) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(orjson.dumps(build_body(job(**over), "m", 1024, reasoning)))
    return body


def test_marks_stand_where_they_stood() -> None:
    system = [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind.", **HOUR}]
    content = [{"type": "text", "text": "A long text.", **EPHEMERAL}, {"type": "text", "text": "A question?"}]
    body = sent(system=system, messages=[{"role": "user", "content": content}])
    assert body["system"] == [{"type": "text", "text": "Be brief.\nBe kind.", **HOUR}]
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "A long text.", **EPHEMERAL},
        {"type": "text", "text": "\nA question?"},
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [([], ["", "\n"]), (["\n"], []), ([], [" ", "A question?"])],
    ids=["behind", "in front", "between"],
)
def test_no_mark_leaves_a_piece_of_blanks_alone_which_the_api_refuses(before: list[str], after: list[str]) -> None:
    blocks = [{"type": "text", "text": text, **EPHEMERAL} for text in (*before, "A long text.")]
    blocks += [{"type": "text", "text": text, **(EPHEMERAL if text == " " else {})} for text in after]
    said = sent(messages=[{"role": "user", "content": blocks}])["messages"][0]["content"]
    assert all(block["text"].strip() for block in said)
    assert {**said[0], "text": said[0]["text"].strip()} == {"type": "text", "text": "A long text.", **EPHEMERAL}


def test_a_mark_in_a_message_of_more_than_text_stands_at_its_end() -> None:
    content = [PIXEL, {"type": "text", "text": "What is it?", **EPHEMERAL}]
    blocks = sent(messages=[{"role": "user", "content": content}])["messages"][0]["content"]
    assert [block["type"] for block in blocks] == ["image", "text"]
    assert ["cache_control" in block for block in blocks] == [False, True]


def test_a_request_without_marks_has_none() -> None:
    assert "cache_control" not in str(sent())


@pytest.mark.parametrize(
    ("thinking", "reasoning", "said"),
    [
        ({"type": "enabled", "budget_tokens": 2000}, "budget", {"type": "enabled", "budget_tokens": 2000}),
        (
            {"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
            "budget",
            {"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
        ),
        ({"type": "enabled", "budget_tokens": 2000}, "effort", {"type": "adaptive", "display": "summarized"}),
        ({"type": "adaptive"}, "effort", {"type": "adaptive", "display": "summarized"}),
        ({"type": "adaptive", "display": "omitted"}, "effort", {"type": "adaptive", "display": "omitted"}),
        ({"type": "adaptive"}, "budget", {"type": "enabled", "budget_tokens": 4095}),
        ({"type": "adaptive"}, "none", None),
        ({"type": "disabled"}, "budget", None),
    ],
)
def test_thinking_is_asked_for_as_it_was(thinking: Any, reasoning: str, said: Any) -> None:
    assert sent(reasoning, thinking=thinking).get("thinking") == said


def test_thinking_that_was_left_to_the_model_is_none_where_there_is_no_room() -> None:
    assert "thinking" not in sent(max_tokens=500, thinking={"type": "adaptive"})
    asked = Job("j", "chat", (Message("user", "x"),), sampling=Sampling(max_tokens=500), thinking=Thinking(1024))
    with pytest.raises(PathError, match="within 500 tokens"):
        build_body(asked, "m", 1024, "budget")


def test_thinking_goes_back_to_who_sealed_it() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": f"{MAKER}SEAL"},
        {"type": "redacted_thinking", "data": f"{MAKER}abc"},
        {"type": "thinking", "thinking": "Another's.", "signature": "google:SEAL"},
        {"type": "text", "text": "Hello"},
    ]
    turns = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": blocks},
        {"role": "user", "content": "b"},
    ]
    assert sent(messages=turns)["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "SEAL"},
        {"type": "redacted_thinking", "data": "abc"},
        {"type": "text", "text": "Hello"},
    ]


def test_an_answer_that_is_begun_is_the_last_turn() -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "The answer is"}]
    assert sent(messages=turns)["messages"][-1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "The answer is"}],
    }
    with pytest.raises(PathError, match="begun"):
        gemini_body(job(messages=turns), "none")


def test_documents_and_images_in_results_go_as_they_came_or_are_refused() -> None:
    content = [{"type": "document", "source": PDF, "title": "farms.pdf"}, {"type": "text", "text": "What?"}]
    asked = {"messages": [{"role": "user", "content": content}]}
    assert sent(**asked)["messages"][0]["content"][0] == {"type": "document", "source": PDF, "title": "farms.pdf"}
    parts = gemini_body(job(**asked), "none")["contents"][0]["parts"]
    assert parts[0] == {"inlineData": {"mimeType": "application/pdf", "data": "JVBERg=="}}
    use = {"type": "tool_use", "id": "c1", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": [PIXEL]}
    turns = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    assert sent(messages=turns)["messages"][2]["content"][0]["content"] == [PIXEL]
    with pytest.raises(PathError, match="tool's result") as caught:
        gemini_body(job(messages=turns), "none")
    assert caught.value.param == "messages[2].content"


def test_the_stop_sequence_that_was_met_is_read() -> None:
    whole = {
        "content": [{"type": "text", "text": "x"}],
        "stop_reason": "stop_sequence",
        "stop_sequence": "END",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    reading = MessageReading()
    reading.whole(orjson.dumps(whole))
    assert reading.stops == {0: "END"}
    streamed = MessageReading()
    delta = {"type": "message_delta", "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"}, "usage": {}}
    streamed.feed(b"event: message_delta\ndata: " + orjson.dumps(delta) + b"\n\n")
    assert streamed.stops == {0: "END"}


def test_what_is_kept_for_an_hour_is_counted_apart() -> None:
    kept = {"ephemeral_1h_input_tokens": 100_000, "ephemeral_5m_input_tokens": 20}
    stated = {"input_tokens": 10, "cache_creation_input_tokens": 100_020, "cache_creation": kept, "output_tokens": 1}
    reading = MessageReading()
    reading.feed(b"data: " + orjson.dumps({"type": "message_start", "message": {"usage": stated}}) + b"\n\n")
    later = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
    reading.feed(b"data: " + orjson.dumps(later) + b"\n\n")
    assert reading.usage == Usage(100_030, 5, 0, 0, 100_020, 100_000)


@pytest.mark.parametrize(
    ("price", "goes"),
    [
        ({}, True),
        ({"input_per_million": 3.0, "cache_write_per_million": 3.75}, False),
        ({"input_per_million": 3.0, "cache_write_per_million": 3.75, "cache_write_1h_per_million": 6.0}, True),
    ],
)
def test_a_prompt_is_kept_for_an_hour_only_where_that_has_a_price(price: dict[str, float], goes: bool) -> None:
    card = make.card(
        "a", runtime="anthropic_http", price=price, endpoint={"base_url": "http://127.0.0.1", "model": "m"}
    )
    assert card.endpoint is not None
    asked = job(system=[{"type": "text", "text": "Be kind.", **HOUR}])
    if goes:
        assert b'"ttl":"1h"' in AnthropicDialect(card).call(asked, card.endpoint, streaming=False).body
        return
    with pytest.raises(PathError) as caught:
        AnthropicDialect(card).call(asked, card.endpoint, streaming=False)
    assert (caught.value.fault, caught.value.param) == ("unsupported", "cache_control")
