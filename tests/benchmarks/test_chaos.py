"""Claims about a node among upstreams in trouble: a small version of what benchmarks/chaos.py measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chaos import chaos


@pytest.mark.slow
async def test_among_upstreams_in_trouble_nothing_is_lost_doubled_late_or_wrongly_billed(tmp_path: Path) -> None:
    found = await chaos(tmp_path, requests=80, at_once=16)
    assert found["missed"] == []
    assert sum(found["ended"].values()) == 80
