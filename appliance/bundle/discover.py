"""Which bundles lie on media that are plugged in: what is there, what of it is new, and the verdict on each.

Rules kept here:
1. Discovery announces. It takes nothing into use and writes nothing.
2. The node itself reads the kernel's list of mounts, and the names in the directories that its operator chose. What a
   medium holds is read by `examine`, which is given from outside and asks a process of its own; one place at a time.
3. Whatever may hang on a medium that is gone has a thread of its own and a time limit. A place whose thread still hangs
   is left alone.
4. Links are never followed, and what mounts itself when it is looked at (autofs) is not looked at.
5. A place is examined when it is new or another medium, and again after a minute, then twice as long each time, up to
   an hour: a copy may have been in the making. It is announced when what was found is not what was found before.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

LOOK_S = 2.0
EXAMINE_S = 120.0
MAX_PLACES = 64
MAX_BUNDLES = 16  # of one place
NOT_EXAMINED = "not_examined"  # the reason where no verdict came of it
MORE = "more_bundles"  # the reason of what stands for all beyond MAX_BUNDLES
_AGAIN_S, _SELDOM_S = 60.0, 3600.0
_GRACE_S = 10.0  # what examining may take beyond its own limit
_OCTAL = re.compile(r"\\([0-7]{3})")
T = TypeVar("T")
Text = Annotated[str, Field(max_length=500)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
Where = Annotated[str, Field(max_length=8192)]


class Found(BaseModel):
    """One bundle on a medium, and whether this node would take it; `reason` and what follows say why not.

    `issued` is when the publisher signed it (ISO 8601). `added`, `changed` and `removed` count files against what the
    node accepted last; `same` says that it is that. Before the signatures hold, all of them are empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    place: Where
    path: Where
    taken: bool = False
    reason: Text = ""
    message: Text = ""
    next_step: Text = ""
    id: Text = ""
    root: Text = ""
    evaluation: bool = False
    issued: Text = ""
    added: Count = 0
    changed: Count = 0
    removed: Count = 0
    same: bool = False


Examine = Callable[[str], Sequence[Found]]


@dataclass(frozen=True)
class Visit:
    """A place that was examined: which medium it was, and when it is looked at again."""

    mark: str
    due: float
    wait_s: float


def mounts(mountinfo: str, directories: Iterable[str]) -> dict[str, str]:
    """Mount points at or below the directories, each with a mark that another medium there would not have, and '' where
    it mounts itself when it is looked at.

    `mountinfo` is /proc/self/mountinfo; proc_pid_mountinfo(5) has its form.
    """
    found: dict[str, str] = {}
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if "-" not in fields[6:]:
            continue
        kind, source = [*fields[fields.index("-", 6) + 1 :], "", ""][:2]
        place = _OCTAL.sub(lambda octal: chr(int(octal[1], 8)), fields[4])
        if any(PurePath(place).is_relative_to(directory) for directory in directories):
            # What was mounted there is covered.
            found[place] = "" if kind == "autofs" else " ".join((fields[0], *fields[2:4], kind, source))
    return found


def places(directories: Sequence[Path]) -> dict[str, str]:
    """Where media are, or copies of such: mount points, and where none is the directories directly below. May hang."""
    real = [os.path.realpath(directory) for directory in directories]
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
        found = mounts(file.read(), real)
    above = {str(parent) for place in found for parent in PurePath(place).parents}
    for directory in real:
        if directory in found:
            continue
        with suppress(OSError), os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.path in found or entry.path in above:
                    continue
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        about = entry.stat(follow_symlinks=False)
                        found[entry.path] = f"{about.st_dev} {about.st_ino} {about.st_mtime_ns}"
                if len(found) >= MAX_PLACES:
                    break
    return dict(sorted((place, mark) for place, mark in found.items() if mark)[:MAX_PLACES])


def to_examine(seen: Mapping[str, Visit], there: Mapping[str, str], now: float) -> tuple[str, ...]:
    """The places to examine: first those that are new or other than before, then those whose time has come."""
    new = [place for place, mark in there.items() if place not in seen or seen[place].mark != mark]
    due = [place for place, mark in there.items() if place in seen and seen[place].mark == mark]
    return (*new, *(place for place in due if seen[place].due <= now))


