"""A mirror's newest bundle: fetched first into a place of its own, then taken into use like any other.

Rules kept here:
1. The lock of imports is not held while anything is fetched: `fetched/` has a store and a lock of its own, and a second
   fetch is refused. A medium can be applied, or a generation returned to, meanwhile.
2. Nothing is fetched before signatures, freshness and room hold; whatever else refuses the bundle, the import says it.
3. Metadata is read once from the mirror. The import, which holds the lock, verifies the very bytes again, against what
   the node trusts by then.
4. A blob gets its name in `fetched/` as in the store (`stage`): whole, hashed, synced. The import renames it into the
   store; what was killed or given up is gone on with the next time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from appliance.bundle import activate, freshness, preflight, stage, verify
from appliance.bundle import manifest as form
from appliance.bundle.activate import ActivationResult, Means, Terms
from appliance.bundle.manifest import Manifest
from appliance.bundle.media import Source, Stream
from appliance.bundle.refusal import BundleRefused
from appliance.store import floors
from appliance.store import slots as kept
from appliance.store.floors import TrustState

FOLDER = "fetched"


def sync(mirror: Source, medium: Mapping[str, object], means: Means, terms: Terms) -> ActivationResult:
    """Take the mirror's bundle into use. Raises as `activate.apply` does; may block long.

    What was fetched stays where a later step refuses, and makes the next try shorter.
    """
    source = _Remembered(mirror)
    try:
        with stage.writing(means.state_dir):
            (means.state_dir / FOLDER).mkdir(mode=0o700, exist_ok=True)
        with _alone(means.state_dir / FOLDER):
            manifest = _fetched(source, means, terms)
            return activate.apply_from(_adopted(source, manifest, means.state_dir), medium, means, terms)
    except _Refused as error:
        activate.note_refusal(means, error.why)
        raise error.why from None


class _Refused(Exception):
    """A refusal before the import, which the audit has not seen yet."""

    def __init__(self, why: BundleRefused) -> None:
        super().__init__()
        self.why = why


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else fetches meanwhile."""
    lock = stage.locked(folder)
    try:
        lock.__enter__()
    except BundleRefused as error:
        if error.reason == "import_in_progress":
            error = BundleRefused(error.reason, "Another sync is at work.")
        raise _Refused(error) from None
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _fetched(source: _Remembered, means: Means, terms: Terms) -> Manifest | None:
    """The manifest whose blobs are there now; None where the import will say why none had to be fetched (rule 2)."""
    state_dir, place = means.state_dir, means.state_dir / FOLDER
    try:
        state = floors.read(state_dir)
        if state is None and terms.root is not None:
            state = verify.begin(terms.root)
        bundle = verify.trusted(source, state)
        assert isinstance(state, TrustState)  # a bundle was verified against it
        freshness.judge(bundle, terms.moment, terms.mode, acknowledged=terms.acknowledged, max_age=terms.max_age)
        manifest, slots = bundle.manifest, kept.read(state_dir) or kept.Slots()
        if manifest.id in slots.bad or (slots.good == manifest.id and verify.same(state, bundle)):
            return None
        _drop(place, manifest)
        host = verify.host_of(state_dir, state)

        def held(sha256: str, length: int) -> bool:
            return host.held(sha256, length) or stage.held(place, sha256, length)

        preflight.check(bundle, source, replace(host, held=held))
    except BundleRefused as error:
        if error.reason.startswith("mirror_"):  # not asked for all of it a second time
            raise _Refused(error) from None
        return None
    try:
        stage.fill(manifest, source, place, means.show, elsewhere=host.held)
    except BundleRefused as error:
        raise _Refused(error) from None
    return manifest


def _drop(place: Path, manifest: Manifest) -> None:
    """What an earlier fetch left, and this bundle does not have."""
    wanted = manifest.blobs
    for blob in (place / stage.STORE / "sha256").glob("??/*"):
        if blob.name not in wanted:
            blob.unlink()


@contextmanager
def _adopted(source: Source, manifest: Manifest | None, state_dir: Path) -> Iterator[Source]:
    """For the import, which holds the lock: what was fetched is in the store; the rest is the mirror's."""
    for sha256, length in (manifest.blobs if manifest is not None else {}).items():
        if stage.held(state_dir / FOLDER, sha256, length) and not stage.held(state_dir, sha256, length):
            stage.adopt(stage.place(state_dir / FOLDER, sha256), state_dir, sha256)
    yield source


class _Remembered:
    """A source whose metadata is read from it once; blobs are its own affair."""

    def __init__(self, source: Source) -> None:
        self.label = source.label
        self._source = source
        self._known: dict[str, bytes | None] = {}

    def size(self, path: str) -> int | None:
        if path in self._known:
            data = self._known[path]
            return None if data is None else len(data)
        return self._source.size(path)

    def names(self, folder: str) -> frozenset[str] | None:
        return self._source.names(folder)

    def close(self) -> None:
        """The source is its owner's to close."""

    def open(self, path: str, at: int = 0) -> AbstractContextManager[Stream | None]:
        if path.startswith(f"{form.BLOBS}/"):
            return self._source.open(path, at)
        return self._opened(path, at)

    @contextmanager
    def _opened(self, path: str, at: int) -> Iterator[Stream | None]:
        if path in self._known:
            data = self._known[path]
            yield None if data is None else _Bytes(data, at)
            return
        with self._source.open(path, at) as stream:
            if stream is None:
                self._known[path] = None
                yield None
                return
            copying = _Copying(stream)
            yield copying
            if at == 0 and len(copying.read) == stream.size:
                self._known[path] = bytes(copying.read)


class _Bytes:
    """Bytes in memory, as a stream from byte `at` on."""

    def __init__(self, data: bytes, at: int) -> None:
        self.size = len(data)
        self._rest = memoryview(data)[at:]

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _Copying:
    """A stream that keeps what was read of it; its reader sees to the limit."""

    def __init__(self, stream: Stream) -> None:
        self.size = stream.size
        self.read = bytearray()
        self._stream = stream

    def readinto(self, buffer: memoryview) -> int:
        count = self._stream.readinto(buffer)
        self.read += buffer[:count]
        return count
