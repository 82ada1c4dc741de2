"""A key that was changed on the host while the node runs is found when the old one is refused, by every dialect."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from appliance.paths.contract import Chunk, Done, Job, PathError, Text
from appliance.paths.keyed import AGAIN_S
from appliance.paths.secrets import resolve_secret
from appliance.records.request import Message
from tests.paths.providers import EVERY, Provider, opened
from tests.standins.anthropic_server import VERTEX, anthropic
from tests.standins.google_accounts import account
from tests.standins.openai_answers import Behaviour

HELLO = Job(id="j", kind="chat", messages=(Message("user", "one two"),))
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
        path.inner._looked_at -= AGAIN_S  # a minute later
        assert ((await fault(path)).fault, host.read) == ("overloaded", 3)
        assert isinstance((await collect(path))[-1], Done)


@pytest.mark.parametrize("name", ["openai", "anthropic", "bedrock"])
async def test_what_is_under_way_ends_with_the_key_it_began_with(name: str, tmp_path: Path) -> None:
    provider = EVERY[name]
    host, behaviour = Host(tmp_path / "key", provider.secret), Behaviour(key=provider.key, tokens_per_s=40.0)
    async with provider.stand_in(behaviour) as server, path_to(provider, server.base_url, host) as path:
        words = "word " * 11 + "word"
        stream = path.stream(Job(id="j", kind="chat", messages=(Message("user", words),), stream=True))
        got = [await anext(stream)]
        behaviour.key, secret = changed(provider)
        host.file.write_text(secret)
        await fault(path)
        await collect(path)
        got += [chunk async for chunk in stream]
        assert "".join(chunk.text for chunk in got if isinstance(chunk, Text)) == words


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
