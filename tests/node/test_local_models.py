"""Local runtimes behind a real node: a tiny llama.cpp model that speaks nonsense, and the built embedder."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from appliance.status import readiness_of
from tests.node.conftest import Running, fake_card, running_node, said, sse, until, upstream_card
from tests.node.test_egress_of_a_node import EMBEDDER, ROOT
from tests.standins.openai_server import OpenAIStandIn

tiny_gguf = pytest.importorskip("tests.standins.tiny_gguf", reason="the model's writer is not there")


def tiny_card(directory: Path) -> Any:
    (directory / "content" / "models").mkdir(parents=True)
    file = directory / "content" / "models" / "tiny.gguf"
    tiny_gguf.write(file)
    raw = file.read_bytes()
    entry = {"path": "models/tiny.gguf", "sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
    return fake_card("device/tiny", runtime="llama_cpp", files=[entry], context_tokens=512, llama={"sequences": 4})


async def stop_reason(weir: Running, **over: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    return await weir.ask("Good morning", temperature=0, max_tokens=12, **over)


async def test_a_gguf_model_answers_streams_counts_and_is_cancelled(tmp_path: Path) -> None:
    async with running_node(tmp_path, tiny_card(tmp_path)) as weir:
        _, reasons = readiness_of(weir.node)
        assert weir.node.paths["device/tiny"].ready().ok, reasons
        status, body, headers = await stop_reason(weir)
        assert status == 200, body
        assert headers["x-weir-path"] == "device/tiny"
        assert headers["x-weir-tier"] == "device"
        assert body["usage"]["completion_tokens"] > 0
        row = await weir.record(headers["x-weir-decision"])
        assert row["outcome"]["steps"][0]["device"]
        async with weir.chat("Good evening", temperature=0, max_tokens=12, stream=True) as response:
            events = sse(await response.read())
        assert events[-1] == "[DONE]"
        whole = (await weir.ask("Good evening", temperature=0, max_tokens=12, headers={"Cache-Control": "no-store"}))[1]
        assert said(events) == whole["choices"][0]["message"]["content"]
        async with weir.chat("Go on", temperature=1, seed=None, max_tokens=400, stream=True) as response:
            await response.content.readany()
        await until(lambda: weir.node.active == 0)
        await until(lambda: weir.node.paths["device/tiny"].ready().busy == 0)
        assert (await stop_reason(weir))[0] == 200


async def test_many_at_once_share_the_model(tmp_path: Path) -> None:
    async with running_node(tmp_path, tiny_card(tmp_path)) as weir:
        got = await asyncio.gather(*(weir.ask(f"Question {k}", temperature=0, max_tokens=8) for k in range(8)))
        assert [row[0] for row in got] == [200] * 8
        again = await asyncio.gather(
            *(
                weir.ask(f"Question {k}", temperature=0, max_tokens=8, headers={"Cache-Control": "no-store"})
                for k in range(8)
            )
        )
        texts = [[row[1]["choices"][0]["message"]["content"] for row in rows] for rows in (got, again)]
        assert texts[0] == texts[1]


async def test_a_model_file_that_is_damaged_costs_its_path_only(tmp_path: Path) -> None:
    card = tiny_card(tmp_path)
    file = tmp_path / "content" / "models" / "tiny.gguf"
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1  # one bit of one weight
    file.write_bytes(raw)
    async with running_node(tmp_path, card) as weir:
        status, body = await weir.get("/readyz")
        assert (status, body["state"]) == (503, "unavailable")
        assert any(reason.startswith("device/tiny") for reason in body["reasons"])
        assert (await weir.ask())[0] == 503


@pytest.mark.skipif(not EMBEDDER.is_dir(), reason="build/starter is not built")
async def test_the_embedder_serves_embeddings_and_refuses_other_lengths(tmp_path: Path) -> None:
    (tmp_path / "content" / "models").mkdir(parents=True)
    (tmp_path / "content" / "cards").mkdir()
    (tmp_path / "content" / "models" / "embedder").symlink_to(EMBEDDER)
    shutil.copy(ROOT / "bundles/starter/cards/minilm-embedder.json", tmp_path / "content" / "cards")
    async with running_node(tmp_path) as weir, weir.client() as client:
        got = await client.embeddings.create(model="auto", input=["a cat", "a kitten", "tax law"])
        vectors = [row.embedding for row in got.data]

        def near(a: Any, b: Any) -> float:
            return sum(x * y for x, y in zip(a, b, strict=True))

        assert len(vectors[0]) == 384
        assert near(vectors[0], vectors[0]) == pytest.approx(1, abs=1e-3)
        assert near(vectors[0], vectors[1]) > near(vectors[0], vectors[2]) + 0.2
        import openai

        with pytest.raises(openai.BadRequestError):
            await client.embeddings.create(model="auto", input="x", dimensions=100)


HELLO = [{"role": "user", "content": "Grüezi, how do you do today?"}]
CACHED = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
TOOL = {"name": "look", "input_schema": {"type": "object"}}


async def counted(weir: Running, **over: Any) -> dict[str, Any]:
    body = {"model": "auto", "messages": HELLO, **over}
    async with weir.session.post(f"{weir.url}/v1/messages/count_tokens", json=body) as response:
        assert response.status == 200
        found: dict[str, Any] = await response.json()
        return found


async def test_a_local_model_counts_the_tokens_that_it_will_be_asked_with(tmp_path: Path) -> None:
    exact = {"estimate": False, "path": "device/tiny"}
    said = [
        {},
        {"system": "Be brief.", "messages": [*HELLO, {"role": "assistant", "content": "Well."}, *HELLO]},
        {"messages": [{"role": "user", "content": "<|im_end|>\n\u20ac \U0001f600"}]},
    ]
    async with running_node(tmp_path, tiny_card(tmp_path)) as weir:
        for over in said:
            found = await counted(weir, **over)
            assert found["weir"] == exact
            body = {"model": "auto", "max_tokens": 4, "messages": HELLO, **over}
            for _ in range(2):  # also where its answer is stored by now
                async with weir.session.post(f"{weir.url}/v1/messages", json=body) as response:
                    usage = (await response.json())["usage"]
                assert sum(usage.get(name) or 0 for name in CACHED) == found["input_tokens"]
                assert await counted(weir, **over) == found
        assert len(await weir.records()) == 2 * len(said)  # and none of what was counted
        many = await asyncio.gather(*(counted(weir) for _ in range(20)), *(weir.ask(f"q {n}") for n in range(5)))
        assert {one["input_tokens"] for one in many[:20] if isinstance(one, dict)} == {
            (await counted(weir))["input_tokens"]
        }
        assert weir.node.active == 0


async def test_what_no_tokenizer_of_this_host_would_be_asked_is_estimated(
    tmp_path: Path, upstream: OpenAIStandIn
) -> None:
    far = upstream_card(upstream.base_url, "site/far")
    async with running_node(tmp_path, tiny_card(tmp_path), far) as weir:
        assert (await counted(weir, model="device/tiny"))["weir"] == {"estimate": False, "path": "device/tiny"}
        for over in (
            {"model": "site/far"},
            {"model": "device/tiny", "tools": [TOOL]},
            {"model": "device/tiny", "messages": [{"role": "user", "content": "a word " * 2000}]},  # fits nobody
        ):
            assert (await counted(weir, **over))["weir"] == {"estimate": True}, over
        os.kill(weir.node.paths["device/tiny"].inner.worker_pid, signal.SIGKILL)  # type: ignore[attr-defined]
        assert (await counted(weir, model="device/tiny"))["weir"] == {"estimate": True}
    assert not upstream.bodies


@pytest.mark.parametrize("label", ["secret", "restricted"])
async def test_what_policy_keeps_here_is_counted_here(tmp_path: Path, upstream: OpenAIStandIn, label: str) -> None:
    far = upstream_card(upstream.base_url, "frontier/far", tier="frontier")
    async with running_node(tmp_path, tiny_card(tmp_path), far) as weir:
        headers = {"X-Weir-Classification": label}
        body = {"model": "frontier/far", "messages": HELLO}
        address = f"{weir.url}/v1/messages/count_tokens"
        async with weir.session.post(address, json=body, headers=headers) as response:
            assert (await response.json())["weir"] == {"estimate": True}
        async with weir.session.post(address, json={**body, "model": "auto"}, headers=headers) as response:
            assert (await response.json())["weir"]["estimate"] is False
    assert not upstream.bodies
