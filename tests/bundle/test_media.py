"""Claims about reading a medium: what is asked for and nothing else, as regular files and within bounds."""

from __future__ import annotations

import errno
import io
import os
import socket
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.bundle import media, verify
from appliance.bundle.refusal import BundleRefused
from tests.bundle.publisher import Publisher, Tree, write_tar, write_tree

TREE = {"metadata/timestamp.json": b"{}", "blobs/sha256/ab/abcd": b"x" * 5000, "README.txt": b"hello"}


def reason(place: Path, path: str = "metadata/timestamp.json", limit: int = 100) -> str:
    with pytest.raises(BundleRefused) as raised, media.opened(place) as source:
        media.read(source, path, limit)
    return raised.value.reason


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return write_tree(TREE, tmp_path / "a.bundle")


def test_a_directory_and_a_tar_read_alike(place: Path, tmp_path: Path) -> None:
    tar = write_tar(TREE, tmp_path / "a.bundle.tar")
    for each in (place, tar):
        with media.opened(each) as source:
            assert media.read(source, "metadata/timestamp.json", 2) == b"{}"
            assert media.read(source, "metadata/1.root.json", 100) is None
            assert media.read(source, "nowhere/at/all", 100) is None
            assert source.size("blobs/sha256/ab/abcd") == 5000
            assert source.size("blobs/sha256/ab/abce") is None
            assert source.names("metadata") == {"timestamp.json"}
            assert source.names("nowhere") == frozenset()


def test_one_byte_over_the_limit_is_refused(place: Path, tmp_path: Path) -> None:
    for each in (place, write_tar(TREE, tmp_path / "a.bundle.tar")):
        assert reason(each, "blobs/sha256/ab/abcd", 4999) == "too_large"
        with media.opened(each) as source:
            assert media.read(source, "blobs/sha256/ab/abcd", 5000) == b"x" * 5000


def test_a_file_that_grows_while_it_is_read_is_refused(place: Path) -> None:
    with media.opened(place) as source, source.open("metadata/timestamp.json") as stream:
        assert stream is not None and stream.size == 2
        with (place / "metadata/timestamp.json").open("ab") as more:
            more.write(b" " * 200)
        assert stream.readinto(memoryview(bytearray(1000))) == 202
    assert reason(place) == "too_large"


# ---- what stands in a file's place ----------------------------------------------------------------------------------


def link(file: Path) -> None:
    file.symlink_to("/etc/hostname")


def link_inside(file: Path) -> None:
    other = file.with_name("other.json")
    other.write_bytes(b"{}")
    file.symlink_to(other.name)


def fifo(file: Path) -> None:
    os.mkfifo(file)


