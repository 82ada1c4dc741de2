"""Claims about doctor: what its checks see in good and bad hosts and state directories."""

from __future__ import annotations

import itertools
import os
import sqlite3
import time
from pathlib import Path

import pytest

from appliance.doctor import Subject
from appliance.errors import ConfigInvalid
from appliance.store.audit.log import Audit
from tests.doctor.subjects import card, found, subject
from tests.store import audit_rig


def test_a_clock_before_this_program_was_built_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("clock", subject(tmp_path)).state == "pass"
    monkeypatch.setattr(time, "time", lambda: 0.0)
    result = found("clock", subject(tmp_path))
    assert (result.state, "1970-01-01" in result.seen) == ("fail", True)


def test_a_record_from_the_future_warns_of_the_clock(tmp_path: Path) -> None:
    of = subject(tmp_path)
    database(of.config.state_dir / "telemetry.db", time.time() + 7200)
    result = found("clock", of)
    assert (result.state, "120 min in the future" in result.seen) == ("warn", True)


def database(path: Path, at: float = 1_780_000_000.0) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE records (seq INTEGER PRIMARY KEY, time REAL, json TEXT)")
    connection.executemany("INSERT INTO records (time, json) VALUES (?, ?)", [(at, "x" * 500)] * 100)
    connection.commit()
    connection.close()


def test_models_that_do_not_fit_into_memory_fail(tmp_path: Path) -> None:
    card(tmp_path / "content", memory_bytes=1 << 50)
    assert found("memory", subject(tmp_path)).state == "fail"
    card(tmp_path / "content", memory_bytes=1 << 20)
    assert found("memory", subject(tmp_path)).state == "pass"
    assert found("memory", subject(tmp_path, hardware={"memory_limit": 1 << 19})).state == "fail"


def test_more_threads_than_cores_and_too_few_files_warn(tmp_path: Path) -> None:
    assert found("threads", subject(tmp_path, hardware={"threads": 1024})).state == "warn"
    assert found("open-files", subject(tmp_path, limits={"concurrent_requests": 65536})).state in (
        "warn",
        "pass",
    )


def test_an_invalid_configuration_fails_and_the_other_checks_still_run(tmp_path: Path) -> None:
    (tmp_path / "weir.yaml").write_text("listen: {port: x}\nlogging: 3\n")
    of = Subject.of(tmp_path)
    assert isinstance(of.invalid, ConfigInvalid)
    result = found("config", of)
    assert result.state == "fail"
    assert len(result.more["findings"]) == 2
    assert found("python", of).state == "pass"


def test_listening_beyond_loopback_warns(tmp_path: Path) -> None:
    assert found("config", subject(tmp_path, listen={"host": "0.0.0.0"})).state == "warn"
    assert found("config", subject(tmp_path, listen={"host": "::1"})).state == "pass"


def test_a_state_directory_that_others_may_enter_warns(tmp_path: Path) -> None:
    of = subject(tmp_path)
    assert found("state-dir", of).state == "pass"
    of.config.state_dir.chmod(0o755)
    result = found("state-dir", of)
    assert (result.state, result.fix) == ("warn", f"chmod 700 {of.config.state_dir}")
    of.config.state_dir.rmdir()
    assert found("state-dir", of).state == "skip"
    of.config.state_dir.write_text("")
    assert found("state-dir", of).state == "fail"


def test_quotas_larger_than_the_disk_warn(tmp_path: Path) -> None:
    assert found("disk", subject(tmp_path, cache={"max_bytes": 1 << 60})).state == "warn"
    assert (
        found("disk", subject(tmp_path, cache={"max_bytes": 1 << 20}, records={"max_bytes": 1 << 20})).state == "pass"
    )


def test_a_damaged_database_fails_and_is_named(tmp_path: Path) -> None:
    of = subject(tmp_path)
    assert found("databases", of).state == "skip"
    database(of.config.state_dir / "telemetry.db")
    database(of.config.state_dir / "cache.db")
    assert found("databases", of).state == "pass"
    file = of.config.state_dir / "cache.db"
    raw = bytearray(file.read_bytes())
    raw[4096 * 3 : 4096 * 5] = os.urandom(8192)
    file.write_bytes(bytes(raw))
    result = found("databases", of)
    assert result.state == "fail"
    assert list(result.more["damaged"]) == ["cache.db"]
    file.write_bytes(b"this is no database" * 100)
    assert "not a database" in found("databases", of).seen


def test_an_audit_that_is_not_whole_fails_and_the_entry_is_named(tmp_path: Path) -> None:
    of = subject(tmp_path)
    directory = of.config.state_dir
    assert found("audit", of).state == "skip"
    audit_rig.filled(directory)
    result = found("audit", of)
    assert (result.state, result.more["entries"]) == ("pass", len(audit_rig.rows(directory))), result.seen
    audit_rig.tamper(directory, "UPDATE entries SET payload = replace(payload, 'plant', 'cloud') WHERE seq = 5")
    result = found("audit", of)
    assert (result.state, result.more["seq"], "entry 5" in result.seen) == ("fail", 5, True)
    assert "evidence" in result.fix


