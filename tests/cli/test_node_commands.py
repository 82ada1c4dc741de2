"""Claims about the commands that ask a running node, against a stand-in that speaks its surface."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

from appliance.cli.view import explanation
from appliance.records.decision import Decision, Outcome, Step, StepOutcome
from appliance.records.record import Record
from appliance.store import Store
from tests import factories
from tests.cli.conftest import Weir
from tests.cli.standin_node import ROOM, StandInNode, decision, record

RAW = ("\x1b", "\x07", "\x9b", "\u202e")


# ---- status ---------------------------------------------------------------------------------------------------


def test_status_shows_every_path_and_what_was_kept_off_the_frontier(weir: Weir, node: StandInNode) -> None:
    ended = weir("status", "--url", node.url)
    assert ended.code == 0
    assert "ready  up 3 h 12 min" in ended.out
    assert "requests 1,234  kept off the frontier 87.1 %" in ended.out
    assert "memory 412 MiB" in ended.out
    row = next(line for line in ended.out.splitlines() if line.startswith("device/tiny"))
    assert row.split() == ["device/tiny", "device", "llama_cpp", "EU/CH/n1", "cpu", "1/16", "0", "1,000", "yes"]


def test_status_says_of_a_path_that_is_ready_what_is_wrong_with_it(weir: Weir, node: StandInNode) -> None:
    node.trouble = "its key is refused since 2026-11-22 02:05:11 UTC: The server refused the key.\x1b"
    ended = weir("status", "--url", node.url)
    row = next(line for line in ended.out.splitlines() if line.startswith("device/tiny"))
    assert "yes, but: its key is refused since 2026-11-22" in row and "\x1b" not in ended.out


@pytest.mark.parametrize("state", ["starting", "degraded", "safe-mode"])
def test_status_of_a_node_that_is_not_ready_ends_with_one_and_says_why(
    weir: Weir, node: StandInNode, state: str
) -> None:
    node.state, node.reasons = state, ["telemetry.db is read-only"]
    ended = weir("status", "--url", node.url)
    assert ended.code == 1
    assert f"{state}" in ended.out
    assert "because telemetry.db is read-only" in ended.out
    assert weir("status", "--url", node.url, "--json").json["reasons"] == node.reasons


def test_the_address_comes_from_the_configuration(weir: Weir, node: StandInNode) -> None:
    (weir.home / "weir.yaml").write_text(f"listen:\n  host: 0.0.0.0\n  port: {node.port}\n")
    assert weir("status", "--state", str(weir.home)).code == 0
    (weir.home / "other.yaml").write_text(f"state_dir: elsewhere\nlisten: {{port: {node.port}}}\n")
    assert weir("status", "--config", "other.yaml").code == 0


@pytest.mark.parametrize("raw", [b"<html>", b"[1]", b"\xff\xfe", b'"x"'])
def test_something_else_at_the_address_is_said_to_be_no_node(weir: Weir, node: StandInNode, raw: bytes) -> None:
    node.raw = raw
    ended = weir("status", "--url", node.url)
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert ended.err.startswith("weir: ")


def test_what_a_node_returns_never_reaches_the_terminal_raw(weir: Weir, node: StandInNode) -> None:
    node.records = [record("dec-1", path=ROOM, reason="a\u202eb\x9bc")]
    for arguments in (["status"], ["why", "dec-1"], ["tail"], ["route", "x"]):
        for extra in ([], ["--json"]):
            ended = weir(*arguments, *extra, "--url", node.url)
            assert ended.code == 0
            assert not any(char in ended.out for char in RAW), arguments
            assert ("\\u001b" if extra else "\\x1b") in ended.out, arguments


def test_colour_appears_on_a_terminal_only_and_not_when_nobody_wants_it(weir: Weir, node: StandInNode) -> None:
    assert "\x1b[" in on_a_terminal(weir, ["status", "--url", node.url], {})
    assert "\x1b[" not in on_a_terminal(weir, ["status", "--url", node.url], {"NO_COLOR": "1"})
    assert "\x1b[" not in on_a_terminal(weir, ["status", "--json", "--url", node.url], {})


def on_a_terminal(weir: Weir, arguments: list[str], env: dict[str, str]) -> str:
    """Output of a command whose stdout is a pseudo-terminal."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        weir.command(*arguments), stdout=follower, env={**weir.env, "TERM": "xterm", **env}, cwd=weir.home
    ) as process:
        os.close(follower)
        seen = b""
        while True:
            try:
                block = os.read(leader, 4096)
            except OSError:  # how Linux says that the other end of a terminal is gone
                break
            if not block:
                break
            seen += block
        assert process.wait(30) == 0
    os.close(leader)
    return seen.decode()


