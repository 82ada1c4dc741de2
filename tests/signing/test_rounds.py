"""Claims about signing in rounds: who counts, how often, and what a copy may bring back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from signing import declare as declaring
from signing import rounds
from signing.errors import BenchError
from signing.station import Station
from tests.signing.conftest import NOW, PASSPHRASE, Bench, Publisher


def copy_of(publisher: Publisher, name: str) -> Publisher:
    """What a holder carries away."""
    carried = publisher.station.directory.parent / name
    for part in ("metadata", "drafts", "targets"):
        shutil.copytree(publisher.station.directory / part, carried / part)
    return Publisher(Station(carried), publisher.keys, publisher.signers)


def test_a_draft_is_complete_when_its_threshold_is_met_and_not_before(drafted: Publisher) -> None:
    assert drafted.sign("root", "anna") == 1
    with pytest.raises(BenchError) as refused:
        drafted.seal()
    assert refused.value.code == "threshold_missed"
    assert any(line.startswith("root: 1 signature") for line in refused.value.details)
    assert list(drafted.station.metadata.iterdir()) == []
    assert drafted.sign("root", "chen") == 0


def test_one_holder_counts_once(drafted: Publisher) -> None:
    drafted.sign("root", "anna")
    with pytest.raises(BenchError) as refused:
        drafted.sign("root", "anna")
    assert refused.value.code == "already_signed"
    assert rounds.look(drafted.station, "root").progress.missing == 1


def test_one_signature_under_two_ids_is_not_two(drafted: Publisher) -> None:
    drafted.sign("root", "anna")
    file = drafted.station.drafts / "root.json"
    draft = json.loads(file.read_text())
    forged = {"keyid": drafted.holder("boris").public_key.keyid, "sig": draft["signatures"][0]["sig"]}
    draft["signatures"].append(forged)
    file.write_text(json.dumps(draft))
    assert rounds.look(drafted.station, "root").progress.missing == 1
    draft["signatures"][1] = draft["signatures"][0]
    file.write_text(json.dumps(draft))
    with pytest.raises(BenchError) as refused:
        rounds.look(drafted.station, "root")
    assert refused.value.code == "station_invalid"


@pytest.mark.parametrize(
    ("role", "name"), [("root", "dora"), ("models", "anna"), ("policies", "emil"), ("root", "station")]
)
def test_a_key_of_another_role_may_not_sign(drafted: Publisher, role: str, name: str) -> None:
    with pytest.raises(BenchError) as refused:
        drafted.sign(role, name)
    assert refused.value.code == "not_a_holder"


def test_a_stranger_may_not_sign(drafted: Publisher, tmp_path: Path) -> None:
    from signing import keys

    keys.create(tmp_path, "mallory", PASSPHRASE)
    stranger = keys.unlock(tmp_path / "mallory.key", PASSPHRASE)
    with pytest.raises(BenchError) as refused:
        rounds.sign(drafted.station, "root", stranger, rounds.look(drafted.station, "root").digest)
    assert refused.value.code == "not_a_holder"


def test_what_was_not_shown_is_not_signed(drafted: Publisher) -> None:
    shown = rounds.look(drafted.station, "root").digest
    drafted.roles("publisher: Example", "publisher: Another")
    declaring.declare(drafted.station, NOW)
    with pytest.raises(BenchError) as refused:
        rounds.sign(drafted.station, "root", drafted.holder("anna"), shown)
    assert refused.value.code == "draft_differs"
    assert rounds.look(drafted.station, "root").progress.signed == ()


def test_copies_that_were_signed_apart_come_together(drafted: Publisher) -> None:
    one, two = copy_of(drafted, "one"), copy_of(drafted, "two")
    one.sign("root", "anna")
    two.sign("root", "boris")
    assert rounds.collect(drafted.station, one.station)["root"].missing == 1
    assert rounds.collect(drafted.station, two.station)["root"].missing == 0
    assert rounds.collect(drafted.station, two.station)["root"].signed == ("anna", "boris")


def test_a_copy_whose_draft_was_changed_brings_nothing_back(drafted: Publisher) -> None:
    carried = copy_of(drafted, "copy")
    file = carried.station.drafts / "root.json"
    changed = json.loads(file.read_text())
    changed["signed"]["roles"]["root"]["threshold"] = 1
    file.write_text(json.dumps(changed))
    before = (drafted.station.drafts / "root.json").read_bytes()
    with pytest.raises(BenchError) as refused:
        rounds.collect(drafted.station, carried.station)
    assert refused.value.code == "draft_differs"
    assert (drafted.station.drafts / "root.json").read_bytes() == before


def test_a_signature_that_does_not_fit_is_not_taken(drafted: Publisher) -> None:
    carried = copy_of(drafted, "copy")
    carried.sign("targets", "anna")
    file = carried.station.drafts / "root.json"
    changed = json.loads(file.read_text())
    changed["signatures"] = json.loads((carried.station.drafts / "targets.json").read_text())["signatures"]
    file.write_text(json.dumps(changed))
    with pytest.raises(BenchError) as refused:
        rounds.collect(drafted.station, carried.station)
    assert refused.value.code == "signature_invalid"
    assert rounds.look(drafted.station, "targets").progress.signed == ()


def test_a_holder_sees_what_a_new_root_changes(publisher: Publisher) -> None:
    publisher.holder("freda")
    publisher.roles("root:      {holders: [anna, boris, chen]", "root:      {holders: [anna, boris, freda]")
    declaring.declare(publisher.station, NOW)
    changes = "\n".join(rounds.look(publisher.station, "root").changes)
    assert "~ version: 1 -> 2" in changes
    assert "freda (" in changes
    assert "~ roles.root.keyids" in changes


def test_the_command_shows_asks_and_signs(drafted: Publisher, bench: Bench) -> None:
    where, key = drafted.station.directory, drafted.keys / "anna.key"
    unasked = bench("sign", where, "root", "--key", key, passphrases=(PASSPHRASE,))
    assert unasked.code == 2
    assert "no terminal to ask on" in unasked.err
    signed = bench("sign", where, "root", "--key", key, "--yes", passphrases=(PASSPHRASE,))
    assert signed.code == 0
    assert signed.out.splitlines()[-1] == "root: signed by anna; 1 missing, may still sign: boris, chen"
    both = ("--key", drafted.keys / "boris.key", "--key", drafted.keys / "chen.key")
    last = bench("sign", where, "root", *both, "--yes", passphrases=(PASSPHRASE, PASSPHRASE))
    assert last.out.splitlines()[-1] == "root: signed by anna, boris, chen; complete"


def test_the_command_refuses_a_wrong_passphrase_and_an_exposed_key(drafted: Publisher, bench: Bench) -> None:
    where, key = drafted.station.directory, drafted.keys / "anna.key"
    before = (where / "drafts" / "root.json").read_bytes()
    wrong = bench("sign", where, "root", "--key", key, "--yes", passphrases=("not the one",))
    assert (wrong.code, wrong.err[-20:]) == (2, " [passphrase_wrong]\n")
    key.chmod(0o644)
    exposed = bench("sign", where, "root", "--key", key, "--yes", passphrases=(PASSPHRASE,))
    assert exposed.code == 2
    assert exposed.err.endswith("[key_exposed]\n")
    missing = bench("sign", where, "root", "--key", where / "none.key", "--yes", passphrases=(PASSPHRASE,))
    assert missing.err.endswith("[key_missing]\n")
    assert (where / "drafts" / "root.json").read_bytes() == before


def test_no_passphrase_is_read_from_a_pipe_on_stdin_or_from_an_empty_descriptor(
    drafted: Publisher, bench: Bench
) -> None:
    where, key = drafted.station.directory, drafted.keys / "anna.key"
    without = bench("sign", where, "root", "--key", key, "--yes")
    assert without.err.endswith("[passphrase_missing]\n")
    for lines in (("",), ("x" * 2000,)):
        refused = bench("sign", where, "root", "--key", key, "--yes", passphrases=lines)
        assert refused.err.endswith("[passphrase_missing]\n")
