"""A static web server on loopback that keeps the real wire format, and misbehaves where it is told to."""

from __future__ import annotations

import gzip
import re
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGE = b"<!doctype html><title>Sign in</title><p>Please sign in to go on.\n"
# What may go wrong with one answer.
OF_RANGES = ("shifted", "elsewhere", "short", "unsatisfied")  # shown where a part was asked for
PASSING = ("missing", "busy", "reset", "cut", "stall", "drip", "unasked", "garbage", *OF_RANGES)
LASTING = (
    "page",
    "endless",
    "unending",
    "longer",
    "gzip",
    "bare",
    "around",
    "away",
    "forbidden",
    "gone",
    "head",
    "interim",
)


@dataclass(frozen=True)
class Asked:
    """One request: the file, the first byte that is wanted, whether that byte alone, and how often the file was."""

    path: str
    at: int
    first_only: bool
    number: int
    headers: dict[str, str]


Ill = Callable[[Asked], str]


class Static:
    """Serves `folder` under /weir. `ill` names what goes wrong with an answer, '' for nothing.

    `halfway` is called in the middle of a body of which half was sent, with what goes wrong there being 'halfway'.
    """

    def __init__(
        self,
        folder: Path,
        ill: Ill = lambda _: "",
        *,
        ranges: bool = True,
        tags: bool = True,
        away: str = "",
        halfway: Callable[[], object] = lambda: None,
    ) -> None:
        self.folder, self.ill, self.ranges, self.tags, self.away = folder, ill, ranges, tags, away
        self.halfway = halfway
        self.asked: list[Asked] = []
        self.sent: dict[str, int] = {}
        self.over = threading.Event()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                try:
                    outer._answer(self)
                except OSError:
                    self.close_connection = True

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None: ...

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/weir"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Static:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def blob_bytes(self) -> int:
        """What was sent of all blobs."""
        return sum(count for path, count in self.sent.items() if path.startswith("blobs/"))

    def _answer(self, handler: Any) -> None:
        path = handler.path.removeprefix("/weir/")
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range", ""))
        first, last = (int(wanted[1]), int(wanted[2]) if wanted[2] else None) if wanted else (0, None)
        with self._lock:
            number = 1 + sum(asked.path == path for asked in self.asked)
            asked = Asked(path, first, last is not None, number, dict(handler.headers))
            self.asked.append(asked)
        ill = self.ill(asked)
        file = self.folder / path
        if ill == "missing" or not file.is_file():
            self._head(handler, 404, {"Content-Length": "9"})
            handler.wfile.write(b"not found")
            return
        data = file.read_bytes()
        tag = f'"{len(data)}-{hash(data) & 0xFFFFFF:x}"'
        ranged = wanted is not None and self.ranges and (not data or first < len(data))
        if "If-Range" in handler.headers and handler.headers["If-Range"] != tag:
            ranged = False
        body = data[first : None if last is None else last + 1] if ranged else data
        begin, end = (first, first + len(body) - 1) if ranged else (0, len(data) - 1)
        headers = {"Content-Length": str(len(body)), "Accept-Ranges": "bytes"}
        if self.tags:
            headers["ETag"] = tag
        if ranged:
            headers["Content-Range"] = f"bytes {begin}-{end}/{len(data)}"
        if wanted is not None and self.ranges and not ranged and not data:
            self._head(handler, 416, {"Content-Length": "0", "Content-Range": "bytes */0"})
            return
        if ill and self._badly(handler, ill, path, body, headers, ranged=ranged):
            return
        self._head(handler, 206 if ranged else 200, headers)
        self._send(handler, path, body)

    def _badly(self, handler: Any, ill: str, path: str, body: bytes, headers: dict[str, str], *, ranged: bool) -> bool:
        """Whether the ill had a way to show in this answer."""
        status, half = 206 if ranged else 200, body[: len(body) // 2]
        match ill:
            case "busy" | "forbidden" | "gone":
                self._head(handler, {"busy": 503, "forbidden": 401, "gone": 410}[ill], {"Content-Length": "0"})
            case "reset" | "cut" | "stall" | "halfway":
                self._head(handler, status, headers)
                self._send(handler, path, half)
                handler.wfile.flush()
                if ill == "halfway":
                    self.halfway()
                if ill in ("stall", "halfway"):
                    self._wait(handler, 600)
                if ill == "reset":
                    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                handler.close_connection = True
            case "drip":
                self._head(handler, status, headers)
                for at in range(len(body)):
                    self._send(handler, path, body[at : at + 1])
                    if self._wait(handler, 0.02):
                        break
                handler.close_connection = True
            case "shifted" if ranged:
                first, last, size = re.findall(r"\d+", headers["Content-Range"])
                wrong = {**headers, "Content-Range": f"bytes {int(first) + 1}-{int(last) + 1}/{int(size) + 1}"}
                self._head(handler, 206, wrong)
                self._send(handler, path, body)
            case "elsewhere" if ranged and len(body) > 1:
                rest, (first, last, size) = body[len(half) :], re.findall(r"\d+", headers["Content-Range"])
                place = f"bytes {int(first) + len(half)}-{last}/{size}"
                self._head(handler, 206, {**headers, "Content-Length": str(len(rest)), "Content-Range": place})
                self._send(handler, path, rest)
            case "short" if ranged and len(body) > 1:
                first, _, size = re.findall(r"\d+", headers["Content-Range"])
                last = int(first) + len(half) - 1
                short = {**headers, "Content-Length": str(len(half)), "Content-Range": f"bytes {first}-{last}/{size}"}
                self._head(handler, 206, short)
                self._send(handler, path, half)
            case "unsatisfied" if ranged:
                self._head(handler, 416, {"Content-Length": "0", "Content-Range": "bytes */1"})
            case "unasked" if not ranged and len(body) > 1:
                part = {"Content-Length": str(len(half)), "Content-Range": f"bytes 0-{len(half) - 1}/{len(body)}"}
                self._head(handler, 206, part)
                self._send(handler, path, half)
            case "garbage":
                handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
                handler.close_connection = True
            case "page":
                self._head(handler, 200, {"Content-Type": "text/html", "Content-Length": str(len(PAGE))})
                handler.wfile.write(PAGE)
            case "endless":
                self._head(handler, 200, {"Transfer-Encoding": "chunked"})
                while not self.over.is_set():
                    handler.wfile.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
            case "unending":
                self._head(handler, 200, {"Content-Length": str(10**14)})
                while not self.over.is_set():
                    handler.wfile.write(bytes(1 << 16))
            case "longer":
                self._head(handler, 200, {"Content-Length": str(len(body) + 1)})
                self._send(handler, path, body + b"x")
            case "gzip":
                packed = gzip.compress(body)
                self._head(handler, 200, {"Content-Encoding": "gzip", "Content-Length": str(len(packed))})
                handler.wfile.write(packed)
            case "bare":  # as HTTP/1.0 may: the body ends with the connection
                self._head(handler, 200, {"Connection": "close"})
                self._send(handler, path, body)
                handler.close_connection = True
            case "around" | "away":
                place = self.away if ill == "away" else f"{handler.path}?again"
                self._head(handler, 302, {"Location": place, "Content-Length": "0"})
            case "head":
                handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
                while not self.over.is_set():
                    handler.wfile.write(b"X-Filler: " + b"x" * 8000 + b"\r\n")
            case "interim":
                while not self.over.is_set():
                    handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            case _:
                return False
        return True

    def _head(self, handler: Any, status: int, headers: dict[str, str]) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()

    def _send(self, handler: Any, path: str, data: bytes) -> None:
        for at in range(0, len(data), 1 << 14):
            piece = data[at : at + (1 << 14)]
            handler.wfile.write(piece)
            with self._lock:
                self.sent[path] = self.sent.get(path, 0) + len(piece)

    def _wait(self, handler: Any, seconds: float) -> bool:
        """Until the client has gone, the server ends or the time is up; whether one of the first two."""
        handler.connection.settimeout(seconds)
        try:
            return handler.connection.recv(1, socket.MSG_PEEK) == b"" or self.over.is_set()
        except TimeoutError:
            return self.over.is_set()
