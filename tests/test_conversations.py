"""What a conversation carries: across turns that were dropped, across a restart, never across tenants."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.conversations import KEY, Conversations
from appliance.errors import StateInvalid
from appliance.records.decision import Carried
from appliance.records.request import Labels, Message, Request
from appliance.store import Store

SECRET = Carried("secret", "secret")
MILD = Carried("restricted", "internal")
DAY = 86_400.0


def turns(*said: str, system: str = "Be brief.") -> tuple[Message, ...]:
    """System, then user and assistant in turn; what is said is made long enough to be told apart."""
    roles = ("user", "assistant")
    long = [f"{text}, and that is all that I have to say about it now" for text in said]
    return (Message("system", system), *(Message(roles[k % 2], text) for k, text in enumerate(long)))


def request(messages: tuple[Message, ...], **over: Any) -> Request:
    conversation = over.pop("conversation", "")
    return Request("r", "chat", "auto", messages=messages, labels=Labels(conversation=conversation), **over)


@contextmanager
def opened(directory: Path, **over: Any) -> Iterator[Conversations]:
    store = Store(directory)
    try:
        yield Conversations(store, **over)
    finally:
        store.close()


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Conversations]:
    with opened(tmp_path) as conversations:
        yield conversations


TALK = ("one", "two", "three", "four", "five", "six", "seven")


def test_nothing_is_carried_where_nothing_was_found(known: Conversations) -> None:
    assert known.carried(request(turns(*TALK)), 0.0, DAY) is None


@pytest.mark.parametrize(
    "later",
    [
        turns("one", "two", "three", "four", "five"),  # grown
        turns("one", "two", "another three"),  # the sensitive turn is gone, the opening is there
        turns("one", "two", "x", "y", "z"),
        (turns("x")[0], *turns(*TALK)[2:]),  # the oldest are gone, what followed is there
        (turns("x")[0], *turns(*TALK[:5])[2:]),  # a window of two exchanges
        turns("one", "two", "z", system="Another day, another prompt."),
        (Message("user", "a summary of what was said"), *turns(*TALK[:5])[2:]),
    ],
)
def test_whoever_continues_it_carries_its_label(known: Conversations, later: tuple[Message, ...]) -> None:
    known.note(request(turns("one", "two", "three")), MILD, 0.0)
    assert known.carried(request(later), 1.0, DAY) == MILD


def test_a_window_that_slides_keeps_it_as_long_as_it_goes_on(known: Conversations) -> None:
    said = [f"turn {k}" for k in range(41)]
    known.note(request(turns(*said[:3])), SECRET, 0.0)
    for k in range(5, 41, 2):
        window = (turns("x")[0], *turns(*said[:k])[-4:])
        assert known.carried(request(window), float(k), DAY) == SECRET, k
        known.note(request(window), SECRET, float(k))


@pytest.mark.parametrize(
    "other",
    [
        turns("one"),  # a request without history continues nothing
        turns("one", "another two", "three"),
        turns("uno", "two", "tres"),
        turns("eins", "zwei", "drei"),
        (Message("user", "hi"), Message("assistant", "Hello! How can I help you today?"), Message("user", "thanks")),
        (Message("user", turns("one")[1].content), Message("user", turns("x", "two")[2].content)),  # other roles
        (),
    ],
)
def test_another_conversation_does_not(known: Conversations, other: tuple[Message, ...]) -> None:
    known.note(request(turns("one", "two", "three")), SECRET, 0.0)
    assert known.carried(request(other), 1.0, DAY) is None


def test_short_turns_that_many_say_join_nobody(known: Conversations) -> None:
    short = (Message("user", "hi"), Message("assistant", "Hello! How can I help you today?"), Message("user", "hm"))
    known.note(request(short), SECRET, 0.0)
    assert len(known) == 0
    assert known.carried(request(short), 1.0, DAY) is None


def test_tenants_and_users_share_nothing(known: Conversations) -> None:
    known.note(request(turns(*TALK), tenant="a", user="ann"), SECRET, 0.0)
    assert known.carried(request(turns(*TALK), tenant="a", user="ann"), 1.0, DAY) == SECRET
    assert known.carried(request(turns(*TALK), tenant="b", user="ann"), 1.0, DAY) is None
    assert known.carried(request(turns(*TALK), tenant="a", user="bob"), 1.0, DAY) is None
    known.note(request((), tenant="a", conversation="c1"), SECRET, 0.0)
    assert known.carried(request((), tenant="a", conversation="c1"), 1.0, DAY) == SECRET
    assert known.carried(request((), tenant="b", conversation="c1"), 1.0, DAY) is None


def test_what_is_stated_is_what_it_is(known: Conversations) -> None:
    known.note(request(turns(*TALK), conversation="c1"), SECRET, 0.0)
    assert known.carried(request(turns("entirely", "different"), conversation="c1"), 1.0, DAY) == SECRET
    assert known.carried(Request("r", "completion", "auto", prompt="x", labels=Labels(conversation="c1")), 1.0, DAY)
    assert known.carried(request(turns(*TALK), conversation="c2"), 1.0, DAY) is None


def test_a_label_is_never_lowered_by_what_comes_later(known: Conversations) -> None:
    known.note(request(turns(*TALK)), SECRET, 0.0)
    known.note(request(turns(*TALK)), MILD, 1.0)
    assert known.carried(request(turns(*TALK)), 2.0, DAY) == SECRET
    known.note(request(turns("one", "two", "b")), MILD, 3.0)
    assert known.carried(request(turns("one", "two", "c")), 4.0, DAY) == SECRET


def test_a_restart_changes_nothing_and_the_database_holds_no_text(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        first.note(request(turns(*TALK), conversation="ann@corp.example"), SECRET, 5.0)
        first.note(request(turns(*TALK)), MILD, 6.0)
    with opened(tmp_path) as second:
        assert len(second) == 3
        assert second.carried(request((), conversation="ann@corp.example"), 7.0, DAY) == SECRET
        assert second.carried(request(turns(*TALK, "x", "y")), 7.0, DAY) == MILD
        assert second.carried(request(turns(*TALK)), 7.0 + DAY, DAY) is None
    for file in tmp_path.iterdir():
        raw = file.read_bytes()
        assert b"ann@corp" not in raw and b"all that I have to say" not in raw
    assert (tmp_path / KEY).stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(tmp_path / "telemetry.db")) as db:
        before = {row[0] for row in db.execute("SELECT mark FROM conversations")}
    (tmp_path / KEY).unlink()
    with opened(tmp_path) as third:  # under another key the same turns are other marks
        assert third.carried(request(turns(*TALK)), 7.0, DAY) is None
        third.note(request(turns(*TALK)), MILD, 8.0)
        assert not before & {mark for mark in third._known["local"] if mark not in before}


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / KEY).write_bytes(b"short")
    with pytest.raises(StateInvalid, match="is no key"), opened(tmp_path):
        pass


def test_it_is_bounded_for_each_tenant_and_forgets_the_longest_unused(tmp_path: Path) -> None:
    with opened(tmp_path, most=10) as known:
        known.note(request((), tenant="b", conversation="kept"), SECRET, 0.0)
        for k in range(30):
            known.note(request((), tenant="a", conversation=f"c{k}"), SECRET, float(k))
        assert len(known) == 11
        assert known.carried(request((), tenant="a", conversation="c19"), 30.0, DAY) is None
        assert known.carried(request((), tenant="a", conversation="c20"), 30.0, DAY) == SECRET
        assert known.carried(request((), tenant="b", conversation="kept"), 30.0, DAY) == SECRET
    with opened(tmp_path, most=10) as again:
        assert len(again) == 11


def test_what_nobody_continues_is_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path) as known:
        known.note(request((), conversation="old"), SECRET, 0.0)
        known.note(request((), conversation="new"), SECRET, 50.0)
        known.sweep(100.0, 60.0)
        assert len(known) == 1
        known.sweep(1000.0, 60.0)
        assert len(known) == 0 and known._known == {}
    with opened(tmp_path) as again:
        assert len(again) == 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=80), min_size=2, max_size=6), st.lists(st.text(max_size=80), min_size=1, max_size=4))
def test_whatever_is_said_a_conversation_that_grows_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, said: list[str], more: list[str]
) -> None:
    roles = ("user", "assistant")
    messages = tuple(Message(roles[k % 2], text) for k, text in enumerate([*said, *more]))
    with opened(tmp_path_factory.mktemp("state")) as known:
        known.note(request(messages[: len(said)]), SECRET, 0.0)
        noted = len(known) > 0
        assert (known.carried(request(messages), 1.0, DAY) == SECRET) == noted
