"""What is found in a request is replaced before it leaves, and comes back; nothing redactable is left."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.features.detect import counts, find
from appliance.features.detect.texts import texts
from appliance.paths.contract import Job
from appliance.paths.openai_wire import build_body
from appliance.records.features import FindingKind
from appliance.records.request import Format, Message, Request, Sampling
from appliance.redact import NotRedactable, Redaction, Restorer, redact
from appliance.redact.form import PLACEHOLDER
from tests.node.conftest import DETECTORS

KINDS = DETECTORS.redacts
IBAN = "DE89 3704 0044 0532 0130 00"
VALUES: dict[FindingKind, tuple[str, ...]] = {
    "email": ("ann@corp.example", "Ann.Lee+x@mail.corp.example", "jörg@müller.example", "a@b.co"),
    "iban": (IBAN, "GB29NWBK60161331926819"),
    "card": ("4111 1111 1111 1111", "5555-5555-5555-4444"),
    "phone": ("+49 30 901820", "+1 212-555-2368", "(030) 901820"),
    "es-dni": ("12345678Z",),
    "pl-pesel": ("44051401359",),
}
values = st.sampled_from([(kind, value) for kind, some in VALUES.items() for value in some])
# Text that tries to be mistaken: look-alikes, their beginnings and ends, escapes, other letters.
noise = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["[", "]", "[EMAIL_1]", "[email_1]", "[EMAIL_", "_1]", "[EMAIL_1", "[IBAN_1]", "[[", "\\", "\\n", "\\u00e9",
         '"', "[PHONE_99]", "[EMAIL_01]", "[CARD_1][CARD_2]", " ", "\n", "{", "}", "]]", "[[EMAIL_2]]", "1]", "\u00a0"]
    ),
)  # fmt: skip
hostile = st.lists(st.one_of(noise, values.map(lambda pair: f" {pair[1]} ")), max_size=12).map("".join)
many = settings(max_examples=300, deadline=None)


def chat(*contents: str, **over: Any) -> Request:
    messages = tuple(Message("user", content) for content in contents)
    return Request("r", "chat", "auto", messages=messages, **over)


def kinds_of(request: Request) -> set[FindingKind]:
    return {kind for kind, _ in counts(texts(request))}


def out(request: Request) -> Redaction:
    return redact(request, KINDS, kinds_of(request))


def body_of(request: Request) -> str:
    """What would go over the wire, with every escape undone."""
    job = Job(
        "r", request.kind, request.messages, request.prompt, request.inputs, request.sampling, request.format,
        request.tools, request.tool_choice, forwarded=request.forwarded,
    )  # fmt: skip
    return json.dumps(orjson.loads(orjson.dumps(build_body(job, "m"))), ensure_ascii=False)


def plain(redaction: Redaction, text: str, *, in_json: bool = False) -> str:
    from appliance.records.chunks import Done, Text

    restorer = Restorer(redaction.back, in_json=in_json)
    chunks = [*restorer.feed(Text(text)), *restorer.feed(Done(usage=None))]  # type: ignore[arg-type]
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))


def clean(text: str) -> bool:
    """JSON carries no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# ---- promises -------------------------------------------------------------------------------------------------


@many
@given(st.lists(hostile.filter(clean), min_size=1, max_size=3))
def test_what_comes_back_is_what_was_there_and_nothing_redactable_leaves(contents: list[str]) -> None:
    request = chat(*contents)
    try:
        redaction = out(request)
    except NotRedactable:
        return
    for before, after in zip(contents, redaction.request.messages, strict=True):
        assert plain(redaction, after.content) == before
        kept = {finding.kind for finding in find(after.content)}
        assert not kept & set(KINDS)
        for finding in find(before):
            if finding.kind in KINDS:
                assert before[finding.start : finding.end] not in after.content
    assert not kinds_of(redaction.request) & set(KINDS)


