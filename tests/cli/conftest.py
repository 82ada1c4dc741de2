"""The command as a person runs it, in a process of its own, with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.standin_node import StandInNode

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout as the one JSON value that it must be."""
        return json.loads(self.out)


class Weir:
    """Runs `weir` with arguments."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
        self.env.pop("NO_COLOR", None)

    def __call__(self, *arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> Ran:
        ended = subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=self.home,
            env={**self.env, **(env or {})},
            timeout=90,
            check=False,
        )
        return Ran(ended.returncode, ended.stdout, ended.stderr)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "appliance.cli.main", *arguments]


@pytest.fixture
def weir(tmp_path: Path) -> Weir:
    return Weir(tmp_path)


@pytest.fixture
def node() -> Iterator[StandInNode]:
    with StandInNode() as running:
        yield running
