"""Claims about mirrors: whatever a server does, nothing unverified gets a name and the node runs what it ran."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.bundle import activate, generations, media, stage, witness
from appliance.bundle.activate import ActivationResult
from appliance.bundle.manifest import blob_path
from appliance.bundle.mirror import Mirror, Patience
from appliance.bundle.refusal import BundleRefused
from appliance.egress import EgressRefused
from appliance.errors import AuditUnavailable
from tests.bundle import publisher as bench
from tests.bundle.publisher import sha256
from tests.bundle.rig import Rig, content, sound
from tests.standins.ledger import MemoryLedger
from tests.standins.static import LASTING, OF_RANGES, PASSING, Asked, Ill, Static

OLD, NEW = "a-2026.1", "a-2026.2"
SWIFT = Patience(connect_s=5, stall_s=1.0, pauses_s=(0.0, 0.0, 0.01))
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
CUT = 2_000_000  # half of it is more than what may be on its way when a connection ends
LARGE = os.urandom(4_500_000)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A node that runs OLD, in memory where the host has such a place."""
    monkeypatch.setattr(bench, "CUT", CUT)
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield started(Path(folder))


def started(top: Path) -> Rig:
    rig = Rig(top)
    rig.apply(rig.press(OLD, content(top / "old")))
    return rig


def newer(rig: Rig) -> Path:
    """A mirror with NEW, whose file of the large blobs is the only one that is not as before."""
    return rig.press(NEW, content(rig.top / "old") | {"models/large.gguf": LARGE})


def synced(rig: Rig, web: Static, ledger: MemoryLedger | None = None, patience: Patience = SWIFT) -> ActivationResult:
    mirror = closing(Mirror(web.url, ledger or MemoryLedger(), deny_all=True, patience=patience))
    return activate.apply_from(mirror, witness.mirror(web.url), rig.means(), rig.terms())


def unchanged(rig: Rig) -> None:
    """The node runs what it ran, and what has a name is what was signed."""
    sound(rig.state)
    assert (rig.slots.good, generations.current(rig.state)) == (OLD, OLD)
    assert rig.slots.trial == ""


def large() -> list[str]:
    """The blobs of the large file."""
    return [blob_path(sha256(piece)) for piece in bench.pieces(LARGE)]


def once(path: str, ill: str, number: int) -> Ill:
    return lambda asked: ill if (asked.path, asked.number) == (path, number) else ""


def test_a_mirror_is_taken_into_use_and_then_nothing_changes(rig: Rig) -> None:
    with Static(newer(rig)) as web:
        ended = synced(rig, web)
        assert (ended.outcome, ended.runs, ended.copied) == ("good", NEW, len(LARGE) + len(f'"{NEW}"\n'))
        assert (rig.state / "current/models/large.gguf").read_bytes() == LARGE
        begun = next(entry for entry in reversed(rig.entries) if entry["step"] == "import")
        assert (begun["place"], begun["device"]) == (web.url, "")
        before = len(web.asked)
        ended = synced(rig, web)
        assert (ended.outcome, ended.age and ended.age.age.total_seconds()) == ("no_change", 0)
        assert not any(asked.path.startswith("blobs/") for asked in web.asked[before:])
        assert web.blob_bytes() < len(LARGE) + 1000