def device(file: Path) -> None:
    try:
        os.mknod(file, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero: endless
    except PermissionError:  # only root makes devices
        os.mkfifo(file)


def folder(file: Path) -> None:
    file.mkdir()


def a_socket(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        os.chdir(file.parent)  # the name of a socket may have 107 bytes
        made.bind(file.name)


@pytest.mark.parametrize("make", [link, link_inside, fifo, device, folder, a_socket])
def test_only_a_regular_file_is_opened(
    place: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    file = place / "metadata/timestamp.json"
    file.unlink()
    make(file)
    assert reason(place) == "not_a_plain_file"


@pytest.mark.parametrize("name", ["blobs", "blobs/sha256", "blobs/sha256/ab"])
def test_a_link_in_the_place_of_a_directory_is_not_followed(place: Path, tmp_path: Path, name: str) -> None:
    (place / name).rename(tmp_path / "elsewhere")
    (place / name).symlink_to(tmp_path / "elsewhere")
    assert reason(place, "blobs/sha256/ab/abcd", 9999) == "not_a_plain_file"


def test_a_bundle_that_is_a_link_is_not_found(place: Path, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "b.bundle").symlink_to(place)
    (stick / "b.bundle.tar").symlink_to(write_tar(TREE, tmp_path / "a.bundle.tar"))
    assert media.find(stick) == ()
    assert reason(stick) == "no_bundle"


@pytest.mark.parametrize("twin", ["metadata/Timestamp.json", "Metadata/x", "METADATA/x"])
def test_a_name_with_a_twin_is_refused(place: Path, twin: str) -> None:
    write_tree({twin: b"{}"}, place)
    assert reason(place) == "name_twins"


def test_what_was_not_asked_for_is_not_looked_at(place: Path) -> None:
    for path in ("._timestamp.json", "metadata/._timestamp.json", ".Trashes/x", "metadata/notes.txt", "Thumbs.db"):
        write_tree({path: b"\0" * 10}, place)
    os.mkfifo(place / "metadata/pipe")
    (place / "metadata/loop").symlink_to("loop")
    (place / "metadata" / ("n" * 255)).write_bytes(b"")
    (place / os.fsdecode(b"\xff\xfe")).write_bytes(b"")
    with media.opened(place) as source:
        assert media.read(source, "metadata/timestamp.json", 2) == b"{}"


@pytest.mark.parametrize(
    "path", ["../secret", "metadata/../../secret", "/etc/hostname", "metadata//x", "", "a\0b", "._x"]
)
def test_no_path_leads_out_of_the_bundle(place: Path, path: str) -> None:
    (place.parent / "secret").write_bytes(b"secret")
    assert reason(place, path) == "not_a_plain_file"


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_whatever_is_asked_for_nothing_outside_is_read(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    top = tmp_path_factory.mktemp("medium")
    (top / "secret").write_bytes(b"secret")
    place = write_tree(TREE, top / "a.bundle")
    with media.opened(place) as source, suppress(BundleRefused):
        assert media.read(source, path, 10_000) in (None, *TREE.values())


def test_a_directory_without_end_is_left(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_NAMES", 8)
    for number in range(9):
        (place / f"metadata/{number}").touch()
    assert reason(place) == "too_many_names"


def test_a_bundle_is_found_where_people_put_it(place: Path, tmp_path: Path) -> None:
    (tmp_path / "._b.bundle").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "empty.bundle.txt").touch()
    (found,) = media.find(tmp_path)
    assert found == media.Found(place, "directory")
    assert media.find(place) == (found,)
    tar = write_tar(TREE, tmp_path / "b.bundle.tar")
    assert [each.kind for each in media.find(tmp_path)] == ["directory", "tar"]
    assert media.find(tar) == (media.Found(tar, "tar"),)
    with pytest.raises(BundleRefused) as raised, media.opened(tmp_path):
        pass
    assert (raised.value.reason, raised.value.details) == ("several_bundles", (str(place), str(tar)))
    assert reason(tmp_path / "none") == "no_bundle"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE])
def test_what_a_pulled_stick_answers_is_told_apart(number: int) -> None:
    assert media.refusal_of("x", OSError(number, "no answer")).reason == "medium_gone"
    assert media.refusal_of("x", OSError(errno.EACCES, "denied")).reason == "unreadable"


# ---- tar ------------------------------------------------------------------------------------------------------------


def member(name: str, data: bytes = b"", **over: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in over.items():
        setattr(info, key, value)
    return info, data


def tar_of(file: Path, *members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT) -> Path:
    with tarfile.open(file, "w", format=form) as tar:
        for path, data in TREE.items():
            info, _ = member(f"a.bundle/{path}", data)
            tar.addfile(info, io.BytesIO(data))
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return file


BAD_MEMBERS = {
    "symbolic link": member("a.bundle/metadata/1.root.json", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": member("a.bundle/metadata/1.root.json", type=tarfile.LNKTYPE, linkname="a.bundle/README.txt"),
    "fifo": member("a.bundle/metadata/1.root.json", type=tarfile.FIFOTYPE),
    "device": member("a.bundle/metadata/1.root.json", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
    "continuous file": member("a.bundle/metadata/1.root.json", type=tarfile.CONTTYPE),
    "absolute": member("/a.bundle/metadata/1.root.json"),
    "above": member("a.bundle/../../1.root.json"),
    "above at once": member("../1.root.json"),
    "dot within": member("a.bundle/./1.root.json"),
    "empty component": member("a.bundle//1.root.json"),
    "odd name": member("a.bundle/metadata/1.root\x1b.json"),
    "back slash": member("a.bundle\\metadata\\1.root.json"),
    "twice": member("a.bundle/README.txt", b"other"),
    "twice but for case": member("a.bundle/readme.txt", b"other"),
    "second top": member("b.bundle/README.txt"),
    "beside": member("README.txt.more/x"),
    "folder with a size": member("a.bundle/x", b"x" * 512, type=tarfile.DIRTYPE),
    "file as folder": member("a.bundle/README.txt/x"),
}


@pytest.mark.parametrize("what", BAD_MEMBERS)
def test_a_tar_that_is_not_plain_is_refused(tmp_path: Path, what: str) -> None:
    assert reason(tar_of(tmp_path / "a.bundle.tar", BAD_MEMBERS[what])) == "bad_tar"


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_extended_headers_are_refused(tmp_path: Path, form: int) -> None:
    assert reason(tar_of(tmp_path / "a.bundle.tar", member("a.bundle/" + "n" * 180), form=form)) == "bad_tar"


def test_a_compressed_tar_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.bundle.tar", "w:gz") as tar:
        tar.addfile(member("a.bundle/README.txt", b"x")[0], io.BytesIO(b"x"))
    assert reason(tmp_path / "a.bundle.tar") == "bad_tar"


def test_a_plain_tar_of_gnu_tar_is_read(tmp_path: Path) -> None:
    tar = tar_of(tmp_path / "a.bundle.tar", member("a.bundle/empty", type=tarfile.DIRTYPE), form=tarfile.GNU_FORMAT)
    with media.opened(tar) as source:
        assert media.read(source, "metadata/timestamp.json", 2) == b"{}"


@pytest.mark.parametrize("options", [["--format=ustar"], ["--format=gnu"], ["--format=v7"]])
@pytest.mark.parametrize("name", ["a.bundle", "./a.bundle", "."])
def test_what_tar_itself_makes_of_a_bundle(tmp_path: Path, options: list[str], name: str) -> None:
    write_tree(TREE, tmp_path / "from/a.bundle")
    tar = tmp_path / "a.bundle.tar"
    subprocess.run(["tar", "-C", tmp_path / "from", *options, "-cf", tar, name], check=True)
    if options == ["--format=v7"]:
        assert reason(tar) == "bad_tar"
        return
    with media.opened(tar) as source:
        assert media.read(source, "metadata/timestamp.json", 2) == b"{}"
        assert source.size("blobs/sha256/ab/abcd") == 5000


def test_what_a_mac_adds_to_a_tar_is_ignored(tmp_path: Path) -> None:
    tar = tar_of(
        tmp_path / "a.bundle.tar", member("._a.bundle", b"x"), member("a.bundle/metadata/._timestamp.json", b"x")
    )
    with media.opened(tar) as source:
        assert source.names("metadata") == {"timestamp.json"}


def test_a_tar_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = tar_of(tmp_path / "a.bundle.tar").read_bytes()
    used = len(whole.rstrip(b"\0"))
    for length in range(0, used, 97):
        (tmp_path / "a.bundle.tar").write_bytes(whole[:length])
        assert reason(tmp_path / "a.bundle.tar") == "bad_tar"


def test_a_header_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    tar = tar_of(tmp_path / "a.bundle.tar")
    content = bytearray(tar.read_bytes())
    content[110] ^= 1  # the owner, which nothing else looks at
    tar.write_bytes(content)
    assert reason(tar) == "bad_tar"


def test_a_header_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    whole = bytearray(tar_of(tmp_path / "a.bundle.tar").read_bytes())
    for size in (b"77777777777\0", b"-0000000001\0", b"\x80" + b"\xff" * 11, b"0x000000010\0", b"            "):
        header = bytearray(whole[:512])
        header[124:136] = size
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        (tmp_path / "a.bundle.tar").write_bytes(bytes(header) + whole[512:])
        assert reason(tmp_path / "a.bundle.tar") == "bad_tar"


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_tar_with_flipped_bytes_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    file = tar_of(tmp_path_factory.mktemp("tar") / "a.bundle.tar")
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 5_000))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    with suppress(BundleRefused), media.opened(file) as source:
        media.read(source, "metadata/timestamp.json", 100)


def test_a_tar_with_too_many_entries_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_ENTRIES", 5)
    assert reason(tar_of(tmp_path / "a.bundle.tar", *(member(f"a.bundle/{n}") for n in range(6)))) == "too_many_names"


# ---- a medium that changes under the reader -------------------------------------------------------------------------


class Switching:
    """A source whose every file is another one the second time that it is opened."""

    def __init__(self, source: media.Source) -> None:
        self.label = source.label
        self._source = source
        self.opened: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    def open(self, path: str) -> object:
        assert path not in self.opened, f"{path} is read a second time"
        self.opened.append(path)
        return self._source.open(path)


def test_every_metadata_file_is_read_once(tmp_path: Path) -> None:
    publisher = Publisher()
    tree: Tree = publisher.release()
    with media.opened(write_tree(tree, tmp_path / "a.bundle")) as source:
        switching = Switching(source)
        verify.trusted(switching, verify.begin(publisher.roots[1]))  # type: ignore[arg-type]
    assert len(switching.opened) == len(set(switching.opened)) == 8  # 2.root, which is not there, and seven that are
