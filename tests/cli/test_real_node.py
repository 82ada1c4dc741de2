"""The commands against the node itself, with a stand-in behind its one path: from `init` to SIGTERM."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import policies
from tests.cli.conftest import ROOT, Weir
from tests.installed import install


@dataclass(frozen=True)
class Running:
    """A node that runs, with its state directory and the process."""

    state: Path
    port: int
    process: subprocess.Popen[str]
    log: Path


@pytest.fixture
def running(weir: Weir, tmp_path: Path) -> Iterator[Running]:
    upstream = subprocess.Popen(
        [sys.executable, "-m", "tests.standins.openai_server"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert upstream.stdout is not None
    base_url = json.loads(upstream.stdout.readline())["base_url"]
    (tmp_path / "content").mkdir()
    policies.write(tmp_path / "content" / "policy")
    (tmp_path / "content" / "detectors.json").write_text("{}")
    card = {
        "id": "site/echo",
        "runtime": "openai_http",
        "tier": "site",
        "modalities": ["chat"],
        "retention": "none",
        "trains_on_input": "no",
        "endpoint": {"base_url": base_url, "model": "echo"},
    }
    (tmp_path / "content" / "cards").mkdir()
    (tmp_path / "content" / "cards" / "echo.json").write_text(json.dumps(card))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    state = tmp_path / "state"
    assert weir("init", "--state", str(state)).code == 0
    (state / "weir.yaml").write_text(f"listen: {{port: {port}}}\nrouting: {{quality_floor: 0.1}}\n")
    install(state, tmp_path / "content")
    log = tmp_path / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            weir.command("serve", "--state", str(state)), env=weir.env, cwd=tmp_path, stderr=stream, text=True
        )
    try:
        deadline = time.monotonic() + 60
        # Degraded: this content has no task classifier.
        while weir("status", "--json", "--state", str(state)).json.get("state") != "degraded":
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
        yield Running(state, port, process, log)
    finally:
        for each in (process, upstream):
            each.terminate()
            each.wait(30)
        upstream.stdout.close()


@pytest.mark.slow
def test_a_request_can_be_followed_from_the_node_to_its_records(weir: Weir, running: Running) -> None:
    where = ("--state", str(running.state))
    status = weir("status", "--json", *where).json
    assert status["paths"][0]["id"] == "site/echo"
    assert "FOR EVALUATION ONLY" in weir("status", *where).out
    routed = weir("route", "hello", *where)
    assert (routed.code, "chosen   site/echo" in routed.out) == (0, True), (routed, running.log.read_text())
    assert weir("route", "hello", "--classification", "secret", *where).code == 1
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    asked = {"model": "auto", "messages": [{"role": "user", "content": "a prompt that stays private"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(asked))
    response = connection.getresponse()
    assert (response.status, response.read() != b"") == (200, True)
    decision = response.headers["x-weir-decision"]
    connection.close()
    listed = [json.loads(line) for line in weir("tail", "--json", *where).out.splitlines()]
    assert [record["id"] for record in listed] == [decision]
    online = weir("why", decision, *where)
    assert online.code == 0
    assert "site/echo" in online.out
    checks = {
        check["name"]: check["state"]
        for check in weir("doctor", "--json", "--only", "node", "--only", "port", *where).json["checks"]
    }
    assert checks["port"] == "pass"
    assert weir("models", *where).code == 0

    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(40) == 0
    offline = weir("why", decision, *where)
    assert offline.out == online.out
    assert "reading the records" in offline.err
    log = running.log.read_text()
    assert "stays private" not in log + online.out
    first, trusts, *lines = log.splitlines()
    assert trusts == "weir: test-2026.1, under root 1, Test publisher, FOR EVALUATION ONLY"
    assert first.startswith(f"weir 0.1.0: state {running.state}, starting on http://127.0.0.1:{running.port}")
    assert all(json.loads(line)["event"] for line in lines)
