"""Every registered path keeps the contract."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from appliance.egress import Egress
from appliance.errors import ConfigInvalid
from appliance.paths.contract import Job
from appliance.paths.registry import RUNTIMES, PathContext, build_path
from appliance.records.card import Capabilities, Endpoint, File, LlamaSettings, ModelCard
from appliance.records.departure import departing
from tests.paths.contract_suite import CLAIMS, JUNK, PROMPT, NotClaimed, Opened, Subject, only_path_errors_escape
from tests.paths.running import egress_to
from tests.standins.anthropic_server import VERTEX, anthropic
from tests.standins.bedrock_server import bedrock
from tests.standins.cohere_server import cohere
from tests.standins.gemini_server import gemini
from tests.standins.google_accounts import account
from tests.standins.ledger import DEPARTURE, MemoryLedger
from tests.standins.openai_server import Behaviour, OpenAIStandIn
from tests.standins.provider import ProviderStandIn

ROOT = Path(__file__).parents[2]
SECRETS = {"bedrock_http": '{"access_key_id": "AKID", "secret_access_key": "secret"}'}
EMBEDDER = ROOT / "build" / "models" / "embedder"
EMBEDDER_CARD = ROOT / "bundles" / "starter" / "cards" / "minilm-embedder.json"


@asynccontextmanager
async def openai_http(directory: Path) -> AsyncIterator[Opened]:
    async with OpenAIStandIn(Behaviour(context_tokens=200, tokens_per_s=1000.0, prefix_cache=True)) as server:
        card = ModelCard(
            id="upstream",
            runtime="openai_http",
            tier="frontier",
            modalities=("chat", "completion", "embedding"),
            capabilities=Capabilities(tools=True, multiple=True, logprobs=True, json_schema=True, json_object=True),
            endpoint=Endpoint(base_url=server.base_url, model="stand-in", cache_salt=True),
        )
        async with _opened(card, server.base_url, directory) as opened:
            yield opened


@asynccontextmanager
async def _opened(card: ModelCard, address: str, directory: Path, secret: str = "") -> AsyncIterator[Opened]:
    """A path that may reach this address, for the suite to start."""
    egress = egress_to(address)
    path = build_path(card, PathContext(directory, egress, lambda _: secret))
    try:
        with departing(DEPARTURE):
            yield Opened(path, too_long=PROMPT * 20)
    finally:
        await path.stop()
        await egress.close()


@asynccontextmanager
async def _provider(
    server: ProviderStandIn,
    directory: Path,
    runtime: str,
    modalities: tuple[str, ...] = ("chat",),
    publisher: str = "",
    **endpoint: str,
) -> AsyncIterator[Opened]:
    async with server:
        where = {"base_url": server.base_url + publisher}
        secret = SECRETS.get(runtime, "sk-1")
        if publisher:
            where["token_url"], secret = f"{server.base_url}/token", account()
        card = ModelCard.model_validate(
            {
                "id": "upstream",
                "runtime": runtime,
                "tier": "frontier",
                "modalities": modalities,
                "capabilities": {"tools": True, "json_schema": True, "images_in": True},
                "endpoint": {**where, "model": "stand-in", "api_key_ref": "env:K", **endpoint},
            }
        )
        async with _opened(card, server.base_url, directory, secret) as opened:
            yield opened


def anthropic_http(directory: Path) -> AbstractAsyncContextManager[Opened]:
    behaviour = Behaviour(context_tokens=200, tokens_per_s=1000.0, key="sk-1")
    return _provider(anthropic(behaviour), directory, "anthropic_http")


def anthropic_on_vertex(directory: Path) -> AbstractAsyncContextManager[Opened]:
    behaviour = Behaviour(context_tokens=200, tokens_per_s=1000.0, key="none")
    return _provider(anthropic(behaviour), directory, "anthropic_http", publisher=VERTEX)


def gemini_http(directory: Path) -> AbstractAsyncContextManager[Opened]:
    behaviour = Behaviour(context_tokens=200, tokens_per_s=1000.0, key="sk-1")
    return _provider(gemini(behaviour), directory, "gemini_http", ("chat", "embedding"))


def bedrock_http(directory: Path) -> AbstractAsyncContextManager[Opened]:
    behaviour = Behaviour(context_tokens=200, tokens_per_s=1000.0, key="AKID:secret")
    return _provider(bedrock(behaviour), directory, "bedrock_http", region="eu-central-1")


def cohere_http(directory: Path) -> AbstractAsyncContextManager[Opened]:
    behaviour = Behaviour(context_tokens=200, tokens_per_s=1000.0, key="sk-1")
    return _provider(cohere(behaviour), directory, "cohere_http", ("chat", "embedding"))


@asynccontextmanager
async def llama_cpp(directory: Path) -> AsyncIterator[Opened]:
    from tests.standins.tiny_gguf import write

    raw = write(directory / "tiny.gguf").read_bytes()
    card = ModelCard(
        id="tiny",
        runtime="llama_cpp",
        tier="device",
        modalities=("chat", "completion"),
        context_tokens=512,
        files=(File(path="tiny.gguf", sha256=hashlib.sha256(raw).hexdigest(), bytes=len(raw)),),
        llama=LlamaSettings(context_per_sequence=512, sequences=16, batch_tokens=128, threads=1),
    )
    path = build_path(card, PathContext(directory, Egress(frozenset(), MemoryLedger())))
    try:
        yield Opened(path, too_long=PROMPT * 40)
    finally:
        await path.stop()


@asynccontextmanager
async def onnx(directory: Path) -> AsyncIterator[Opened]:
    card = ModelCard.model_validate_json(EMBEDDER_CARD.read_bytes())
    path = build_path(card, PathContext(ROOT / "build", Egress(frozenset(), MemoryLedger())))
    try:
        yield Opened(path)
    finally:
        await path.stop()


def _absent(module: str, *needed: Path) -> str:
    """Why a path cannot be asked, or ''."""
    parent = module.rpartition(".")[0]
    if find_spec(parent) is None or find_spec(module) is None:
        return f"{module} does not exist yet"
    return next((f"{path.relative_to(ROOT)} is not built" for path in needed if not path.exists()), "")


SUBJECTS = (
    Subject("openai_http", frozenset({"chat", "completion", "embedding"}), openai_http),
    Subject("anthropic_http", frozenset({"chat"}), anthropic_http),
    Subject("anthropic_http on Vertex", frozenset({"chat"}), anthropic_on_vertex),
    Subject("gemini_http", frozenset({"chat", "embedding"}), gemini_http),
    Subject("bedrock_http", frozenset({"chat"}), bedrock_http),
    Subject("cohere_http", frozenset({"chat", "embedding"}), cohere_http),
    Subject("llama_cpp", frozenset({"chat", "completion"}), llama_cpp, _absent("appliance.paths.llama_cpp.path")),
    Subject("onnx", frozenset({"embedding"}), onnx, _absent("appliance.paths.onnx", EMBEDDER, EMBEDDER_CARD)),
)
ASKED = [
    pytest.param(
        subject,
        name,
        id=f"{subject.name}-{name}",
        marks=[pytest.mark.skip(reason=subject.missing)] if subject.missing else [],
    )
    for subject in SUBJECTS
    for name, (kinds, _) in CLAIMS.items()
    if kinds & subject.kinds
]


def test_every_registered_runtime_is_asked() -> None:
    assert {subject.name.partition(" ")[0] for subject in SUBJECTS} == set(RUNTIMES)


@pytest.mark.asyncio
@pytest.mark.parametrize(("subject", "name"), ASKED)
async def test_the_contract_holds(subject: Subject, name: str, tmp_path: Path) -> None:
    async with subject.open(tmp_path) as opened:
        try:
            await CLAIMS[name][1](opened)
        except NotClaimed as said:
            pytest.skip(f"the card does not claim {said}")


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_only_path_errors_escape_whatever_the_job(subject: Subject, tmp_path: Path) -> None:
    if subject.missing:
        pytest.skip(subject.missing)
    with asyncio.Runner() as runner:
        context = subject.open(tmp_path)
        opened = runner.run(context.__aenter__())
        try:
            runner.run(opened.path.start())

            @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
            @given(JUNK)
            def ask(job: Job) -> None:
                runner.run(only_path_errors_escape(opened.path, job))

            ask()
        finally:
            runner.run(context.__aexit__(None, None, None))


def test_an_unknown_runtime_is_refused_by_name() -> None:
    card = ModelCard(id="x", runtime="abacus", tier="device", modalities=("chat",))
    with pytest.raises(ConfigInvalid, match="abacus") as caught:
        build_path(card, PathContext(ROOT, Egress(frozenset(), MemoryLedger())))
    assert all(name in caught.value.next_step for name in RUNTIMES)


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_a_card_that_lacks_what_its_runtime_needs_is_refused(runtime: str) -> None:
    card = ModelCard(id="x", runtime=runtime, tier="device", modalities=("chat",))
    with pytest.raises(ConfigInvalid, match="Card x cannot be used"):
        build_path(card, PathContext(ROOT, Egress(frozenset(), MemoryLedger())))


def test_importing_the_registry_imports_no_runtime() -> None:
    import subprocess
    import sys

    code = "import appliance.paths.registry, sys, json; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True).stdout)
    assert not {"aiohttp", "onnxruntime", "llama_cpp", "appliance.egress"} & set(loaded)
