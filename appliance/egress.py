"""The door outwards: the one module that opens outbound connections, and the hook that refuses all others.

Rules kept here:
1. Only a listed destination (scheme, host, port) is reached; the list is the active policy generation's.
2. A name is looked up only if it is listed. A loopback literal and `localhost` need no DNS.
3. No proxy from the environment, no cookies; whoever is redirected elsewhere meets rule 1 again.
4. Every refused attempt is counted and, up to a bound, listed for `weir doctor`.
5. Every HTTP request of every session is in the audit, on disk, before its connection is looked for: the session sees
   to it (`outbound`), so that no path can forget it.

Two nets, because neither sees everything:

* The connector and resolver of a session (`ListedResolver`, the socket factory) are the enforcing point. They
  use aiohttp's public hooks and hold on every event loop, uvloop included: uvloop's own `create_connection`,
  `getaddrinfo` and datagrams happen inside libuv and raise no audit event, so the audit hook alone would not
  see them.
* `install_audit_hook` refuses what any other Python code tries through the socket module, and every child process
  but the workers, which the kernel confines (`appliance.paths.confine`). It cannot be removed. It does not see C
  libraries, what another event loop than asyncio's starts, or sub-interpreters, and CPython resolves a *name*
  given to `connect` before it asks the hook, so that name may reach the resolver. The systemd unit
  (`IPAddressDeny=any`) is there for those.

It knows no policy; who may be spoken to and on whose behalf is said from outside.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from appliance.errors import Kind, WeirError
from appliance.outbound import Ledger, NoLedger, Session, is_loopback, literal

if TYPE_CHECKING:
    from aiohttp.connector import AddrInfoType

__all__ = ["Destination", "Door", "Egress", "EgressRefused", "NoLedger", "install_audit_hook"]

REFUSALS_KEPT = 64  # newest refusals listed; the counter goes on
ADDRESSES_KEPT = 4096  # resolved (address, port) pairs that the audit hook lets through
KEEPALIVE_S = 4.0  # below uvicorn's 5 s, so that a POST does not meet a connection its server is closing
DNS_TTL_S = 60
_PORTS = {"http": 80, "https": 443}
_LOCALHOST = "localhost"


class EgressRefused(WeirError, PermissionError):
    """A connection or look-up that no listed destination covers. An OSError too, so that libraries handle it."""

    code: ClassVar[str] = "egress_refused"
    status: ClassVar[int] = 403
    kind: ClassVar[Kind] = "policy"


@dataclass(frozen=True, slots=True)
class Destination:
    """One place that may be spoken to. `host` is lower case, without brackets or a trailing dot."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Destination:
        """From a base URL. Raises ValueError for anything but http(s) with a host, or with credentials
        inside.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("a destination is an http or https address with a host")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a destination carries no credentials")
        return cls(parts.scheme, parts.hostname.rstrip("."), parts.port or _PORTS[parts.scheme])

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused attempt: unix time in seconds, what was tried (`connect`, `resolve`, ...) and towards
    where.
    """

    at: float
    what: str
    where: str


