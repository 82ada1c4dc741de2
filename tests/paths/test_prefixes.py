"""What paths are thought to hold of a prompt: never more than they were given, and never another tenant's."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.paths.contract import Done, Job, PathError, Text
from appliance.paths.guard import Guarded
from appliance.paths.openai_wire import build_body
from appliance.paths.prefixes import (
    BLOCK,
    MOST,
    Prefixes,
    Tree,
    canonical_tools,
    links_of,
    links_of_prompt,
    salt_of,
)
from appliance.records.chunks import Usage
from appliance.records.request import Format, Labels, Message, Request
from appliance.snapshot import take_snapshot
from tests import factories
from tests.node.doubles import FakePath

LONG = "The pump in hall 3 was serviced on 14 March and runs at 80 % of its rated speed. " * 20


def request(text: str = LONG, **over: Any) -> Request:
    base: dict[str, Any] = {"id": "r", "kind": "chat", "model": "auto", "messages": (Message("system", text),)}
    return Request(**(base | over))


prompts = st.lists(st.sampled_from([b"a" * BLOCK, b"b" * BLOCK, b"c" * 100]), max_size=6).map(b"".join)


@given(prompts, prompts, st.sampled_from([b"one", b"two"]), st.sampled_from([b"one", b"two"]))
def test_prompts_have_names_in_common_as_far_as_they_agree_block_by_block(
    left: bytes, right: bytes, one: bytes, two: bytes
) -> None:
    common = 0
    while left[common : common + BLOCK] == right[common : common + BLOCK] and len(left[common:]) >= BLOCK:
        common += BLOCK
    shared = sum(a == b for a, b in zip(links_of(left, one), links_of(right, two), strict=False))
    assert shared == (common // BLOCK if one == two else 0)


@settings(max_examples=200)
@given(st.lists(st.tuples(prompts, st.sampled_from([b"one", b"two"])), max_size=12), st.integers(1, 12))
def test_a_tree_never_claims_what_it_was_not_given_and_keeps_its_bound(
    given_before: list[tuple[bytes, bytes]], most: int
) -> None:
    tree = Tree(most)
    for index, (raw, seed) in enumerate(given_before):
        links = links_of(raw, seed)
        tree.note(links)
        assert len(tree) <= most
        assert tree.depth(links) == min(len(links), most)  # the newest is held as far as there is room
        for other, salt in given_before:
            asked = links_of(other, salt)
            true = max(
                sum(a == b for a, b in zip(asked, links_of(was, by), strict=False))
                for was, by in given_before[: index + 1]
            )
            depth = tree.depth(asked)
            assert depth <= true
            assert not any(link in tree._blocks for link in asked[depth:])  # no child without its parents


def test_very_long_prompts_are_looked_at_as_far_as_is_bounded() -> None:
    assert len(links_of(b"x" * (10 * MOST * BLOCK), b"s")) == MOST
    assert len(links_of_prompt(request("x" * (10 * MOST * BLOCK)), "s")) == MOST


@pytest.mark.parametrize(
    "asked",
    [
        request("x" * (BLOCK - 1)),
        request("", messages=()),
        request(kind="embedding", messages=(), inputs=(LONG,)),
        request(kind="completion", messages=(), prompt="short"),
        request("", messages=(Message("user", LONG, parts=({"type": "image_url"},)),)),
    ],
)
def test_what_is_below_a_block_or_is_no_text_has_no_names(asked: Request) -> None:
    assert links_of_prompt(asked, "salt") == ()


def test_no_text_makes_it_raise() -> None:
    for text in ("\ud800" * 1000, "\0" * 1000, "😀" * 1000):
        assert links_of_prompt(request(text), "salt")
        assert links_of_prompt(request(kind="completion", prompt=text), "salt")
        assert links_of_prompt(request(), text) != links_of_prompt(request(), text + "x") != ()
    deep: Any = {}
    for _ in range(5000):
        deep = {"a": deep}
    assert links_of_prompt(request(tools=({"function": deep},)), "salt") == ()


# -- salts


def test_tenants_labels_and_keys_of_callers_part() -> None:
    asked = [
        request(tenant=tenant, labels=labels, forwarded={} if key is None else {"prompt_cache_key": key})
        for tenant in ("a", "b")
        for labels in (Labels(), Labels(classification="restricted"), Labels(residency="country:CH"))
        for key in (None, "", "a", "b")
    ]
    assert len({salt_of(one) for one in asked}) == len(asked)
    assert salt_of(asked[0]) == salt_of(request(LONG + "else", id="other", tenant="a", user="somebody"))


names = st.text(max_size=4)


@given(names, names, names, names)
def test_no_key_of_a_caller_makes_two_tenants_one(one: str, two: str, left: str, right: str) -> None:
    a = request(tenant=one, forwarded={"prompt_cache_key": left})
    b = request(tenant=two, forwarded={"prompt_cache_key": right})
    assert (salt_of(a) == salt_of(b)) == ((one, left) == (two, right))


# -- one order


def tool(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


def backwards(value: Any) -> Any:
    """The same with the fields of every object the other way round, but for names that the caller chose."""
    if isinstance(value, dict):
        return {
            key: {name: backwards(one) for name, one in held.items()} if key == "properties" else backwards(held)
            for key, held in reversed(value.items())
        }
    return value


ONE = tool("write", text={"type": "string", "enum": ["b", "a"]}, at={"type": "object", "properties": {}})
TWO = tool("append", zone={"type": "string"}, area={"type": "string"})


def test_the_order_of_tools_and_of_their_fields_changes_nothing_of_what_is_sent() -> None:
    def sent(*tools: dict[str, Any]) -> bytes:
        job = Job(id="j", kind="chat", messages=(Message("user", "x"), Message("system", "y")), tools=tools)
        return orjson.dumps(build_body(job, "m"))

    assert sent(ONE, TWO) == sent(TWO, ONE) == sent(backwards(TWO), backwards(ONE))
    body = orjson.loads(sent(ONE, TWO))
    assert [one["function"]["name"] for one in body["tools"]] == ["append", "write"]
    assert [message["role"] for message in body["messages"]] == ["user", "system"]  # messages keep their order
    assert links_of_prompt(request(tools=(ONE, TWO)), "s") == links_of_prompt(request(tools=(TWO, ONE)), "s") != ()


def test_the_order_of_properties_and_of_values_is_meant() -> None:
    parameters: Any = canonical_tools((TWO,))[0]["function"]
    assert list(parameters["parameters"]["properties"]) == ["zone", "area"]
    values: Any = canonical_tools((ONE,))[0]["function"]
    assert values["parameters"]["properties"]["text"]["enum"] == ["b", "a"]


def test_the_keywords_of_an_answers_schema_are_sent_in_one_order_and_its_properties_in_theirs() -> None:
    schema = {"type": "object", "properties": {"b": {"type": "string", "maxLength": 3}, "a": {"type": "null"}}}

    def sent(schema: dict[str, Any]) -> bytes:
        form = Format("json_schema", schema=schema)
        return orjson.dumps(build_body(Job(id="j", kind="chat", messages=(Message("user", "x"),), format=form), "m"))

    assert sent(schema) == sent(backwards(schema))
    assert list(orjson.loads(sent(schema))["response_format"]["json_schema"]["schema"]["properties"]) == ["b", "a"]


def test_a_property_may_be_called_like_a_keyword() -> None:
    named = tool("t", enum={"type": "string", "minLength": 1}, properties={"type": "string", "const": {"b": 1, "a": 2}})
    assert canonical_tools((named,)) == [named]
    said: Any = canonical_tools((named,))[0]["function"]
    assert list(said["parameters"]["properties"]["enum"]) == ["minLength", "type"]
    assert list(said["parameters"]["properties"]["properties"]["const"]) == ["b", "a"]


# -- belief


def test_a_path_is_believed_as_far_as_it_counted() -> None:
    held = Prefixes()
    links = links_of_prompt(request(), "s")
    assert held.expected(links) == 0
    held.note(links, held.depth(links), Usage(400, 1, 0))
    assert held.expected(links) == 0  # it was given it, and has not yet shown that it kept it
    held.note(links, held.depth(links), Usage(400, 1, 300))
    assert 295 <= held.expected(links) <= 300
    assert held.expected(links_of_prompt(request(), "other")) == 0


def test_a_path_that_counts_nothing_is_never_preferred() -> None:
    held = Prefixes()
    links = links_of_prompt(request(), "s")
    for _ in range(10):
        held.note(links, held.depth(links), Usage())
    assert held.expected(links) == 0


def test_a_path_that_lost_all_is_not_believed_until_it_shows_it_again() -> None:
    held = Prefixes()
    links = links_of_prompt(request(), "s")
    for _ in range(2):
        held.note(links, held.depth(links), Usage(400, 1, 300))
    held.clear()
    assert held.expected(links) == 0
    held.note(links, held.depth(links), Usage(400, 1, 0))
    assert held.expected(links) > 0  # nothing was thought to be there, so nothing was shown wrong
    held.note(links, held.depth(links), Usage(400, 1, 0))
    assert held.expected(links) < 300


# -- paths and snapshots


def guarded(name: str, cached: int = 0) -> Guarded:
    done = Done(Usage(400, 1, cached), ("stop",))
    return Guarded(FakePath(factories.card(name), (Text("x"), done)))


async def serve(path: Guarded, asked: Request, salt: str = "") -> None:
    job = Job(id="j", kind="chat", messages=asked.messages, tenant_salt=salt or salt_of(asked))
    async for _ in path.stream(job):
        pass


def seen(asked: Request, *paths: Guarded) -> list[int]:
    snapshot = take_snapshot({path.card.id: path for path in paths}, {}, now=0.0, draw=0.5, request=asked)
    return [state.cached_prompt_tokens for state in snapshot.paths]


async def test_a_snapshot_says_what_each_path_should_not_have_to_compute() -> None:
    one, two = guarded("one"), guarded("two", cached=300)
    assert seen(request(), one, two) == [0, 0]
    for path in (one, two):
        for _ in range(2):
            await serve(path, request())
    held = seen(request(), one, two)
    assert held[0] == 0 < 295 <= held[1] <= 300
    assert seen(request(tenant="other"), one, two) == [0, 0]
    assert seen(request("Something else entirely. " * 40), one, two) == [0, 0]
    two.inner.script = (PathError("unavailable", "its process ended"),)  # type: ignore[attr-defined]
    with pytest.raises(PathError):
        await serve(two, request())
    assert seen(request(), one, two) == [0, 0]


async def test_where_there_is_no_choice_nothing_is_looked_at_or_kept() -> None:
    alone, embedder = guarded("one", cached=300), Guarded(FakePath(factories.card("e", modalities=("embedding",)), ()))
    for _ in range(2):
        assert seen(request(), alone) == [0]
        assert seen(request(), alone, embedder) == [0, 0]
        assert seen(request("short"), alone, guarded("two")) == [0, 0]
        await serve(alone, request())
    assert not alone.prefixes.asked
    assert alone.prefixes.depth(links_of_prompt(request(), salt_of(request()))) == 0