def test_every_request_is_plain_and_in_the_audit_before_it_leaves(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = MemoryLedger()
    with Static(newer(rig)) as web, Static(rig.top) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        synced(rig, web, ledger)
        assert not proxy.asked
        assert len(ledger.left) == len(web.asked)
        departure, destination, body = ledger.left[0]
        assert (departure.path, departure.tier, departure.rules) == ("mirror", "site", ("bundles.mirror",))
        assert (destination, body) == ({"scheme": "http", "host": "127.0.0.1", "port": web.port}, b"")
        for asked in web.asked:
            assert asked.headers.keys() <= {"Host", "Accept", "Accept-Encoding", "User-Agent", "Range", "If-Range"}
            assert asked.headers["Accept-Encoding"] == "identity"


def test_what_cannot_be_written_down_is_not_asked(rig: Rig) -> None:
    ledger = MemoryLedger()
    ledger.full = True
    with Static(newer(rig)) as web:
        with pytest.raises(AuditUnavailable):
            synced(rig, web, ledger)
        assert not web.asked
    unchanged(rig)


@pytest.mark.parametrize("url", ["https://mirror.site.example/weir", "http://192.0.2.1", "http://[2001:db8::1]:8080/x"])
def test_with_all_denied_only_this_host_may_be_the_mirror(url: str) -> None:
    with pytest.raises(EgressRefused) as raised:
        Mirror(url, MemoryLedger(), deny_all=True)
    assert "deny_all" in raised.value.next_step
    Mirror(url, MemoryLedger()).close()
    for here in ("http://localhost:1", "http://127.0.0.1:1/a", "http://[::1]:1"):
        Mirror(here, MemoryLedger(), deny_all=True).close()


# ---- what passes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ill", PASSING)
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "whole"])
def test_what_goes_wrong_once_in_a_blob_is_gone_on_with(rig: Rig, ill: str, ranges: bool) -> None:
    path = large()[0]
    # The first request asks for the length, the second is for all of it; what only a range can show comes third.
    turns = {2: "cut", 3: ill} if ill in OF_RANGES else {2: ill}
    with Static(
        newer(rig), lambda asked: turns.get(asked.number, "") if asked.path == path else "", ranges=ranges
    ) as web:
        assert synced(rig, web).outcome == "good"
        assert (rig.state / "current/models/large.gguf").read_bytes() == LARGE
        if ranges and ill in ("reset", "cut", "stall"):
            again = [asked for asked in web.asked if asked.path == path][2]
            # What was on its way when a connection is reset is lost.
            assert again.at > 0 if ill != "reset" else again.at >= 0
            assert again.headers["If-Range"].startswith('"') if again.at else True
            assert web.sent[path] < 2 * CUT


@pytest.mark.parametrize("ill", OF_RANGES)
def test_ranges_that_are_always_answered_wrongly_are_given_up(rig: Rig, ill: str) -> None:
    with Static(newer(rig), lambda asked: "cut" if asked.number == 2 and asked.path in large() else ill) as web:
        assert synced(rig, web).outcome == "good"


@pytest.mark.parametrize("tags", [True, False])
def test_a_file_that_becomes_another_while_it_is_read_gets_no_name(rig: Rig, tags: bool) -> None:
    folder, path = newer(rig), large()[0]

    def ill(asked: Asked) -> str:
        if asked.path == path and asked.number == 3:
            (folder / path).write_bytes(os.urandom(CUT))
        return "cut" if (asked.path, asked.number) == (path, 2) else ""

    with Static(folder, ill, tags=tags) as web, pytest.raises(BundleRefused) as raised:
        synced(rig, web)
    assert raised.value.reason == ("mirror_failed" if tags else "damaged_blob")
    unchanged(rig)
    assert Path(path).name not in {file.name for file in (rig.state / "store/sha256").rglob("*")}


@pytest.mark.parametrize("ill", ["busy", "reset", "cut", "stall", "garbage"])
def test_what_goes_wrong_once_with_metadata_passes_too(rig: Rig, ill: str) -> None:
    with Static(newer(rig), once("metadata/timestamp.json", ill, 1)) as web:
        assert synced(rig, web).outcome == "good"


