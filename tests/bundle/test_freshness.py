"""Claims about age: signed times decide, a clock counts only where the operator says so, and never backwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.bundle import freshness, media, verify
from appliance.bundle.freshness import Mode, Moment
from appliance.bundle.refusal import BundleRefused
from appliance.bundle.trust import Trusted
from appliance.store.floors import Floors
from tests.bundle.publisher import NOW, Publisher, write_tree

DAY = timedelta(days=1)
TIMES = st.integers(0, 7_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Trusted:
    """Issued at NOW; timestamp and snapshot hold 120 days, all else ten years."""
    publisher = Publisher()
    with media.opened(write_tree(publisher.release(), tmp_path_factory.mktemp("m") / "a.bundle")) as source:
        return verify.trusted(source, verify.begin(publisher.roots[1]))


def issued_floor(bundle: Trusted, moment: datetime) -> Trusted:
    return replace(bundle, before=Floors(issued=int(moment.timestamp())))


def refused(bundle: Trusted, moment: Moment, mode: Mode = "airgap", **over: bool) -> str:
    with pytest.raises(BundleRefused) as raised:
        freshness.judge(bundle, moment, mode, **over)
    return raised.value.reason


@pytest.mark.parametrize("year", [1970, 2026, 2099])
def test_a_clock_that_nobody_trusts_decides_nothing(bundle: Trusted, year: int) -> None:
    found = freshness.judge(bundle, Moment(datetime(year, 1, 1, tzinfo=UTC)), "strict")
    assert (found.time, found.age, found.expired) == (NOW, timedelta(0), ())


def test_a_trusted_clock_counts_but_never_below_what_was_signed(bundle: Trusted) -> None:
    past = freshness.judge(bundle, Moment(datetime(1970, 1, 1, tzinfo=UTC), trusted=True), "strict")
    assert past.time == NOW
    later = freshness.judge(bundle, Moment(NOW + 30 * DAY, trusted=True), "strict")
    assert (later.time, later.age) == (NOW + 30 * DAY, 30 * DAY)


def test_a_late_timestamp_is_refused_in_strict_and_acknowledged_in_airgap(bundle: Trusted) -> None:
    late = Moment(NOW + 130 * DAY, trusted=True)
    assert refused(bundle, late, "strict") == "expired"
    assert refused(bundle, late, "strict", acknowledged=True) == "expired"
    assert refused(bundle, late) == "needs_acknowledgement"
    found = freshness.judge(bundle, late, "airgap", acknowledged=True)
    assert found.acknowledged and found.expired == ("timestamp", "snapshot")
    assert not freshness.judge(bundle, Moment(NOW, trusted=True), "airgap", acknowledged=True).acknowledged


def test_no_acknowledgement_reaches_beyond_the_greatest_age(bundle: Trusted) -> None:
    edge = Moment(NOW + 180 * DAY, trusted=True)
    assert freshness.judge(bundle, edge, "airgap", acknowledged=True).age == 180 * DAY
    beyond = Moment(NOW + 180 * DAY + timedelta(seconds=1), trusted=True)
    assert refused(bundle, beyond, acknowledged=True) == "too_old"


@pytest.mark.parametrize("role", ["root", "targets", "models", "policies", "appliance"])
def test_an_expired_root_or_signer_is_refused_whatever_is_acknowledged(bundle: Trusted, role: str) -> None:
    roles = tuple(replace(each, expires=NOW) if each.name == role else each for each in bundle.roles)
    for mode in ("strict", "airgap"):
        reason = refused(replace(bundle, roles=roles), Moment(NOW), mode, acknowledged=True)
        assert reason == ("expired_root" if role == "root" else "expired")


def test_a_bundle_issued_below_the_floor_is_refused(bundle: Trusted) -> None:
    for floor in (issued_floor(bundle, NOW + timedelta(seconds=1)), bundle):
        moment = Moment(NOW) if floor is not bundle else Moment(NOW, built=NOW + DAY)
        for mode in ("strict", "airgap"):
            assert refused(floor, moment, mode, acknowledged=True) == "issued_too_early"
    assert freshness.judge(issued_floor(bundle, NOW), Moment(NOW), "airgap").floor == NOW


@given(clock=TIMES, trusted=st.booleans(), built=TIMES, accepted=TIMES, mode=st.sampled_from(["strict", "airgap"]))
def test_nothing_below_the_floor_and_nothing_expired_unacknowledged_is_ever_taken(
    bundle: Trusted, clock: datetime, trusted: bool, built: datetime, accepted: datetime, mode: Mode
) -> None:
    offered = issued_floor(bundle, accepted)
    try:
        found = freshness.judge(offered, Moment(clock, trusted, built), mode)
    except BundleRefused:
        return
    assert offered.issued >= found.floor == max(built, accepted)
    assert not found.expired and found.time >= offered.issued
    assert trusted or found.time == offered.issued


@given(first=TIMES, second=TIMES)
def test_without_trust_in_it_two_clocks_come_to_one_judgement(
    bundle: Trusted, first: datetime, second: datetime
) -> None:
    one, other = (freshness.judge(bundle, Moment(clock), "airgap") for clock in (first, second))
    assert one == other


def test_the_floor_falls_only_with_the_key_that_set_it(tmp_path: Path) -> None:
    publisher = Publisher()
    state = verify.begin(publisher.roots[1])
    far = publisher.release(issued=NOW + 36_500 * DAY)
    with media.opened(write_tree(far, tmp_path / "far.bundle")) as source:
        state = verify.accepted(state, verify.trusted(source, state))
    with media.opened(write_tree(publisher.release(), tmp_path / "near.bundle")) as source:
        assert refused(verify.trusted(source, state), Moment(NOW)) == "issued_too_early"
    publisher.rotate("timestamp")
    with media.opened(write_tree(publisher.release(), tmp_path / "new.bundle")) as source:
        assert freshness.judge(verify.trusted(source, state), Moment(NOW), "strict").issued == NOW