@many
@given(st.lists(values, min_size=1, max_size=6), st.data())
def test_each_value_has_one_placeholder_and_each_placeholder_one_value(
    some: list[tuple[FindingKind, str]], data: st.DataObject
) -> None:
    request = chat("\n".join(f"see {value} ." for _, value in some), "again: " + some[0][1] + " .")
    redaction = out(request)
    assert len(set(redaction.back.values())) == len(redaction.back)
    body = body_of(redaction.request)
    for value in {value for _, value in some}:
        assert value not in body
    assert set(PLACEHOLDER.findall(body)) == set(redaction.back)
    assert sum(count for _, count in redaction.found) == len(some) + 1


@many
@given(hostile.filter(clean))
def test_a_conversation_that_grows_keeps_its_placeholders(more: str) -> None:
    first = chat(f"mail ann@corp.example or {IBAN} .")
    grown = replace(first, messages=(*first.messages, Message("assistant", more), Message("user", "bob@corp.example")))
    try:
        later = out(grown)
    except NotRedactable:
        return
    if not PLACEHOLDER.search(more.upper()):
        assert later.request.messages[0] == out(first).request.messages[0]


# ---- every place ----------------------------------------------------------------------------------------------


def everywhere(value: str) -> Request:
    call = {"id": f"c {value}", "type": "function", "function": {"name": "f", "arguments": json.dumps({"to": value})}}
    return Request(
        "r",
        "chat",
        "auto",
        messages=(
            Message("system", f"You serve {value} ."),
            Message("user", f"write to {value} .", name=value),
            Message("assistant", "", tool_calls=(call,)),
            Message("tool", json.dumps({"sent": [value]}), tool_call_id=f"c {value}"),
        ),
        sampling=Sampling(stop=(value,)),
        format=Format("json_schema", {"properties": {"a": {"enum": [value]}}}, "x", description=value),
        tools=(
            {"type": "function", "function": {"name": "f", "description": f"mails {value}",
                                              "parameters": {"properties": {"a": {"default": value}}}}},
        ),
        forwarded={"metadata": {"account": value}, "user": value, "prediction": {"content": [{"text": value}]}},
        user=value,
    )  # fmt: skip


@pytest.mark.parametrize("value", [value for some in VALUES.values() for value in some])
def test_wherever_a_value_stands_it_does_not_leave(value: str) -> None:
    redaction = out(everywhere(value))
    body = body_of(redaction.request)
    assert value not in body
    (name,) = redaction.back
    assert body.count(name) >= 12
    arguments = redaction.request.messages[2].tool_calls[0]["function"]["arguments"]
    assert json.loads(arguments) == {"to": name}
    assert redaction.request.messages[3].tool_call_id == redaction.request.messages[2].tool_calls[0]["id"]


@pytest.mark.parametrize(
    "request_",
    [
        Request("r", "completion", "auto", prompt="mail ann@corp.example"),
        Request("r", "embedding", "auto", inputs=("hello", "mail ann@corp.example")),
    ],
)
def test_prompts_and_inputs_too(request_: Request) -> None:
    redaction = out(request_)
    assert "ann@" not in body_of(redaction.request)
    assert redaction.found == (("email", 1),)


def test_arguments_stay_json_and_their_escapes_mean_what_they_mean() -> None:
    given_ = {"text": "To:\nann@corp.example\t4111 1111 1111 1111", "deep": json.dumps({"b": "x\nbob@corp.example"})}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps(given_)}}
    request = Request("r", "chat", "auto", messages=(Message("assistant", "", tool_calls=(call,)),))
    redaction = out(request)
    assert set(redaction.back.values()) == {"ann@corp.example", "4111 1111 1111 1111", "bob@corp.example"}
    arguments = redaction.request.messages[0].tool_calls[0]["function"]["arguments"]
    assert json.loads(arguments)["text"] == "To:\n[EMAIL_1]\t[CARD_1]"
    assert json.loads(json.loads(arguments)["deep"]) == {"b": "x\n[EMAIL_2]"}


