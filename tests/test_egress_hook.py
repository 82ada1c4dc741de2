"""The audit hook refuses what any other code tries; each test runs in a child, since a hook cannot be removed."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def child(code: str, state: Path) -> Any:
    """Run `code` with the hook installed; it prints JSON. 192.0.2.1 and 192.0.2.2 are nobody's (RFC 5737)."""
    before = """
        import asyncio, json, pathlib, socket, sys
        from appliance.egress import Destination, Door, Egress, EgressRefused, install_audit_hook
        state = pathlib.Path(sys.argv[1])
        listed = (("https", "192.0.2.1", 443), ("https", "listed.invalid", 443))
        door = Door(frozenset(Destination(*where) for where in listed))
        assert install_audit_hook(door, state_dir=state) is door
        def attempt(function, *arguments):
            try:
                function(*arguments)
            except EgressRefused:
                return "refused"
            except OSError as error:
                return "tried"
            return "done"
        def tcp(family=socket.AF_INET):
            made = socket.socket(family)
            made.settimeout(0.05)
            return made
    """
    program = textwrap.dedent(before) + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(state)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_hook_refuses_connects_and_datagrams_that_are_not_listed(tmp_path: Path) -> None:
    found = child(
        """
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        print(json.dumps({
            "listed": attempt(tcp().connect, ("192.0.2.1", 443)),
            "other port": attempt(tcp().connect, ("192.0.2.1", 80)),
            "other host": attempt(tcp().connect, ("192.0.2.2", 443)),
            "connect_ex": attempt(tcp().connect_ex, ("192.0.2.2", 443)),
            "mapped": attempt(tcp(socket.AF_INET6).connect, ("::ffff:192.0.2.2", 443)),
            "any": attempt(tcp().connect, ("0.0.0.0", 1)),
            "looks like loopback": attempt(udp.sendto, b"x", ("128.0.0.1", 53)),
            "loopback": attempt(tcp().connect, ("127.0.0.1", 1)),
            "loopback 6": attempt(tcp(socket.AF_INET6).connect, ("::1", 1)),
            "sendto": attempt(udp.sendto, b"x", ("192.0.2.2", 53)),
            "sendmsg": attempt(udp.sendmsg, [b"x"], [], 0, ("192.0.2.2", 53)),
            "sendto loopback": attempt(udp.sendto, b"x", ("127.0.0.1", 9)),
            "create_connection": attempt(socket.create_connection, ("192.0.2.2", 80), 0.05),
            "counted": door.refused,
            "listed for doctor": [refusal.where for refusal in door.refusals][:2],
        }))
        """,
        tmp_path,
    )
    passes = {"loopback", "loopback 6", "listed"}
    assert {name for name in passes if found[name] == "tried"} == passes
    assert found["sendto loopback"] == "done"
    refused = {name for name, what in found.items() if what == "refused"}
    assert refused == {
        *("other port", "other host", "connect_ex", "mapped", "any", "looks like loopback"),
        *("sendto", "sendmsg", "create_connection"),
    }
    assert found["counted"] == len(refused)
    assert found["listed for doctor"] == ["192.0.2.1:80", "192.0.2.2:443"]


@pytest.mark.untraced  # a listed name goes to the host's resolver
def test_the_hook_refuses_look_ups_of_names_that_are_not_listed(tmp_path: Path) -> None:
    found = child(
        """
        import urllib.request
        print(json.dumps({
            "name": attempt(socket.getaddrinfo, "leak.invalid", 443),
            "bytes": attempt(socket.getaddrinfo, b"leak.invalid", 443),
            "trap": attempt(socket.getaddrinfo, "127.leak.invalid", 443),
            "gethostbyname": attempt(socket.gethostbyname, "leak.invalid"),
            "reverse": attempt(socket.gethostbyaddr, "192.0.2.2"),
            "getnameinfo": attempt(socket.getnameinfo, ("192.0.2.2", 1), 0),
            "urllib": attempt(urllib.request.urlopen, "http://leak.invalid/"),
            "listed": attempt(socket.getaddrinfo, "listed.invalid", 443),
            "literal": attempt(socket.getaddrinfo, "192.0.2.2", 443),
            "localhost": attempt(socket.getaddrinfo, "localhost", 443),
            "wildcard": attempt(socket.getaddrinfo, None, 443),
        }))
        """,
        tmp_path,
    )
    for name in ("name", "bytes", "trap", "gethostbyname", "reverse", "getnameinfo"):
        assert found[name] == "refused", name
    assert found["urllib"] != "done"
    for name in ("listed", "literal", "localhost", "wildcard"):
        assert found[name] != "refused", name


def test_unix_sockets_pass_only_inside_the_state_directory(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "state" / "link").symlink_to(tmp_path / "outside")
    found = child(
        """
        def unix():
            return socket.socket(socket.AF_UNIX)
        server = unix()
        server.bind(str(state / "worker.sock"))
        server.listen()
        first, second = socket.socketpair()
        first.sendall(b"x")
        print(json.dumps({
            "inside": attempt(unix().connect, str(state / "worker.sock")),
            "outside": attempt(unix().connect, str(state.parent / "outside" / "x.sock")),
            "dots": attempt(unix().connect, str(state / ".." / "outside" / "x.sock")),
            "link": attempt(unix().connect, str(state / "link" / "x.sock")),
            "bytes": attempt(unix().connect, str(state.parent / "outside").encode()),
            "abstract": attempt(unix().connect, chr(0) + "bus"),
            "docker": attempt(unix().connect, "/var/run/docker.sock"),
            "pair": second.recv(1).decode(),
        }))
        """,
        tmp_path / "state",
    )
    assert found.pop("inside") == "done"
    assert found.pop("pair") == "x"
    assert set(found.values()) == {"refused"}