# ---- what does not --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ill", [*PASSING, *LASTING])
@pytest.mark.parametrize("where", ["metadata/timestamp.json", "targets/", "blobs/"])
def test_what_stays_wrong_is_refused_with_a_reason_and_the_node_runs_what_it_ran(
    rig: Rig, ill: str, where: str
) -> None:
    with Static(rig.top) as other:
        away = f"{other.url}/metadata/timestamp.json"
        with Static(newer(rig), lambda asked: ill if asked.path.startswith(where) else "", away=away) as web:
            if ill in OF_RANGES:
                assert synced(rig, web).outcome == "good"  # it is asked without ranges then
                return
            with pytest.raises(BundleRefused) as raised:
                synced(rig, web, patience=Patience(connect_s=5, stall_s=0.3, pauses_s=(0.0,)))
            assert max(asked.number for asked in web.asked if asked.path.startswith(where)) <= 3
        assert not other.asked
    refused = raised.value
    assert refused.next_step and rig.entries[-1]["reason"] == refused.reason
    expected = {
        "around": {"mirror_moved"},
        "away": {"mirror_moved"},
        "gzip": {"mirror_wrong"},
        "bare": {"mirror_wrong"},
        "endless": {"mirror_wrong"},
        "forbidden": {"mirror_wrong"},
        "gone": {"mirror_wrong"},
        "missing": {"missing_metadata", "incomplete"},
        "page": {"bad_metadata", "mixed_metadata", "incomplete"},
        "unending": {"too_large", "incomplete"},
        "longer": {"too_large", "bad_metadata", "mixed_metadata", "incomplete"},
    }
    assert refused.reason in expected.get(ill, {"mirror_failed"})
    unchanged(rig)


def test_a_mirror_that_nobody_serves_is_refused(rig: Rig) -> None:
    with Static(rig.top) as web:
        pass
    with pytest.raises(BundleRefused) as raised:
        synced(rig, web)
    assert raised.value.reason == "mirror_failed" and "4 times" in raised.value.message
    unchanged(rig)


def test_a_tag_that_cannot_be_sent_back_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata/timestamp.json").write_bytes(LARGE)

    class Odd(Static):
        def _head(self, handler: Any, status: int, headers: dict[str, str]) -> None:
            super()._head(handler, status, headers | {"ETag": '"\xff\u00e9 W/"'})

    with Odd(tmp_path, lambda asked: "cut" if asked.number == 1 else "") as web:
        with closing(Mirror(web.url, MemoryLedger(), patience=SWIFT)) as mirror:
            assert media.read(mirror, "metadata/timestamp.json", len(LARGE)) == LARGE
        assert web.asked[1].at > 0
        assert "If-Range" not in web.asked[1].headers


