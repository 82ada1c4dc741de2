"""Tiny models on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.standins import tiny_gguf


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `tiny.gguf` (512 tokens of context) and `long.gguf` (4,096)."""
    folder = tmp_path_factory.mktemp("gguf")
    tiny_gguf.write(folder / "tiny.gguf")
    tiny_gguf.write(folder / "long.gguf", replace(tiny_gguf.TINY, context=4096))
    return folder
