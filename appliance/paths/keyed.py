"""What a path over HTTP speaks with: its session, its key, and what is made of the key.

Rules kept here:
1. The key is read at `start`. A file that holds it is looked at every LOOK_S, and read again where it changed; not
   before it was the same at two looks, because somebody may still be writing it.
2. Where the key is refused it is read again at once, at most every AGAIN_S: a rotated API key, temporary credentials,
   another service account.
3. What is under way ends with the session and key that it began with, and these are closed when the last of it has
   ended. A session is opened anew only where the key stands in its headers.
4. Where there is no usable key any more, the one before is used on. Where its file has none yet, there is no `_access`
   until it has.
5. That a key is refused, or not to be read, is said for as long as it is so, and logged when that begins and ends.
6. The key is in no error, log or repr.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import structlog

from appliance.config import named_secret, secret_file
from appliance.egress import Egress, EgressRefused
from appliance.outbound import Session
from appliance.paths.contract import PathError
from appliance.paths.dialect import Dialect
from appliance.records.card import ModelCard

log = structlog.get_logger("weir.keys")
LOOK_S = 1.0  # between two looks at the file of a key
AGAIN_S = 60.0  # between two readings of a key that is refused
SHUT = "This server may not be reached: egress.deny_all stands in weir.yaml, or no card names it."
_LATE = "The key that the card refers to could not be read in time."
_EYE = ThreadPoolExecutor(1, thread_name_prefix="weir-keys")  # a disk that hangs holds up the looks, and nothing else


class Tokens(Protocol):
    """Secrets that live for a while, had for the card's."""

    async def current(self, now: float) -> str:
        """One that is good at `now`, in Unix seconds. Raises PathError, AuditUnavailable, and as `Session.post`."""
        ...

    def refused(self, token: str) -> None:
        """The server did not take this one: it is not given out again."""
        ...

    async def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class Access:
    """One key, what was made of it, and how many calls are at work with it. `refused` says in words that the key is,
    and when that was seen last is `refused_at`, by the loop's clock.
    """

    session: Session
    key: str = field(repr=False)
    tokens: Tokens | None
    calls: int = 0
    refused: str = ""
    refused_at: float = 0.0


