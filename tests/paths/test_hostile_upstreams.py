"""Servers that mean harm: whatever they send, every adapter says a clear error, keeps little of it, and lives on."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.paths.contract import Done, ExecutionPath, Job, Meter, PathError, Usage
from appliance.paths.registry import PathContext, build_path
from appliance.records.request import Message
from tests.paths.providers import EVERY, Provider, opened
from tests.paths.running import PROMPT, collect, egress_to, running
from tests.standins.hostile_server import SCRIPTS, HostileStandIn, bomb, head

LIMIT = 1 << 20  # bytes of an answer, in these tests
SOCKETS = 8 << 20  # what two sockets and their readers may hold on the way
MEMORY = 12 << 20
SHORT: dict[str, Any] = {"first_byte_timeout_s": 0.4, "gap_timeout_s": 0.4}
FAULTS = {
    "endless-body": {"broken_stream"},
    "endless-stream": {"broken_stream"},
    "no-newline": {"broken_stream"},
    "endless-error": {"rejected"},
    "endless-header": {"broken_stream"},
    "endless-headers": {"broken_stream"},
    "endless-continue": {"timeout"},
    "slow-header": {"timeout"},
    "not-http": {"broken_stream"},
    "bad-length": {"broken_stream"},
    "two-lengths": {"broken_stream"},
    "bad-chunk": {"broken_stream"},
    "huge-chunk": {"broken_stream"},
    "closed-at-once": {"broken_stream"},
    "no-content": {"broken_stream"},
    "empty-body": {"broken_stream"},
    "empty-stream": {"broken_stream"},
    "strange-tool": {"broken_stream"},
    "invalid-json": {"broken_stream"},
    "deep-json": {"broken_stream"},
    "split-utf8": {"broken_stream"},
    "gzip-bomb": {"broken_stream"},
    "gzip-bomb-streamed": {"broken_stream"},
    "redirect": {"unavailable"},
    "switching": {"broken_stream"},
    "bad-crc": {"broken_stream"},
    "huge-frame": {"broken_stream", "timeout"},
}
STREAMS = {
    "bedrock": "application/vnd.amazon.eventstream",
}


def job(*, stream: bool = True) -> Job:
    return Job(id="j", kind="chat", messages=(Message("user", PROMPT),), stream=stream)


async def fault(path: ExecutionPath, asked: Job) -> PathError:
    with pytest.raises(PathError) as caught:
        await collect(path, asked)
    assert len(caught.value.message) <= 300
    for secret in (PROMPT, "secret-0123", "localhost"):
        assert secret not in caught.value.message
    assert path.ready().ok
    assert path.ready().busy == 0
    return caught.value


def limited(path: ExecutionPath) -> ExecutionPath:
    path.inner._limit = LIMIT  # type: ignore[attr-defined]  # the default is 64 MiB, which takes a while to send
    return path


def test_every_script_is_tried() -> None:
    assert set(FAULTS) == set(SCRIPTS)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("script", FAULTS)
async def test_a_clear_error_and_little_is_taken(name: str, script: str) -> None:
    stream_type = STREAMS.get(name, "text/event-stream")
    async with (
        HostileStandIn(script, stream_type=stream_type) as server,
        opened(EVERY[name], server.base_url, **(SHORT if FAULTS[script] != {"broken_stream"} else {})) as path,
    ):
        limited(path)
        for stream in (True, False) if script.startswith(("endless-body", "gzip")) else (True,):
            assert (await fault(path, job(stream=stream))).fault in FAULTS[script]
        assert server.sent < 2 * (LIMIT + SOCKETS)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("script", ["endless-body", "no-newline", "endless-error", "gzip-bomb", "huge-frame"])
async def test_memory_is_bounded(name: str, script: str) -> None:
    async with (
        HostileStandIn(script, stream_type=STREAMS.get(name, "text/event-stream")) as server,
        opened(EVERY[name], server.base_url, **SHORT) as path,
    ):
        limited(path)
        bomb()  # made once, by a server that is in this process too
        tracemalloc.start()
        try:
            await fault(path, job())
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < MEMORY


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("script", ["no-content", "empty-body", "empty-stream"])
@pytest.mark.parametrize("stream", [False, True])
async def test_who_said_nothing_is_charged_for_no_answer(name: str, script: str, stream: bool) -> None:
    asked = replace(job(stream=stream), meter=Meter())
    async with (
        HostileStandIn(script, stream_type=STREAMS.get(name, "text/event-stream")) as server,
        opened(EVERY[name], server.base_url) as path,
    ):
        error = await fault(path, asked)
    assert (error.fault, error.message[:28]) == ("broken_stream", "The server's answer is empty")
    assert (asked.meter.used(10), asked.meter.exact) == (Usage(10), False), "the prompt may have been read"


@pytest.mark.parametrize("name", EVERY)
async def test_who_is_sent_elsewhere_does_not_go(name: str) -> None:
    async with HostileStandIn("invalid-json") as elsewhere:
        target = f"{elsewhere.base_url}/v1/chat/completions"
        async with HostileStandIn("redirect", redirect_to=target) as server:
            egress = egress_to(server.base_url, elsewhere.base_url)  # even where the other place may be spoken to
            context = PathContext(Path(), egress, lambda _: EVERY[name].secret)
            async with running(build_path(EVERY[name].card(server.base_url), context), egress) as path:
                assert (await fault(path, job())).fault == "unavailable"
        assert (server.asked, elsewhere.asked) == (1, 0)


def certificate(directory: Path, *names: str, days: int = 1) -> tuple[ssl.SSLContext, Path]:
    """A server's certificate for these names, signed by itself, and the file of it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    begins = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=2)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=2 + days))
        .add_extension(
            x509.SubjectAlternativeName(
                [*(x509.DNSName(name) for name in names), x509.IPAddress(ipaddress.ip_address("::2"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, secret = directory / f"{names[0]}{days}.pem", directory / f"{names[0]}{days}.key"
    file.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, secret)
    return context, file


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[ssl.SSLContext, Path]]:
    directory = tmp_path_factory.mktemp("certificates")
    return {
        "right": certificate(directory, "localhost"),
        "another name": certificate(directory, "elsewhere.example"),
        "expired": certificate(directory, "localhost", days=-1),
    }


async def asked_under_tls(provider: Provider, server: HostileStandIn, trusted: Path) -> str:
    """The fault of a path that trusts this certificate."""
    tls = ssl.create_default_context(cafile=str(trusted))
    egress = egress_to(server.base_url, tls=tls)
    context = PathContext(Path(), egress, lambda _: provider.secret)
    async with running(build_path(provider.card(server.base_url), context), egress) as path:
        return (await fault(path, job())).fault


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("kind", ["another name", "expired", "unknown"])
async def test_a_certificate_that_does_not_hold_stops_the_request_before_it_is_sent(
    name: str, kind: str, certificates: dict[str, tuple[ssl.SSLContext, Path]]
) -> None:
    served, own = certificates["right" if kind == "unknown" else kind]
    trusted = certificates["another name"][1] if kind == "unknown" else own
    async with HostileStandIn("invalid-json", tls=served) as server:
        assert await asked_under_tls(EVERY[name], server, trusted) == "unavailable"
        assert server.asked == 0
    async with HostileStandIn("invalid-json", tls=certificates["right"][0]) as server:  # else it is spoken to
        assert await asked_under_tls(EVERY[name], server, certificates["right"][1]) == "broken_stream"
        assert server.asked == 1


@pytest.mark.parametrize("name", EVERY)
async def test_a_server_that_packs_its_errors_is_still_read_by_its_status(name: str) -> None:
    async def packed(server: HostileStandIn) -> Any:
        raw = bomb()[:100_000]
        stated = ("Content-Encoding: gzip", f"Content-Length: {len(raw)}")
        yield head("application/json", *stated, status="429 Too Many Requests") + raw

    async with HostileStandIn("redirect") as server, opened(EVERY[name], server.base_url) as path:
        server.script = packed
        assert (await fault(path, job())).fault == "overloaded"


@pytest.mark.parametrize("name", EVERY)
async def test_the_next_answer_of_a_server_that_recovers_is_served(name: str) -> None:
    """What a hostile answer left behind is in no later one."""
    provider = EVERY[name]
    from tests.paths.providers import served

    async with served(provider) as (_, path):
        for mode in ("malformed", "cut", "wrong-shape"):
            path.inner._endpoint = path.inner._endpoint.model_copy(update={"model": f"mode:{mode}"})  # type: ignore[attr-defined]
            await fault(path, job())
        path.inner._endpoint = path.inner._endpoint.model_copy(update={"model": "m"})  # type: ignore[attr-defined]
        assert isinstance((await collect(path, job()))[-1], Done)
