"""Tries to break out of the node's door, and of a worker's confinement; run in a child process of doctor's.

Rules kept here:
1. No attempt reaches anybody, should it get out: the addresses are nobody's (RFC 5737, RFC 3849), the name cannot exist
   (RFC 2606), and every listener is this process's own, on loopback or in a directory of its own.
2. Where an attempt could succeed on this host, it is given something to succeed at: a listener tells who came.
3. An attempt ends as 'refused' (by the node's own door), 'reached', or with what stopped it otherwise.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from appliance.records.departure import Departure

OUTSIDE = "192.0.2.1"
OUTSIDE_6 = "2001:db8::1"
NOBODY = "weir-doctor.invalid"
WORKER_S = 60.0
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
Tries = dict[str, str]


def dns(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Looks up a name in several ways."""
    _close_the_door(argument)
    return {
        "tries": {
            "getaddrinfo": _try(lambda: socket.getaddrinfo(NOBODY, 443)),
            "gethostbyname": _try(lambda: socket.gethostbyname(NOBODY)),
            "gethostbyname_ex": _try(lambda: socket.gethostbyname_ex(NOBODY)),
            "gethostbyaddr": _try(lambda: socket.gethostbyaddr(OUTSIDE)),
            "getnameinfo": _try(lambda: socket.getnameinfo((OUTSIDE, 443), 0)),
        }
    }