def test_json_in_a_text_keeps_its_escapes() -> None:
    redaction = out(chat('{"a": "To:\\nann@corp.example", "b": "\\\\nbob@corp.example"}'))
    assert redaction.request.messages[0].content == '{"a": "To:\\n[EMAIL_1]", "b": "\\\\[EMAIL_2]"}'
    assert redaction.back == {"[EMAIL_1]": "ann@corp.example", "[EMAIL_2]": "nbob@corp.example"}


# ---- refusals -------------------------------------------------------------------------------------------------

NOT = [
    Request("r", "chat", "auto", messages=(Message("user", "a", parts=({"type": "image_url", "image_url": {}},)),)),
    chat("hi", tools=({"type": "function", "function": {"name": "f", "parameters": {"enum": [4111111111111111]}}},)),
    chat("hi", tools=({"type": "function", "function": {"name": "f", "parameters": {
        "properties": {"ann@corp.example": {}}}}},)),
    chat("hi", forwarded={"metadata": {"ann@corp.example": "x"}}),
    chat("hi", format=Format("regex", pattern="ann@corp.example")),
    Request("r", "chat", "auto", messages=(Message("assistant", "", tool_calls=(
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"card": 4111111111111111}'}},)),)),
]  # fmt: skip


@pytest.mark.parametrize("request_", NOT)
def test_what_cannot_be_replaced_is_refused(request_: Request) -> None:
    with pytest.raises(NotRedactable) as refused:
        out(request_)
    assert "4111" not in str(refused.value) and "ann@" not in str(refused.value)


def test_what_appears_only_once_the_rest_is_gone_is_refused_or_replaced_too() -> None:
    """A kind that policy was never asked about does not leave because another one hid it."""
    request = chat("mail ann@corp.example and ghp_0123456789abcdefghijABCDEFGHIJ012345 .")
    with pytest.raises(NotRedactable, match="api-key"):
        redact(request, KINDS, {"email"})
    assert redact(request, KINDS, {"email", "api-key"}).found == (("email", 1),)


def test_what_was_found_once_does_not_leave_where_its_surroundings_hide_it() -> None:
    hidden = "00000 (030) 901820"  # a group of digits before it: no detector takes this for a number to call
    redaction = out(chat(f"first {hidden}", f"call (030) 901820 or {hidden}"))
    assert "901820" not in body_of(redaction.request)
    assert plain(redaction, redaction.request.messages[0].content) == f"first {hidden}"
    assert dict(redaction.found)["phone"] == 3


def test_kinds_that_are_not_redactable_stay() -> None:
    request = chat(f"mail ann@corp.example, pay {IBAN} .")
    redaction = redact(request, {"email"}, kinds_of(request))
    assert redaction.request.messages[0].content == f"mail [EMAIL_1], pay {IBAN} ."


def test_a_request_full_of_look_alikes_gets_other_numbers() -> None:
    taken = "".join(f"[EMAIL_{k}][email_{k + 1}]" for k in range(1, 50))
    redaction = out(chat(f"{taken} mail ann@corp.example"))
    assert redaction.back == {"[EMAIL_51]": "ann@corp.example"}
    assert plain(redaction, "[EMAIL_1] [EMAIL_51] [Email_51] [EMAIL_051]") == (
        "[EMAIL_1] ann@corp.example [Email_51] [EMAIL_051]"
    )


def test_earlier_thinking_stays_here_because_its_seal_holds_for_the_very_text_only() -> None:
    thought = {"type": "thinking", "thinking": "ann@corp.example asks", "signature": "c2Vhb"}
    hidden = {"type": "redacted_thinking", "data": "c2Vhb"}
    before = Message("assistant", "Who?", parts=(thought, hidden))
    made = out(Request("r", "chat", "auto", messages=(before, Message("user", "ann@corp.example")))).request
    assert [message.parts for message in made.messages] == [(), ()]
    assert made.messages[0].content == "Who?"
