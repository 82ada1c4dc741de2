"""Tiny models on disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from appliance.paths.llama_cpp.path import LlamaCppPath
from tests.paths.llama_cpp.rig import running
from tests.standins import tiny_gguf


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `tiny.gguf` (512 tokens of context) and `long.gguf` (4,096)."""
    folder = tmp_path_factory.mktemp("gguf")
    tiny_gguf.write(folder / "tiny.gguf")
    tiny_gguf.write(folder / "long.gguf", replace(tiny_gguf.TINY, context=4096))
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def path(models: Path) -> AsyncIterator[LlamaCppPath]:
    """One path for all tests of a module that do not care what was computed before."""
    async with running(models) as opened:
        yield opened
