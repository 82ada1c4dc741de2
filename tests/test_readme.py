"""What the README tells a newcomer to type works, on the starter content, as it stands there."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def section(title: str) -> str:
    return README.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """`weir serve --state DIR`, as the README starts it, on a port of its own."""
    state = tmp_path_factory.mktemp("state")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    (state / "weir.yaml").write_text(f"listen: {{port: {port}}}\n")
    command = [sys.executable, "-m", "appliance.cli.main", "serve", "--state", str(state)]
    with (state / "log").open("wb") as log:
        child = subprocess.Popen(command, cwd=ROOT, stderr=log)
        try:
            deadline = time.monotonic() + 90
            while True:
                try:
                    with urllib.request.urlopen(f"{url}/readyz", timeout=2) as reply:
                        assert json.load(reply)["state"] == "ready"
                        break
                except OSError:
                    assert child.poll() is None, (state / "log").read_text()
                    assert time.monotonic() < deadline, (state / "log").read_text()
                    time.sleep(0.1)
            yield state, url
        finally:
            child.terminate()
            child.wait(30)


def weir(line: str, state: Path, url: str, decision: str) -> str:
    """One `weir` command of the README, with its placeholders filled in."""
    words = [word.replace("ID", decision) if word == "ID" else word for word in shlex.split(line, comments=True)]
    words = [str(state) if word == "/tmp/weir" else word for word in words[1:]]
    if words[0] == "route":
        words += ["--url", url]
    done = subprocess.run(
        [sys.executable, "-m", "appliance.cli.main", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_two_commands_are_targets() -> None:
    targets = {match[1] for line in blocks(section("Two commands"), "sh") for match in re.finditer(r"make (\w+)", line)}
    assert targets == {"demo", "test"}
    assert all(re.search(rf"^{target}:", MAKEFILE, re.M) for target in targets)


def test_the_traced_request_is_answered_and_explained_as_the_readme_says(node: tuple[Path, str]) -> None:
    state, url = node
    first, second = blocks(section("One request, traced"), "sh")
    body = re.search(r"-d '(.*?)'", first, re.S)
    assert body is not None
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", body[1].encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        headers = reply.headers
        assert json.load(reply)["choices"][0]["message"]["content"]
    assert headers["x-weir-path"] == "weir-desk"
    assert headers["x-weir-tier"] == "device"
    assert headers["x-weir-reason"] in ("best-utility", "below-floor", "only-path")
    assert float(headers["x-weir-cost"].split()[0]) == 0.0
    shown = [weir(line, state, url, headers["x-weir-decision"]) for line in second.splitlines() if line.strip()]
    assert len(shown) == 3
    assert all("weir-desk" in text for text in shown)


def test_the_python_of_the_readme_runs(node: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks(section("One request, traced"), "python")
    exec(compile(code.replace("http://127.0.0.1:8377", node[1]), "README.md", "exec"), {"OpenAI": OpenAI})
    assert capsys.readouterr().out.strip()


def test_a_gguf_of_ones_own_takes_the_steps_of_the_readme(node: tuple[Path, str], tmp_path: Path) -> None:
    (line,) = blocks(section("Your own GGUF"), "sh")
    words = shlex.split(line)
    model = tmp_path / "my-model.gguf"
    model.write_bytes((ROOT / "build/starter/models/weir-desk.gguf").read_bytes())
    words = [str(model) if word.endswith(".gguf") else word for word in words[1 : words.index(">")]]
    done = subprocess.run(
        [sys.executable, "-m", "appliance.cli.main", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    card = tmp_path / "my-model.json"
    card.write_text(done.stdout)
    (tmp_path / "weir.yaml").write_text("paths: {unsigned_cards: [my-model.json]}\n")
    listed = subprocess.run(
        [sys.executable, "-m", "appliance.cli.main", "models", "--state", str(tmp_path), "--verify"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "my-model" in listed.stdout
    assert "unsigned" in listed.stdout


@pytest.mark.parametrize("target", re.findall(r"\]\(((?!http)[^)#]+)\)", README))
def test_every_link_of_the_readme_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()