class Door:
    """The live list, shared by the sessions and the audit hook, and the book of what was refused."""

    def __init__(self, allowed: frozenset[Destination] = frozenset()) -> None:
        self.refused = 0
        self.refusals: deque[Refusal] = deque(maxlen=REFUSALS_KEPT)
        self._addresses: OrderedDict[tuple[str, int], frozenset[str]] = OrderedDict()  # and whose they are
        self.replace(allowed)

    def replace(self, allowed: frozenset[Destination]) -> None:
        """Take over another generation's list; addresses of names that it does not have are forgotten."""
        self.allowed = allowed
        self._names = {destination.host for destination in allowed}
        self._endpoints = {(destination.host, destination.port) for destination in allowed}
        learned, self._addresses = self._addresses, OrderedDict()
        for (address, port), hosts in learned.items():
            if still := frozenset(host for host in hosts if (host, port) in self._endpoints):
                self._addresses[address, port] = still
        for destination in allowed:
            if literal(destination.host) is not None:
                self.learn(destination.host, destination.host, destination.port)
            elif destination.host == _LOCALHOST:
                self.learn(_LOCALHOST, "127.0.0.1", destination.port)
                self.learn(_LOCALHOST, "::1", destination.port)

    def knows_name(self, host: str) -> bool:
        return host.lower().rstrip(".") in self._names

    def knows_endpoint(self, host: str, port: int) -> bool:
        return (host.lower().rstrip("."), port) in self._endpoints

    def knows_address(self, address: str, port: int) -> bool:
        return (literal(address) or address, port) in self._addresses

    def learn(self, host: str, address: str, port: int) -> None:
        """Remember that a listed name resolved to `address`."""
        key = (literal(address) or address, port)
        self._addresses[key] = self._addresses.get(key, frozenset()) | {host.lower().rstrip(".")}
        self._addresses.move_to_end(key)
        while len(self._addresses) > ADDRESSES_KEPT:
            self._addresses.popitem(last=False)

    def refuse(self, what: str, where: str) -> EgressRefused:
        """Book the attempt; returns the error for the caller to raise."""
        where = where[:253]
        self.refused += 1
        self.refusals.append(Refusal(time.time(), what, where))
        return EgressRefused(
            f"{where} is not a destination that the active policy lists ({what}).",
            next_step="List it in the policy's egress destinations, or remove what tries to reach it.",
        )


class ListedResolver(AbstractResolver):
    """Looks up listed names only; rule 2."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        door = self._door
        if not door.knows_endpoint(host, port):
            raise door.refuse("resolve", f"{host}:{port}")
        if host.lower().rstrip(".") == _LOCALHOST:
            found = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
        else:
            # No AI_ADDRCONFIG: on a host without uplink it hides what /etc/hosts says.
            infos = await asyncio.get_running_loop().getaddrinfo(
                host, port, family=family, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
            )
            found = [(info[0], str(info[4][0])) for info in infos]
        if door.knows_endpoint(host, port):  # still: the list may have been replaced meanwhile
            for _, address in found:
                door.learn(host, address, port)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=kind,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, address in found
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None:
        """Nothing is held."""


class Egress:
    """Hands out client sessions that reach listed destinations only, and write down in `ledger` what leaves.

    `tls` replaces the system's trust store (an on-prem authority). `close` closes whatever sessions are still
    open.
    """

    def __init__(
        self,
        allowed: frozenset[Destination],
        ledger: Ledger,
        *,
        door: Door | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.door = door or Door()
        self._ledger = ledger
        self.door.replace(allowed)
        self._tls = tls
        self._open: dict[Session, Destination] = {}

    def permits(self, base_url: str) -> bool:
        """Whether the list covers this address; asks nothing of the network and counts no refusal."""
        try:
            return Destination.parse(base_url) in self.door.allowed
        except ValueError:
            return False

    def session_for(
        self,
        base_url: str,
        *,
        limit: int = 64,
        connect_timeout_s: float = 5.0,
        headers: Mapping[str, str] | None = None,
    ) -> Session:
        """A new session to one upstream, the caller's to close. Raises EgressRefused for an unlisted address.

        Where a redirect is followed, one to another place is refused all the same.
        """
        try:
            destination = Destination.parse(base_url)
        except ValueError:
            raise self.door.refuse("session", "an address that is not http or https") from None
        if destination not in self.door.allowed:
            raise self.door.refuse("session", str(destination))
        connector = aiohttp.TCPConnector(
            limit=limit,
            keepalive_timeout=KEEPALIVE_S,
            resolver=ListedResolver(self.door),
            use_dns_cache=True,
            ttl_dns_cache=DNS_TTL_S,
            ssl=self._tls or True,
            socket_factory=self._socket_for(destination),
        )
        session = Session(connector, self._ledger, headers=headers, connect_timeout_s=connect_timeout_s)
        self._open = {known: where for known, where in self._open.items() if not known.closed}
        self._open[session] = destination
        return session

    def _socket_for(self, destination: Destination) -> Callable[[AddrInfoType], socket.socket]:
        """A socket factory for this destination alone: the last look before a connection is opened."""
        door = self.door

        def make(info: AddrInfoType) -> socket.socket:
            family, kind, protocol, _, address = info
            host, port = str(address[0]), int(address[1])
            permitted = destination in door.allowed and port == destination.port and door.knows_address(host, port)
            if not permitted:
                raise door.refuse("connect", f"{host}:{port}")
            made = socket.socket(family, kind, protocol)
            made.setblocking(False)
            return made

        return make

    async def replace(self, allowed: frozenset[Destination]) -> None:
        """Take over another generation's list and close the sessions it no longer covers."""
        self.door.replace(allowed)
        gone = [session for session, where in self._open.items() if where not in allowed]
        for session in gone:
            self._open.pop(session, None)  # another one may have been here while this one waited
            await session.close()

    async def close(self) -> None:
        while self._open:
            session, _ = self._open.popitem()
            await session.close()