# ---- route ----------------------------------------------------------------------------------------------------


def test_route_asks_for_a_decision_and_explains_it(weir: Weir, node: StandInNode) -> None:
    ended = weir("route", "What is 2 + 2?", "--model", "auto:cheap", "--max-tokens", "9", "--url", node.url)
    assert ended.code == 0
    assert "chosen   device/tiny then frontier/big" in ended.out
    assert "because  best-utility" in ended.out
    assert "policy: retention 'logged' is not accepted [class/secret]" in ended.out
    ((path, _, body),) = node.asked
    assert path == "/v1/route"
    message = {"role": "user", "content": "What is 2 + 2?"}
    assert body == {"model": "auto:cheap", "max_tokens": 9, "messages": [message]}


def test_route_hands_on_a_whole_body_as_it_is(weir: Weir, node: StandInNode, tmp_path: Path) -> None:
    raw = '{"model": "auto", "input": "Grüezi", "max_output_tokens": 8}'
    (tmp_path / "body.json").write_text(raw)
    for arguments, query in (
        (("--body", str(tmp_path / "body.json"), "--classification", "secret"), ""),
        (("--body", "-", "--for", "/v1/responses"), "?for=%2Fv1%2Fresponses"),
    ):
        assert weir("route", *arguments, "--url", node.url, stdin=raw).code == 0
        path, headers, body = node.asked.pop()
        assert (path, body) == (f"/v1/route{query}", json.loads(raw))
        assert headers.get("X-Weir-Classification") == ("secret" if not query else None)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--body", "-", "text"), "With --body the body says it all."),
        (("--body", "-", "--model", "auto"), "With --body the body says it all."),
        (("text", "--for", "/v1/messages"), "--for goes with --body."),
        ((), "There is no text to route."),
    ],
)
def test_a_body_and_what_it_would_state_exclude_each_other(
    weir: Weir, node: StandInNode, arguments: tuple[str, ...], sentence: str
) -> None:
    ended = weir("route", *arguments, "--url", node.url, stdin="{}")
    assert (ended.code, ended.out, node.asked) == (2, "", [])
    assert sentence in ended.err


def test_a_path_that_was_never_in_question_is_shown_with_all_only(weir: Weir, node: StandInNode) -> None:
    aside = {"tier": "device", "eligible": False}
    reasons = [{"code": "modality", "text": "embedding only"}, {"code": "not-named", "text": "not asked for"}]
    node.answer["candidates"] += [
        {**aside, "path": "embedder", "reasons": reasons},
        {**aside, "path": "both", "reasons": [*reasons, {"code": "policy", "text": "no"}]},
    ]
    short = weir("route", "x", "--url", node.url).out
    assert ("embedder" in short, "both" in short) == (False, True)
    assert "1 for other requests or not named; --all shows them" in short
    full = weir("route", "x", "--all", "--url", node.url).out
    assert ("embedder" in full, "--all" in full) == (True, False)
    assert len(weir("route", "x", "--json", "--url", node.url).json["candidates"]) == 4


def test_labels_are_shown_where_they_were_stated(weir: Weir, node: StandInNode) -> None:
    stated = {"classification": "secret", "residency": "site", "deadline_s": 2.5, "quality_floor": 0.8}
    node.answer["asked"] = {"model": "auto", "labels": stated}
    shown = weir("route", "x", "--url", node.url).out
    assert "labels   classification secret, residency site, deadline 2.5 s, quality floor 0.8\n" in shown
    unstated = {"classification": "internal", "residency": "", "deadline_s": None, "quality_floor": None}
    node.answer["asked"] = {"model": "auto", "labels": unstated}
    assert "labels" not in weir("route", "x", "--url", node.url).out


def test_route_sends_labels_as_the_headers_that_the_node_knows(weir: Weir, node: StandInNode) -> None:
    labels = [
        "--classification",
        "secret",
        "--residency",
        "country:CH",
        "--deadline",
        "2.5",
        "--quality-floor",
        "0.8",
    ]
    ended = weir("route", "-", *labels, "--below-floor", "refuse", "--json", "--url", node.url, stdin="Grüezi\n")
    assert ended.json == decision()
    ((_, headers, body),) = node.asked
    assert {name.lower(): value for name, value in headers.items() if name.lower().startswith("x-weir")} == {
        "x-weir-classification": "secret",
        "x-weir-residency": "country:CH",
        "x-weir-deadline": "2.5",
        "x-weir-quality-floor": "0.8",
        "x-weir-below-floor": "refuse",
    }
    assert body["messages"][0]["content"] == "Grüezi\n"


