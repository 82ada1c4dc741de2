"""Fetching from a mirror holds up no import, is gone on with, and loses nothing; any source stands for the mirror."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.bundle import fetch, media, stage
from appliance.bundle.activate import ActivationResult
from appliance.bundle.media import Source, Stream
from appliance.bundle.refusal import BundleRefused
from tests.bundle.rig import Rig, failing_in_use, sound


class Watched:
    """A source that says what is opened, and calls somebody before each blob."""

    def __init__(self, source: Source, before: Callable[[int], object] = lambda _: None) -> None:
        self.label = "http://mirror.example"
        self.opened: list[str] = []
        self._source, self._before = source, before

    @property
    def blobs(self) -> list[str]:
        return [path for path in self.opened if path.startswith("blobs/")]

    def size(self, path: str) -> int | None:
        return self._source.size(path)

    def names(self, folder: str) -> frozenset[str] | None:
        return None

    def close(self) -> None: ...

    @contextmanager
    def open(self, path: str, at: int = 0) -> Iterator[Stream | None]:
        self.opened.append(path)
        if path.startswith("blobs/"):
            self._before(len(self.blobs))
        with self._source.open(path, at) as stream:
            yield stream


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def synced(rig: Rig, place: Path, before: Callable[[int], object] = lambda _: None) -> tuple[ActivationResult, Watched]:
    with media.opened(place) as source:
        watched = Watched(source, before)
        return fetch.sync(watched, {"place": "mirror"}, rig.means(), rig.terms()), watched


def left(rig: Rig) -> list[str]:
    return [path.name for path in (rig.state / "fetched/store/sha256").glob("??/*")]


def test_metadata_is_read_once_and_each_blob_once_and_nothing_stays_in_the_place_of_its_own(rig: Rig) -> None:
    ended, watched = synced(rig, rig.press("a-2026.1"))
    assert (ended.outcome, ended.runs) == ("good", "a-2026.1")
    assert len(watched.opened) == len(set(watched.opened))
    assert left(rig) == []
    sound(rig.state)
    ended, watched = synced(rig, rig.top / "usb-a-2026.1")
    assert (ended.outcome, watched.blobs) == ("no_change", [])
    assert rig.steps()[0] == "import"


def test_a_stick_can_be_applied_while_a_mirror_is_fetched_from(rig: Rig) -> None:
    first, second = rig.press("a-2026.1"), rig.press("a-2026.2")
    applied: list[ActivationResult] = []

    def plug_in(count: int) -> None:
        if count == 2:
            applied.append(rig.apply(first))

    ended, _ = synced(rig, second, plug_in)
    assert [each.runs for each in applied] == ["a-2026.1"]
    assert (ended.runs, rig.slots.previous) == ("a-2026.2", "a-2026.1")
    sound(rig.state)


def test_what_was_applied_meanwhile_is_not_taken_back(rig: Rig) -> None:
    first, second = rig.press("a-2026.1"), rig.press("a-2026.2")
    with pytest.raises(BundleRefused) as raised:
        synced(rig, first, lambda count: rig.apply(second) if count == 1 else None)
    assert raised.value.reason == "older_bundle"
    assert rig.slots.good == "a-2026.2"
    sound(rig.state)


def test_of_two_at_once_the_second_says_so_and_the_first_goes_on(rig: Rig) -> None:
    place = rig.press("a-2026.1")
    said: list[str] = []

    def again(count: int) -> None:
        if count == 1:
            with pytest.raises(BundleRefused, match="Another sync") as raised:
                synced(rig, place)
            said.append(raised.value.reason)

    ended, _ = synced(rig, place, again)
    assert said == ["import_in_progress"]
    assert ended.runs == "a-2026.1"
    assert [entry["reason"] for entry in rig.entries if entry["step"] == "refused"] == ["import_in_progress"]


def test_while_an_import_is_at_work_what_was_fetched_stays_for_the_next_time(rig: Rig) -> None:
    place = rig.press("a-2026.1")
    with stage.locked(rig.state), pytest.raises(BundleRefused) as raised:
        synced(rig, place)
    assert raised.value.reason == "import_in_progress"
    assert left(rig)
    ended, watched = synced(rig, place)
    assert (ended.runs, watched.blobs) == ("a-2026.1", [])


def test_killed_at_any_blob_the_rest_alone_is_fetched(rig: Rig) -> None:
    place = rig.press("a-2026.1")

    def kill(count: int) -> None:
        if count == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synced(rig, place, kill)
    sound(rig.state)
    had = left(rig)
    assert len(had) == 3
    ended, watched = synced(rig, place)
    assert ended.runs == "a-2026.1"
    assert not {path.rpartition("/")[2] for path in watched.blobs} & set(had)


def test_what_a_newer_bundle_has_not_is_dropped(rig: Rig) -> None:
    first = rig.press("a-2026.1")
    with stage.locked(rig.state), pytest.raises(BundleRefused):
        synced(rig, first)
    before = set(left(rig))
    second = rig.press("a-2026.2")
    with stage.locked(rig.state), pytest.raises(BundleRefused):
        synced(rig, second)
    assert before - set(left(rig))
    assert synced(rig, second)[0].runs == "a-2026.2"
    assert left(rig) == []


def test_nothing_is_fetched_of_what_is_refused_and_the_import_says_why(rig: Rig) -> None:
    place = rig.press("a-2026.1")
    (rig.top / "stranger").mkdir()
    stranger = Rig(rig.top / "stranger")
    with media.opened(place) as source:
        watched = Watched(source)
        with pytest.raises(BundleRefused) as raised:
            fetch.sync(watched, {"place": "mirror"}, rig.means(), stranger.terms())
    assert raised.value.reason == "threshold_missed"
    assert watched.blobs == []
    assert len(watched.opened) == len(set(watched.opened))
    assert rig.steps() == ["import", "refused"]


def test_a_bundle_that_was_marked_bad_is_not_fetched(rig: Rig) -> None:
    rig.apply(rig.press("a-2026.1"))
    place = rig.press("a-2026.2")
    assert rig.apply(place, check=failing_in_use(rig.state, "a-2026.2")).outcome == "returned"
    with media.opened(place) as source:
        watched = Watched(source)
        with pytest.raises(BundleRefused) as raised:
            fetch.sync(watched, {"place": "mirror"}, rig.means(), rig.terms())
    assert (raised.value.reason, watched.blobs) == ("marked_bad", [])
