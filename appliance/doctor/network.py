"""Checks of the network: the port, and the node behind it."""

from __future__ import annotations

import errno
import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

from appliance.doctor.check import Check, CheckOutcome, Subject, failed, passed, skipped, warned

MAX_BODY = 1 << 20
_STATES = ("starting", "ready", "degraded", "safe-mode", "unavailable", "stopping")


def _port(subject: Subject) -> CheckOutcome:
    host, port = subject.config.listen.host, subject.config.listen.port
    if port == 0:
        return skipped("listen.port is 0: any free port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return _taken(subject, error)
    return passed(f"{host}:{port} is free")


def _taken(subject: Subject, error: OSError) -> CheckOutcome:
    where = f"{subject.config.listen.host}:{subject.config.listen.port}"
    if error.errno == errno.EACCES:
        return failed(f"{where} needs privileges", "Set listen.port to 1024 or more, or grant CAP_NET_BIND_SERVICE.")
    if error.errno == errno.EADDRNOTAVAIL:
        return failed(f"{where}: this host does not have that address", "Set listen.host to one that it has.")
    if error.errno != errno.EADDRINUSE:
        return failed(f"{where}: {error.strerror}", "Choose another address in 'listen'.")
    if _health(subject) is None:
        return failed(f"{where} is taken by another program", "Stop it, or set another listen.port.")
    return passed(f"{where} is held by the running node")


def _health(subject: Subject) -> dict[str, Any] | None:
    try:
        _, body = _get(subject, "/healthz")
    except (OSError, ValueError, http.client.HTTPException):
        return None
    return body if body.get("state") in _STATES else None


def _get(subject: Subject, path: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of the node's answer. Raises OSError, ValueError or HTTPException."""
    parts = urlsplit(subject.config.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = json.loads(response.read(MAX_BODY))
    finally:
        connection.close()
    return response.status, body if isinstance(body, dict) else {}


def _node(subject: Subject) -> CheckOutcome:
    if subject.config.listen.port == 0:
        return skipped("listen.port is 0: the node's port is not known")
    try:
        status, body = _get(subject, "/readyz")
    except ConnectionRefusedError:
        return skipped(f"no node is running at {subject.config.url}")
    except TimeoutError:
        return failed(f"{subject.config.url} gives no answer within 5 s", "Restart the node.")
    except (OSError, ValueError, http.client.HTTPException):
        status, body = 0, {}
    state = body.get("state")
    reasons = "; ".join(str(reason) for reason in body.get("reasons") or ())
    if state == "ready" and status == 200:
        return passed(f"ready at {subject.config.url}")
    if state in ("starting", "degraded", "stopping"):
        return warned(f"{state}: {reasons or 'no reason given'}", "'weir status' shows which paths are not ready.")
    if state in ("safe-mode", "unavailable"):
        return failed(f"{state}: {reasons or 'no reason given'}", "Correct what is named and restart the node.")
    return failed(f"what answers at {subject.config.url} is not a node", "Look at what uses that port.")


CHECKS = (
    Check("port", "the port is free, or the node's", _port),
    Check("node", "the running node is ready", _node),
)