def test_a_request_that_would_be_refused_ends_with_one(weir: Weir, node: StandInNode) -> None:
    node.answer = {**decision(), "chosen": {"steps": []}, "reason": "refused: policy"}
    ended = weir("route", "x", "--url", node.url)
    assert ended.code == 1
    assert "refused" in ended.out


def test_an_empty_id_is_none(weir: Weir, node: StandInNode) -> None:
    """As of a variable of the shell that nobody set."""
    ended = weir("why", "", "--url", node.url)
    assert (ended.code, node.asked) == (2, [])
    assert "There is no id." in ended.err


def test_an_error_of_the_node_is_its_own_sentence_with_the_reasons(weir: Weir, node: StandInNode) -> None:
    weir_part = {"kind": "policy", "reasons": ["m: no rule permits it"]}
    node.error = (
        403,
        {"error": {"message": "No path is permitted.", "code": "policy_refused", "weir": weir_part}},
    )
    ended = weir("route", "x", "--url", node.url)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "weir: No path is permitted.\n  m: no rule permits it\n"


@pytest.mark.parametrize(("status", "code"), [(400, 1), (413, 1), (429, 2), (500, 2)])
def test_a_request_that_no_node_takes_would_be_refused_whatever_is_wrong_with_it(
    weir: Weir, node: StandInNode, status: int, code: int
) -> None:
    node.error = (status, {"error": {"message": "It is wrong.", "code": "invalid_request", "weir": {}}})
    assert weir("route", "--body", "-", "--url", node.url, stdin="{}").code == code


def test_an_empty_text_and_an_odd_label_are_refused_before_anything_is_asked(weir: Weir, node: StandInNode) -> None:
    assert weir("route", " ", "--url", node.url).code == 2
    assert weir("route", "x", "--residency", "node\r\nX-Evil: 1", "--url", node.url).code == 2
    assert node.asked == []


# ---- why ------------------------------------------------------------------------------------------------------


def test_why_shows_what_ran_where_and_what_the_frontier_would_have_cost(weir: Weir, node: StandInNode) -> None:
    ended = weir("why", "dec-3", "--url", node.url)
    assert ended.code == 0
    assert "0.97" in ended.out
    assert "cpu" in ended.out
    assert "the frontier would have cost 0.0021" in ended.out
    assert weir("why", "dec-3", "--json", "--url", node.url).json == node.records[2]


def test_why_of_an_unknown_id_ends_with_one(weir: Weir, node: StandInNode) -> None:
    ended = weir("why", "no/such?id", "--url", node.url)
    assert (ended.code, ended.out) == (1, "")
    assert "There is no such decision." in ended.err


def stored(state_dir: Path) -> Record:
    """A record in a state directory, as the node leaves it."""
    ran = StepOutcome("device/tiny", "answered", seconds=0.2, prompt_tokens=7, completion_tokens=3, device="cpu")
    kept = Record(
        id="dec-stored",
        time=1_780_000_000.0,
        asked=factories.asked(),
        features=factories.features(),
        snapshot=factories.snapshot("device/tiny"),
        decision=Decision("dec-stored", "g1", "best-utility", (Step("device/tiny"),)),
        outcome=Outcome("answered", "device/tiny", "device", (ran,), 0.3, 0.0, 0.004),
    )
    store = Store(state_dir)
    store.add(kept)
    store.close()
    return kept


def test_why_works_from_the_records_when_no_node_runs(weir: Weir) -> None:
    stored(weir.home)
    (weir.home / "weir.yaml").write_text("listen: {port: 9}\n")
    ended = weir("why", "dec-stored", "--state", str(weir.home))
    assert ended.code == 0
    assert "chosen   device/tiny" in ended.out
    assert "the frontier would have cost 0.004" in ended.out
    assert "no node is running; reading the records in" in ended.err
    assert weir("why", "dec-stored", "--json", "--state", str(weir.home)).json["decision"]["generation"] == "g1"
    assert weir("why", "dec-other", "--state", str(weir.home)).code == 1


def test_why_without_a_node_and_without_records_says_so(weir: Weir) -> None:
    (weir.home / "weir.yaml").write_text("listen: {port: 9}\n")
    ended = weir("why", "dec-1", "--state", str(weir.home))
    assert ended.code == 2
    assert "holds no records" in ended.err


