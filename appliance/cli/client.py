"""Asking a running node over loopback, with the standard library alone.

Rules kept here:
1. No proxy from the environment is honoured: http.client knows none.
2. What answers is bounded and may not be a node at all; both are said in a sentence.
3. Finding the address reads only what it must, so that `status` stays quick; an odd file gets the full check.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from appliance import config_places
from appliance.cli.common import FAILED, NEGATIVE, NO_NODE, CliError

MAX_BODY = 64 << 20


@dataclass(frozen=True)
class Where:
    """The node that a command means: its state directory, its address, and the key that it takes from operators."""

    state_dir: Path
    url: str
    key: str = ""


@dataclass(frozen=True)
class Reply:
    """A status and the JSON that came with it."""

    status: int
    body: Any


def find(state: Path | None, config_file: Path | None, url: str | None) -> Where:
    """Where the node is, by the options and the configuration. Raises ConfigInvalid, StateInvalid."""
    file = config_file or config_places.state_dir_of(state) / config_places.FILE_NAME
    host, port = config_places.HOST, config_places.PORT
    if config_file or file.exists():
        from appliance.config_read import parse_yaml

        try:
            tree = parse_yaml(config_places.absolute(file).read_bytes())
        except OSError:
            tree = None
        listen = tree.value.get("listen") or {} if tree and not tree.findings else None
        if not isinstance(listen, dict) or (tree and "state_dir" in tree.value) or listen.keys() - {"host", "port"}:
            from appliance.config import load

            config = load(state, file=config_file)
            return _at(config.state_dir, url, config.url)
        host, port = listen.get("host", host), listen.get("port", port)
    if port == 0 and not url:
        raise CliError("The node listens on any free port.", next_step="Say which with --url.")
    return _at(config_places.state_dir_of(state), url, config_places.url_of(str(host), port))


def _at(state_dir: Path, url: str | None, configured: str) -> Where:
    """The operator's key goes to the configured address and to loopback, and to no other that somebody names."""
    host = urlsplit(url if "//" in url else f"http://{url}").hostname if url else None
    own = url is None or host in ("127.0.0.1", "::1", "localhost")
    return Where(state_dir, url or configured, config_places.operator_key_of(state_dir) if own else "")


class Node:
    """A node at an address."""

    def __init__(self, where: Where, timeout_s: float = 10.0) -> None:
        url = where.url
        parts = urlsplit(url if "//" in url else f"http://{url}")
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme != "http" or not parts.hostname or port == -1:
            raise CliError(f"{url} is not an address.", next_step="Write it as http://HOST:PORT.")
        self.url = url
        self._key = where.key
        self._host = parts.hostname
        self._port = port or 80
        self._timeout_s = timeout_s

    def get(self, path: str, query: Mapping[str, object] | None = None, *, timeout_s: float | None = None) -> Reply:
        """GET; raises CliError (no node) when nothing answers, (failed) when it is not a node."""
        given = {key: value for key, value in (query or {}).items() if value is not None}
        return self._ask("GET", f"{path}?{urlencode(given)}" if given else path, None, {}, timeout_s)

    def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Reply:
        """POST of JSON; bytes go as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._ask("POST", path, data, dict(headers or {}), None)

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout_s: float | None
    ) -> Reply:
        timeout = timeout_s or self._timeout_s
        connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        try:
            connection.request(method, path, body=body, headers={"Accept": "application/json", **headers})
            response = connection.getresponse()
            raw = response.read(MAX_BODY + 1)
        except TimeoutError:
            raise self._absent(f"The node at {self.url} did not answer within {timeout:g} s.") from None
        except OSError:
            raise self._absent(f"No node is running at {self.url}.") from None
        except (http.client.HTTPException, UnicodeError):
            raise self._stranger() from None
        finally:
            connection.close()
        if len(raw) > MAX_BODY:
            raise CliError(f"The answer of {self.url} is larger than {MAX_BODY} bytes.")
        try:
            return Reply(response.status, json.loads(raw))
        except ValueError:
            raise self._stranger() from None

    def _absent(self, message: str) -> CliError:
        return CliError(message, code="no_node", exit_code=NO_NODE, next_step="Start one with 'weir serve'.")

    def _stranger(self) -> CliError:
        return CliError(
            f"What answers at {self.url} is not a Weir node.",
            code="not_a_node",
            next_step="Look at listen.port in weir.yaml and at what else uses that port.",
        )


def expect(reply: Reply, negative: tuple[int, ...] = (403, 404)) -> dict[str, Any]:
    """The object of a good reply. Raises CliError with the node's own sentence for an error: an answer that is negative
    by these statuses, a failure by others.
    """
    body = reply.body
    if reply.status < 400 and isinstance(body, dict):
        return body
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        raise CliError(f"The node answered with status {reply.status}.", code="unexpected_answer")
    if reply.status == 401:
        raise CliError(
            "The node wants its operator's key, and got none that fits.",
            code=str(error.get("code") or "failed"),
            next_step=f"It is in {config_places.OPERATOR_KEY} of the node's state directory, which the node's user may "
            "read and every start makes anew: name the directory with --state.",
        )
    weir = error.get("weir")
    reasons = weir.get("reasons", ()) if isinstance(weir, dict) else ()
    raise CliError(
        str(error.get("message") or f"The node answered with status {reply.status}."),
        code=str(error.get("code") or "failed"),
        exit_code=NEGATIVE if reply.status in negative else FAILED,
        details=tuple(str(reason) for reason in reasons) if isinstance(reasons, (list, tuple)) else (),
    )


def segment(text: str) -> str:
    """One path segment, quoted."""
    return quote(text, safe="")
