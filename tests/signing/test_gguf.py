"""Claims about where a GGUF is cut."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import blobs
from signing.errors import BenchError
from signing.gguf import is_gguf, tensor_data
from tests.signing.conftest import gguf

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("alignment", [1, 32, 64, 4096])
def test_the_tensors_begin_where_they_do(alignment: int) -> None:
    whole = gguf(alignment=alignment, data=100)
    assert tensor_data(io.BytesIO(whole)) == len(whole) - 100


def test_a_changed_header_costs_its_own_bytes_only(tmp_path: Path) -> None:
    data = gguf(data=4096)
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(data)
    cut = len(data) - 4096
    other.write_bytes(gguf(chat=b"x" * 500)[:-256] + data[cut:])
    first, second = blobs.cut(one, tmp_path), blobs.cut(other, tmp_path)
    assert first.blobs[1] == second.blobs[1]
    assert first.blobs[0] != second.blobs[0]


def test_the_starter_model_is_cut_at_its_tensors() -> None:
    with (ROOT / "models/generator/weir-desk.gguf").open("rb") as stream:
        assert is_gguf(stream)
        assert tensor_data(stream) % 32 == 0
        assert 0 < tensor_data(stream) < 100_000


def test_without_tensors_all_of_it_is_header() -> None:
    whole = gguf(tensors=0, data=0)
    assert tensor_data(io.BytesIO(whole)) == len(whole)


@given(st.data())
def test_a_damaged_header_is_refused_and_never_walked_out_of(data: st.DataObject) -> None:
    whole = bytearray(gguf(data=0))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with suppress(BenchError):  # and no other error
        assert 0 <= tensor_data(io.BytesIO(damaged)) <= len(damaged)


@pytest.mark.parametrize(
    "head",
    [
        struct.pack("<IQQ", 1, 0, 0),
        struct.pack("<IQQ", 3, 2**63, 0),
        struct.pack("<IQQ", 3, 0, 2**63),
        struct.pack("<IQQQ", 3, 0, 1, 2**62),
        struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 9, 2**40),
        struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 6, 2**62),
        struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<I", 13),
    ],
)
def test_lengths_beyond_the_file_are_refused(head: bytes) -> None:
    with pytest.raises(BenchError) as refused:
        tensor_data(io.BytesIO(b"GGUF" + head))
    assert refused.value.code == "gguf_invalid"
