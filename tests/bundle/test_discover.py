"""Claims about the look-out for media: what counts as one, and when it is looked at."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from appliance.bundle import discover
from appliance.bundle.discover import NOT_EXAMINED, Found, Visit, Watch, mounts, places, to_examine, visited
from appliance.config import load

MOUNTS = r"""22 1 0:20 / /proc rw,nosuid shared:12 - proc proc rw
30 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
41 30 0:35 / /media/auto rw,relatime shared:3 - autofs systemd-1 rw,fd=46
42 30 8:17 / /media/USB\040STICK\134\011x rw,nosuid shared:9 master:4 - vfat /dev/sdb1 rw,iocharset=utf8
43 30 8:33 /sub /run/media/anna/b ro - ext4 /dev/sdc1 ro
44 30 8:49 / /mediaeval rw - ext4 /dev/sdd1 rw
45 43 8:50 / /run/media/anna/b rw - ext4 /dev/sdd2 rw
46 43 8:50 / /run/media/anna/c rw - ext4
nonsense
"""


def test_mounts_below_the_directories_count_and_no_others() -> None:
    found = mounts(MOUNTS, ["/media", "/run/media"])
    assert list(found) == ["/media/auto", "/media/USB STICK\\\tx", "/run/media/anna/b", "/run/media/anna/c"]
    assert found["/media/auto"] == "", "to look at it would mount it"
    assert found["/run/media/anna/b"] == "45 8:50 / ext4 /dev/sdd2", "the upper one of two"
    assert mounts(MOUNTS, ["/run/media/anna/b"]).keys() == {"/run/media/anna/b"}
    assert mounts(MOUNTS, []) == {}


@given(st.text(st.characters(codec="utf-8")))
def test_no_list_of_mounts_breaks_the_look(text: str) -> None:
    mounts(text, ["/media"])


def test_directories_count_where_nothing_is_mounted_and_links_never_do(tmp_path: Path) -> None:
    for name in ("stick", ".hidden", "elsewhere/deep"):
        (tmp_path / "media" / name).mkdir(parents=True)
    (tmp_path / "media/link").symlink_to(tmp_path / "media/stick")
    (tmp_path / "media/file").write_text("x")
    os.mkfifo(tmp_path / "media/pipe")
    (tmp_path / "also").symlink_to(tmp_path / "media")
    directories = [tmp_path / "media", tmp_path / "also", tmp_path / "absent"]
    before = places(directories)
    assert list(before) == [str(tmp_path / "media" / name) for name in ("elsewhere", "stick")]
    assert places(directories) == before
    (tmp_path / "media/stick/metadata").mkdir()
    after = places(directories)
    assert after.keys() == before.keys()
    assert [place for place in after if after[place] != before[place]] == [str(tmp_path / "media/stick")]


def test_no_more_places_than_the_limit(tmp_path: Path) -> None:
    for number in range(discover.MAX_PLACES + 9):
        (tmp_path / f"{number}").mkdir()
    assert len(places([tmp_path])) == discover.MAX_PLACES


THERE = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["1", "2"]))


@given(st.lists(st.tuples(st.floats(0, 500), THERE), max_size=30))
def test_what_is_new_is_examined_at_once_and_what_is_known_ever_more_seldom(
    looks: list[tuple[float, dict[str, str]]],
) -> None:
    seen: dict[str, Visit] = {}
    last: dict[str, tuple[str, float, float]] = {}  # place: mark, when, and how long before that
    now = 0.0
    for step, there in looks:
        now += step
        seen = {place: each for place, each in seen.items() if place in there}
        last = {place: each for place, each in last.items() if place in there}
        chosen = to_examine(seen, there, now)
        assert len(set(chosen)) == len(chosen)
        for place, mark in there.items():
            if place not in last or last[place][0] != mark:
                assert place in chosen
            elif place in chosen:
                _, when, waited = last[place]
                assert now - when >= min(waited, 3600)
            else:
                assert now < seen[place].due
        for place in chosen:
            again = place in last and last[place][0] == there[place]
            last[place] = (there[place], now, 2 * last[place][2] if again else 60.0)
            seen[place] = visited(seen.get(place), there[place], now)
            assert 60 <= seen[place].wait_s <= 3600


def test_what_stays_the_same_is_looked_at_again_after_minutes_and_in_the_end_hours() -> None:
    seen, waits = None, []
    for _ in range(9):
        seen = visited(seen, "m", 0.0)
        waits.append(seen.wait_s)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert visited(seen, "another", 7.0) == Visit("another", 67.0, 60.0)


def told_by(answers: dict[str, list[Found]], asked: list[str]) -> Callable[[str], Sequence[Found]]:
    """An examination that answers from a table."""

    def examine(place: str) -> Sequence[Found]:
        asked.append(place)
        return answers.get(place, [])

    return examine


async def following(news: AsyncIterator[Found]) -> Found:
    return await asyncio.wait_for(anext(news), 60)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


def test_what_is_plugged_in_is_announced_once_and_again_when_it_is_another(tmp_path: Path) -> None:
    async def run() -> None:
        place = tmp_path / "stick"
        one, two = (Found(place=str(place), path=f"{place}/{name}", id=name) for name in "ab")
        asked: list[str] = []
        answers = {str(place): [one]}
        watch = Watch([tmp_path], told_by(answers, asked), look_s=0.01)
        heard: list[Found] = []

        async def hear() -> None:
            async for found in watch.news():
                heard.append(found)

        listening = asyncio.create_task(hear())
        await asyncio.sleep(0.05)
        assert (asked, watch.found) == ([], ())
        place.mkdir()
        await until(lambda: heard == [one])
        assert watch.found == (one,)
        answers[str(place)] = [one, two]
        (place / "b.bundle").mkdir()
        await until(lambda: heard == [one, two])
        assert watch.found == (one, two)
        (place / "b.bundle").rmdir()
        place.rmdir()
        await until(lambda: watch.found == ())
        place.mkdir()
        await until(lambda: heard == [one, two, one, two])
        assert 3 <= len(asked) <= 5  # making and filling a directory may fall into two looks
        listening.cancel()

    asyncio.run(run())


def test_a_medium_that_hangs_holds_up_neither_the_loop_nor_the_others(tmp_path: Path) -> None:
    async def run() -> None:
        release = threading.Event()
        (tmp_path / "dead").mkdir()
        (tmp_path / "live").mkdir()
        asked: list[str] = []

        def examine(place: str) -> Sequence[Found]:
            asked.append(place)
            if place.endswith("dead"):
                release.wait()
            return [Found(place=place, path=place, id="x")]

        watch = Watch([tmp_path], examine, look_s=0.01, limit_s=0.3)
        news = watch.news()
        dead, live = await following(news), await following(news)
        assert (dead.reason, dead.taken) == (NOT_EXAMINED, False)
        assert (live.id, live.place) == ("x", str(tmp_path / "live"))
        assert watch.found == (dead, live)
        assert asked.count(str(tmp_path / "dead")) == 1
        release.set()

    asyncio.run(run())


def test_a_medium_that_hangs_holds_one_thread_however_often_its_time_comes(tmp_path: Path) -> None:
    async def run() -> None:
        release, asked = threading.Event(), []

        def examine(place: str) -> Sequence[Found]:
            asked.append(place)
            release.wait()
            return []

        watch = Watch([tmp_path], examine, limit_s=0.05)
        for _ in range(3):
            (found,) = await watch._at("/media/dead", "mark")
            assert found.reason == NOT_EXAMINED
        assert len(asked) == 1
        release.set()
        await until(lambda: not any(thread.is_alive() for thread in watch._hanging.values()))
        assert await watch._at("/media/dead", "mark") == ()

    asyncio.run(run())


def test_an_examination_that_fails_is_announced_and_the_watch_goes_on(tmp_path: Path) -> None:
    async def run() -> None:
        (tmp_path / "a").mkdir()

        def examine(place: str) -> Sequence[Found]:
            if place.endswith("a"):
                raise ValueError("broken")
            return [Found(place=place, path=place, id="x")]

        news = Watch([tmp_path], examine, look_s=0.01).news()
        assert "ValueError: broken" in (await following(news)).message
        (tmp_path / "b").mkdir()
        assert (await following(news)).id == "x"

    asyncio.run(run())


def test_the_host_turns_it_on(tmp_path: Path) -> None:
    assert load(tmp_path).bundles.media == ()
    (tmp_path / "weir.yaml").write_text("bundles:\n  media: [/media, /run/media]\n")
    assert load(tmp_path).bundles.media == (Path("/media"), Path("/run/media"))
