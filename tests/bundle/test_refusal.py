"""Claims about refusals: every reason is given somewhere, and says what to do next."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appliance.bundle.refusal import AT_A_MIRROR, REASONS, BundleRefused, next_step

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_used_and_has_a_next_step(reason: str) -> None:
    code = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "appliance").rglob("*.py") if path.name != "refusal.py"
    )
    assert f'"{reason}"' in code
    error = BundleRefused(reason, details=("one",))
    assert error.reason == reason and error.next_step
    assert error.to_wire()["error"]["code"] == "bundle_refused"  # type: ignore[index]


def test_no_reason_is_given_that_is_not_listed() -> None:
    for path in (ROOT / "appliance").rglob("*.py"):
        for reason in re.findall(r'BundleRefused\(\s*"([a-z_]+)"', path.read_text(encoding="utf-8")):
            assert reason in REASONS, (path, reason)


@pytest.mark.parametrize("reason", REASONS)
def test_at_a_mirror_nobody_is_sent_to_a_medium(reason: str) -> None:
    if reason in ("no_bundle", "several_bundles", "bad_tar"):
        return  # of a place on this host; a mirror is one tree
    step = next_step(reason, mirror=True)
    assert not re.search(r"(?i)medium|bring|plug|copy the", step), step
    assert AT_A_MIRROR.keys() <= REASONS.keys()
    assert next_step(reason) == REASONS[reason][1]