class Keyed:
    """Start it, and there is an `_access` until it is stopped, but for rule 4; `_trouble` is what is wrong with its
    key, in words.
    """

    def __init__(
        self,
        card: ModelCard,
        egress: Egress,
        dialect: Dialect,
        secrets: Callable[[str], str],
        tokens: Callable[[Egress, str], Tokens] | None,
        names: Mapping[str, str],
        member: str,
    ) -> None:
        """`names` is what the host's configuration calls its secrets; `member` the name of this one where the path has
        several. Raises ValueError for a card without an endpoint.
        """
        if card.endpoint is None:
            raise ValueError(f"a card of runtime {card.runtime} has an endpoint")
        self._endpoint = card.endpoint
        self._egress = egress
        self._dialect = dialect
        self._secrets = secrets
        self._tokens_of = tokens
        stated = card.endpoint.api_key_ref
        self._reference = None if stated is None else named_secret(stated, names)
        self._named = {"path": card.id, "member": member}  # in the log
        self._access: Access | None = None
        self._past: list[Access] = []  # that still have calls
        self._trouble = ""
        self._unread = ""  # what the reference has is no key, in words
        self._reading = asyncio.Lock()
        self._read_at = float("-inf")  # by the loop's clock, after a key was refused
        self._following: asyncio.Task[None] | None = None
        self._glimpsed: object = None  # the file at the last look
        self._known: object = None  # the file when it was read last

    async def start(self) -> None:
        """Resolve the key and make the session; connects to nothing. Raises PathError 'auth', where no file is to be
        waited for, or 'unavailable'.
        """
        if self._access is not None or self._following is not None:
            return
        file = None if self._reference is None else secret_file(self._reference)
        if file is not None:
            self._glimpsed = self._known = await _looked_at(file)  # first: what comes between is seen at the next look
        try:
            await self._take(await self._read_key())
        except PathError as error:
            if file is None or error.fault != "auth":
                raise
            self._note_read(error.message)
        if file is not None:
            self._following = asyncio.create_task(self._follow(file))

    async def stop(self) -> None:
        """Close the sessions; jobs still running end with an error."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait((self._following,))
            self._following = None
        made = self._past if self._access is None else [*self._past, self._access]
        self._access, self._past, self._trouble, self._unread = None, [], "", ""
        for one in made:
            await self._close(one)

    async def _read_key(self) -> str:
        """What the card's reference has now. Raises PathError 'auth'."""
        if self._reference is None:
            return ""
        key = await asyncio.to_thread(self._secrets, self._reference)
        if key.startswith("{") and not self._dialect.signs:  # it would go out as it is
            raise PathError("auth", "What the card's key refers to is an account, and this card sends a key.")
        return key

    async def _take(self, key: str) -> None:
        """Speak with this key from now on. Raises PathError."""
        endpoint, before = self._endpoint, self._access
        # The server's bodies are small and often local: unpacking them costs more than it saves.
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "weir"}
        tokens: Tokens | None = None
        try:
            if self._tokens_of is not None:
                tokens = self._tokens_of(self._egress, key)
            if before is not None and self._dialect.signs:
                session = before.session
            else:
                session = self._egress.session_for(
                    endpoint.base_url,
                    limit=endpoint.max_concurrent,
                    connect_timeout_s=endpoint.connect_timeout_s,
                    headers=headers | self._dialect.headers(endpoint, key),
                )
        except EgressRefused:
            if tokens is not None:
                await tokens.close()
            raise PathError("unavailable", SHUT) from None
        self._access = Access(session, key, tokens)
        if before is not None:
            log.info("key-changed", **self._named)
            self._past.append(before)
            await self._let_go(before)

    async def _let_go(self, access: Access) -> None:
        """Rule 3: close what was replaced, once no call is at work with it."""
        if access in self._past and not access.calls:
            self._past.remove(access)
            await self._close(access)

    async def _close(self, access: Access) -> None:
        """All that was made of a key, but for a session that is spoken over with the next."""
        if access.tokens is not None:
            await access.tokens.close()
        if self._access is None or access.session is not self._access.session:
            await access.session.close()

    async def _follow(self, file: Path) -> None:
        """Rule 1. Does not return."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._look(file)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may do better
                log.error("key-not-looked-at", kind=type(error).__name__, **self._named)

    async def _look(self, file: Path) -> None:
        """Look once, and take another key where there is one that nobody is writing any more."""
        before, self._glimpsed = self._glimpsed, await _looked_at(file)
        if self._glimpsed == before != self._known:
            async with self._reading:
                if await self._read_again():
                    self._known = before

    async def _replaced(self, refused: Access) -> bool:
        """Whether the key that was refused is another by now: rule 2."""
        async with self._reading:
            now = asyncio.get_running_loop().time()
            if refused is self._access and now >= self._read_at + AGAIN_S and self._reference is not None:
                self._read_at = now
                await self._read_again()
            return self._access is not None and refused is not self._access

    async def _read_again(self) -> bool:
        """Take the key that the reference has now, where it is another. Whether it could be looked at."""
        said, read = "", True
        try:
            async with asyncio.timeout(self._endpoint.connect_timeout_s):  # a disk may hang as a server may
                key = await self._read_key()
            before = self._access
            if key != before.key if before is not None else self._following is not None:  # not stopped meanwhile
                await self._take(key)
        except PathError as error:
            said = error.message
        except TimeoutError:
            said, read = _LATE, False
        self._note_read(said)
        return read

    def _note_read(self, said: str) -> None:
        """What was read is no key, in these words; '': it is one."""
        if said and not self._unread:
            held = "there is no key yet" if self._access is None else "the key read before is used on"
            self._unread = f"{held} since {_utc()}: {said.removesuffix('.')}"
            log.warning("key-not-read", said=said, **self._named)
        elif self._unread and not said:
            self._unread = ""
            log.info("key-read", **self._named)
        self._tell()

    def _note_refused(self, access: Access, said: str) -> None:
        """The server does not take this key, in its or our words."""
        if access is not self._access:
            return
        if not access.refused:
            access.refused = f"its key is refused since {_utc()}: {said} Next step: {_remedy(self._reference)}"
            log.warning("key-refused", said=said, **self._named)
            self._tell()
        access.refused_at = asyncio.get_running_loop().time()

    def _note_accepted(self, access: Access, began: float) -> None:
        """A call that began then, by the loop's clock, was answered."""
        if access.refused and began > access.refused_at:
            access.refused = ""
            log.info("key-accepted", **self._named)
            self._tell()

    def _tell(self) -> None:
        refused = "" if self._access is None else self._access.refused
        self._trouble = "; ".join(filter(None, (refused, self._unread)))


def _remedy(reference: str | None) -> str:
    if reference is None:
        return "give its card an api_key_ref."
    kind = reference.partition(":")[0]
    then = "it is taken within seconds" if kind == "file" else "and start the node again"
    return f"check it at the provider, or put another where its card refers to ({kind}:...); {then}."


def _utc() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())


async def _looked_at(file: Path) -> object:
    """Equal to what it was before where the file was neither replaced nor written."""
    return await asyncio.get_running_loop().run_in_executor(_EYE, _stamp, file)


def _stamp(file: Path) -> object:
    try:
        facts = file.stat()
    except OSError as error:
        return error.errno
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