@pytest.mark.parametrize(
    ("what", "state", "said"),
    [
        ("DELETE FROM entries WHERE seq > 9", "fail", "cut"),
        ("DELETE FROM entries", "fail", "cut"),
        ("audit.head", "fail", "head-cut"),
        ("audit.pub", "fail", "audit.pub is missing"),
        ("audit.db", "fail", "unreadable"),
    ],
)
def test_an_audit_that_lost_something_fails(tmp_path: Path, what: str, state: str, said: str) -> None:
    of = subject(tmp_path)
    directory = audit_rig.filled(of.config.state_dir)
    if what.startswith("DELETE"):
        audit_rig.tamper(directory, what)
    else:
        (directory / what).unlink()
    result = found("audit", of)
    assert (result.state, said in result.seen) == (state, True), result.seen


def test_a_node_that_ran_and_left_no_audit_at_all_warns(tmp_path: Path) -> None:
    of = subject(tmp_path)
    database(of.config.state_dir / "telemetry.db")
    result = found("audit", of)
    assert (result.state, "deleted" in result.seen) == ("warn", True)


def test_an_audit_that_takes_too_long_is_said_and_not_called_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = subject(tmp_path)
    audit_rig.filled(of.config.state_dir)
    clock = itertools.count(0.0, 7.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    result = found("audit", of)
    assert (result.state, "weir audit verify" in result.fix) == ("warn", True)


def test_the_audit_of_a_node_that_is_writing_is_whole(tmp_path: Path) -> None:
    of = subject(tmp_path)
    audit = Audit(of.config.state_dir)
    for number in range(20):
        audit_rig.leave(audit, decision=f"wr_{number}")
        result = found("audit", of)
        assert result.state == "pass", result.seen
    audit.close()


def test_a_key_of_the_node_that_others_can_read_warns(tmp_path: Path) -> None:
    of = subject(tmp_path)
    Audit(of.config.state_dir).close()
    of.config.state_dir.chmod(0o700)
    assert found("state-dir", of).state == "pass"
    (of.config.state_dir / "audit.key").chmod(0o644)
    result = found("state-dir", of)
    assert (result.state, "audit.key" in result.seen) == ("warn", True)
    assert "chmod 600" in result.fix


def test_a_secret_that_is_missing_fails_and_one_that_others_can_read_warns(tmp_path: Path) -> None:
    assert found("secrets", subject(tmp_path)).state == "skip"
    key = tmp_path / "key"
    key.write_text("sk-not-to-be-seen")
    key.chmod(0o644)
    of = subject(tmp_path, secrets={"a": f"file:{key}"})
    assert found("secrets", of).state == "warn"
    key.chmod(0o600)
    assert found("secrets", of).state == "pass"
    assert found("secrets", subject(tmp_path, secrets={"a": "env:WEIR_ABSENT_KEY"})).state == "fail"
    assert "not-to-be-seen" not in str(found("secrets", of).as_json())
    endpoint = {"base_url": "http://127.0.0.1:9", "model": "m", "api_key_ref": "env:WEIR_ABSENT_KEY"}
    card(tmp_path / "content", endpoint=endpoint)
    result = found("secrets", subject(tmp_path))
    assert (result.state, "m (env:WEIR_ABSENT_KEY)" in result.seen) == ("warn", True)
    card(tmp_path / "content", endpoint=endpoint | {"api_key_ref": "secret:a"})
    result = found("secrets", subject(tmp_path))
    assert (result.state, "m (secret:a)" in result.seen) == ("warn", True)
    assert found("secrets", subject(tmp_path, secrets={"a": f"file:{key}"})).state == "pass"


def test_every_trouble_with_secrets_is_named_also_of_the_members_of_a_pool(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-not-to-be-seen")
    key.chmod(0o644)
    members = [{"api_key_ref": f"file:{key}"}, {"name": "west", "api_key_ref": "env:WEIR_ABSENT_KEY"}]
    card(tmp_path / "content", endpoint={"base_url": "http://127.0.0.1:9", "model": "m", "members": members})
    result = found("secrets", subject(tmp_path))
    assert result.state == "warn"
    assert result.seen == f"readable by others: {key}; paths without their key: m west (env:WEIR_ABSENT_KEY) is not set"
    result = found("secrets", subject(tmp_path, secrets={"a": "env:WEIR_ABSENT_KEY"}))
    assert result.state == "fail"
    assert result.seen.startswith("not to be had: a (env:WEIR_ABSENT_KEY) is not set; readable by others: ")
    assert f"chmod 600 {key}" in result.fix
