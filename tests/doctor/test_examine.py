"""Claims about doctor as a whole: no check hides another, the worst decides, a child that crashes is an answer too."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance import doctor
from appliance.cli.main import cli
from appliance.doctor import CHECKS, Check, Result, Subject, verdict
from appliance.doctor.check import CheckOutcome, examine_all, passed
from appliance.doctor.child import ask
from tests.doctor.subjects import subject

ROOT = Path(__file__).resolve().parents[2]


def test_a_check_that_breaks_is_a_failure_and_does_not_hide_the_others(tmp_path: Path) -> None:
    def broken(_: Subject) -> CheckOutcome:
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

    def meet(_: Subject) -> CheckOutcome:
        together.wait()
        return passed("met")

    results = examine_all([Check("a", "", meet), Check("b", "", meet)], subject(tmp_path))
    assert {result.state for result in results} == {"pass"}


def test_each_check_is_told_as_it_ends_and_not_at_the_end_of_all(tmp_path: Path) -> None:
    told: list[str] = []
    others_told = threading.Event()

    def slow(_: Subject) -> CheckOutcome:
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

    # `warned` and `failed` cannot be called without a fix; `CheckOutcome` is made nowhere else.
    for module in (doctor.host, doctor.state, doctor.content, doctor.runtimes, doctor.network, doctor.door):
        assert "CheckOutcome(" not in inspect.getsource(module)


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


def test_a_probe_ends_with_whoever_asked_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless")  # nobody writes: the probe waits for ever
    asking = (
        f"from appliance.doctor.child import ask; ask('gguf', {{'path': {str(tmp_path / 'endless')!r}}}, aside=True)"
    )
    with subprocess.Popen([sys.executable, "-c", asking], cwd=ROOT) as who:
        asked = Path(f"/proc/{who.pid}/task/{who.pid}/children")
        assert within(20.0, lambda: asked.read_text() != "")
        child = asked.read_text().split()[0]
        assert not within(1.0, lambda: ended(child)), "it waits"
        who.kill()
    try:
        assert within(20.0, lambda: ended(child))
    finally:
        with suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.02)
    return False


def ended(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
