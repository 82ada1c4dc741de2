"""By every dialect: a key that was changed on the host while the node runs is found, one that is refused is said."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from appliance.config import secret_file
from appliance.egress import Destination, Egress
from appliance.paths.contract import Chunk, Done, Job, PathError, Text
from appliance.paths.keyed import AGAIN_S, LOOK_S
from appliance.paths.registry import PathContext, build_path
from appliance.paths.secrets import resolve_secret
from appliance.records.departure import departing
from appliance.records.request import Message
from tests.paths.providers import EVERY, Provider, opened
from tests.standins.anthropic_server import VERTEX, anthropic
from tests.standins.google_accounts import account
from tests.standins.ledger import DEPARTURE, MemoryLedger
from tests.standins.openai_answers import Behaviour

HELLO = Job(id="j", kind="chat", messages=(Message("user", "one two"),))
WORDS = "word " * 11 + "word"
LONG = Job(id="j", kind="chat", messages=(Message("user", WORDS),), stream=True)
NEW = "sk-another-secret-0123456789"
each = pytest.mark.parametrize("provider", EVERY.values(), ids=EVERY)


def changed(provider: Provider) -> tuple[str, str]:
    """What the stand-in demands from now on, and what the file then holds."""
    if provider.runtime != "bedrock_http":
        return NEW, NEW
    stated = {"AccessKeyId": "AKID2", "SecretAccessKey": "aws-new", "SessionToken": "temporary", "Expiration": "soon"}
    return "AKID2:aws-new:temporary", json.dumps(stated, indent=2)


class Host:
    """The file with the key, and how often it was read."""

    def __init__(self, file: Path, secret: str) -> None:
        self.file, self.read = file, 0
        file.write_text(secret)

    def secret(self, reference: str) -> str:
        self.read += 1
        return resolve_secret(reference)


def path_to(provider: Provider, base_url: str, host: Host, **endpoint: Any) -> AbstractAsyncContextManager[Any]:
    stated = {"api_key_ref": f"file:{host.file}", **endpoint}
    return opened(provider, base_url, secrets=host.secret, **stated)


async def collect(path: Any, job: Job = HELLO) -> list[Chunk]:
    return [chunk async for chunk in path.stream(job)]


async def fault(path: Any) -> PathError:
    with pytest.raises(PathError) as caught:
        await collect(path)
    assert "secret" not in caught.value.message
    return caught.value


@each
async def test_a_changed_key_is_read_once_the_old_one_is_refused_and_the_job_may_be_tried_again(
    provider: Provider, tmp_path: Path
) -> None:
    host, behaviour = Host(tmp_path / "key", provider.secret), Behaviour(key=provider.key)
    async with provider.stand_in(behaviour) as server, path_to(provider, server.base_url, host) as path:
        await collect(path)
        behaviour.key, secret = changed(provider)
        host.file.write_text(secret)
        errors = await asyncio.gather(*(fault(path) for _ in range(4)))
        assert {(error.fault, error.sent) for error in errors} == {("overloaded", False)}, "what may be tried again"
        assert path.ready().busy == 0
        assert host.read == 2, "all of them were helped by one look"
        assert isinstance((await collect(path))[-1], Done)
        assert secret not in repr(path)


@each
async def test_a_key_that_stays_refused_is_looked_at_once_a_minute(provider: Provider, tmp_path: Path) -> None:
    host, behaviour = Host(tmp_path / "key", provider.secret), Behaviour(key=provider.key)
    async with provider.stand_in(behaviour) as server, path_to(provider, server.base_url, host) as path:
        behaviour.key, secret = changed(provider)
        assert [(await fault(path)).fault for _ in range(3)] == ["auth"] * 3
        assert host.read == 2
        host.file.write_text(secret)
        assert ((await fault(path)).fault, host.read) == ("auth", 2)
        path.inner._read_at -= AGAIN_S  # a minute later
        assert ((await fault(path)).fault, host.read) == ("overloaded", 3)
        assert isinstance((await collect(path))[-1], Done)


@pytest.mark.parametrize("name", ["openai", "anthropic", "bedrock"])
async def test_what_is_under_way_ends_with_the_key_it_began_with(name: str, tmp_path: Path) -> None:
    provider = EVERY[name]
    host, behaviour = Host(tmp_path / "key", provider.secret), Behaviour(key=provider.key, tokens_per_s=40.0)
    async with provider.stand_in(behaviour) as server, path_to(provider, server.base_url, host) as path:
        stream = path.stream(LONG)
        got = [await anext(stream)]
        behaviour.key, secret = changed(provider)
        host.file.write_text(secret)
        await fault(path)
        await collect(path)
        got += [chunk async for chunk in stream]
        assert "".join(chunk.text for chunk in got if isinstance(chunk, Text)) == WORDS


@pytest.mark.parametrize("wrong", ["", '{"access_key_id": "AK', "zwei\nZeilen", '{"a": "key of another kind"}'])
async def test_a_file_that_holds_no_key_for_now_changes_nothing(wrong: str, tmp_path: Path) -> None:
    provider = EVERY["anthropic"]
    host, behaviour = Host(tmp_path / "key", provider.secret), Behaviour(key=provider.key)
    async with provider.stand_in(behaviour) as server, path_to(provider, server.base_url, host) as path:
        behaviour.key = "for-a-while"
        host.file.write_text(wrong)
        assert (await fault(path)).fault == "auth"
        behaviour.key = provider.key
        assert isinstance((await collect(path))[-1], Done)


async def test_a_file_that_cannot_be_read_in_time_keeps_nobody_waiting(tmp_path: Path) -> None:
    provider, hangs, ended = EVERY["anthropic"], threading.Event(), threading.Event()

    class Hanging(Host):
        def secret(self, reference: str) -> str:
            if hangs.is_set():
                ended.wait(10.0)
            return super().secret(reference)

    host = Hanging(tmp_path / "key", provider.secret)
    async with (
        provider.stand_in(Behaviour(key=provider.key)) as server,
        path_to(provider, server.base_url, host, connect_timeout_s=0.1) as path,
    ):
        server.behaviour.key = NEW
        hangs.set()
        errors = await asyncio.wait_for(asyncio.gather(*(fault(path) for _ in range(3))), 5.0)
        assert {error.fault for error in errors} == {"auth"}
        ended.set()


async def test_another_service_account_is_taken_when_the_old_one_is_refused(tmp_path: Path) -> None:
    host = Host(tmp_path / "key", account(client_email="nobody@p.example"))
    async with anthropic(Behaviour(key="none")) as server:
        where = {"token_url": server.token_url}
        async with path_to(EVERY["anthropic"], server.base_url + VERTEX, host, **where) as path:
            host.file.write_text(account())
            assert ((await fault(path)).fault, server.seen.total()) == ("overloaded", 0)
            assert isinstance((await collect(path))[-1], Done)


# ---- what is said of a key that is refused -------------------------------------------------------------------------


def events(logs: list[Any]) -> list[str]:
    assert "secret" not in str(logs)
    return [one["event"] for one in logs if one["event"].startswith("key-")]


@each
async def test_a_refused_key_is_said_and_logged_once_until_it_is_taken_again(
    provider: Provider, tmp_path: Path
) -> None:
    host, behaviour = Host(tmp_path / "key", provider.secret), Behaviour(key=provider.key)
    async with provider.stand_in(behaviour) as server, path_to(provider, server.base_url, host) as path:
        await collect(path)
        assert path.ready().trouble == ""
        behaviour.key, _ = changed(provider)
        with capture_logs() as logs:
            for _ in range(3):
                await fault(path)
            found = path.ready()
            assert found.ok
            assert re.match(r"its key is refused since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: The server ", found.trouble)
            assert "Next step: " in found.trouble and "(file:...)" in found.trouble
            assert "secret" not in found.trouble and str(tmp_path) not in found.trouble
            behaviour.key = provider.key
            await collect(path)
            await collect(path)
        assert path.ready().trouble == ""
        assert events(logs) == ["key-refused", "key-accepted"]
        assert {one["path"] for one in logs} == {"up"}


SAID: dict[str, tuple[bytes, bytes]] = {  # a first piece, and an error about the key
    "openai": (
        b'data: {"choices": [{"index": 0, "delta": {"content": "one"}}]}\n\n',
        b'data: {"error": {"code": 401, "message": "No auth credentials found"}}\n\n',
    ),
    "openai, in words": (
        b'data: {"choices": [{"index": 0, "delta": {"content": "one"}}]}\n\n',
        b'data: {"error": {"type": "invalid_request_error", "code": "invalid_api_key", "message": "secret"}}\n\n',
    ),
    "anthropic": (
        b'event: message_start\ndata: {"type": "message_start", "message": {"usage": {"input_tokens": 2}}}\n\n',
        b'event: error\ndata: {"type": "error", "error": {"type": "authentication_error", "message": "secret"}}\n\n',
    ),
    "gemini": (
        b'data: {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "one"}]}}]}\n\n',
        b'data: {"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "secret"}}\n\n',
    ),
}


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("begun", [True, False])
async def test_a_key_that_is_refused_inside_a_stream_is_said_as_any_other(name: str, begun: bool) -> None:
    piece, error = SAID[name]
    body = piece * begun + error

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    provider = EVERY[name.partition(",")[0]]
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with opened(provider, f"http://127.0.0.1:{port}") as path:
            with capture_logs() as logs, pytest.raises(PathError) as caught:
                await collect(path, LONG)
            assert caught.value.fault == "auth" and "secret" not in caught.value.message
            assert "its key is refused since 2" in path.ready().trouble
            assert events(logs) == ["key-refused"]


async def test_an_answer_that_was_under_way_when_the_key_was_refused_ends_nothing(tmp_path: Path) -> None:
    provider = EVERY["openai"]
    host, behaviour = Host(tmp_path / "key", provider.secret), Behaviour(key=provider.key, tokens_per_s=40.0)
    async with provider.stand_in(behaviour) as server, path_to(provider, server.base_url, host) as path:
        stream = path.stream(LONG)
        await anext(stream)
        behaviour.key = NEW
        await fault(path)
        assert isinstance([chunk async for chunk in stream][-1], Done)
        assert "refused" in path.ready().trouble


async def test_another_key_is_not_the_one_that_was_refused(tmp_path: Path) -> None:
    provider = EVERY["openai"]
    host, behaviour = Host(tmp_path / "key", provider.secret), Behaviour(key=NEW)
    async with provider.stand_in(behaviour) as server, path_to(provider, server.base_url, host) as path:
        with capture_logs() as logs:
            await fault(path)
            assert "refused" in path.ready().trouble
            host.file.write_text(NEW)
            await looked(path)
            assert path.ready().trouble == ""
            await collect(path)
        assert events(logs) == ["key-refused", "key-changed"]


async def test_where_the_key_cannot_change_or_is_not_stated_another_step_is_named(tmp_path: Path) -> None:
    provider = EVERY["openai"]
    async with provider.stand_in(Behaviour(key=NEW)) as server:
        for reference, step in (("env:K", "start the node again"), (None, "give its card an api_key_ref")):
            async with opened(provider, server.base_url, api_key_ref=reference) as path:
                await fault(path)
                assert step in path.ready().trouble


async def test_a_pool_names_the_member_whose_key_is_refused_and_one_that_did_not_come_up(tmp_path: Path) -> None:
    provider = EVERY["openai"]

    def secret(reference: str) -> str:
        return resolve_secret(reference) if reference == "env:WEIR_NOT_THERE" else reference.removeprefix("env:")

    members = [{"api_key_ref": f"env:{key}"} for key in (NEW, "sk-old-secret", "WEIR_NOT_THERE")]
    members[1]["name"] = "spare"
    async with (
        provider.stand_in(Behaviour(key=NEW)) as server,
        opened(provider, server.base_url, secrets=secret, members=members) as path,
    ):
        assert path.ready().trouble == "member 3: not started"
        with capture_logs() as logs:
            await collect(path)
            with pytest.raises(PathError):
                await collect(path, replace(HELLO, member=1))
        first, third = path.ready().trouble.split("; member ")[0], path.ready().trouble.rpartition("; ")[2]
        assert first.startswith("member spare: its key is refused since ")
        assert third == "member 3: not started"
        assert [(one["path"], one["member"]) for one in logs] == [("up", "spare")]


# ---- a file that changes -------------------------------------------------------------------------------------------


async def looked(path: Any, times: int = 2) -> None:
    """As the path itself does every second."""
    for _ in range(times):
        await path.inner._look(secret_file(path.inner._reference))


def renamed(file: Path, secret: str) -> None:
    (fresh := file.with_suffix(".new")).write_text(secret)
    fresh.replace(file)


def rewritten(file: Path, secret: str) -> None:
    file.write_text(secret)


def linked_anew(file: Path, secret: str) -> None:
    (at := file.with_suffix(".d")).mkdir()
    (at / "key").write_text(secret)
    (link := file.with_suffix(".link")).symlink_to(at / "key")
    link.replace(file)


@pytest.mark.parametrize("change", [renamed, rewritten, linked_anew])
@each
async def test_a_file_that_changed_is_taken_without_a_refused_request(
    provider: Provider, change: Any, tmp_path: Path
) -> None:
    host, behaviour = Host(tmp_path / "key", provider.secret), Behaviour(key=provider.key)
    async with provider.stand_in(behaviour) as server, path_to(provider, server.base_url, host) as path:
        await collect(path)
        await looked(path)
        assert host.read == 1, "what did not change is not read"
        behaviour.key, secret = changed(provider)
        change(host.file, secret)
        await looked(path, 1)
        assert host.read == 1, "somebody may still be writing it"
        await looked(path, 1)
        assert isinstance((await collect(path))[-1], Done)
        await looked(path)
        assert host.read == 2


async def test_a_path_looks_by_itself_and_stops_with_its_path(tmp_path: Path) -> None:
    provider = EVERY["openai"]
    host, before = Host(tmp_path / "key", provider.secret), asyncio.all_tasks()
    async with provider.stand_in(Behaviour(key=NEW)) as server, path_to(provider, server.base_url, host) as path:
        host.file.write_text(NEW)
        async with asyncio.timeout(10 * LOOK_S):
            while host.read < 2:
                await asyncio.sleep(0.05)
        assert isinstance((await collect(path))[-1], Done)
        await path.stop()
        assert not [task for task in asyncio.all_tasks() - before if "_follow" in str(task)]
    async with opened(provider, "http://127.0.0.1:9"):
        assert not [task for task in asyncio.all_tasks() - before if "_follow" in str(task)], "env: has no file"


@pytest.mark.parametrize("before", [None, "", "zwei\nZeilen"])
@each
async def test_a_path_whose_key_is_not_there_yet_comes_up_when_it_is(
    provider: Provider, before: str | None, tmp_path: Path
) -> None:
    host, behaviour = Host(tmp_path / "key", before or ""), Behaviour(key=provider.key)
    if before is None:
        host.file.unlink()
    with capture_logs() as logs:
        async with provider.stand_in(behaviour) as server, path_to(provider, server.base_url, host) as path:
            await path.start()
            await looked(path, 6)
            assert host.read == 1, "what did not change is not read"
            found = path.ready()
            assert not found.ok and found.reason.startswith("there is no key yet since 2")
            assert (await fault(path)).fault == "unavailable"
            assert str(tmp_path) not in found.reason and "zwei" not in found.reason
            host.file.write_text(provider.secret)
            await looked(path)
            assert path.ready().ok and path.ready().trouble == ""
            assert isinstance((await collect(path))[-1], Done)
        assert events(logs) == ["key-not-read", "key-read"]


async def test_a_path_that_waits_for_its_key_is_stopped_as_any_other(tmp_path: Path) -> None:
    provider = EVERY["openai"]
    host, before = Host(tmp_path / "key", ""), asyncio.all_tasks()
    async with path_to(provider, "http://127.0.0.1:9", host) as path:
        await path.stop()
        assert not [task for task in asyncio.all_tasks() - before if "_follow" in str(task)]
        host.file.write_text(NEW)
        await path.inner._read_again()
        assert path.ready().reason == "not started"
        await path.start()
        assert path.ready().ok


async def test_a_half_written_key_is_not_taken(tmp_path: Path) -> None:
    provider = EVERY["openai"]
    host, behaviour = Host(tmp_path / "key", provider.secret), Behaviour(key=provider.key)
    async with provider.stand_in(behaviour) as server, path_to(provider, server.base_url, host) as path:
        for end in range(3, len(NEW)):
            host.file.write_text(NEW[:end])
            await looked(path, 1)
            await collect(path)
        assert host.read == 1


@pytest.mark.parametrize("wrong", ["", '{"access_key_id": "AK', "zwei\nZeilen", '{"a": "key of another kind"}', None])
async def test_a_file_without_a_key_is_said_and_the_key_before_is_used_on(wrong: str | None, tmp_path: Path) -> None:
    provider = EVERY["anthropic"]
    host, behaviour = Host(tmp_path / "key", provider.secret), Behaviour(key=provider.key)
    async with provider.stand_in(behaviour) as server, path_to(provider, server.base_url, host) as path:
        with capture_logs() as logs:
            if wrong is None:
                host.file.rename(tmp_path / "elsewhere")
            else:
                host.file.write_text(wrong)
            await looked(path, 6)
            assert isinstance((await collect(path))[-1], Done)
            assert path.ready().trouble.startswith("the key read before is used on since 2")
            assert str(tmp_path) not in path.ready().trouble and "zwei" not in path.ready().trouble
            host.file.write_text(provider.secret)
            await looked(path)
            assert path.ready().trouble == ""
        assert events(logs) == ["key-not-read", "key-read"]


async def test_a_file_that_could_not_be_read_in_time_is_read_at_the_next_look(tmp_path: Path) -> None:
    provider, slow = EVERY["openai"], threading.Event()

    class Slow(Host):
        def secret(self, reference: str) -> str:
            if slow.is_set():
                slow.clear()
                time.sleep(0.2)
            return super().secret(reference)

    host = Slow(tmp_path / "key", provider.secret)
    behaviour = Behaviour(key=NEW)
    async with (
        provider.stand_in(behaviour) as server,
        path_to(provider, server.base_url, host, connect_timeout_s=0.1) as path,
    ):
        host.file.write_text(NEW)
        slow.set()
        await looked(path)
        assert "in time" in path.ready().trouble
        await looked(path, 1)
        assert path.ready().trouble == ""
        assert isinstance((await collect(path))[-1], Done)


@pytest.mark.parametrize("kind", ["credential", "secret"])
async def test_a_credential_and_a_name_of_the_host_s_lead_to_a_file_as_well(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = EVERY["openai"]
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "site").write_text(provider.secret)
    behaviour = Behaviour(key=provider.key)
    async with provider.stand_in(behaviour) as server:
        egress = Egress(frozenset({Destination.parse(server.base_url)}), MemoryLedger())
        card = provider.card(server.base_url, api_key_ref=f"{kind}:site")
        path: Any = build_path(card, PathContext(tmp_path, egress, names={"site": f"file:{tmp_path / 'site'}"}))
        await path.start()
        with departing(DEPARTURE):
            await collect(path)
            (tmp_path / "site").write_text(NEW)
            behaviour.key = NEW
            await looked(path)
            await collect(path)
        await path.stop()
        await egress.close()


@pytest.mark.parametrize("name", ["openai", "bedrock"])
async def test_what_was_made_of_a_key_is_closed_when_the_last_call_with_it_has_ended(name: str, tmp_path: Path) -> None:
    provider = EVERY[name]
    host, behaviour = Host(tmp_path / "key", provider.secret), Behaviour(key=provider.key, tokens_per_s=40.0)
    async with provider.stand_in(behaviour) as server, path_to(provider, server.base_url, host) as path:
        streams = [path.stream(LONG) for _ in range(2)]
        for stream in streams:
            await anext(stream)
        before = path.inner._access.session
        behaviour.key, secret = changed(provider)
        host.file.write_text(secret)
        await looked(path)
        signs = path.inner._access.session is before
        assert signs == (name == "bedrock")
        await streams[0].aclose()
        assert not before.closed
        await collect(path)
        assert isinstance([chunk async for chunk in streams[1]][-1], Done)
        assert before.closed != signs
        assert path.inner._past == []
        await collect(path)
        host.file.write_text(provider.secret)
        behaviour.key = provider.key
        last = path.inner._access.session
        await looked(path)
        assert last.closed != signs, "nothing was at work with it"
        await collect(path)


async def test_another_account_is_taken_and_the_tokens_of_the_one_before_are_let_go(tmp_path: Path) -> None:
    host = Host(tmp_path / "key", account(client_email="nobody@p.example"))
    async with anthropic(Behaviour(key="none")) as server:
        where = {"token_url": server.token_url}
        async with path_to(EVERY["anthropic"], server.base_url + VERTEX, host, **where) as path:
            before = path.inner._access.tokens
            host.file.write_text("{}")
            await looked(path)
            assert path.inner._access.tokens is before
            assert "no service account" in path.ready().trouble
            host.file.write_text(account())
            await looked(path)
            assert before._session.closed
            assert isinstance((await collect(path))[-1], Done)
            assert path.ready().trouble == ""
