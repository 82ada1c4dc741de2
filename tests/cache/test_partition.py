"""Partitions are equal exactly where everything but the last turn is, and many requests have none."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cache.partition import MOST_CHARACTERS, last_turn, partition_of
from appliance.records.request import Format, Labels, Message, Providers, Request, Sampling

ASKED = "What is the capital of France?"
words = st.sampled_from(["", "a", "b", "a b", "\x1f", '"', "a\x1fb", "{}"])
messages = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant"]),
    content=words,
    name=st.none() | st.sampled_from(["n", "m"]),
)
requests = st.builds(
    Request,
    id=st.sampled_from(["1", "2"]),
    kind=st.just("chat"),
    model=st.sampled_from(["auto", "site/one"]),
    preference=st.sampled_from(["balanced", "cheap"]),
    models=st.sampled_from([(), ("auto", "site/one")]),
    providers=st.none() | st.just(Providers(zdr=True)),
    strategy=st.sampled_from(["", "careful"]),
    messages=st.tuples() | st.tuples(messages) | st.tuples(messages, messages),
    sampling=st.builds(
        Sampling,
        max_tokens=st.none() | st.sampled_from([10, 20]),
        temperature=st.none() | st.sampled_from([0.0, 0.7]),
        stop=st.sampled_from([(), ("x",), ("x", "y")]),
        logprobs=st.booleans(),
    ),
    format=st.sampled_from([Format(), Format("json_object"), Format("json_schema", {"type": "object"}, "s")]),
    stream=st.booleans(),
    labels=st.builds(
        Labels,
        classification=st.sampled_from(["public", "internal"]),
        residency=st.sampled_from(["", "node"]),
        purpose=st.sampled_from(["", "research"]),
        rights=st.sampled_from(["", "licensed"]),
        locale=st.sampled_from(["", "de-CH"]),
        deadline_s=st.none() | st.just(1.0),
    ),
    tenant=st.sampled_from(["local", "acme"]),
    forwarded=st.sampled_from([{}, {"reasoning_effort": "low"}, {"metadata": {"a": "b"}}]),
)
# What decides nothing about the answer, or is no part of who may see it.
FREE = {"id", "stream", "stream_usage", "labels_in_body", "user", "digest", "encoding", "inputs", "prompt", "echo"}
FREE |= {"continues"}  # what the assistant has begun is no plain question


def asking(one: Request, text: str) -> Request:
    return replace(one, messages=(*one.messages, Message("user", text)))


def rest(one: Request) -> dict[str, Any]:
    """All that must be equal."""
    said = {field.name: getattr(one, field.name) for field in fields(one) if field.name not in FREE}
    said["labels"] = replace(one.labels, deadline_s=None)
    said["forwarded"] = {name: value for name, value in one.forwarded.items() if name != "metadata"}
    return said


@given(requests, requests, st.sampled_from(["g", "h"]), st.sampled_from(["e", "f"]))
def test_partitions_are_equal_exactly_where_all_but_the_last_turn_is(
    one: Request, other: Request, generation: str, embedder: str
) -> None:
    first = partition_of(asking(one, ASKED), "g", "e")
    second = partition_of(asking(other, "Where does the river Po end?"), generation, embedder)
    assert first is not None and second is not None
    assert (first == second) == (rest(one) == rest(other) and (generation, embedder) == ("g", "e"))


BASE = Request(
    "1", "chat", "auto", tenant="acme", forwarded={"reasoning_effort": "low"},
    messages=(Message("system", "Be brief."), Message("user", "Hello."), Message("assistant", "Hello!")),
)  # fmt: skip
SYSTEM, HELLO, ANSWER = BASE.messages


@pytest.mark.parametrize(
    "over",
    [
        {"tenant": "acm"},
        {"labels": Labels(classification="public")},
        {"labels": Labels(residency="node")},
        {"labels": Labels(purpose="research")},
        {"labels": Labels(rights="licensed")},
        {"labels": Labels(locale="de-CH")},
        {"model": "site/one"},
        {"preference": "cheap"},
        {"models": ("auto", "site/one")},
        {"providers": Providers(ignore=("site",))},
        {"strategy": "careful"},
        {"labels": Labels(strategy="careful")},
        {"sampling": Sampling(max_tokens=9)},
        {"sampling": Sampling(temperature=0.0)},
        {"sampling": Sampling(top_p=0.5)},
        {"sampling": Sampling(stop=("x",))},
        {"sampling": Sampling(logit_bias=((1, 2.0),))},
        {"sampling": Sampling(logprobs=True)},
        {"format": Format("json_object")},
        {"format": Format("json_schema", {"type": "object"})},
        {"format": Format("json_schema", {"type": "array"})},
        {"tool_choice": "none"},
        {"parallel_tool_calls": True},
        {"dimensions": 3},
        {"n": 2, "sampling": Sampling(temperature=0.0)},
        {"forwarded": {}},
        {"forwarded": {"reasoning_effort": "high"}},
        {"forwarded": {"reasoning_effort": "low", "not_known": 1}},
        {"messages": (HELLO, ANSWER)},
        {"messages": (Message("system", "Be brief"), HELLO, ANSWER)},
        {"messages": (Message("developer", "Be brief."), HELLO, ANSWER)},
        {"messages": (SYSTEM, Message("user", "hello."), ANSWER)},
        {"messages": (SYSTEM, HELLO, Message("assistant", "Hello"))},
        {"messages": (SYSTEM, Message("user", "Hello.", name="ann"), ANSWER)},
        {"messages": (HELLO, SYSTEM, ANSWER)},
        {"messages": (SYSTEM, HELLO, ANSWER, HELLO, ANSWER)},
    ],
    ids=str,
)
def test_one_change_anywhere_parts(over: dict[str, Any]) -> None:
    changed = partition_of(asking(replace(BASE, **over), ASKED), "g", "e")
    assert changed not in (None, partition_of(asking(BASE, ASKED), "g", "e"))


@pytest.mark.parametrize(
    "over",
    [
        {"id": "2"},
        {"stream": True},
        {"user": "ann"},
        {"digest": "d"},
        {"labels": Labels(deadline_s=1.0, quality_floor=0.5, cache_max_age_s=9, conversation="c")},
        {"forwarded": {"reasoning_effort": "low", "metadata": {"a": "b"}, "service_tier": "auto"}},
    ],
    ids=str,
)
def test_what_changes_no_answer_does_not_part(over: dict[str, Any]) -> None:
    changed = partition_of(asking(replace(BASE, **over), "Where does the Po end?"), "g", "e")
    assert changed == partition_of(asking(BASE, ASKED), "g", "e")


@given(requests, st.data())
def test_one_drawn_change_parts_where_it_is_one(one: Request, data: st.DataObject) -> None:
    other = data.draw(requests)
    name = data.draw(st.sampled_from(sorted(set(rest(one)) - {"kind"})))
    changed = replace(one, **{name: getattr(other, name)})
    equal = rest(changed) == rest(one)
    assert (partition_of(asking(one, ASKED), "g", "e") == partition_of(asking(changed, ASKED), "g", "e")) == equal


def test_every_field_of_a_request_was_thought_of() -> None:
    """Whoever adds one decides whether it parts."""
    known = {"kind", "thinking", "model", "preference", "messages", "sampling", "format", "tools", "tool_choice"}
    known |= {
        "models",
        "providers",
        "strategy",
        "parallel_tool_calls",
        "n",
        "dimensions",
        "labels",
        "tenant",
        "forwarded",
    }
    assert {field.name for field in fields(Request)} == known | FREE
    assert {field.name for field in fields(Labels)} == {
        "classification", "residency", "purpose", "rights", "locale", "strategy",  # part
        "deadline_s", "quality_floor", "below_floor", "cache", "cache_max_age_s", "cache_score", "variation",
            "conversation", "via",
    }  # fmt: skip


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    "over",
    [
        {"kind": "completion", "prompt": ASKED, "messages": ()},
        {"kind": "embedding", "inputs": (ASKED,), "messages": ()},
        {"labels": Labels(cache="no-store")},
        {"labels": Labels(classification="restricted")},
        {"labels": Labels(classification="secret")},
        {"labels": Labels(variation="fresh")},
        {"sampling": Sampling(seed=1)},
        {"n": 2},
        {"tools": (CALL,)},
        {"messages": (Message("assistant", "", tool_calls=(CALL,)), Message("user", ASKED))},
        {"messages": (Message("tool", "x", tool_call_id="c"), Message("user", ASKED))},
        {"messages": (Message("user", ASKED), Message("assistant", "Paris."))},
        {"messages": (Message("user", ASKED), Message("system", "Be brief."))},
        {"messages": (Message("user", ASKED, parts=({"type": "image_url"},)),)},
        {"messages": ()},
        {"messages": (Message("user", ""),)},
        {"messages": (Message("user", "go on then"),)},
        {"messages": (Message("user", "antidisestablishmentarianism internationally"),)},
        {"messages": (Message("user", "why " * MOST_CHARACTERS),)},
        {"messages": (Message("user", "Sort these:\nb\na\nc"),)},
        {"messages": (Message("user", "What does ```x = 1``` do?"),)},
        {"messages": (Message("system", "\ud800"), Message("user", ASKED))},
        {"forwarded": {"x": 1 << 80}},
    ],
    ids=str,
)
def test_these_are_for_the_exact_cache_only(over: dict[str, Any]) -> None:
    base: dict[str, Any] = {"id": "1", "kind": "chat", "model": "auto", "messages": (Message("user", ASKED),)}
    assert partition_of(Request(**base), "g", "e") is not None
    assert partition_of(Request(**(base | over)), "g", "e") is None


def test_without_an_embedder_there_is_no_partition() -> None:
    assert partition_of(Request("1", "chat", "auto", messages=(Message("user", ASKED),)), "g", "") is None


def test_several_answers_without_chance_are_one_answer() -> None:
    several = Request("1", "chat", "auto", messages=(Message("user", ASKED),), n=2, sampling=Sampling(temperature=0.0))
    assert partition_of(several, "g", "e") not in (None, partition_of(replace(several, n=1), "g", "e"))


def test_the_last_turn_is_the_users_or_nothing() -> None:
    assert last_turn(Request("1", "chat", "auto", messages=(Message("user", "a"), Message("user", "b")))) == "b"
    assert last_turn(Request("1", "chat", "auto", messages=(Message("user", "a"), Message("assistant", "b")))) == ""
    assert last_turn(Request("1", "completion", "auto", prompt="a")) == ""


def test_an_attachment_of_an_earlier_turn_parts() -> None:
    def shown(address: str) -> Request:
        image = {"type": "image_url", "image_url": {"url": address}}
        history = (Message("user", "Look", parts=(image,)), Message("assistant", "I see."))
        return Request("1", "chat", "auto", messages=(*history, Message("user", ASKED)))

    one, other = partition_of(shown("http://a/1"), "g", "e"), partition_of(shown("http://a/2"), "g", "e")
    assert one is not None and one != other
