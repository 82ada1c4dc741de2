"""What the benchmarks share: processes on a chosen core, a node's content, load, and the peers to compare with.

Rules kept here:
1. A peer is as small as it can honestly be, on the same event loop (uvloop) and with the same settings as the node.
2. Everything listens on loopback and is ended by its own process id.
3. A round in which anything failed is no measurement: it raises.

Run as a program it is a peer: `python -m benchmarks.peers upstream|server|proxy|xllamacpp --port N ...`. As xllamacpp
it needs the interpreter of requirements-bench.txt; all else here runs on the node's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar, cast

ROOT = Path(__file__).resolve().parent.parent
UPSTREAM_ID = "bench/upstream"
QUIET, TRIES = 0.02, 4
T = TypeVar("T")
MOST_OPEN = 200  # connections of an open loop
_TEXT = (
    "The pump in hall 3 was serviced on 14 March. Its bearing is worn and should be replaced before the end of the"
    " quarter; until then run it at no more than 80 % of its rated speed and check the temperature every shift."
)
ANSWER = json.dumps(
    {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": "bench",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": _TEXT, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 61, "completion_tokens": 52, "total_tokens": 113},
    },
    separators=(",", ":"),
).encode()
QUESTION = json.dumps(
    {
        "model": UPSTREAM_ID,
        "messages": [
            {"role": "system", "content": "You answer questions about the site's maintenance log, in two sentences."},
            {"role": "user", "content": "What is known about the pump in hall 3, and what is to be done about it?"},
        ],
        "max_tokens": 200,
        "temperature": 0,
    }
).encode()
MARK = b"~~~~~~"  # in a body that is another one each time
OWN_QUESTION = QUESTION.replace(b"hall 3", b"hall " + MARK)
_SAID = (
    "Die Besprechung am 14. März wurde in Raum 4.12 verlegt; für Rückfragen über die Bestellung 4711 stehen wir Ihnen gern "
    "zur Verfügung. "
)
CONVERSATION = json.dumps(  # 21 turns of 2,000 characters, of which the last is another one each time
    {
        "model": UPSTREAM_ID,
        "messages": [
            {"role": "system", "content": "You answer questions about the site's maintenance log, in two sentences."},
            *({"role": ("user", "assistant")[at % 2], "content": f"{at}: {_SAID * 15}"} for at in range(20)),
            {"role": "user", "content": f"{MARK.decode()}: {_SAID * 15}"},
        ],
        "max_tokens": 200,
        "temperature": 0,
    },
    ensure_ascii=False,
).encode()

# ---- processes ------------------------------------------------------------------------------------------------


def free_port() -> int:
    """A TCP port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(command: list[str], log: Path, *, cores: set[int] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A child of our own on these cores (None: all), ended by its own id."""

    def pin() -> None:
        if cores is not None:
            os.sched_setaffinity(0, cores)

    with log.open("ab") as out:
        child = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, stdin=subprocess.DEVNULL, preexec_fn=pin)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_for(url: str, child: subprocess.Popen[bytes], log: Path, *, limit_s: float = 180.0) -> None:
    """Until `url` answers 200. Exits with the end of the log where it never does."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and child.poll() is None:
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.1)
    sys.exit(f"{url} did not come up ({child.poll()}); the end of {log}:\n{log.read_text()[-3000:]}")


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used, its threads included, its children not."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def quietest(turn: Callable[[], T], rounds: int) -> tuple[list[T], float]:
    """What `turn` gave in so many rounds, and the largest share of the processors that the host gave to others in one of
    them. One that was disturbed by more than `QUIET` is run again, up to `TRIES` times as many; then the quietest count.
    """
    found: list[tuple[float, T]] = []
    for _ in range(TRIES * rounds):
        before, began = _stolen_s(), time.monotonic()
        failure, told = None, None
        try:
            told = turn()
        except RuntimeError as error:
            failure = error
        share = (_stolen_s() - before) / (time.monotonic() - began) / (os.cpu_count() or 1)
        if failure is None:
            found.append((share, cast("T", told)))
        elif share <= QUIET:
            raise failure
        if sum(share <= QUIET for share, _ in found) == rounds:
            break
    if not found:
        raise RuntimeError("in every round the host gave the processors to others")
    kept = sorted(found, key=lambda one: one[0])[:rounds]
    return [told for _, told in kept], kept[-1][0]


