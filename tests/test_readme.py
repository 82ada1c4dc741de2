"""What the README tells a newcomer to type works, on the starter content, as it stands there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from openai import OpenAI

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEFAULT_URL = "http://127.0.0.1:8377"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def section(title: str) -> str:
    return README.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def typed(line: str, **replaced: str) -> subprocess.CompletedProcess[str]:
    """A line of the README as a shell takes it, with this interpreter's `weir` and these words in place of others."""
    for command, module in ((".venv/bin/weir-sign ", "signing.cli.main"), (".venv/bin/weir ", "appliance.cli.main")):
        line = line.replace(command, shlex.join([sys.executable, "-m", module]) + " ")
    for old, new in replaced.items():
        line = line.replace(old, new)
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return done


@contextmanager
def served(state: Path, url: str) -> Iterator[None]:
    """`weir serve --state DIR`, as the README starts it and waits for it."""
    command = [sys.executable, "-m", "appliance.cli.main", "serve", "--state", str(state)]
    (wait,) = (line for line in blocks(section("One request, traced"), "sh")[0].splitlines() if "readyz" in line)
    with (state / "log").open("wb") as log:
        child = subprocess.Popen(command, cwd=ROOT, stderr=log)
        try:
            ready = typed(wait, **{DEFAULT_URL: url})
            assert json.loads(ready.stdout)["state"] == "ready", (state / "log").read_text()
            yield
        finally:
            child.terminate()
            child.wait(30)


def commands(block: str) -> list[str]:
    """The lines of a block that end, put together where they go on."""
    return [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A node as the README has it, on a port of its own."""
    state, port = tmp_path_factory.mktemp("node") / "weir", free()
    first = commands(blocks(section("One request, traced"), "sh")[0])
    for line in first[: next(at for at, line in enumerate(first) if " serve " in line)]:
        typed(line, **{"/tmp/weir": str(state)})
    with (state / "weir.yaml").open("a") as file:
        file.write(f"listen: {{port: {port}}}\n")
    url = f"http://127.0.0.1:{port}"
    with served(state, url):
        yield state, url


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
    names = {"OpenAI": OpenAI}
    exec(compile(code.replace(DEFAULT_URL, node[1]), "README.md", "exec"), names)
    names["client"].close()
    assert capsys.readouterr().out.strip()


def test_a_gguf_of_ones_own_takes_the_steps_of_the_readme(node: tuple[Path, str], tmp_path: Path) -> None:
    """On the node that runs: it takes the model over without being started again."""
    state, url = node
    text = section("Your own GGUF")
    (steps,) = blocks(text, "sh")
    model = tmp_path / "my-model.gguf"
    model.write_bytes((ROOT / "build/starter/models/weir-desk.gguf").read_bytes())
    station = tmp_path / "evaluation"  # pressing changes it
    shutil.copytree(ROOT / "build/evaluation", station)
    own = {"build/my": str(tmp_path / "my"), "build/evaluation": str(station), "/tmp/weir": str(state)}
    typed(f"set -e\n{steps}", **{"/srv/models/my-model.gguf": str(model), **own})
    named = re.search(r'"model": "[^"]+"', text)
    assert named is not None
    body = f'{{{named[0]}, "max_tokens": 8, "messages": [{{"role": "user", "content": "Sort: 3, 1, 2"}}]}}'
    request = urllib.request.Request(f"{url}/v1/chat/completions", body.encode(), {"Content-Type": "application/json"})
    deadline = time.monotonic() + 30
    while "my-model" not in typed(f".venv/bin/weir status --state {state}").stdout:
        assert time.monotonic() < deadline, (state / "log").read_text()
    with urllib.request.urlopen(request, timeout=60) as reply:
        assert reply.headers["x-weir-path"] == "my-model"
        assert json.load(reply)["choices"][0]["message"]["content"]
    listed = typed(f".venv/bin/weir models --verify --state {state}").stdout
    row = next(line for line in listed.splitlines() if line.startswith("my-model"))
    assert row.split()[-1] == "ready"


@pytest.mark.parametrize("target", re.findall(r"\]\(((?!http)[^)#]+)\)", README))
def test_every_link_of_the_readme_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()
