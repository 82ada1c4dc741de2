"""Claims about doctor: what each check sees in a good and in a bad host, and that one check never hides another."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import socket
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance import doctor
from appliance.cli.main import cli
from appliance.config import Config
from appliance.doctor import CHECKS, Check, Result, Subject, examine, verdict
from appliance.doctor.check import Finding, examine_all, passed
from appliance.doctor.child import Answer, ask
from appliance.doctor.runtimes import INSTRUCTIONS, compiled_for
from appliance.errors import ConfigInvalid
from appliance.records.tenant import Tenant
from appliance.store.audit.log import Audit
from appliance.store.tenants import Tenants
from tests.bundle.publisher import Publisher
from tests.installed import install, placed
from tests.node.conftest import fake_card, write_content
from tests.store import audit_rig


def subject(state: Path, **over: Any) -> Subject:
    """A subject whose state and content lie in a directory of the test."""
    base: dict[str, Any] = {
        "state_dir": state / "state",
        "listen": {"port": free()},
    }
    (state / "state").mkdir(mode=0o700, exist_ok=True)
    if (state / "content").is_dir() and not (state / "state/generations").exists():
        placed(state / "state").rmdir()
        (state / "state/generations/test-2026.1").symlink_to(state / "content")
    return Subject(Config.model_validate(base | over))


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def found(name: str, of: Subject) -> Result:
    (result,) = examine(of, [name])
    return result


def card(content: Path, *, data: bytes = b"", file: str = "m.bin", **over: Any) -> None:
    """A card with one file of these bytes."""
    (content / "cards").mkdir(parents=True, exist_ok=True)
    (content / "models").mkdir(exist_ok=True)
    (content / "models" / file).write_bytes(data)
    stated = {"path": f"models/{file}", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    base = {"id": "m", "runtime": "llama_cpp", "tier": "device", "modalities": ["chat"], "files": [stated]}
    (content / "cards" / "m.json").write_text(json.dumps(base | over))


# ---- the whole ------------------------------------------------------------------------------------------------


def test_a_check_that_breaks_is_a_failure_and_does_not_hide_the_others(tmp_path: Path) -> None:
    def broken(_: Subject) -> Finding:
        raise RuntimeError("boom")

    checks = [
        Check("a", "", lambda _: passed("fine")),
        Check("b", "", broken),
        Check("c", "", lambda _: passed("fine")),
    ]
    results = examine_all(checks, subject(tmp_path))
    assert [(result.name, result.state) for result in results] == [
        ("a", "pass"),
        ("b", "fail"),
        ("c", "pass"),
    ]
    assert "RuntimeError: boom" in results[1].seen


def test_checks_run_side_by_side(tmp_path: Path) -> None:
    together = threading.Barrier(2, timeout=20)

    def meet(_: Subject) -> Finding:
        together.wait()
        return passed("met")

    results = examine_all([Check("a", "", meet), Check("b", "", meet)], subject(tmp_path))
    assert {result.state for result in results} == {"pass"}


def test_each_check_is_told_as_it_ends_and_not_at_the_end_of_all(tmp_path: Path) -> None:
    told: list[str] = []
    others_told = threading.Event()

    def slow(_: Subject) -> Finding:
        assert others_told.wait(20), "a check that ended is told while another runs"
        return passed("last")

    def tell(result: Result) -> None:
        told.append(result.name)
        if len(told) == 2:
            others_told.set()

    checks = [Check("slow", "", slow), *(Check(name, "", lambda _: passed("fine")) for name in "ab")]
    results = examine_all(checks, subject(tmp_path), tell)
    assert (sorted(told[:2]), told[2]) == (["a", "b"], "slow")
    assert [(result.name, result.state) for result in results] == [("slow", "pass"), ("a", "pass"), ("b", "pass")]


@pytest.mark.parametrize(
    ("states", "word", "code"),
    [
        ((), "pass", 0),
        (("pass", "skip"), "pass", 0),
        (("pass", "warn"), "warn", 1),
        (("warn", "fail", "pass"), "fail", 2),
    ],
)
def test_the_worst_check_decides_the_exit_code(states: tuple[Any, ...], word: str, code: int) -> None:
    came = verdict([Result(str(n), state, "", "", {}) for n, state in enumerate(states)])
    assert (came.word, came.exit_code) == (word, code)


def test_every_warning_and_failure_of_every_check_says_what_to_do() -> None:
    import inspect

    # `warned` and `failed` cannot be called without a fix; `Finding` is made nowhere else.
    for module in (doctor.host, doctor.state, doctor.content, doctor.runtimes, doctor.network, doctor.door):
        assert "Finding(" not in inspect.getsource(module)


def test_the_command_prints_json_alone_and_ends_with_the_verdict(tmp_path: Path) -> None:
    (tmp_path / "weir.yaml").write_text("listne: {}\n")
    options = ["doctor", "--state", str(tmp_path), "--only", "config", "--only", "python"]
    ended = CliRunner().invoke(cli, [*options, "--json"])
    report = json.loads(ended.stdout)
    assert ended.exit_code == 2
    assert report["verdict"] == "fail"
    assert [check["name"] for check in report["checks"]] == ["python", "config"]
    assert "did you mean 'listen'" in report["checks"][1]["seen"]
    assert report["checks"][1]["fix"]
    text = CliRunner().invoke(cli, options).stdout
    assert "1 pass  1 fail" in text


def test_an_unknown_check_is_refused_with_the_names_of_all() -> None:
    ended = CliRunner().invoke(cli, ["doctor", "--only", "nonsense"])
    assert ended.exit_code == 2
    assert "egress-dns" in ended.stderr
    listed = CliRunner().invoke(cli, ["doctor", "--list", "--json"])
    assert json.loads(listed.stdout)["checks"].keys() == CHECKS.keys()


# ---- host -----------------------------------------------------------------------------------------------------


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


# ---- state ----------------------------------------------------------------------------------------------------


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


# ---- content --------------------------------------------------------------------------------------------------


def test_content_that_is_not_there_or_not_whole_fails(tmp_path: Path) -> None:
    assert "no generation is in force" in found("content", subject(tmp_path)).seen
    card(tmp_path / "content")
    result = found("content", subject(tmp_path))
    assert (result.state, "policy: missing" in result.seen) == ("fail", True)


def test_a_changed_model_file_fails(tmp_path: Path) -> None:
    of = subject(tmp_path)
    assert found("model-files", of).state == "skip"
    card(tmp_path / "content", data=b"weights")
    assert found("model-files", subject(tmp_path)).state == "pass"
    (tmp_path / "content" / "models" / "m.bin").write_bytes(b"weightz")
    result = found("model-files", subject(tmp_path))
    assert (result.state, "has SHA-256" in result.seen) == ("fail", True)


def test_the_root_that_is_trusted_is_said_and_one_for_evaluation_warned_of(tmp_path: Path) -> None:
    none = found("trusted-root", subject(tmp_path))
    assert (none.state, none.seen) == ("fail", "this node trusts no root yet")
    install(tmp_path / "state", write_content(tmp_path / "pressed"))
    warned = found("trusted-root", subject(tmp_path))
    assert (warned.state, "Test publisher, FOR EVALUATION ONLY" in warned.seen) == ("warn", True)
    assert found("content", subject(tmp_path)).state == "pass"
    (of_people := tmp_path / "real").mkdir()
    install(of_people / "state", tmp_path / "pressed", publisher=Publisher(evaluation=False))
    assert found("trusted-root", subject(of_people)).state == "pass"


def test_prices_that_are_old_or_have_no_date_are_warned_of(tmp_path: Path) -> None:
    def says(**price: Any) -> Result:
        card(tmp_path / "content", price=price, max_output_tokens=limit)
        return found("prices", subject(tmp_path))

    limit = 4096

    today, paid = datetime.now(UTC).date(), {"input_per_million": 1.0}
    assert says().state == "skip"
    undated = says(**paid)
    assert (undated.state, "m: its price has no date" in undated.seen) == ("warn", True)
    old = says(**paid, as_of=str(today - timedelta(days=91)), source="a price list")
    assert (old.state, "from a price list" in old.seen) == ("warn", True)
    assert says(**paid, as_of=str(today - timedelta(days=89))).state == "pass"
    limit = 0
    assert "neither max_output_tokens nor" in says(**paid, as_of=str(today)).seen
    card(tmp_path / "content", tier="frontier", price={}, max_output_tokens=4096)
    unknown = found("prices", subject(tmp_path))
    assert (unknown.state, "m: states no price" in unknown.seen) == ("warn", True)
    card(tmp_path / "content", tier="frontier", price={"as_of": str(today)}, max_output_tokens=4096)
    assert found("prices", subject(tmp_path)).state == "skip"


def test_a_tenants_strategy_that_the_content_lacks_is_warned_of(tmp_path: Path) -> None:
    write_content(tmp_path / "content", fake_card("m"))
    assert found("tenant-strategies", subject(tmp_path)).state == "skip"
    tenants = Tenants(tmp_path / "state")
    tenants.add(Tenant(name="plain"), now=1000.0)
    assert found("tenant-strategies", subject(tmp_path)).state == "pass"
    tenants.add(Tenant(name="lab", strategy="gone", strategies=("also-gone",)), now=1000.0)
    result = found("tenant-strategies", subject(tmp_path))
    assert (result.state, "lab: strategy 'gone' is not in the content" in result.seen) == ("warn", True)
    assert "'also-gone'" in result.seen and "plain" not in result.seen


@pytest.mark.parametrize("data", [b"GGUF\x03\0\0\0" + b"\0" * 64, b"GGUF\x09\0\0\0", b"not a model", b""])
def test_a_gguf_that_does_not_load_fails_without_taking_doctor_along(tmp_path: Path, data: bytes) -> None:
    pytest.importorskip("llama_cpp")
    card(tmp_path / "content", data=data, file="m.gguf")
    result = found("gguf", subject(tmp_path))
    assert result.state == "fail"
    assert result.fix


def test_of_a_gguf_only_what_is_known_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card(tmp_path / "content", data=b"GGUF", file="m.gguf")
    value = {"whole": True, "about": "llama ?B F16", "ms": 7.0}
    monkeypatch.setattr("appliance.doctor.content.ask", lambda *_, **__: Answer(True, value))
    assert found("gguf", subject(tmp_path)).seen == "m loads: llama F16, 7 ms"


def test_an_embedder_that_is_not_the_one_of_its_manifest_fails(tmp_path: Path) -> None:
    card(
        tmp_path / "content",
        data=b"no model",
        file="model.int8.onnx",
        runtime="onnx",
        modalities=["embedding"],
    )
    result = found("embedder", subject(tmp_path))
    assert result.state == "fail"


# ---- runtimes -------------------------------------------------------------------------------------------------


def test_the_instruction_sets_of_a_library_are_read_from_its_own_words() -> None:
    said = "CPU : SSE3 = 1 | AVX = 1 | AVX512 = 0 | LLAMAFILE = 1 | BMI2 = 1 | "
    assert compiled_for(said) == {"SSE3", "AVX", "BMI2"}
    assert compiled_for("") == set()
    assert all(flag == flag.lower() for flag in INSTRUCTIONS.values())


def test_the_library_here_was_compiled_for_this_cpu(tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    result = found("llama-library", subject(tmp_path))
    assert result.state in ("pass", "warn")
    assert result.more["compiled"]


def test_a_card_that_asks_for_an_absent_accelerator_warns(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    assert found("accelerators", subject(tmp_path)).state == "skip"
    card(tmp_path / "content", accelerator="npu", runtime="onnx")
    result = found("accelerators", subject(tmp_path))
    assert (result.state, result.more["wanted"]) == ("warn", {"m": "npu"})
    card(tmp_path / "content", accelerator="cpu", runtime="onnx")
    assert found("accelerators", subject(tmp_path)).state == "pass"


def test_onnxruntime_is_imported_with_telemetry_off_and_does_nothing_besides(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    result = found("ort-telemetry", subject(tmp_path))
    assert result.state == "pass", result.seen
    assert (result.more["written"], result.more["sockets"]) == ([], 0)


# ---- network --------------------------------------------------------------------------------------------------


WAYS_OUT = ("dns", "tcp", "udp", "proxy", "redirect", "unix", "child")


@pytest.mark.parametrize("way", WAYS_OUT)
def test_the_attempt_to_get_out_is_refused_by_the_node_itself(tmp_path: Path, way: str) -> None:
    long = tmp_path / ("a-state-directory-with-a-name-that-is-too-long-for-the-address-of-a-socket" * 2)
    long.mkdir()
    result = found(f"egress-{way}", subject(long))
    assert result.state == "pass", result.seen
    assert set(result.more["tries"].values()) == {"refused"}


def test_a_door_that_stands_open_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A host without a route stops the attempt too: only the node's own refusal may pass. The child is told to use
    # a door that is no door, by way of a module that shadows nothing but the installation of the hook.
    (tmp_path / "sitecustomize.py").write_text(
        "import appliance.egress as egress\negress.install_audit_hook = lambda *a, **k: egress.Door()\n"
    )
    root = Path(doctor.__file__).parent.parent.parent
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{root}")
    result = found("egress-tcp", subject(tmp_path))
    assert result.state == "fail"
    assert result.more["tries"]["TCP to 192.0.2.1"] != "refused"
    assert "TCP to 192.0.2.1" in result.seen
    for way, reached in (("unix", "an abstract socket"), ("child", "os.fork")):
        result = found(f"egress-{way}", subject(tmp_path))
        assert result.state == "fail"
        assert f"got out: {reached}" in result.seen or f", {reached}" in result.seen


@pytest.mark.parametrize(
    ("way", "careless"),
    [
        # A session that believes the environment, and one whose connector looks at no list.
        ("proxy", "kwargs['trust_env'] = True"),
        pytest.param(
            "redirect",
            "kwargs.pop('connector', None)",
            marks=pytest.mark.untraced,  # it asks the host's resolver
        ),
    ],
)
def test_a_session_that_is_careless_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, careless: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import aiohttp\n"
        "real = aiohttp.ClientSession.__init__\n"
        f"def begin(self, *args, **kwargs):\n    {careless}\n    real(self, *args, **kwargs)\n"
        "aiohttp.ClientSession.__init__ = begin\n"
    )
    root = Path(doctor.__file__).parent.parent.parent
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{root}")
    result = found(f"egress-{way}", subject(tmp_path))
    assert result.state == "fail", result.seen


@pytest.mark.parametrize("group", ["network", "children", "files"])
def test_a_worker_that_tries_to_break_out_fails(tmp_path: Path, group: str) -> None:
    result = found(f"worker-{group}", subject(tmp_path))
    if result.state == "warn":
        pytest.skip(result.seen)  # the kernel offers no Landlock
    assert result.state == "pass", result.seen
    assert all(how.startswith("refused") for how in result.more["tries"].values())
    assert "seccomp" in result.more["by"]


@pytest.mark.parametrize(
    ("answer", "permitted", "state"),
    [
        ({"problem": "the kernel sets no seccomp filter", "unconfined": True}, False, "fail"),
        ({"problem": "the kernel sets no seccomp filter", "unconfined": True}, True, "warn"),
        ({"problem": "llama-cpp-python is not installed"}, False, "skip"),
        ({"problem": "a worker ended with 1 and said nothing"}, False, "fail"),
        ({"by": "seccomp", "tries": {"files": {"what lies beside the model": "not refused"}}}, False, "warn"),
        ({"by": "seccomp", "tries": {"files": {"a mount": "not refused (EFAULT)"}}}, False, "fail"),
        (
            {"by": "seccomp, landlock 7", "tries": {"files": {"what lies beside the model": "not refused"}}},
            False,
            "fail",
        ),
        ({"by": "seccomp", "tries": {"files": {"a mount": "refused (EPERM)"}}}, False, "pass"),
    ],
)
def test_what_holds_a_worker_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], permitted: bool, state: str
) -> None:
    said = Answer(
        "problem" not in answer, {"lacking": "the kernel offers no Landlock"} | answer, answer.get("problem", "")
    )
    monkeypatch.setattr("appliance.doctor.door.ask", lambda *_, **__: said)
    of = subject(tmp_path, paths={"unconfined_workers": permitted})
    assert found("worker-files", of).state == state


class Answering(BaseHTTPRequestHandler):
    """Says the same to everybody."""

    body: bytes = b""
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("body", "status", "port", "node"),
    [
        ({"state": "ready"}, 200, "pass", "pass"),
        ({"state": "degraded", "reasons": ["x"]}, 200, "pass", "warn"),
        ({"state": "starting"}, 503, "pass", "warn"),
        ({"state": "safe-mode", "reasons": ["x"]}, 503, "pass", "fail"),
        ({"state": "other"}, 200, "fail", "fail"),
        ("hello", 200, "fail", "fail"),
    ],
)
def test_a_port_is_free_or_ours_or_somebody_elses(
    tmp_path: Path, body: object, status: int, port: str, node: str
) -> None:
    of = subject(tmp_path)
    assert found("port", of).state == "pass"
    assert found("node", of).state == "skip"
    handler = type("Here", (Answering,), {"body": json.dumps(body).encode(), "status": status})
    with HTTPServer(("127.0.0.1", of.config.listen.port), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        results = {result.name: result.state for result in examine(of, ["port", "node"])}
        server.shutdown()
        thread.join()
    assert results == {"port": port, "node": node}


def test_an_address_that_this_host_does_not_have_fails(tmp_path: Path) -> None:
    of = subject(tmp_path, listen={"host": "192.0.2.7", "port": 8377})
    result = found("port", of)
    assert (result.state, "does not have that address" in result.seen) == ("fail", True)


# ---- the child ------------------------------------------------------------------------------------------------


def test_a_child_that_crashes_hangs_or_babbles_is_an_answer_too(tmp_path: Path) -> None:
    def with_custom(code: str) -> dict[str, str]:
        (tmp_path / "sitecustomize.py").write_text(code)
        return {**os.environ, "PYTHONPATH": str(tmp_path)}

    ill = ask("llama", {}, env=with_custom("import os; os.kill(os.getpid(), 4)"))
    assert (ill.ok, ill.signal) == (False, "SIGILL")
    slow = ask("llama", {}, env=with_custom("import time; time.sleep(60)"), timeout_s=0.5)
    assert (slow.ok, slow.problem) == (False, "gave no answer within 0.5 s")
    odd = ask("llama", {}, env=with_custom("import os; print('x', flush=True); os._exit(0)"))
    assert not odd.ok
    assert not ask("no-such-probe", {}).ok


def test_results_are_plain_values() -> None:
    result = Result("a", "pass", "seen", "", {"n": 1})
    assert json.loads(json.dumps(result.as_json())) == dataclasses.asdict(result)