def _stolen_s() -> float:
    return int(Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")


# ---- a node ---------------------------------------------------------------------------------------------------


def starter_content(target: Path, starter: Path, cards: list[dict[str, Any]]) -> Path:
    """The starter content without generative models, and with `cards`; large files are linked."""
    if not (starter / "policy").is_dir():
        sys.exit(f"{starter} holds no content; run `make setup`, or name another directory with --starter.")

    def generative(_: str, names: list[str]) -> set[str]:
        return {name for name in names if name.endswith(".gguf") or name.startswith("gate-")}

    shutil.copytree(starter, target, copy_function=_link, ignore=generative)
    for path in (target / "cards").glob("*.json"):
        if json.loads(path.read_bytes())["runtime"] == "llama_cpp":
            path.unlink()
    for number, card in enumerate(cards):
        (target / "cards" / f"bench-{number}.json").write_text(json.dumps(card))
    return target


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@contextmanager
def node(
    work: Path,
    content: Path,
    *,
    cores: set[int] | None = None,
    python: str = sys.executable,
    state: Path | None = None,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`weir serve` on `state`, or a new state directory, with this content signed and taken into use; yields its address
    and process when it is ready.
    """
    state = state or Path(tempfile.mkdtemp(prefix="state-", dir=work))
    take_into_use(state, *press(Path(tempfile.mkdtemp(prefix="bench-", dir=work)), content, "--name", "benchmark"))
    port = free_port()
    (state / "weir.yaml").write_text(json.dumps({"listen": {"host": "127.0.0.1", "port": port}}))
    log, url = state / "node.log", f"http://127.0.0.1:{port}"
    command = [python, "-m", "appliance.cli.main", "serve", "--state", str(state)]
    with process(command, log, cores=cores) as child:
        wait_for(f"{url}/readyz", child, log)
        yield url, child


def press(work: Path, source: Path, *options: str) -> tuple[Path, Path]:
    """Sign a content directory or a recipe with evaluation keys made on the spot; the bundle's directory and the root."""
    station, bundles = work / "station", work / "bundles"
    sign("evaluate", str(station))
    sign("press", str(station), str(source), "--out", str(bundles), *options)
    return bundles, station / "metadata" / "1.root.json"


def sign(*arguments: str) -> None:
    """`weir-sign`, which must succeed."""
    _weir("signing.cli.main", *arguments)


def take_into_use(state: Path, bundle: Path, root: Path) -> None:
    """What an operator does with a stick on a new node."""
    _weir("appliance.cli.main", "bundle", "apply", str(bundle), "--root", str(root), "--state", str(state))


def _weir(module: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{module} {arguments[0]} ended with {done.returncode}: {done.stderr}{done.stdout}")


def tenant(state: Path, name: str, *options: str) -> dict[str, str]:
    """The header with the key of a new tenant, made by the command that an operator uses."""
    command = [sys.executable, "-m", "appliance.cli.main", "tenant", "add", name, *options, "--state", str(state)]
    made = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return {"Authorization": f"Bearer {made.stdout.strip()}"}


def operator(state: Path) -> dict[str, str]:
    """The header with the operator's key of a node that runs."""
    return {"Authorization": f"Bearer {(state / 'operator.key').read_text().strip()}"}


def upstream_card(port: int) -> dict[str, Any]:
    """The upstream as a path on the site."""
    return {
        "id": UPSTREAM_ID,
        "runtime": "openai_http",
        "tier": "site",
        "modalities": ["chat"],
        "retention": "none",
        "trains_on_input": "no",
        "price": {"input_per_million": 0.1, "output_per_million": 0.4},
        "accuracy_default": 0.97,
        "accuracy_default_n": 1000,
        "endpoint": {"base_url": f"http://127.0.0.1:{port}/v1", "model": "bench", "max_concurrent": 256},
    }


# ---- load -----------------------------------------------------------------------------------------------------


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the others lie; nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def word() -> bytes:
    """Of six letters, hardly ever the same twice."""
    return bytes(random.choices(b"abcdefghijklmnopqrstuvwxyz", k=len(MARK)))


def request_bytes(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A whole POST as it goes over the wire."""
    host, _, path = url.removeprefix("http://").partition("/")
    lines = [f"POST /{path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()] + [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


class Line(asyncio.Protocol):
    """One kept-alive connection that carries one request at a time; seconds of each go to `taken`. Where the request
    holds `MARK`, each time another word stands in its place.
    """

    def __init__(self, request: bytes, taken: list[float]) -> None:
        self._before, self._mark, self._after = request.partition(MARK)
        self._taken = taken
        self._transport: asyncio.Transport | None = None
        self._held = b""
        self._sent = 0.0
        self.fault = ""
        self.again = False  # ask anew as soon as the answer is there
        self.idle: deque[Line] | None = None  # where to queue when done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def ask(self) -> None:
        assert self._transport is not None
        self._sent = time.perf_counter()
        self._transport.write(self._before + (word() if self._mark else b"") + self._after)

    def data_received(self, data: bytes) -> None:
        held = self._held + data if self._held else data
        head = held.find(b"\r\n\r\n")
        if head >= 0:
            at = held[:head].lower().find(b"content-length:")
            length = int(held[at + 15 : head].split(b"\r\n", 1)[0])
            if len(held) >= head + 4 + length:
                self._held = b""
                self._answered(held[:12])
                return
        self._held = held

    def _answered(self, status: bytes) -> None:
        self._taken.append(time.perf_counter() - self._sent)
        if status != b"HTTP/1.1 200":
            self.fault = status.decode()
        if self.again:
            self.ask()
        elif self.idle is not None:
            self.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.fault = self.fault or "the connection was closed"

    def close(self) -> None:
        """End it; what is under way is given up."""
        assert self._transport is not None
        fault = self.fault
        self._transport.abort()
        self.fault = fault


async def _open(url: str, request: bytes, count: int, taken: list[float]) -> list[Line]:
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(lambda: Line(request, taken), host, int(port)))[1] for _ in range(count)]


def _checked(lines: list[Line], url: str) -> None:
    faults = [line.fault for line in lines if line.fault]
    for line in lines:
        line.close()
    if faults:
        raise RuntimeError(f"{url}: {faults[0]}")


async def closed_loop(url: str, body: bytes, headers: dict[str, str], *, connections: int, seconds: float) -> float:
    """Requests a second of `connections` that ask again as soon as they are answered."""
    taken: list[float] = []
    lines = await _open(url, request_bytes(url, body, headers), connections, taken)
    began = time.perf_counter()
    for line in lines:
        line.again = True
        line.ask()
    await asyncio.sleep(seconds)
    done, spent = len(taken), time.perf_counter() - began
    _checked(lines, url)
    return done / spent


async def open_loop(url: str, body: bytes, headers: dict[str, str], *, per_s: float, seconds: float) -> list[float]:
    """Seconds of each request, sent at a fixed pace whether or not earlier ones are answered."""
    taken: list[float] = []
    lines = await _open(url, request_bytes(url, body, headers), MOST_OPEN, taken)
    idle = deque(lines)
    for line in lines:
        line.idle = idle
    began = time.perf_counter()
    for number in range(int(per_s * seconds)):
        wait = began + number / per_s - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        if not idle:
            raise RuntimeError(f"{url}: {MOST_OPEN} requests are under way; it cannot keep up with {per_s:g} a second")
        idle.popleft().ask()
    while len(idle) < len(lines) and not any(line.fault for line in lines):
        await asyncio.sleep(0.01)
    _checked(lines, url)
    return taken


# As `word`, but counted: in each round from another number on.
_WORDS = """
local number = %d
local before, after = wrk.body:match("^(.-)" .. ("~"):rep(%d) .. "(.*)$")
request = function()
  number = number + 1
  local left, word = number, ""
  for _ = 1, %d do word, left = string.char(97 + left %% 26) .. word, math.floor(left / 26) end
  return wrk.format(nil, nil, nil, before .. word .. after)
end"""


def wrk(url: str, body: bytes, headers: dict[str, str], *, connections: int, seconds: float, core: int) -> float:
    """Requests a second by wrk. Raises where any request failed."""
    script = ['wrk.method = "POST"', f"wrk.body = {json.dumps(body.decode(), ensure_ascii=False)}"]
    if MARK in body:
        script.append(_WORDS % (random.randrange(26 ** len(MARK)), len(MARK), len(MARK)))
    stated = {"Content-Type": "application/json", **headers}
    script += [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in stated.items()]
    with tempfile.NamedTemporaryFile("w", suffix=".lua", encoding="utf-8") as file:
        file.write("\n".join(script))
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", file.name, url]
        out = subprocess.run(
            command, capture_output=True, text=True, check=True, preexec_fn=lambda: os.sched_setaffinity(0, {core})
        ).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(f"{url}: {out}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", out)
    if found is None:
        raise RuntimeError(out)
    return float(found[1])


# ---- streaming clients ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Streamed:
    """One streamed answer. `first_s` and `seconds` from the moment of asking; `fault` is empty if all went well."""

    first_s: float = 0.0
    seconds: float = 0.0
    events: int = 0
    tokens: int = 0
    prompt: int = 0  # tokens, as the server counts them
    cached: int = 0  # of those
    finish: str = ""
    fault: str = ""
    text: list[str] = field(default_factory=list)


async def stream(url: str, body: dict[str, Any], headers: dict[str, str]) -> Streamed:
    """Ask for a streamed chat completion and read it to its end."""
    found = Streamed()
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    wire = {**body, "stream": True, "stream_options": {"include_usage": True}}
    began = time.perf_counter()
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
    except OSError as error:
        found.fault = str(error)
        return found
    try:
        writer.write(request_bytes(url, json.dumps(wire).encode(), {**headers, "Connection": "close"}))
        status = await reader.readline()
        if b" 200" not in status:
            found.fault = f"{status.decode().strip()} {(await reader.read(4000)).decode()[-600:]}"
        while not found.fault and (line := await reader.readline()):
            at = line.find(b"data: ")
            if at < 0 or line[at + 6 : at + 7] != b"{":
                continue
            _take(found, json.loads(line[at + 6 :]), began)
        found.seconds = time.perf_counter() - began
    except (OSError, ValueError) as error:
        found.fault = repr(error)
    finally:
        writer.close()
    if not found.fault and not found.finish:
        found.fault = "the stream ended without a finish reason"
    if not found.tokens:
        found.tokens = body["max_tokens"] if found.finish == "length" else found.events
    return found


def _take(found: Streamed, event: dict[str, Any], began: float) -> None:
    if event.get("error"):
        found.fault = str(event["error"])[:200]
    if event.get("usage"):
        usage = event["usage"]
        found.tokens, found.prompt = usage["completion_tokens"], usage["prompt_tokens"]
        found.cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    for choice in event.get("choices", ()):
        text = choice.get("delta", {}).get("content")
        if text:
            if not found.events:
                found.first_s = time.perf_counter() - began
            found.events += 1
            found.text.append(text)
        found.finish = choice.get("finish_reason") or found.finish


# ---- the machine ----------------------------------------------------------------------------------------------


def machine(*packages: str) -> dict[str, str]:
    """What the figures belong to."""
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    family = re.search(r"cpu family\s*:\s*(\d+)\s+model\s*:\s*(\d+)", Path("/proc/cpuinfo").read_text())
    name = (cpu[1] if cpu else platform.machine()) + (f" family {family[1]} model {family[2]}" if family else "")
    found = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cpu": f"{name}, {os.cpu_count()} cores",
        "load": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
    for package in packages:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def show(title: str, rows: list[tuple[str, ...]]) -> None:
    """A small table; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print(f"\n{title}")
    for row in rows:
        cells = [
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  " + "  ".join(cells).rstrip())


# ---- the peers themselves -------------------------------------------------------------------------------------


class Upstream(asyncio.Protocol):
    """Answers every POST with the same chat completion, as fast as Python can: no parsing beyond the framing."""

    _ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(ANSWER),
        ANSWER,
    )

    def __init__(self) -> None:
        self._held = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        held = self._held + data if self._held else data
        assert self._transport is not None
        while (head := held.find(b"\r\n\r\n")) >= 0:
            at = held[:head].lower().find(b"content-length:")
            length = int(held[at + 15 : head].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(held) < head + 4 + length:
                break
            held = held[head + 4 + length :]
            self._transport.write(self._ANSWER)
        self._held = held


async def _upstream(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


async def _bare(port: int, upstream: str) -> None:
    """The bare aiohttp server: reads the body, gives the fixed answer; with `upstream`, the bare proxy."""
    import aiohttp
    from aiohttp import web

    async def fixed(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=ANSWER, content_type="application/json")

    async def onward(request: web.Request) -> web.Response:
        body = await request.read()
        async with session.post(upstream, data=body, headers={"Content-Type": "application/json"}) as answer:
            return web.Response(body=await answer.read(), status=answer.status, content_type=answer.content_type)

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    connector = aiohttp.TCPConnector(limit=256)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        app = web.Application()
        app.add_routes([web.post("/v1/chat/completions", onward if upstream else fixed), web.get("/readyz", alive)])
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, keepalive_timeout=75)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        await asyncio.Event().wait()


def _xllamacpp(options: argparse.Namespace) -> None:
    """llama.cpp's own C++ server."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(options.model)
    params.n_ctx, params.n_parallel = options.context * options.sequences, options.sequences
    params.n_batch = params.n_ubatch = options.batch
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
    params.hostnames, params.port = ["127.0.0.1"], options.port
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    signal.pause()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=("upstream", "server", "proxy", "xllamacpp"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--to", default="", help="the proxy's upstream")
    parser.add_argument("--model", type=Path, help="a GGUF file; this and the rest for xllamacpp")
    parser.add_argument("--context", type=int, default=1024, help="tokens of one sequence")
    parser.add_argument("--sequences", type=int, default=16)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.peer == "xllamacpp":
        _xllamacpp(options)
        return 0
    import uvloop

    uvloop.run(_upstream(options.port) if options.peer == "upstream" else _bare(options.port, options.to))
    return 0


if __name__ == "__main__":
    sys.exit(main())