def tcp(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Connects to an address that no policy lists."""
    from appliance.egress import Egress, NoLedger

    _close_the_door(argument)
    return {
        "tries": {
            f"TCP to {OUTSIDE}": _try(lambda: socket.create_connection((OUTSIDE, 443), timeout=2)),
            f"TCP to {OUTSIDE_6}": _try(lambda: _connect(socket.AF_INET6, (OUTSIDE_6, 443))),
            f"TCP to ::ffff:{OUTSIDE}": _try(lambda: _connect(socket.AF_INET6, (f"::ffff:{OUTSIDE}", 443))),
            f"HTTP to {OUTSIDE}": _try(_fetch),
            "a session to an unlisted address": _try(
                lambda: Egress(frozenset(), NoLedger()).session_for(f"https://{OUTSIDE}")
            ),
        }
    }


def udp(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Sends a datagram, the ways that Python has."""
    _close_the_door(argument)
    return {
        "tries": {
            f"sendto {OUTSIDE}": _try(lambda: _datagram(lambda one: one.sendto(b"weir", (OUTSIDE, 53)))),
            f"sendmsg {OUTSIDE}": _try(lambda: _datagram(lambda one: one.sendmsg([b"weir"], [], 0, (OUTSIDE, 53)))),
            f"connect {OUTSIDE}": _try(lambda: _datagram(lambda one: one.connect((OUTSIDE, 53)))),
        }
    }


class _Unwritten:
    """Lets the attempts pass the audit, so that the list of destinations alone stops them. They carry nothing."""

    async def leaving(self, *_: object) -> None:
        return


def _attempt() -> Departure:
    """An attempt is made on behalf of nobody's request."""
    from appliance.records.card import Place
    from appliance.records.departure import Departure

    return Departure("doctor", "", "public", "", "doctor", "frontier", Place(), (), "")


def proxy(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Names a proxy in the environment, and asks a listed place: does the request go there, or to the proxy?"""
    from appliance.egress import Destination, Egress
    from appliance.records.departure import departing

    stated = sorted(name for name in os.environ if name.lower() in _PROXIES and os.environ[name])
    with _listener() as listed, _listener() as intruder:
        _close_the_door(argument)
        for name in _PROXIES:
            os.environ[name] = os.environ[name.upper()] = intruder.url
        os.environ.pop("no_proxy", None)
        os.environ.pop("NO_PROXY", None)

        async def ask() -> None:
            egress = Egress(frozenset({Destination.parse(listed.url)}), _Unwritten())
            with departing(_attempt()):
                async with egress.session_for(listed.url) as session, await session.get(listed.url):
                    pass

        came = _run(ask)
        straight = "refused" if listed.came and came == "reached" else f"not straight to the listed place: {came}"
        by_session = "reached" if intruder.came else straight
        os.environ.update(dict.fromkeys((*_PROXIES, *map(str.upper, _PROXIES)), f"http://{OUTSIDE}:3128"))
        return {
            "tries": {"a session past a proxy of the environment": by_session, "urllib to that proxy": _try(_fetch)},
            "stated": stated,
        }


def redirect(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Lets a listed place send a careless client to places that are not listed."""
    from appliance.egress import Destination, Egress
    from appliance.records.departure import departing

    tries: Tries = {}
    with _listener() as elsewhere, _listener() as listed:
        _close_the_door(argument)
        targets = (
            f"http://{OUTSIDE}/",
            f"https://{OUTSIDE}/",
            f"http://[{OUTSIDE_6}]/",
            f"http://{NOBODY}/",
            elsewhere.url,
        )
        for target in targets:
            listed.location = target

            async def ask() -> None:
                egress = Egress(frozenset({Destination.parse(listed.url)}), _Unwritten())
                with departing(_attempt()):
                    async with (
                        egress.session_for(listed.url, connect_timeout_s=2) as session,
                        await session.get(listed.url, allow_redirects=True),
                    ):
                        pass

            where = "another port of this host" if target == elsewhere.url else target
            tries[f"a redirect to {where}"] = "reached" if elsewhere.came else _run(ask)
        if not listed.came:
            return {"problem": "the listed place was not reached, so that nothing was redirected"}
        return {"tries": tries | ({"another port of this host": "reached"} if elsewhere.came else {})}


def unix_socket(_: Mapping[str, Any]) -> dict[str, Any]:
    """Connects to Unix sockets outside a state directory of its own (a longer one makes no address); one listens."""
    with tempfile.TemporaryDirectory(prefix="weir-doctor-") as elsewhere:
        path = f"{elsewhere}/socket"
        with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as abstract:
            listening.bind(path)
            listening.listen()
            name = f"\0weir-doctor-{os.getpid()}"
            abstract.bind(name)
            abstract.listen()
            _close_the_door({"state_dir": f"{elsewhere}/state"})
            inside = f"{elsewhere}/state/../socket"
            return {
                "tries": {
                    "a socket in another directory": _try(lambda: _connect(socket.AF_UNIX, path)),
                    "an abstract socket": _try(lambda: _connect(socket.AF_UNIX, name)),
                    "a way out by '..'": _try(lambda: _connect(socket.AF_UNIX, inside)),
                    "the resolver's or a bus's": _try(lambda: _connect(socket.AF_UNIX, "/run/weir-doctor-nobody.sock")),
                }
            }


def children(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Starts other programs, for which the door would not be there."""
    _close_the_door(argument)
    true = [sys.executable, "-c", ""]
    return {
        "tries": {
            "subprocess": _try(lambda: subprocess.run(true, check=False)),  # noqa: S603  must be refused
            "subprocess with a shell": _try(lambda: subprocess.run(":", shell=True, check=False)),  # noqa: S602, S607
            "os.system": _try(lambda: os.system(":")),  # noqa: S605, S607
            "os.posix_spawn": _try(lambda: os.posix_spawn(sys.executable, true, {})),
            "os.fork": _try(_fork),
        }
    }


def worker(_: Mapping[str, Any]) -> dict[str, Any]:
    """Starts a worker as the node does, and lets it try to break out instead of loading a model."""
    import importlib.util

    if importlib.util.find_spec("llama_cpp") is None:
        return {"problem": "llama-cpp-python is not installed"}
    from appliance.paths.llama_cpp import protocol, supervisor

    with tempfile.TemporaryDirectory(prefix="weir-doctor-") as models:
        settings = protocol.Settings(f"{models}/model.gguf", 0, 1, 1, 1, 0, 1)
        ours, theirs = socket.socketpair()
        with ours:
            ours.settimeout(WORKER_S)
            started = subprocess.Popen(  # noqa: S603  our own program, our own arguments, no shell
                supervisor.command(theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=supervisor.environment(),
            )
            theirs.close()
            try:
                frame = _answer(ours, protocol.pack([protocol.ATTEMPT, asdict(settings)]))
            except TimeoutError:
                return {"problem": f"a worker gave no answer within {WORKER_S:g} s"}
            finally:
                started.kill()
                code = started.wait()
    if not frame:
        return {"problem": f"a worker ended with {code} and said nothing"}
    return dict(frame[1]) if frame[0] == protocol.TRIED else {"problem": str(frame[1]), "unconfined": True}


def _answer(link: socket.socket, question: bytes) -> list[Any]:
    """The first frame that comes back, or an empty one at the end of the talk."""
    from appliance.paths.llama_cpp.protocol import Unpacker

    unpacker = Unpacker()
    with contextlib.suppress(ConnectionError):
        link.sendall(question)
        while raw := link.recv(1 << 16):
            if frames := unpacker.feed(raw):
                return frames[0]
    return []


# ---- what they share


class _Listening:
    """A server of HTTP on loopback, which counts who comes and sends them on where `location` says."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self.url = f"http://127.0.0.1:{server.getsockname()[1]}"
        self.location = ""
        self.came = 0

    def serve(self) -> None:
        while True:
            try:
                caller, _ = self._server.accept()
            except OSError:
                return  # closed: the attempts are over
            self.came += 1
            with caller, contextlib.suppress(OSError):
                caller.settimeout(5)
                caller.recv(65536)
                status = f"302 Found\r\nLocation: {self.location}" if self.location else "204 No Content"
                caller.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


@contextlib.contextmanager
def _listener() -> Iterator[_Listening]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        out = _Listening(server)
        threading.Thread(target=out.serve, daemon=True).start()
        try:
            yield out
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept


def _close_the_door(argument: Mapping[str, Any]) -> None:
    from appliance.egress import install_audit_hook

    install_audit_hook(frozenset(), state_dir=Path(str(argument["state_dir"])))


def _run(attempt: Callable[[], Any]) -> str:
    """The attempt on the event loop that the node has."""
    import uvloop

    return _try(lambda: uvloop.run(attempt()))


def _try(attempt: Callable[[], object]) -> str:
    from appliance.egress import EgressRefused

    try:
        attempt()
    except Exception as error:  # noqa: BLE001  whatever stopped it is the answer
        seen: BaseException | None = error
        while seen is not None:  # clients wrap what their connection raised
            reason = getattr(seen, "reason", None)
            if isinstance(seen, EgressRefused) or isinstance(reason, EgressRefused):
                return "refused"
            seen = seen.__cause__ or seen.__context__
        return f"stopped by {type(error).__name__}"
    return "reached"


def _connect(family: int, where: Any) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(2)
        one.connect(where)


def _datagram(send: Callable[[socket.socket], object]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        send(one)


def _fetch() -> None:
    from urllib.request import urlopen

    with urlopen(f"http://{OUTSIDE}/", timeout=2):
        pass


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


ESCAPES: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "egress-dns": dns,
    "egress-tcp": tcp,
    "egress-udp": udp,
    "egress-proxy": proxy,
    "egress-redirect": redirect,
    "egress-unix": unix_socket,
    "egress-child": children,
    "worker": worker,
}
