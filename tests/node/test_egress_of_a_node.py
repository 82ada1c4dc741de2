"""A running node reaches nothing but loopback, as the kernel sees it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.node.conftest import ROOT, process_node, upstream_card, write_content
from tests.node.test_overload_and_signals import upstream_process

EMBEDDER = ROOT / "build" / "starter" / "models" / "embedder"  # without the reference in fp32
CLASSIFIER = ROOT / "models" / "classifier" / "task-classifier.onnx"
_AWAY = re.compile(r"sa_family=AF_INET6?, .*?(?:inet_addr\(\"|inet_pton\(AF_INET6, \")([^\"]+)\"")


def with_models(content: Path) -> bool:
    """Link the built models into a content directory; False where they are not built."""
    if not EMBEDDER.is_dir():
        return False
    (content / "models").mkdir()
    (content / "models" / "embedder").symlink_to(EMBEDDER)
    if CLASSIFIER.is_file():
        (content / "models" / "task-classifier.onnx").symlink_to(CLASSIFIER)
    shutil.copy(ROOT / "bundles/starter/cards/minilm-embedder.json", content / "cards")
    return True


def works(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def away(trace: str) -> list[str]:
    """Lines of a trace that name an address outside loopback."""
    found = []
    for line in trace.splitlines():
        for address in _AWAY.findall(line):
            if not (address.startswith("127.") or address in ("::1", "::ffff:127.0.0.1")):
                found.append(line)
    return found


def test_the_reader_of_traces_sees_what_it_must() -> None:
    out = 'connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.1")}, 16) = -1'
    out6 = 'sendto(3, "", 0, 0, {sa_family=AF_INET6, sin6_port=1, inet_pton(AF_INET6, "2001:db8::1", &sin6_addr)}, 28)'
    home = out.replace("192.0.2.1", "127.0.0.1")
    assert away("\n".join((out, home, out6, 'connect(3, {sa_family=AF_UNIX, sun_path="/x"}, 5)'))) == [out, out6]


def serve_a_few(node: Any, *, models: bool) -> None:
    for k, text in enumerate(("Say hello", "What is 12 * 12?", "Translate 'tree' into French")):
        assert node.ask(text, stream=bool(k % 2), timeout=60)[0] == 200
    status, body, _ = node.post(
        "/v1/embeddings", b'{"model": "auto", "input": ["one", "two"]}', {"Content-Type": "application/json"}, 60
    )
    assert status == 200, body
    if models:
        assert len(body["data"][0]["embedding"]) in (8, 384)


@pytest.mark.untraced  # it traces for itself
def test_no_connection_leaves_loopback(tmp_path: Path) -> None:
    if not works("strace", "-e", "trace=connect", "true"):
        pytest.skip("strace may not trace here, and `unshare -n` alone would not show attempts")
    trace = tmp_path / "trace"
    with upstream_process() as base_url:
        content = tmp_path / "content"
        write_content(content, upstream_card(base_url))
        models = with_models(content)
        before = (
            "strace",
            "-f",
            "-qq",
            "--seccomp-bpf",
            "-e",
            "trace=connect,sendto,sendmsg,sendmmsg",
            "-o",
            str(trace),
        )
        with process_node(tmp_path, content, before=before, ready=False) as node:
            node.wait_ready(120)
            status = node.get("/weir/v1/status")[1]
            serve_a_few(node, models=models)
            if models:
                assert any(p["runtime"] == "onnx" and p["ready"] for p in status["paths"]), status["reasons"]
    seen = trace.read_text(errors="replace")
    assert "127.0.0.1" in seen  # the upstream: so the trace works
    assert away(seen) == []


def test_a_node_without_any_network_starts_and_answers(tmp_path: Path) -> None:
    """In a network namespace of its own with loopback only."""
    if not works("unshare", "-n", "ip", "link", "set", "lo", "up"):
        pytest.skip("`unshare -n` with `ip` is not possible here")
    content = tmp_path / "content"
    write_content(content, upstream_card("http://127.0.0.1:9"))
    models = with_models(content)
    script = tmp_path / "inside.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom tests.node.conftest import process_node\n"
        "from tests.node.conftest import ROOT\n"
        "with process_node(Path(sys.argv[1]), Path(sys.argv[2])) as node:\n"
        "    status = node.get('/readyz')\n"
        "    assert status[0] == 200, status\n"
        '    got = node.post(\'/v1/embeddings\', b\'{"model": "auto", "input": "x"}\', None, 60)\n'
        "    print(got[0], status)\n"
    )
    command = f"ip link set lo up && exec {sys.executable} {script} {tmp_path} {content}"
    ended = subprocess.run(
        ["unshare", "-n", "sh", "-c", command],
        cwd=ROOT, capture_output=True, text=True, timeout=110, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout.startswith("200" if models else "502"), ended.stdout
