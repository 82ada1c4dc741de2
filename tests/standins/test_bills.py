"""A stand-in that is run as a program says at its end what it would bill."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEADERS = {"Content-Type": "application/json", "anthropic-version": "2023-06-01"}
PROMPT = {"role": "user", "content": [{"type": "text", "text": "Say hello"}]}


@pytest.mark.parametrize(
    ("name", "address", "body"),
    [
        ("anthropic_server", "/v1/messages", {"model": "m", "max_tokens": 9, "messages": [PROMPT]}),
        ("numbered", "/chat/completions", {"model": "m", "max_tokens": 9, "messages": [PROMPT]}),
    ],
)
def test_its_ledger_is_the_last_line(name: str, address: str, body: dict[str, Any]) -> None:
    command = [sys.executable, "-m", f"tests.standins.{name}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        place = json.loads(process.stdout.readline())["base_url"]
        for model in ("m", "mode:429"):
            data = json.dumps({**body, "model": model}).encode()
            asked = urllib.request.Request(place + address, data, HEADERS)
            with suppress(urllib.error.HTTPError), urllib.request.urlopen(asked, timeout=10) as response:
                response.read()
        process.terminate()
        (line,) = process.stdout.read().splitlines()
    bills = json.loads(line)["bills"]
    assert process.returncode == 0
    assert sum(sums["calls"] for sums in bills.values()) == 2
    assert sum(sums["completion_tokens"] for sums in bills.values()) > 0