def test_what_the_resolver_learned_passes_the_hook_and_the_asyncio_loop_is_under_it(tmp_path: Path) -> None:
    found = child(
        """
        door.learn("name.example", "192.0.2.7", 443)
        async def main():
            loop = asyncio.get_running_loop()
            out = {}
            for name, where in (("learned", ("192.0.2.7", 443)), ("other", ("192.0.2.8", 443))):
                try:
                    await asyncio.wait_for(loop.create_connection(asyncio.Protocol, *where), 0.1)
                except EgressRefused:
                    out[name] = "refused"
                except (OSError, asyncio.TimeoutError):
                    out[name] = "tried"
            return out
        print(json.dumps(asyncio.run(main())))
        """,
        tmp_path,
    )
    assert found == {"learned": "tried", "other": "refused"}


def test_under_uvloop_the_session_refuses_what_the_hook_cannot_see(tmp_path: Path) -> None:
    found = child(
        """
        import uvloop
        from appliance.records.departure import departing
        from tests.standins.ledger import DEPARTURE, MemoryLedger
        async def main():
            loop = asyncio.get_running_loop()
            hits = []
            server = await loop.create_server(lambda: type("P", (asyncio.Protocol,), {
                "connection_made": lambda self, transport: hits.append(1)})(), "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            before = door.refused
            try:  # libuv connects in C: no audit event, so no refusal, whatever the network then says
                await asyncio.wait_for(loop.create_connection(asyncio.Protocol, "192.0.2.8", 443), 0.1)
            except (OSError, asyncio.TimeoutError):
                pass
            unseen = door.refused == before
            url = f"http://127.0.0.1:{port}"
            listed = frozenset({Destination("http", "listed.invalid", 80)})
            egress = Egress(listed, MemoryLedger(), door=door)
            session = egress.session_for("http://listed.invalid")
            out = {}
            for name, where in (("loopback", url), ("literal", "http://192.0.2.8"), ("name", "http://leak.invalid")):
                try:
                    await session.get(where)
                except Exception as error:
                    out[name] = type(getattr(error, "os_error", error)).__name__
            await egress.close()
            return {"unseen by the hook": unseen, **out, "hits": len(hits)}
        with departing(DEPARTURE), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            print(json.dumps(runner.run(main())))
        """,
        tmp_path,
    )
    refused = dict.fromkeys(("loopback", "literal", "name"), "EgressRefused")
    assert found == {"unseen by the hook": True, **refused, "hits": 0}


def test_the_hook_costs_other_events_next_to_nothing_and_cannot_be_removed(tmp_path: Path) -> None:
    found = child(
        """
        import gc, time
        begun = time.perf_counter()
        for _ in range(100_000):
            sys.audit("open", "x", "r", 0)
        cost = (time.perf_counter() - begun) / 100_000
        removers = [name for name in dir(sys) if "audit" in name]
        print(json.dumps({"cost": cost, "removers": removers}))
        """,
        tmp_path,
    )
    assert found["cost"] < 2e-5
    assert found["removers"] == ["addaudithook", "audit"]


def test_no_child_is_started_but_what_the_node_knows(tmp_path: Path) -> None:
    found = child(
        """
        import os, subprocess
        from appliance.paths.llama_cpp import supervisor
        import sys
        other = Door(frozenset())
        install_audit_hook(other, state_dir=state, children=supervisor.is_worker)
        worker = supervisor.command(0)
        print(json.dumps({
            "subprocess": attempt(subprocess.run, [sys.executable, "-V"]),
            "shell": attempt(lambda: subprocess.run(":", shell=True)),
            "system": attempt(os.system, ":"),
            "spawn": attempt(os.posix_spawn, sys.executable, [sys.executable], {}),
            "fork": attempt(os.fork),
            "exec": attempt(os.execv, sys.executable, [sys.executable]),
            "asyncio": attempt(lambda: asyncio.run(asyncio.create_subprocess_exec(sys.executable, "-V"))),
            "known": [supervisor.is_worker(worker[0], worker), supervisor.is_worker("/bin/sh", worker)],
            "other": [supervisor.is_worker(worker[0], [worker[0], "-c", "x"]), supervisor.is_worker(None, [])],
            "counted": door.refused > 6,
        }))
        """,
        tmp_path,
    )
    assert found.pop("known") == [True, False]
    assert found.pop("other") == [False, False]
    assert found.pop("counted") is True
    assert set(found.values()) == {"refused"}


def test_the_child_that_the_node_knows_starts(tmp_path: Path) -> None:
    program = """
        import os, subprocess, sys
        from pathlib import Path
        from appliance.egress import install_audit_hook
        from appliance.paths.llama_cpp import supervisor
        install_audit_hook(frozenset(), state_dir=Path(sys.argv[1]), children=supervisor.is_worker)
        ended = subprocess.run(supervisor.command(0), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        print(ended.returncode)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "1", done.stderr  # it ran, and found that its link is no socket