# ---- tail -----------------------------------------------------------------------------------------------------


def ids(out: str) -> list[str]:
    return [json.loads(line)["decision_id"] for line in out.splitlines()]


def test_tail_lists_the_latest_requests_oldest_first(weir: Weir, node: StandInNode) -> None:
    assert ids(weir("tail", "--limit", "3", "--json", "--url", node.url).out) == ["dec-3", "dec-4", "dec-5"]
    line = weir("tail", "--limit", "1", "--url", node.url).out
    assert "dec-5" in line
    assert "57 tok" in line


def test_tail_has_heads_over_its_columns_on_a_terminal_only(weir: Weir, node: StandInNode) -> None:
    node.records = [record("wr_1a1fc47eb21e179f4bf5f2f0f9f")]
    assert "STATUS" not in weir("tail", "--url", node.url).out
    assert "STATUS" not in on_a_terminal(weir, ["tail", "--json", "--url", node.url], {})
    head, line = on_a_terminal(weir, ["tail", "--url", node.url], {}).splitlines()
    for name, cell in (("STATUS", "answered"), ("PATH", "device/tiny"), ("ID", "wr_"), ("WHY", "best-utility")):
        assert head.index(name) == line.index(cell)


def test_tail_filters_by_path_tier_and_refusal(weir: Weir, node: StandInNode) -> None:
    node.records = [
        record("a"),
        record("b", path="big", tier="frontier"),
        record("c", path="", tier="", status="refused"),
        record("d", path="big", tier="frontier", status="failed"),
    ]

    def chosen(*filters: str) -> list[str]:
        return ids(weir("tail", *filters, "--json", "--url", node.url).out)

    assert chosen("--path", "device/tiny") == ["a"]
    assert chosen("--tier", "frontier") == ["b", "d"]
    assert chosen("--refused") == ["c", "d"]
    assert chosen("--refused", "--tier", "frontier") == ["d"]
    assert chosen("--tier", "frontier", "--tier", "device") == ["a", "b", "d"]


def test_tail_and_why_say_whose_request_it_was(weir: Weir, node: StandInNode) -> None:
    node.records = [record("a"), record("b"), record("c")]
    node.records[1]["asked"] = {"tenant": "newsroom", "model": "auto"}
    node.records[2]["asked"] = {"tenant": "local", "model": "auto"}
    lines = weir("tail", "--url", node.url).out.splitlines()
    assert [line.endswith("for newsroom") for line in lines] == [False, True, False]
    for tenant, found in (("newsroom", ["b"]), ("local", ["a", "c"]), ("nobody", [])):
        assert ids(weir("tail", "--tenant", tenant, "--json", "--url", node.url).out) == found
    assert "asked for auto by newsroom" in weir("why", "b", "--url", node.url).out


def test_tail_follows_and_waits_for_a_node_that_went_away(weir: Weir) -> None:
    with StandInNode() as first:
        process = subprocess.Popen(
            weir.command("tail", "-f", "--limit", "1", "--json", "--url", first.url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=weir.env,
            cwd=weir.home,
            text=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["decision_id"] == "dec-5"
        first.records.append(record("dec-6"))
        assert json.loads(process.stdout.readline())["decision_id"] == "dec-6"
    assert "lost the node" in process.stderr.readline()
    second = StandInNode(first.port)
    second.records = [*first.records, record("dec-7")]
    with second:
        assert json.loads(process.stdout.readline())["decision_id"] == "dec-7"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err


@pytest.mark.parametrize(("below", "said"), [(False, "best-utility"), (True, "below-floor")])
def test_an_answer_that_met_the_floor_is_not_said_to_be_below_it(below: bool, said: str) -> None:
    from appliance.cli.view import brief

    row = record("dec-9")
    row["decision"] = {**row.get("decision", {}), "chosen": "below-floor", "reason": ""}
    row["outcome"]["below_floor"] = below
    assert brief(row).reason == said


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"model": "auto", "strategy": "thrifty"}, "asked for strategy:thrifty"),
        ({"model": "site/one", "strategy": "thrifty"}, "asked for site/one, strategy:thrifty"),
        ({"model": "auto", "strategy": ""}, "asked for auto"),
    ],
)
def test_why_says_which_strategy_was_asked_for(asked: dict[str, str], words: str) -> None:
    assert explanation({"decision_id": "a", "asked": asked}).splitlines()[0].endswith(f"  {words}")
