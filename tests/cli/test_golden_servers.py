"""Golden prompts of paths that are servers: asked during an import where the host says so, through the audited door."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.bundle import servers
from appliance.bundle.content import load_generation
from appliance.bundle.generations import MARKER
from appliance.bundle.manifest import write_manifest
from appliance.egress import Destination, Egress, NoLedger
from appliance.paths.registry import PathContext
from tests import policies
from tests.bundle.publisher import Publisher
from tests.cli.test_bundle_apply import Bench
from tests.node.conftest import upstream_card, write_content
from tests.standins.openai_server import Behaviour, OpenAIStandIn

SUM = "What is 2 + 2?"
NOT_THERE = """
@id("not-there") @why("test") forbid (principal, action == Action::"use", resource) when { resource.tier == "site" };
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    publisher = Publisher()
    (tmp_path / "state").mkdir()
    (tmp_path / "root.json").write_bytes(publisher.roots[1])
    return Bench(publisher, tmp_path)


def stand_in(answer: str = "4") -> OpenAIStandIn:
    return OpenAIStandIn(Behaviour(answers={SUM: answer}))


def asking(*contains: str) -> dict[str, Any]:
    return {"prompts": ({"name": "sum", "card": "site/one", "prompt": SUM, "contains": contains or ("4",)},)}


def pressed(bench: Bench, id: str, base_url: str, **over: Any) -> Path:
    folder = write_content(bench.top / f"content-{id}", upstream_card(base_url, model=over.pop("model", "m")))
    files = {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
    files["evals/name.jsonl"] = f'"{id}"\n'.encode()
    return bench.press(id, files, health=over.pop("health", asking()))


def permit(bench: Bench, **bundles: Any) -> None:
    (bench.top / "state/weir.yaml").write_text(json.dumps({"bundles": {"ask_servers": True, **bundles}}))


async def applied(bench: Bench, place: Path, code: int = 0) -> Any:
    root = bench.top / "root.json"
    return await asyncio.to_thread(bench.told, "apply", place, "--root", root, code=code)


def departures(bench: Bench) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(bench.top / "state/audit.db")) as db:
        rows = db.execute("SELECT payload FROM entries WHERE kind = 'egress' ORDER BY seq").fetchall()
    return [json.loads(row[0]) for row in rows]


async def test_a_server_is_asked_once_per_generation_through_the_audited_door(bench: Bench) -> None:
    permit(bench)
    async with stand_in() as server:
        ended = await applied(bench, pressed(bench, "a-2026.1", server.base_url))
        assert (ended["outcome"], ended["servers"]) == ("good", {"asked": 1, "unreached": []})
        assert server.seen["chat/completions"] == 1, "in the rehearsal, and not again in the trial"
        (left,) = departures(bench)
        assert (left["decision"], left["path"], left["classification"]) == ("health", "site/one", "public")
        assert left["rules"] and left["destination"]["port"] == server.port
        ended = await applied(bench, pressed(bench, "a-2026.2", server.base_url))
        assert (ended["outcome"], ended["servers"]["asked"]) == ("good", 0), "the same card and prompts passed before"
        assert server.seen["chat/completions"] == 1
        ended = await applied(bench, pressed(bench, "a-2026.3", server.base_url, model="other"))
        assert (ended["outcome"], ended["servers"]["asked"]) == ("good", 1)
    assert bench.audit()


async def test_a_wrong_answer_fails_the_rehearsal_and_is_not_repeated(bench: Bench) -> None:
    permit(bench)
    async with stand_in("a secret that is five") as server:
        error = await applied(bench, pressed(bench, "a-2026.1", server.base_url), code=1)
    assert error["error"]["code"] == "rehearsal_failed"
    assert "prompt sum: the answer does not contain '4'" in error["error"]["message"]
    assert "secret" not in json.dumps([error, bench.audit()])


async def test_a_server_that_is_away_is_told_and_keeps_nothing_back(bench: Bench) -> None:
    permit(bench)
    async with stand_in() as server:
        place = pressed(bench, "a-2026.1", server.base_url)
    ended = await applied(bench, place)
    assert (ended["outcome"], ended["servers"]["asked"]) == ("good", 0)
    (said,) = ended["servers"]["unreached"]
    assert said.startswith("prompt sum of site/one could not be reached: ")


async def test_nobody_is_asked_unless_the_host_says_so(bench: Bench) -> None:
    async with stand_in("wrong") as server:
        ended = await applied(bench, pressed(bench, "a-2026.1", server.base_url))
        assert (ended["outcome"], ended["servers"]) == ("good", None)
        assert not server.seen
    assert departures(bench) == []


# ---- the same in this process


async def asked(
    tmp_path: Path, base_url: str, *, open_to: str = "", model: str = "m", limit_s: float = 20, **over: Any
) -> Any:
    folder = write_content(tmp_path / "content", upstream_card(base_url, model=model), **over)
    manifest = Publisher().manifest({"detectors.json": b"{}"}, health=asking())
    (folder / MARKER).write_bytes(write_manifest(manifest))
    egress = Egress(frozenset({Destination.parse(open_to)}) if open_to else frozenset(), _Ledger())
    try:
        context = PathContext(folder, egress)
        return await servers.ask(load_generation(folder), folder, None, context, 1_800_000_000, limit_s)
    finally:
        await egress.close()


class _Ledger:
    """Keeps nothing and lets everything go."""

    async def leaving(self, *_: object) -> None:
        return


@pytest.mark.parametrize("mode", ["429", "500", "503", "401", "hang", "cut", "malformed", "html", "redirect"])
async def test_what_says_nothing_about_the_bundle_fails_nothing(tmp_path: Path, mode: str) -> None:
    async with stand_in() as server:
        found = await asked(tmp_path, server.base_url, open_to=server.base_url, model=f"mode:{mode}", limit_s=1.5)
    assert (found.asked, found.problems, len(found.unreached)) == (0, (), 1)


@pytest.mark.parametrize("mode", ["404", "400", "too-long"])
async def test_a_server_that_refuses_the_request_is_a_problem(tmp_path: Path, mode: str) -> None:
    async with stand_in() as server:
        found = await asked(tmp_path, server.base_url, open_to=server.base_url, model=f"mode:{mode}")
    assert (found.asked, found.unreached) == (1, ())
    assert found.problems[0].startswith("prompt sum: site/one: ")


async def test_what_policy_or_the_door_keeps_is_not_sent(tmp_path: Path) -> None:
    async with stand_in() as server:
        found = await asked(tmp_path, server.base_url)
        assert "the door is closed" in found.unreached[0]
        found = await asked(tmp_path, server.base_url, open_to=server.base_url, policy=policies.RULES + NOT_THERE)
        assert "the policy lets no public request go there" in found.unreached[0]
        assert not server.seen


async def test_without_the_audit_nothing_is_sent(tmp_path: Path) -> None:
    async with stand_in() as server:
        folder = write_content(tmp_path / "content", upstream_card(server.base_url))
        manifest = Publisher().manifest({"detectors.json": b"{}"}, health=asking())
        (folder / MARKER).write_bytes(write_manifest(manifest))
        egress = Egress(frozenset({Destination.parse(server.base_url)}), NoLedger())
        found = await servers.ask(load_generation(folder), folder, None, PathContext(folder, egress), 1_800_000_000)
        await egress.close()
        assert len(found.unreached) == 1
        assert not server.seen
