"""Who calls: no page of a stranger, and whose key it is.

Rules kept here:
1. What somebody else's web page makes a browser send is refused before anything of it is read.
2. Where keys are needed, nothing but `_OPEN` is answered without one.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping

from aiohttp import web

from appliance.errors import ForeignOrigin, NotAdmitted, Unauthorized
from appliance.node import Node
from appliance.records.request import LOCAL
from appliance.records.tenant import Scope
from appliance.tenancy.accounts import Account
from appliance.tenancy.keys import presented

_OUR_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]", ""})
_ACCOUNT = web.RequestKey("weir-account", Account)  # of the tenant, where keys are needed
_OPEN = ("/healthz", "/readyz")  # to whoever reaches the node: they say whether it serves, and no more
_OPERATORS, _TENANTS = "/weir/", "/v1/"


class Callers:
    """Those who reach one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._names = _OUR_NAMES.union(node.config.listen.names)
        self._loopback = ipaddress.ip_address(node.listen_host).is_loopback

    def no_stranger(self, headers: Mapping[str, str]) -> None:
        """Refuse what a web page of somebody else's makes a browser send here. Applications send no Origin.

        On loopback the Host must be a name of this host, or one that its configuration states: a page that rebinds its
        own name to 127.0.0.1 may not read.
        """
        host = headers.get("Host", "")
        origin = headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise ForeignOrigin("Requests from pages of another origin are refused.", next_step="Call from a program.")
        name, colon, port = host.rpartition(":")
        name = name if colon and port.isdigit() else host
        if self._loopback and name not in self._names and name.lower() not in self._names:
            raise ForeignOrigin(
                "This node listens on loopback and knows no such host name.",
                next_step="Address it as 127.0.0.1, or state the name under listen.names in weir.yaml.",
            )

    def know(self, request: web.BaseRequest) -> None:
        """Whose request it is, by its key. Raises Unauthorized, or NotAdmitted where the address is the operators'."""
        path = request.raw_path
        if not path.startswith(_TENANTS):  # mostly it does, and taking an address apart is dear
            path = request.rel_url.raw_path
            if path in _OPEN:
                return
        node = self._node
        try:
            tenant = node.roll.whose(presented(request.headers), time.time())
        except Unauthorized:
            node.tally.counters.unauthorized += 1
            raise
        if tenant != LOCAL and path.startswith(_OPERATORS):
            raise NotAdmitted("This address is for the node's operators.", next_step="Use the commands on its host.")
        account = request[_ACCOUNT] = node.accounts.of(tenant)
        if request.method in ("GET", "HEAD"):
            account.admit()  # what is asked to be answered is counted when it is read

    def account(self, request: web.BaseRequest) -> Account:
        """Whose request it is, once it is known."""
        if not self._node.roll.needed:
            return self._node.accounts.local  # a look for what is not there would cost more than the rest of this
        account: Account | None = request.get(_ACCOUNT)
        return self._node.accounts.local if account is None else account


def covers(scope: Scope, path: str, tier: str) -> bool:
    """Whether keys of that scope may be told of a path."""
    return (not scope.models or path in scope.models) and (not scope.tiers or tier in scope.tiers)
