"""Describing a request: what it needs, how large it is, what it is about; and that its text is gone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.features.classify import Classified
from appliance.features.describe import _PIECE, _tokens_of, describe, estimated_tokens, needs
from appliance.features.embedder import ModelInvalid
from appliance.features.language import language
from appliance.records.card import Capabilities
from appliance.records.features import UNKNOWN_CELLS, Features
from appliance.records.request import Format, Message, Request, Sampling, last_user_text


class Settled:
    """A classifier that always says the same, and remembers what it was asked."""

    def __init__(self, *cells: tuple[str, float]) -> None:
        self.cells = cells
        self.asked: list[str] = []

    def classify(self, text: str, *, top: int = 3) -> Classified:
        self.asked.append(text)
        return Classified(self.cells[:top], np.full(384, 0.05, np.float32), 7)


class Broken:
    def classify(self, text: str, *, top: int = 3) -> Classified:
        raise ModelInvalid("the task classifier failed: Fail")


def request(text: str = "Hello", **fields: Any) -> Request:
    fields.setdefault("messages", (Message("user", text),))
    return Request(id="r", kind=fields.pop("kind", "chat"), model="auto", **fields)


def test_without_a_classifier_the_cell_is_unknown_and_all_else_is_described() -> None:
    found = describe(request("How many boats lie in the harbour of Lisbon tonight?", stream=True))
    assert found.cells == UNKNOWN_CELLS
    assert found.embedding is None
    assert found.language == "en"
    assert found.characters == 52
    assert found.needs == {"streaming"}


def test_a_classifier_that_fails_costs_the_cell_and_not_the_request() -> None:
    assert describe(request(), Broken()).cells == UNKNOWN_CELLS


def test_the_last_user_message_is_what_is_classified() -> None:
    settled = Settled(("sort/easy", 0.9), ("filter/easy", 0.05))
    messages = (
        Message("system", "You are terse."),
        Message("user", "Write a poem."),
        Message("assistant", "No."),
        Message("user", "Sort 3, 1, 2."),
        Message("tool", "result", tool_call_id="c"),
    )
    found = describe(request(messages=messages), settled)
    assert settled.asked == ["Sort 3, 1, 2."]
    assert found.cells == (("sort/easy", 0.9), ("filter/easy", 0.05))
    assert found.turns == 2
    assert found.needs == {"system", "tools"}
    assert found.embedding is not None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, set()),
        ({"n": 2}, {"multiple"}),
        ({"tools": ({"type": "function"},)}, {"tools"}),
        ({"format": Format("json_object")}, {"json_object"}),
        ({"format": Format("json_schema", {"type": "object"})}, {"json_schema"}),
        ({"format": Format("regex", pattern="a+")}, {"regex"}),
        ({"sampling": Sampling(seed=0)}, {"seed"}),
        ({"sampling": Sampling(seed=None, temperature=0.7, top_p=0.9, max_tokens=9)}, set()),
        ({"sampling": Sampling(logprobs=True)}, {"logprobs"}),
        ({"sampling": Sampling(top_k=40)}, {"top_k"}),
        ({"sampling": Sampling(logit_bias=((5, 1.0),))}, {"logit_bias"}),
        ({"sampling": Sampling(presence_penalty=0.5)}, {"penalties"}),
        ({"sampling": Sampling(presence_penalty=0.0, frequency_penalty=0, repeat_penalty=1.0)}, set()),
        ({"messages": (Message("developer", "x"), Message("user", "y"))}, {"system"}),
        ({"messages": (Message("user", "y", parts=({"type": "image_url"},)),)}, {"images_in"}),
    ],
)
def test_needs_are_what_was_asked_for(fields: dict[str, Any], expected: set[str]) -> None:
    assert needs(request(**fields)) == expected


def test_needs_are_spelled_as_in_the_card() -> None:
    everything = request(
        messages=(Message("system", "s"), Message("user", "u", parts=({"type": "image_url"},))),
        n=2,
        stream=True,
        tools=({"type": "function"},),
        sampling=Sampling(seed=1, top_k=3, logprobs=True, frequency_penalty=1.0, logit_bias=((1, 1.0),)),
    )
    assert needs(everything) <= set(Capabilities.model_fields)
    assert len(needs(everything)) == 10


def test_sound_is_noticed_whoever_said_it() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    heard = (Message("user", "long " * 9, parts=({"type": "text", "text": "long " * 9}, sound)), Message("user", "So?"))
    assert describe(request(messages=heard)).has_sound
    assert not describe(request("plain")).has_sound


def test_an_embedding_needs_nothing_and_answers_nothing() -> None:
    found = describe(
        request(kind="embedding", messages=(), inputs=("one text", "another")), Settled(("chat/easy", 1.0))
    )
    assert found.modality == "embedding"
    assert found.needs == frozenset()
    assert found.estimated_output_tokens == 0
    assert found.characters == 15
    assert found.cells == UNKNOWN_CELLS


def test_longer_tasks_promise_longer_answers_up_to_the_callers_limit() -> None:
    def output(cell: str, **fields: Any) -> int:
        return describe(request("x " * 50, **fields), Settled((cell, 1.0))).estimated_output_tokens

    assert output("sentiment/easy") < output("knowledge/easy") < output("knowledge/hard")
    assert output("analysis/hard", sampling=Sampling(max_tokens=12)) == 12
    assert output("no-such-task/easy") > 0


def test_the_token_estimate_is_near_a_real_tokenizer_and_above_it() -> None:
    """Llama 3 and GPT-4 take 10 to 12 tokens for the first, about 20 for the second, 6 to 9 for the third."""
    assert 10 <= estimated_tokens("The quick brown fox jumps over the lazy dog.") <= 16
    assert 18 <= estimated_tokens("x = [int(v) for v in row.split(',') if v]") <= 30
    assert 6 <= estimated_tokens("今日は天気がいいですね。") <= 16
    assert estimated_tokens("") == 0
    assert estimated_tokens("word " * 300_000) == pytest.approx(300_000, rel=0.3)


EVERYWHERE = "".join(map(chr, range(0x20, 0x250))) + "–—‘’“”„…‰€\u00a0\u202f\u2028\n" + "αжあ漢😀"


@given(
    st.lists(st.sampled_from(["Straße", "l’été", "ab", "42", "° ", " "]) | st.text(EVERYWHERE, max_size=9)).map("".join)
)
def test_the_token_estimate_of_latin_letters_is_that_of_its_pieces(text: str) -> None:
    assert estimated_tokens(text) == int(sum(map(_tokens_of, _PIECE.findall(text))) + 0.999)


def test_every_sign_counts_alone_as_it_does_beside_others() -> None:
    for sign in map(chr, range(0x2100)):
        for text in (sign, f"Häuser{sign}Zäune"):
            assert estimated_tokens(text) == int(sum(map(_tokens_of, _PIECE.findall(text))) + 0.999), hex(ord(sign))


def test_what_is_asked_is_found_whatever_the_wire() -> None:
    assert last_user_text(request("a")) == "a"
    assert last_user_text(request(messages=(Message("system", "only this"),))) == "only this"
    assert last_user_text(request(kind="completion", messages=(), prompt="p")) == "p"
    assert last_user_text(request(kind="embedding", messages=(), inputs=("i", "j"))) == "i"
    assert last_user_text(request(kind="embedding", messages=())) == ""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The ships came in with the evening tide and left again at dawn.", "en"),
        ("Die Schiffe kamen mit der Abendflut und fuhren im Morgengrauen ab.", "de"),
        ("Les navires sont arrivés avec la marée du soir.", "fr"),
        ("今日は天気がいいですね。明日も晴れるでしょう。", "ja"),
        ("ok", ""),
        ("12 + 34 = ?", ""),
        ("", ""),
        ("https://example.org/a/very/long/address/without/words?x=1&y=2", ""),
        ("`SELECT name FROM users WHERE id = 1`", ""),
    ],
)
def test_a_language_is_named_only_where_there_is_enough_of_it(text: str, code: str) -> None:
    assert language(text)[0] == code


def test_features_hold_no_text() -> None:
    secret = "xylophonist"
    messages = (Message("system", secret, name=secret), Message("user", f"Is {secret} a word? " * 9))
    found = describe(request(messages=messages, prompt=secret, user=secret), Settled(("knowledge/easy", 1.0)))
    assert secret not in repr(dataclasses.astuple(found))
    assert "embedding" not in repr(found)


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(max_size=400),
    roles=st.lists(st.sampled_from(["system", "user", "assistant", "tool"]), max_size=4),
    limit=st.none() | st.integers(1, 4000),
)
def test_any_request_can_be_described(text: str, roles: list[str], limit: int | None) -> None:
    messages = tuple(Message(role, text) for role in roles)
    found = describe(request(messages=messages, sampling=Sampling(max_tokens=limit)))
    assert isinstance(found, Features)
    assert 0 < sum(p for _, p in found.cells) <= 1
    assert found.estimated_prompt_tokens >= 0
    assert limit is None or found.estimated_output_tokens <= limit
    assert found.language == "" or 0 <= found.language_p <= 1