def visited(before: Visit | None, mark: str, now: float) -> Visit:
    """What is kept of a place once it was examined."""
    again = before is not None and before.mark == mark
    wait_s = min(2 * before.wait_s, _SELDOM_S) if before is not None and again else _AGAIN_S
    return Visit(mark, now + wait_s, wait_s)


class Watch:
    """Media below some directories, looked at for as long as somebody asks for `news`."""

    def __init__(
        self,
        directories: Sequence[Path],
        examine: Examine,
        *,
        look_s: float = LOOK_S,
        limit_s: float = EXAMINE_S + _GRACE_S,
    ) -> None:
        self._directories = tuple(directories)
        self._examine = examine
        self._look_s, self._limit_s = look_s, limit_s
        self._seen: dict[str, Visit] = {}
        self._found: dict[str, tuple[Found, ...]] = {}
        self._hanging: dict[str, threading.Thread] = {}

    @property
    def found(self) -> tuple[Found, ...]:
        """What lies on the media that are there now."""
        return tuple(each for _, found in sorted(self._found.items()) for each in found)

    async def news(self) -> AsyncIterator[Found]:
        """What is found, each once until it differs or is plugged in again; without an end, and to be cancelled."""
        while True:
            there = await self._aside("look", lambda: places(self._directories))
            if isinstance(there, dict):
                for place in self._seen.keys() - there.keys():
                    del self._seen[place]
                    self._found.pop(place, None)
                for place in to_examine(self._seen, there, time.monotonic()):
                    before = self._found.get(place, ())
                    found = await self._at(place, there[place])
                    self._seen[place] = visited(self._seen.get(place), there[place], time.monotonic())
                    self._found[place] = found
                    for each in found:
                        if each not in before:
                            yield each
            await asyncio.sleep(self._look_s)

    async def _at(self, place: str, mark: str) -> tuple[Found, ...]:
        found = await self._aside(f"{place} {mark}", lambda: tuple(self._examine(place)))
        if isinstance(found, tuple):
            return found
        return (unexamined(place, found or "it does not answer"),)

    async def _aside(self, name: str, work: Callable[[], T]) -> T | str | None:
        """What the work returns; None where it does not end in time, or why it failed, in words."""
        hanging = self._hanging.get(name)
        if hanging is not None and hanging.is_alive():
            return None
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[T | str] = loop.create_future()

        def tell(value: T | str) -> None:
            if not ended.done():
                ended.set_result(value)

        def run() -> None:
            try:
                value: T | str = work()
            except Exception as error:  # noqa: BLE001  whatever a medium brings about ends here
                value = f"{type(error).__name__}: {error}"
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(tell, value)

        # A thread that the interpreter does not wait for: what the kernel holds cannot be ended.
        thread = self._hanging[name] = threading.Thread(target=run, name="weir-media", daemon=True)
        thread.start()
        try:
            async with asyncio.timeout(self._limit_s):
                value = await ended
        except TimeoutError:
            return None
        del self._hanging[name]
        return value


def plain(path: object) -> str:
    """A path as UTF-8 can carry it, whatever a medium or a mount point is called."""
    return str(path).encode("utf-8", "backslashreplace").decode()[:8192]


def unexamined(place: str, why: str) -> Found:
    """A place about which nothing can be said."""
    return Found(
        place=plain(place),
        path=plain(place),
        reason=NOT_EXAMINED,
        message=plain(f"It was not examined: {why}.")[:500],
        next_step="Look at it with 'weir bundle verify', or take it out.",
    )


def more(place: str, count: int) -> Found:
    """What stands for the bundles beyond `MAX_BUNDLES` of a place."""
    return Found(
        place=plain(place),
        path=plain(place),
        reason=MORE,
        message=f"{count} more bundles lie there and were not examined: at most {MAX_BUNDLES} of one place are.",
        next_step="'weir bundle find' lists all of them, and 'weir bundle verify' examines the one that is meant.",
    )
