"""Whoever touches the audit without the node's key is found."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance import identity
from appliance.errors import StateInvalid
from appliance.store.audit.chain import mark_of, statement
from appliance.store.audit.export import export
from appliance.store.audit.log import Audit
from appliance.store.audit.verify import marks_of, verify_export
from tests.store.audit_rig import COLUMNS, filled, finding, rehash, rows, tamper, verified

ALL = (0, 2**53 - 1)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("audit") / "state")


@pytest.fixture
def state(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "state"))


def test_an_untouched_log_verifies(state: Path) -> None:
    verdict = verified(state)
    assert verdict.finding is None
    assert verdict.entries == len(rows(state)) == 18
    assert verdict.mark is not None
    assert verdict.mark.seq == 18
    assert {entry.kind for entry in rows(state)} == {"admin", "start", "egress", "refusal", "stop"}


@pytest.mark.parametrize("column", COLUMNS[1:])
def test_a_change_of_any_column_of_any_row_is_found(state: Path, column: str) -> None:
    for entry in rows(state):
        before = getattr(entry, column)
        # A lower-case hexadecimal digit becomes another, a JSON text another JSON text, an empty signature one.
        other = before + 1 if isinstance(before, int) else {"f": "e"}.get(before[:1], "f") + before[1:]
        if column == "payload":
            other = before.replace("{", '{"a":1,', 1)
        tamper(state, f"UPDATE entries SET {column} = ? WHERE seq = ?", other, entry.seq)
        found = finding(state)
        assert entry.seq <= found.seq <= entry.seq + 1, (entry, found)
        tamper(state, f"UPDATE entries SET {column} = ? WHERE seq = ?", before, entry.seq)
    assert verified(state).finding is None


def test_a_signature_that_is_taken_away_is_found(state: Path) -> None:
    for entry in rows(state):
        if entry.signature:
            tamper(state, "UPDATE entries SET signature = '' WHERE seq = ?", entry.seq)
            assert finding(state).code in ("unlinked", "unsigned")
            tamper(state, "UPDATE entries SET signature = ? WHERE seq = ?", entry.signature, entry.seq)


@pytest.mark.parametrize("spelling", ["{0} ", " {0}", "{1} {2}", "{1}\t{2}", "{0}\n", "{3}"])
def test_a_signature_spelt_otherwise_is_found_in_the_last_entry_too(state: Path, spelling: str) -> None:
    last = rows(state)[-1]
    other = spelling.format(last.signature, last.signature[:64], last.signature[64:], last.signature.upper())
    tamper(state, "UPDATE entries SET signature = ? WHERE seq = ?", other, last.seq)
    assert (finding(state).seq, finding(state).code) == (last.seq, "forged")


@pytest.mark.parametrize("value", [b"\x00\xff", 1.5, "a\udcff".encode("utf-8", "surrogateescape")])
@pytest.mark.parametrize("column", COLUMNS[1:])
def test_values_of_other_types_are_findings_and_no_crash(state: Path, column: str, value: object) -> None:
    tamper(state, f"UPDATE entries SET {column} = ? WHERE seq = 5", value)
    assert finding(state).seq == 5


def test_a_row_deleted_in_the_middle_is_named(state: Path) -> None:
    tamper(state, "DELETE FROM entries WHERE seq = 7")
    assert (finding(state).seq, finding(state).code) == (7, "missing")


@pytest.mark.parametrize("renumber", [False, True])
def test_a_deleted_row_is_found_even_when_the_rest_is_hashed_anew(state: Path, renumber: bool) -> None:
    tamper(state, "DELETE FROM entries WHERE seq = 7")
    if renumber:
        for seq in range(8, 19):
            tamper(state, "UPDATE entries SET seq = ? WHERE seq = ?", seq - 1, seq)
        rehash(state, 7)
    assert finding(state).seq == 7


@pytest.mark.parametrize("kept", range(18))
def test_any_tail_that_is_cut_is_found(state: Path, kept: int) -> None:
    tamper(state, "DELETE FROM entries WHERE seq > ?", kept)
    assert finding(state).seq in (kept, kept + 1)  # an end that is not signed, or a mark that knows more


def test_swapped_rows_are_found(state: Path) -> None:
    tamper(state, "UPDATE entries SET seq = 100 WHERE seq = 5")
    tamper(state, "UPDATE entries SET seq = 5 WHERE seq = 6")
    tamper(state, "UPDATE entries SET seq = 6 WHERE seq = 100")
    assert finding(state).seq == 5


@pytest.mark.parametrize("seq", [1, 4, 17, 18])
def test_hashing_the_chain_anew_without_the_key_is_found(state: Path, seq: int) -> None:
    tamper(state, "UPDATE entries SET payload = '[1]' WHERE seq = ?", seq)
    rehash(state, seq)
    assert finding(state).code == "forged"


def test_an_older_copy_of_the_file_is_found_and_not_continued(state: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    shutil.copy(state / "audit.db", old)
    audit = Audit(state)
    audit.write("admin", {"act": "later"})
    audit.close()
    shutil.copy(old, state / "audit.db")
    assert (finding(state).seq, finding(state).code) == (19, "cut")
    audit = Audit(state)
    assert "audit.head knows entry 19" in audit.trouble
    audit.close()
    assert len(rows(state)) == 18


def test_a_log_of_another_node_is_found(state: Path, tmp_path: Path) -> None:
    other = filled(tmp_path / "other", 15)
    shutil.copy(other / "audit.db", state / "audit.db")
    assert finding(state).code == "forged"


def test_a_missing_database_or_head_is_found(state: Path) -> None:
    head = (state / "audit.head").read_bytes()
    (state / "audit.head").unlink()
    assert finding(state).code == "head-cut"
    (state / "audit.head").write_bytes(b"".join(head.splitlines(keepends=True)[:3]))
    assert finding(state).code == "head-cut"
    (state / "audit.head").write_bytes(head)
    (state / "audit.db").unlink()
    assert finding(state).seq == 1


def test_a_mark_that_the_node_did_not_sign_is_found(state: Path) -> None:
    file = state / "audit.head"
    file.write_bytes(file.read_bytes().replace(b'"seq":18', b'"seq":19'))
    assert finding(state).code == "head-forged"


def test_a_torn_line_of_the_head_is_no_finding_and_is_written_over(state: Path) -> None:
    with (state / "audit.head").open("ab") as file:
        file.write(b'{"hash":"12')
    assert verified(state).finding is None
    audit = Audit(state)
    audit.write("admin", {"act": "after the crash"})
    audit.close()
    assert verified(state).finding is None
    assert verified(state).mark.seq == 19  # type: ignore[union-attr]


def test_a_database_that_is_none_is_found(state: Path) -> None:
    (state / "audit.db").write_bytes(b"no database" * 1000)
    assert finding(state).code == "unreadable"
    with pytest.raises(StateInvalid):
        Audit(state)


def test_log_and_head_cut_together_are_shown_by_a_mark_that_was_taken_elsewhere(state: Path, tmp_path: Path) -> None:
    """The one attack that a node cannot see by itself; see docs/audit.md."""
    exported, copied = tmp_path / "export.jsonl", tmp_path / "copy"
    export(state, exported, *ALL, now=1)
    shutil.copy(state / "audit.head", copied)
    end = next(entry.seq for entry in reversed(rows(state)) if entry.signature and entry.seq < 15)
    tamper(state, "DELETE FROM entries WHERE seq > ?", end)
    head = [line for line in copied.read_bytes().splitlines() if f'"seq":{end},'.encode() in line]
    (state / "audit.head").write_bytes(b"\n".join(head) + b"\n")
    assert verified(state).finding is None
    for file in (exported, copied):
        found = finding(state, against=marks_of(file))
        assert (found.seq, found.code) == (end + 1, "cut")


def test_a_chain_written_anew_with_the_key_is_shown_by_a_mark_that_was_taken_elsewhere(
    state: Path, tmp_path: Path
) -> None:
    export(state, tmp_path / "export.jsonl", *ALL, now=1)
    key = identity.load(state)
    tamper(state, "UPDATE entries SET payload = '{}' WHERE seq = 9")
    for seq in range(9, 19):
        rehash(state, seq)
        entry = rows(state)[seq - 1]
        if entry.signature:
            signature = key.private.sign(statement(seq, entry.hash, entry.time)).hex()
            tamper(state, "UPDATE entries SET signature = ? WHERE seq = ?", signature, seq)
    last = rows(state)[-1]
    (state / "audit.head").write_bytes(mark_of(last).line())
    assert verified(state).finding is None  # whoever holds the key can do this
    found = finding(state, against=marks_of(tmp_path / "export.jsonl"))
    assert (found.seq, found.code) == (18, "replaced")


def lines(file: Path) -> Iterator[list[bytes]]:
    """Every way to drop, repeat, swap or change a line of an export."""
    whole = file.read_bytes().splitlines(keepends=True)
    for at in range(1, len(whole)):
        yield whole[:at] + whole[at + 1 :]
        yield whole[: at + 1] + whole[at:]
        yield [*whole[:at], whole[at].replace(b'":"', b'": "', 1), *whole[at + 1 :]]
        for old, new in ((b"site/one", b"site/two"), (b'"port":443', b'"port":444'), (b'"seq":', b'"seq":1')):
            if old in whole[at]:
                yield [*whole[:at], whole[at].replace(old, new, 1), *whole[at + 1 :]]
        if at + 1 < len(whole):
            yield [*whole[:at], whole[at + 1], whole[at], *whole[at + 2 :]]
        yield whole[:at]


def test_an_export_proves_itself_and_no_change_to_it_passes(state: Path, tmp_path: Path) -> None:
    file, key = tmp_path / "export.jsonl", identity.load_public(state / "audit.pub")
    moments = [entry.time for entry in rows(state)]
    count, mark = export(state, file, moments[3], moments[14], now=77)
    assert (count, mark.seq, mark.time) == (11, 14, 77)
    assert verify_export(file, key).finding is None
    changed = tmp_path / "changed.jsonl"
    # The first entry may be left out: an export says where it begins, and its reader sees it.
    beginning = file.read_bytes().splitlines(keepends=True)
    for variant in lines(file):
        if variant == [beginning[0], *beginning[2:]]:
            continue
        changed.write_bytes(b"".join(variant))
        assert verify_export(changed, key).finding is not None, variant
    other = filled(tmp_path / "other", 1)
    assert verify_export(file, identity.load_public(other / "audit.pub")).finding is not None


@pytest.mark.parametrize("number", [2**53, 2**60, -(2**53), 2**70])
@pytest.mark.parametrize("field", ["seq", "time"])
def test_an_export_whose_mark_has_a_number_that_no_mark_has_is_a_finding_and_no_crash(
    state: Path, tmp_path: Path, field: str, number: int
) -> None:
    file = tmp_path / "export.jsonl"
    export(state, file, *ALL, now=77)
    *rest, last = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(rest) + json.dumps(json.loads(last) | {field: number}).encode() + b"\n")
    found = verify_export(file, identity.load_public(state / "audit.pub")).finding
    assert found is not None and found.code == "cut"


def test_a_log_that_was_touched_is_not_exported(state: Path, tmp_path: Path) -> None:
    tamper(state, "UPDATE entries SET time = time + 1 WHERE seq = 3")
    with pytest.raises(StateInvalid, match="from entry 3 on"):
        export(state, tmp_path / "export.jsonl", *ALL, now=1)
    assert not list(tmp_path.glob("*export*"))


def test_an_export_puts_nothing_out_of_its_place_that_is_no_file(state: Path, tmp_path: Path) -> None:
    """As root it made a file of /dev/null."""
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    file.write_text("of somebody else")
    link.symlink_to(file)
    for place in (pipe, link):
        with pytest.raises(StateInvalid, match="no regular file"):
            export(state, place, *ALL, now=77)
    assert pipe.is_fifo() and link.is_symlink() and file.read_text() == "of somebody else"
    assert export(state, file, *ALL, now=77)[0] == 18


cell = st.one_of(st.integers(-5, 2**40), st.text(max_size=70), st.binary(max_size=8), st.floats(allow_nan=False))
change = st.tuples(st.sampled_from(COLUMNS), st.integers(1, 18), cell)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(change, min_size=1, max_size=3),
    deleted=st.sets(st.integers(1, 18), max_size=2),
    anew=st.booleans(),
)
def test_no_tampering_goes_unseen(
    original: Path, tmp_path: Path, changes: list[tuple[str, int, object]], deleted: set[int], anew: bool
) -> None:
    directory = tmp_path / "state"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(original, directory)
    before = rows(directory)
    with closing(sqlite3.connect(directory / "audit.db")) as db:
        for column, seq, value in changes:
            try:
                db.execute(f"UPDATE OR REPLACE entries SET {column} = ? WHERE seq = ?", (value, seq))
            except (sqlite3.Error, UnicodeEncodeError):
                continue
        db.executemany("DELETE FROM entries WHERE seq = ?", [(seq,) for seq in deleted])
        db.commit()
    try:
        if anew:
            rehash(directory, 1)  # which may also put back what was changed
        touched = rows(directory) != before
    except (sqlite3.Error, UnicodeError, TypeError, IndexError, AttributeError):
        touched = True
    found = verified(directory).finding
    assert (found is not None) == touched
