"""Claims about doctor: nothing gets out, workers are held, and a port is free, ours or somebody else's."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from appliance import doctor
from appliance.doctor import examine
from appliance.doctor.child import Answer
from appliance.doctor.door import judged
from tests.doctor.subjects import found, subject

WAYS_OUT = ("dns", "tcp", "udp", "proxy", "redirect", "unix", "child")


@pytest.mark.parametrize("way", WAYS_OUT)
def test_the_attempt_to_get_out_is_refused_by_the_node_itself(tmp_path: Path, way: str) -> None:
    long = tmp_path / ("a-state-directory-with-a-name-that-is-too-long-for-the-address-of-a-socket" * 2)
    long.mkdir()
    result = found(f"egress-{way}", subject(long))
    assert result.state == "pass", result.seen
    assert set(result.more["tries"].values()) == {"refused"}


def test_a_door_that_stands_open_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A host without a route stops the attempt too: only the node's own refusal may pass. The child is told to use
    # a door that is no door, by way of a module that shadows nothing but the installation of the hook.
    (tmp_path / "sitecustomize.py").write_text(
        "import appliance.egress as egress\negress.install_audit_hook = lambda *a, **k: egress.Door()\n"
    )
    root = Path(doctor.__file__).parent.parent.parent
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{root}")
    result = found("egress-tcp", subject(tmp_path))
    assert result.state == "fail"
    assert result.more["tries"]["TCP to 192.0.2.1"] != "refused"
    assert "TCP to 192.0.2.1" in result.seen
    for way, reached in (("unix", "an abstract socket"), ("child", "os.fork")):
        result = found(f"egress-{way}", subject(tmp_path))
        assert result.state == "fail"
        assert f"got out: {reached}" in result.seen or f", {reached}" in result.seen


@pytest.mark.parametrize(
    ("way", "careless"),
    [
        # A session that believes the environment, and one whose connector looks at no list.
        ("proxy", "kwargs['trust_env'] = True"),
        pytest.param(
            "redirect",
            "kwargs.pop('connector', None)",
            marks=pytest.mark.untraced,  # it asks the host's resolver
        ),
    ],
)
def test_a_session_that_is_careless_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, careless: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import aiohttp\n"
        "real = aiohttp.ClientSession.__init__\n"
        f"def begin(self, *args, **kwargs):\n    {careless}\n    real(self, *args, **kwargs)\n"
        "aiohttp.ClientSession.__init__ = begin\n"
    )
    root = Path(doctor.__file__).parent.parent.parent
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{root}")
    result = found(f"egress-{way}", subject(tmp_path))
    assert result.state == "fail", result.seen


@pytest.mark.parametrize("group", ["network", "children", "files"])
def test_a_worker_that_tries_to_break_out_fails(tmp_path: Path, group: str) -> None:
    result = found(f"worker-{group}", subject(tmp_path))
    if result.state == "warn":
        pytest.skip(result.seen)  # the kernel offers no Landlock
    assert result.state == "pass", result.seen
    assert all(how.startswith("refused") for how in result.more["tries"].values())
    assert "seccomp" in result.more["by"]


@pytest.mark.parametrize(
    ("answer", "permitted", "state"),
    [
        ({"problem": "the kernel sets no seccomp filter", "unconfined": True}, False, "fail"),
        ({"problem": "the kernel sets no seccomp filter", "unconfined": True}, True, "warn"),
        ({"problem": "llama-cpp-python is not installed"}, False, "skip"),
        ({"problem": "a worker ended with 1 and said nothing"}, False, "fail"),
        ({"by": "seccomp", "tries": {"files": {"what lies beside the model": "not refused"}}}, False, "warn"),
        ({"by": "seccomp", "tries": {"files": {"a mount": "not refused (EFAULT)"}}}, False, "fail"),
        (
            {"by": "seccomp, landlock 7", "tries": {"files": {"what lies beside the model": "not refused"}}},
            False,
            "fail",
        ),
        ({"by": "seccomp", "tries": {"files": {"a mount": "refused (EPERM)"}}}, False, "pass"),
    ],
)
def test_what_holds_a_worker_is_judged(answer: dict[str, Any], permitted: bool, state: str) -> None:
    said = Answer(
        "problem" not in answer, {"lacking": "the kernel offers no Landlock"} | answer, answer.get("problem", "")
    )
    assert judged("files", said, unconfined_permitted=permitted).state == state


class Answering(BaseHTTPRequestHandler):
    """Says the same to everybody."""

    body: bytes = b""
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("body", "status", "port", "node"),
    [
        ({"state": "ready"}, 200, "pass", "pass"),
        ({"state": "degraded", "reasons": ["x"]}, 200, "pass", "warn"),
        ({"state": "starting"}, 503, "pass", "warn"),
        ({"state": "safe-mode", "reasons": ["x"]}, 503, "pass", "fail"),
        ({"state": "other"}, 200, "fail", "fail"),
        ("hello", 200, "fail", "fail"),
    ],
)
def test_a_port_is_free_or_ours_or_somebody_elses(
    tmp_path: Path, body: object, status: int, port: str, node: str
) -> None:
    of = subject(tmp_path)
    assert found("port", of).state == "pass"
    assert found("node", of).state == "skip"
    handler = type("Here", (Answering,), {"body": json.dumps(body).encode(), "status": status})
    with HTTPServer(("127.0.0.1", of.config.listen.port), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        results = {result.name: result.state for result in examine(of, ["port", "node"])}
        server.shutdown()
        thread.join()
    assert results == {"port": port, "node": node}


def test_an_address_that_this_host_does_not_have_fails(tmp_path: Path) -> None:
    of = subject(tmp_path, listen={"host": "192.0.2.7", "port": 8377})
    result = found("port", of)
    assert (result.state, "does not have that address" in result.seen) == ("fail", True)