def test_no_more_is_read_than_the_caller_takes(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata/timestamp.json").write_bytes(b"x" * 1001)
    with Static(tmp_path) as web, closing(Mirror(web.url, MemoryLedger(), patience=SWIFT)) as mirror:
        assert media.read(mirror, "metadata/timestamp.json", 1001) == b"x" * 1001
        with pytest.raises(BundleRefused, match="more than the 1000 bytes"):
            media.read(mirror, "metadata/timestamp.json", 1000)
        assert media.read(mirror, "metadata/2.root.json", 1000) is None
        assert mirror.size("metadata/timestamp.json") == 1001
        assert mirror.size("metadata/2.root.json") is None
        assert mirror.names("metadata") is None


@pytest.mark.parametrize(
    "path", ["../x", "metadata/../../x", "/etc/passwd", "a//b", "a?b", "a#b", "a b", "a\r\nb", "", "ü"]
)
def test_no_odd_name_is_asked_for(tmp_path: Path, path: str) -> None:
    with Static(tmp_path) as web, closing(Mirror(web.url, MemoryLedger(), patience=SWIFT)) as mirror:
        with pytest.raises(BundleRefused):
            mirror.size(path)
        assert not web.asked


def test_an_empty_file_has_a_size_too(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with Static(tmp_path) as web, closing(Mirror(web.url, MemoryLedger(), patience=SWIFT)) as mirror:
        assert mirror.size("empty") == 0
        assert media.read(mirror, "empty", 10) == b""


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("at", [0, 1, 99, 70_000, 100_000])
def test_a_file_is_read_from_any_byte_on(tmp_path: Path, at: int, ranges: bool) -> None:
    data = os.urandom(100_000)
    (tmp_path / "f").write_bytes(data)
    with Static(tmp_path, ranges=ranges) as web, closing(Mirror(web.url, MemoryLedger(), patience=SWIFT)) as mirror:
        buffer = memoryview(bytearray(30_000))
        with mirror.open("f", at) as stream:
            assert stream is not None and stream.size == len(data)
            read = b""
            while count := stream.readinto(buffer):
                read += buffer[:count]
        assert read == data[at:]


# ---- going on after an end ------------------------------------------------------------------------------------------


def test_a_run_that_failed_in_a_blob_is_gone_on_with_by_the_next(rig: Rig) -> None:
    path = large()[1]
    folder = newer(rig)
    with Static(folder, lambda asked: "cut" if asked.path == path and not asked.first_only else "") as web:
        with pytest.raises(BundleRefused) as raised:
            synced(rig, web, patience=Patience(pauses_s=()))
        assert raised.value.reason == "mirror_failed"
    unchanged(rig)
    (part,) = (rig.state / stage.STORE / "part").iterdir()
    had = part.stat().st_size
    assert 0 < had <= CUT // 2
    with Static(folder) as web:
        ended = synced(rig, web)
        assert [asked.at for asked in web.asked if asked.path == path] == [0, had]
        assert web.sent[path] == 1 + CUT - had
    assert (ended.outcome, ended.copied) == ("good", CUT - had + len(bench.pieces(LARGE)[2]))
    assert not list((rig.state / stage.STORE / "part").iterdir())


@pytest.mark.parametrize("harm", ["flipped", "zeros", "longer", "whole"])
def test_a_part_that_was_harmed_meanwhile_costs_another_reading_and_nothing_else(rig: Rig, harm: str) -> None:
    piece, path, folder = bench.pieces(LARGE)[0], large()[0], newer(rig)
    parts = rig.state / stage.STORE / "part"
    parts.mkdir(exist_ok=True)
    (parts / Path(path).name).write_bytes(
        {"flipped": b"x" + piece[1:1000], "zeros": bytes(5000), "longer": piece + b"x", "whole": piece[:-1] + b"?"}[
            harm
        ]
    )
    (parts / ("0" * 64)).write_bytes(b"of a blob that nobody wants any more")
    with Static(folder) as web:
        assert synced(rig, web).outcome == "good"
    assert (rig.state / "current/models/large.gguf").read_bytes() == LARGE
    assert not list(parts.iterdir())
    sound(rig.state)


# ---- whatever happens -----------------------------------------------------------------------------------------------


ILLS = st.sampled_from(["", "", "", "", *PASSING, *LASTING])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ills=st.dictionaries(st.integers(0, 40), ILLS, max_size=12),
    always=st.sampled_from(["", "", "", *PASSING, *LASTING]),
    ranges=st.booleans(),
    tags=st.booleans(),
)
def test_whatever_a_server_does_only_what_was_signed_gets_a_name(
    monkeypatch: pytest.MonkeyPatch, ills: dict[int, str], always: str, ranges: bool, tags: bool
) -> None:
    monkeypatch.setattr(bench, "CUT", CUT)
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        rig = started(Path(folder))
        numbers: Iterator[int] = iter(range(10**6))

        def ill(asked: Asked) -> str:
            number = next(numbers)
            return ills.get(number, always if number > 25 else "")

        with Static(newer(rig), ill, ranges=ranges, tags=tags, away="http://127.0.0.1:9/x") as web:
            try:
                ended = synced(rig, web, patience=Patience(5, 0.3, (0.0, 0.0)))
            except BundleRefused:
                unchanged(rig)
            else:
                assert ended.outcome == "good"
                assert (rig.state / "current/models/large.gguf").read_bytes() == LARGE
                sound(rig.state)
        # And on a day on which it behaves, it is done.
        with Static(rig.top / f"usb-{NEW}" / f"{NEW}.bundle") as web:
            assert synced(rig, web).outcome in ("good", "no_change")
        assert (rig.state / "current/models/large.gguf").read_bytes() == LARGE