def install_audit_hook(
    allowed: frozenset[Destination] | Door,
    *,
    state_dir: Path,
    unix_paths: frozenset[str] = frozenset(),
    children: Callable[[object, Sequence[object]], bool] = lambda executable, arguments: False,  # noqa: ARG005
) -> Door:
    """Refuse, for the rest of this process, every connect, send and look-up that is neither loopback nor
    listed, and every child process that `children` does not know by its executable and arguments.

    Unix sockets pass only inside `state_dir` or when named in `unix_paths` (systemd's NOTIFY_SOCKET); socket
    pairs never connect. Pass an Egress's `door` so that the addresses its resolver learned pass too. Returns
    the door.
    """
    door = allowed if isinstance(allowed, Door) else Door(allowed)
    inside = os.path.realpath(state_dir) + os.sep

    def address(what: str, where: object) -> None:
        if isinstance(where, str | bytes):
            path = os.fsdecode(where)
            if path in unix_paths or (path[:1] != "\0" and os.path.realpath(path).startswith(inside)):
                return
            raise door.refuse(what, f"unix:{path}".replace("\0", "@"))
        if isinstance(where, tuple) and len(where) >= 2 and isinstance(where[0], str) and isinstance(where[1], int):
            if is_loopback(where[0]) or door.knows_address(where[0], where[1]):
                return
            if door.knows_endpoint(where[0], where[1]):
                return
            raise door.refuse(what, f"{where[0]}:{where[1]}")
        raise door.refuse(what, "an address of another family")

    def name(what: str, host: object) -> None:
        if host is None or host in ("", b""):
            return  # the wildcard of a listener
        text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
        if literal(text) is not None or is_loopback(text) or door.knows_name(text):
            return
        raise door.refuse(what, text)

    def reverse(what: str, where: object) -> None:
        host = where[0] if isinstance(where, tuple) and where else where
        if not (isinstance(host, str) and is_loopback(host)):
            raise door.refuse(what, str(host))

    def send(what: str, where: object) -> None:
        if where is not None:  # a connected socket was looked at when it connected
            address(what, where)

    def child(what: str, arguments: object) -> None:
        given = arguments if isinstance(arguments, tuple) else ()
        words = given[1] if what == "subprocess.Popen" and len(given) > 1 else None
        if not (isinstance(words, list | tuple) and children(given[0], words)):
            raise door.refuse(what, str(given[0]) if given else "a child process")

    # By event, and which of its arguments is looked at: None for all of them.
    checks: dict[str, tuple[Callable[[str, object], None], int | None]] = {
        "socket.connect": (address, 1),
        "socket.sendto": (send, 1),
        "socket.sendmsg": (send, 1),
        "socket.getaddrinfo": (name, 0),
        "socket.gethostbyname": (name, 0),
        "socket.gethostbyaddr": (reverse, 0),
        "socket.getnameinfo": (reverse, 0),
        "subprocess.Popen": (child, None),
        "os.system": (child, None),
        "os.exec": (child, None),
        "os.posix_spawn": (child, None),
        "os.spawn": (child, None),
        "os.fork": (child, None),
        "os.forkpty": (child, None),
    }
    lookup = checks.get

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        check = lookup(event)  # all that every other event costs
        if check is not None:
            look, index = check
            look(event, arguments if index is None else arguments[index])

    sys.addaudithook(hook)
    return door
