"""Claims about answers to questions that mean the same: who gets them, who never does, and what is kept of it."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from appliance.decide.similar import CellPromise, Evidence, Promise, Rung, Verifier
from appliance.paths.contract import Job, PathError, Readiness
from appliance.records.features import UNKNOWN_CELLS
from appliance.records.record import from_json
from appliance.replay import replay
from appliance.similar.measures import NAMES
from appliance.similar.watch import Opened
from appliance.spent import read
from appliance.store.similar_labels import open_again
from tests import factories
from tests.node.conftest import ROOT, Running, fake_card, running_node, said, sse, until
from tests.node.doubles import FakePath, answer
from tests.node.test_egress_of_a_node import EMBEDDER, with_models
from tests.node.test_tenants import bearer, key

pytestmark = pytest.mark.skipif(not EMBEDDER.is_dir(), reason="build/starter is not built")
TASKS = [task["id"] for task in orjson.loads((ROOT / "bundles/starter/taxonomy.json").read_bytes())["tasks"]]
SEMANTIC = factories.card(
    "cache/semantic", runtime="semantic_cache", tier="cache", modalities=("chat",), retention="logged"
)
ASKED, SAME, OTHER = (
    "How can I reset the password of an account?",
    "Please tell me how I can reset an account's password",
    "How can I delete the password of an account?",
)


def verifier() -> Verifier:
    """Scores by the cosine alone: 0.5 at 0.7, nearly 1 at 0.9."""
    embedder = orjson.loads((EMBEDDER / "manifest.json").read_bytes())["files"]
    digest = next(file["sha256"] for file in embedder if file["path"] == "model.int8.onnx")
    weights = [40.0 if name == "cosine" else 0.0 for name in NAMES]
    return Verifier(
        embedder_sha256=digest,
        names=NAMES,
        low=(-2.0,) * len(NAMES),
        high=(2.0,) * len(NAMES),
        bias=-28.0,
        weights=tuple(weights),
    )


def promise(of: Verifier, *, delta: float = 0.01, tasks: list[str] = TASKS) -> Promise:
    evidence = Evidence(look_ups=1000, hits=400, wrong=0, upper=0.003)
    cell = CellPromise(delta=delta, ladder=(Rung(delta=0.005, threshold=0.5, evidence=evidence),))
    return Promise(verifier=of.digest, embedder=of.embedder_sha256, cells=dict.fromkeys(tasks, cell))


@dataclass
class Similar:
    """A node with similar answers, and the path that makes them."""

    weir: Running
    path: FakePath

    async def ask(self, text: str, **over: Any) -> tuple[str, dict[str, str]]:
        status, body, headers = await self.weir.ask(text, **over)
        assert status == 200, body
        await asyncio.to_thread(self.weir.node.store.writer.flush)
        return body["choices"][0]["message"]["content"], headers

    async def labels(self) -> list[tuple[Any, ...]]:
        await asyncio.to_thread(self.weir.node.store.writer.flush)
        with closing(sqlite3.connect(self.weir.state / "cache.db")) as database:
            return database.execute("SELECT cell, score, outcome, how, draw, share FROM similar_labels").fetchall()


def numbered() -> Callable[[Job], Any]:
    """Another answer each time."""
    made = iter(range(100))
    return lambda job: answer(f"this is number {next(made)}")


@asynccontextmanager
async def similar(
    directory: Path, *, with_promise: bool = True, share: float = 0.0, **over: Any
) -> AsyncIterator[Similar]:
    content = directory / "content"
    (content / "cards").mkdir(parents=True, exist_ok=True)
    if not (content / "models").is_dir():
        assert with_models(content)
        shutil.copy(ROOT / "bundles/starter/cards/task-classifier.json", content / "cards")
        (content / "models" / "classifier").mkdir()
        shutil.copy(ROOT / "models/classifier/task-classifier.onnx", content / "models" / "classifier")
    if with_promise:
        (content / "similar").mkdir(exist_ok=True)
        (content / "similar" / "verifier.json").write_text(verifier().model_dump_json())
        stated = over.pop("promise", None) or promise(verifier())
        (content / "similar" / "promise.json").write_text(stated.model_dump_json())
    path = FakePath(fake_card("device/one", price={"output_per_million": 9.0}), over.pop("script", numbered()))
    cache = {"answered_anew": share, **over.pop("cache", {})}
    fakes = (path, *over.pop("others", ()))
    async with running_node(directory, SEMANTIC, fakes=fakes, cache=cache, **over) as weir:
        yield Similar(weir, path)


async def test_what_means_the_same_is_answered_by_what_was_said_before(tmp_path: Path) -> None:
    async with similar(tmp_path) as by:
        first, missed = await by.ask(ASKED)
        second, headers = await by.ask(SAME)
        assert missed["x-weir-cache"] == "miss"
        assert (second, len(by.path.jobs)) == (first, 1)
        assert headers["x-weir-cache"].startswith("hit; age=")
        score = float(headers["x-weir-cache"].rpartition("score=")[2])
        assert 0.5 < score <= 1.0
        assert (headers["x-weir-path"], headers["x-weir-reason"]) == ("cache/semantic", "cache-hit")
        assert float(headers["x-weir-cost"].split()[0]) == 0.0
        row = await by.weir.record(headers["x-weir-decision"])
        assert row["snapshot"]["cache"]["path"] == "cache/semantic"
        assert row["decision"]["chosen"] == "cache-hit"
        assert replay(from_json(orjson.dumps(row)), by.weir.node.generation) == ()
        assert ASKED not in str(row)
        third, _ = await by.ask(OTHER)
        assert third != first


async def test_an_exact_hit_counts_for_the_task_of_who_asked_first_also_after_a_restart(tmp_path: Path) -> None:
    rows, tasks = [], []
    for _ in range(2):
        async with similar(tmp_path) as by:
            for _ in range(2):
                _, headers = await by.ask(ASKED)
                rows.append(await by.weir.record(headers["x-weir-decision"]))
            await asyncio.to_thread(by.weir.node.store.writer.flush)
            tasks = read(by.weir.state, ("task",), None, None, None)
    assert [row["decision"]["chosen"] == "cache-hit" for row in rows] == [False, True, True, True]
    first = rows[0]["features"]["cells"]
    assert first != [list(cell) for cell in UNKNOWN_CELLS]
    assert all(row["features"]["cells"] == first for row in rows)
    assert [(row.task, row.sums.requests) for row in tasks] == [(first[0][0].partition("/")[0], 4)]


async def test_a_hit_is_streamed_like_any_other_answer(tmp_path: Path) -> None:
    async with similar(tmp_path) as by:
        first, _ = await by.ask(ASKED)
        async with by.weir.chat(SAME, stream=True, stream_options={"include_usage": True}) as response:
            assert "score=" in response.headers["x-weir-cache"]
            events = sse(await response.read())
        assert said(events) == first
        assert (events[-1], events[-3]["choices"][0]["finish_reason"]) == ("[DONE]", "stop")
        assert events[-2]["usage"]["completion_tokens"] == 4


HISTORY = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
OTHERS: tuple[dict[str, Any], ...] = (
    {"headers": {"X-Weir-Classification": "public"}},
    {"headers": {"X-Weir-Locale": "de-CH"}},
    {"headers": {"X-Weir-Purpose": "research"}},
    {"headers": {"X-Weir-Cache-Score": "1"}},
    {"headers": {"Cache-Control": "no-store"}},
    {"headers": {"Cache-Control": "max-age=0"}},
    {"headers": {"Cache-Control": "no-cache"}},
    {"temperature": 0.7},
    {"seed": 1},
    {"max_tokens": 5},
    {"model": "auto:best"},
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": SAME}]},
    {"messages": [*HISTORY, {"role": "user", "content": SAME}]},
    {"text": SAME + " of ann@corp.example"},
)


async def test_whatever_parts_is_no_hit(tmp_path: Path) -> None:
    async with similar(tmp_path) as by:
        first, _ = await by.ask(ASKED)
        for other in OTHERS:
            second, headers = await by.ask(**{"text": SAME, **other})
            assert second != first, other
            assert not headers["x-weir-cache"].startswith("hit"), other


async def test_without_a_promise_or_where_the_host_is_stricter_nothing_similar_is_served(tmp_path: Path) -> None:
    for name, over in (
        ("none", {"with_promise": False}),
        ("off", {"cache": {"similar": False}}),
        ("strict", {"cache": {"max_wrong": 0.001}}),
        ("abstains", {"promise": promise(verifier(), tasks=["sort"])}),
    ):
        (tmp_path / name).mkdir()
        async with similar(tmp_path / name, **over) as by:
            assert (await by.ask(ASKED))[0] != (await by.ask(SAME))[0], name


async def test_a_repeat_that_is_taken_for_another_task_is_held_to_the_promise_of_both(tmp_path: Path) -> None:
    first, again = "Why was the trip to Rome canceled?", "Why was the trip to Rome cancelled?"
    stored_as, asked_as, found = "", "", []
    for name, without in (("both", ""), ("not of the stored", "stored"), ("not of the asked", "asked")):
        (tmp_path / name).mkdir()
        tasks = [task for task in TASKS if task != {"stored": stored_as, "asked": asked_as}.get(without)]
        async with similar(tmp_path / name, promise=promise(verifier(), tasks=tasks)) as by:
            answers = [await by.ask(text) for text in (first, again)]
            rows = [await by.weir.record(headers["x-weir-decision"]) for _, headers in answers]
        stored_as, asked_as = (row["features"]["cells"][0][0].partition("/")[0] for row in rows)
        found.append(answers[0][0] == answers[1][0])
    assert stored_as != asked_as, "or it shows nothing"
    assert found == [True, False, False]


async def test_it_outlives_the_node_and_goes_with_its_answer(tmp_path: Path) -> None:
    async with similar(tmp_path) as by:
        first, _ = await by.ask(ASKED)
    async with similar(tmp_path) as by:
        assert (await by.ask(SAME))[0] == first
    with closing(sqlite3.connect(tmp_path / "state" / "cache.db")) as database:
        database.execute("DELETE FROM exact")
        database.commit()
    async with similar(tmp_path) as by:
        assert (await by.ask(SAME))[1]["x-weir-cache"] == "miss"


async def test_a_drawn_hit_is_answered_anew_and_labelled(tmp_path: Path) -> None:
    said_so = {"text": "It is so."}
    async with similar(tmp_path, share=1.0, script=lambda job: answer(said_so["text"])) as by:
        await by.ask(ASKED)
        _, headers = await by.ask(SAME)
        assert headers["x-weir-cache"] == "miss"
        assert len(by.path.jobs) == 2
        row = await by.weir.record(headers["x-weir-decision"])
        assert row["snapshot"]["cache"]["anew"] is True
        assert replay(from_json(orjson.dumps(row)), by.weir.node.generation) == ()
        await until(by.labels)
        ((_, score, outcome, how, draw, share),) = await by.labels()
        assert (outcome, how, share) == ("agreed", "exact", 1.0)
        assert score > 0.5
        assert 0.0 <= draw < 1.0
        with closing(sqlite3.connect(by.weir.state / "cache.db")) as database:
            assert database.execute("SELECT SUM(look_ups), SUM(would_be_hits) FROM similar_counts").fetchone() == (2, 1)


async def test_answers_that_turn_out_wrong_close_the_cell_until_an_operator_opens_it(tmp_path: Path) -> None:
    made = iter(range(100))
    wordings = (f"{before}{ASKED[:-1]}{after}" for before in ("", "Please: ", "Hello, ") for after in ("?", "??", "."))
    async with similar(
        tmp_path, share=1.0, script=lambda _: answer(f"{'Yes' if next(made) % 2 else 'No'}, it is.")
    ) as by:
        for text in wordings:
            await by.ask(text)
        node = by.weir.node
        await until(node._threads._work_queue.empty)
        assert [label[2] for label in await by.labels()].count("wrong") >= 2
        node.semantic._held[node.generation.id].standing._share = 0.0
        assert (await by.ask(SAME))[1]["x-weir-cache"] == "miss"
        with closing(sqlite3.connect(by.weir.state / "cache.db")) as database:
            today = int(time.time() // 86_400)
            cell = (await by.labels())[0][0]
            open_again(database, verifier().digest, cell, Opened(today, 1000))
            database.commit()
        node.semantic.refresh()
        assert "score=" in (await by.ask(SAME + "!"))[1]["x-weir-cache"]


async def test_where_nobody_can_make_it_anew_a_drawn_hit_is_served(tmp_path: Path) -> None:
    async with similar(tmp_path, share=1.0) as by:
        first, _ = await by.ask(ASKED)
        by.path.readiness = Readiness(False, "it is down")
        assert (await by.ask(SAME))[0] == first
        await until(by.labels)
        assert [label[2] for label in await by.labels()] == ["unsure"]


async def test_what_is_wrong_inside_is_a_miss(tmp_path: Path) -> None:
    async with similar(tmp_path) as by:
        first, _ = await by.ask(ASKED)
        with closing(sqlite3.connect(by.weir.state / "cache.db")) as database:
            database.execute("UPDATE semantic SET vector = x'00'")
            database.commit()
        second, headers = await by.ask(SAME)
        assert second != first
        assert headers["x-weir-cache"] == "miss"


async def test_two_tenants_share_nothing(tmp_path: Path) -> None:
    acme, other = (bearer(key(tmp_path, name)) for name in ("acme", "other"))
    async with similar(tmp_path) as by:
        first, _ = await by.ask(ASKED, headers=acme)
        assert (await by.ask(SAME, headers=other))[0] != first
        assert (await by.ask(SAME, headers=acme))[0] == first


async def test_what_was_erased_is_not_found_again(tmp_path: Path) -> None:
    async with similar(tmp_path) as by:
        first, _ = await by.ask(ASKED)
        assert (await by.ask(SAME))[0] == first
        erased = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "appliance.cli.main", "cache", "erase", "--all", "--state", str(by.weir.state)),
            cwd=ROOT,
        )
        assert await erased.wait() == 0
        for text in (ASKED, SAME):
            assert (await by.ask(text))[0] != first


async def test_a_failing_path_is_not_answered_from_a_drawn_hit_and_counts_for_nothing(tmp_path: Path) -> None:
    async with similar(tmp_path, share=1.0) as by:
        await by.ask(ASKED)
        by.path.script = [PathError("internal", "it fails")]
        assert (await by.weir.ask(SAME))[0] == 502
        await until(by.labels)
        assert [label[2] for label in await by.labels()] == ["unsure"]


@pytest.mark.parametrize(
    ("said", "outcome"), [(("yes", "yes"), "agreed"), (("no", "no"), "wrong"), (("yes", "no"), "unsure")]
)
async def test_free_text_is_compared_by_a_model_of_this_host_in_both_orders(
    tmp_path: Path, said: tuple[str, str], outcome: str
) -> None:
    told = iter(said)
    judge = FakePath(fake_card("device/judge", accuracy_default=0.01), lambda _: answer(next(told)))
    answers = iter(("Hold the small button for ten seconds.", "Press it longer, then wait until a light comes on."))
    async with similar(
        tmp_path, share=1.0, script=lambda _: answer(next(answers)), others=(judge,), cache={"judge": "device/judge"}
    ) as by:
        await by.ask(ASKED)
        await by.ask(SAME)
        await until(by.labels)
        assert [label[2] for label in await by.labels()] == [outcome]
        assert len(judge.jobs) == 2
        one, other = (job.messages[0].content for job in judge.jobs)
        assert one.index("button") < one.index("light")
        assert other.index("light") < other.index("button")


async def test_many_who_ask_the_same_where_tasks_are_told_are_answered_by_one_execution(tmp_path: Path) -> None:
    async with similar(tmp_path, script=lambda _: answer("it is so", pause=0.1)) as by:
        await asyncio.gather(*(by.weir.ask(ASKED) for _ in range(60)))
        assert len(by.path.jobs) == 1


async def test_who_demands_a_score_of_his_own_says_nothing_of_what_is_promised(tmp_path: Path) -> None:
    async with similar(tmp_path, share=1.0) as by:
        await by.ask(ASKED)
        for k in range(3):
            await by.ask(SAME + "?" * k, headers={"X-Weir-Cache-Score": "1"})
        node = by.weir.node
        node.semantic.write()
        await asyncio.to_thread(node.store.writer.flush)
        with closing(sqlite3.connect(by.weir.state / "cache.db")) as database:
            assert database.execute("SELECT SUM(look_ups), SUM(would_be_hits) FROM similar_counts").fetchone() == (1, 0)


async def test_what_is_being_compared_when_the_node_stops_is_labelled(tmp_path: Path) -> None:
    async with similar(tmp_path, share=1.0, script=lambda _: answer("It is so.")) as by:
        await by.ask(ASKED)
        assert (await by.weir.ask(SAME))[0] == 200
    with closing(sqlite3.connect(tmp_path / "state" / "cache.db")) as database:
        assert database.execute("SELECT outcome FROM similar_labels").fetchall() == [("agreed",)]
