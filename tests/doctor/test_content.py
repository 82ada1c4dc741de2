"""Claims about doctor: what its checks see in good and bad content, and in the runtimes that are to run it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.doctor import Result
from appliance.doctor.content import in_words
from appliance.doctor.runtimes import INSTRUCTIONS, compiled_for
from appliance.records.tenant import Tenant
from appliance.store.tenants import Tenants
from tests.bundle.publisher import Publisher
from tests.doctor.subjects import card, found, subject
from tests.installed import install
from tests.node.conftest import fake_card, write_content
from tests.standins.tiny_gguf import write as write_gguf


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


def test_of_a_gguf_only_what_is_known_is_said() -> None:
    assert in_words({"whole": True, "about": "llama ?B F16", "ms": 7.0}) == "loads: llama F16, 7 ms"


def test_a_gguf_that_loads_is_said_to(tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    model = write_gguf(tmp_path / "tiny.gguf")
    card(tmp_path / "content", data=model.read_bytes(), file="m.gguf")
    result = found("gguf", subject(tmp_path))
    assert result.state == "pass", result.seen
    assert result.seen.startswith("m loads: ") and result.seen.endswith(" ms")


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
