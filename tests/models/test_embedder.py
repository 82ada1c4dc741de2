"""The embedder that set-up builds: its bytes, its vectors, and that it owes nothing to its neighbours."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.features.embedder import Embedder, ModelInvalid, clean
from appliance.records.card import ModelCard

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "models" / "embedder"
RECIPE = ROOT / "models" / "embedder"
CARD = ROOT / "bundles" / "starter" / "cards" / "minilm-embedder.json"
SENTENCES = (Path(__file__).parent / "embedder_sentences.txt").read_text(encoding="utf-8").splitlines()

pytestmark = pytest.mark.skipif(
    not (BUILT / "manifest.json").is_file(), reason="the embedder is not built: run models/embedder/build.py"
)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(BUILT)


@pytest.fixture(scope="module")
def recipe() -> Iterator[Any]:
    """The recipe's graph writer; the node cannot import it, so its folder is put on the path for once."""
    pytest.importorskip("onnx", reason="onnx is a build-time dependency: pip install '.[build]'")
    sys.path.insert(0, str(RECIPE))
    try:
        import graph  # type: ignore[import-not-found,unused-ignore]

        yield graph
    finally:
        sys.path.remove(str(RECIPE))
        sys.modules.pop("graph", None)


def tiny_tensors(seed: int) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """The right shapes, random weights, 200 words: enough to compare two ways of computing it."""
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (200, 384),
        "embeddings.position_embeddings.weight": (512, 384),
        "embeddings.token_type_embeddings.weight": (2, 384),
        "embeddings.LayerNorm.weight": (384,),
        "embeddings.LayerNorm.bias": (384,),
    }
    for layer in range(6):
        source = f"encoder.layer.{layer}"
        for part, (rows, columns) in {
            "attention.self.query": (384, 384),
            "attention.self.key": (384, 384),
            "attention.self.value": (384, 384),
            "attention.output.dense": (384, 384),
            "intermediate.dense": (1536, 384),
            "output.dense": (384, 1536),
        }.items():
            shapes[f"{source}.{part}.weight"], shapes[f"{source}.{part}.bias"] = (rows, columns), (rows,)
        for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"{source}.{norm}.weight"] = shapes[f"{source}.{norm}.bias"] = (384,)
    # Norms near 1, so that attention is far from uniform and a wrong number of heads shows.
    middle = {name: float(name.endswith("LayerNorm.weight")) for name in shapes}
    return {name: rng.normal(middle[name], 0.06, shape).astype(np.float32) for name, shape in shapes.items()}


def reference(tensors: dict[str, Any], ids: list[int]) -> Any:
    """BERT with mean pooling, in NumPy, written from the paper: shares no line with the recipe."""
    erf = np.vectorize(__import__("math").erf)

    def norm(x: Any, name: str) -> Any:
        spread = np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return (x - x.mean(-1, keepdims=True)) / spread * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    def linear(x: Any, name: str) -> Any:
        return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    x = tensors["embeddings.word_embeddings.weight"][ids]
    x = x + tensors["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + tensors["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(6):
        at = f"encoder.layer.{layer}"
        q, k, v = (
            linear(x, f"{at}.attention.self.{part}").reshape(len(ids), 12, 32).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        weights = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(32))
        mixed = (weights / weights.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(ids), 384)
        x = norm(linear(mixed, f"{at}.attention.output.dense") + x, f"{at}.attention.output.LayerNorm")
        up = linear(x, f"{at}.intermediate.dense")
        up = up * 0.5 * (1 + erf(up / np.sqrt(2)))
        x = norm(linear(up, f"{at}.output.dense") + x, f"{at}.output.LayerNorm")
    pooled = x.mean(0)
    return pooled / np.linalg.norm(pooled)


def run(model: bytes | Path, ids: list[list[int]], mask: list[list[int]]) -> Any:
    from appliance.features.embedder import runtime

    options = runtime().SessionOptions()
    options.intra_op_num_threads = 1
    opened = runtime().InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
    )
    feeds = {"input_ids": np.array(ids, np.int64), "attention_mask": np.array(mask, np.int64)}
    return opened.run(None, feeds)[0]


def test_the_graph_computes_what_bert_computes_and_padding_changes_nothing(recipe: Any) -> None:
    tensors = tiny_tensors(1)
    model = recipe.build(tensors, "fp32")
    ids = [101, 7, 42, 42, 199, 102]
    vectors = run(model, [ids, [101, 5, 102, 0, 0, 0]], [[1] * 6, [1, 1, 1, 0, 0, 0]])
    np.testing.assert_allclose(vectors[0], reference(tensors, ids), atol=1e-4)
    np.testing.assert_allclose(vectors[1], reference(tensors, [101, 5, 102]), atol=1e-4)


def test_the_recipe_writes_the_same_bytes_twice(recipe: Any) -> None:
    for precision in ("int8", "fp32"):
        assert recipe.build(tiny_tensors(2), precision) == recipe.build(tiny_tensors(2), precision)


def test_int8_weights_leave_room_for_the_sum_of_two_products(recipe: Any) -> None:
    values, scale = recipe.quantise(np.array([[1.0, -3.0], [0.5, 1.5]], np.float32), 0, recipe.WEIGHT_LIMIT)
    assert 255 * int(np.abs(values.astype(int)).max()) * 2 <= 32767
    np.testing.assert_allclose(values * scale, [[1.0, -3.0], [0.5, 1.5]], atol=3.0 / 63 / 2)


def test_the_files_are_the_ones_that_manifest_and_card_name() -> None:
    manifest = json.loads((BUILT / "manifest.json").read_text(encoding="utf-8"))
    stated = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
    card = ModelCard.model_validate_json(CARD.read_text(encoding="utf-8"))
    assert {Path(file.path).name for file in card.files} == {"model.int8.onnx", "tokenizer.json"}
    for file in card.files:
        content = (BUILT / Path(file.path).name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file.sha256 == stated[Path(file.path).name]
        assert len(content) == file.bytes
    assert card.dimensions == manifest["dimensions"] == 384
    assert card.context_tokens == manifest["max_tokens"] == 256


def test_int8_stays_close_to_full_precision(embedder: Embedder, recipe: Any) -> None:
    """Against the fp32 file, which is there where the recipe ran with --fp32."""
    fp32 = BUILT / "model.fp32.onnx"
    if not fp32.is_file():
        pytest.skip("model.fp32.onnx is not built: run models/embedder/build.py --fp32")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(BUILT / "tokenizer.json"))
    tokenizer.enable_padding()
    rows = tokenizer.encode_batch(SENTENCES)
    truth = run(fp32, [row.ids for row in rows], [row.attention_mask for row in rows])
    cosines = (truth * embedder.encode(SENTENCES)).sum(axis=1)
    assert len(SENTENCES) >= 60
    assert float(np.median(cosines)) >= 0.985
    assert float(cosines.min()) >= 0.95


def test_near_meanings_are_nearer_than_far_ones(embedder: Embedder) -> None:
    asked, meant, other = embedder.encode(
        [
            "How do I reset my password?",
            "I forgot my password, how can I log in again?",
            "The sea in winter is grey.",
        ]
    )
    assert float(asked @ meant) > 0.5
    assert float(asked @ other) < 0.2


def test_a_vector_depends_on_its_text_alone(embedder: Embedder) -> None:
    alone = embedder.encode(["ok"])
    among = embedder.encode([SENTENCES[-1], "ok", SENTENCES[0] * 20])
    assert np.array_equal(alone[0], among[1])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00\x01\x02\x1b[31m",
        "\ud800 broken",
        "[SEP] [CLS]",
        "🙂" * 500,
        "x" * 1_000_000,
        "a b " * 300_000,
    ],
)
def test_any_text_gives_a_unit_vector(embedder: Embedder, text: str) -> None:
    result = embedder.embed(text)
    assert result.vector.shape == (384,)
    assert abs(float(np.linalg.norm(result.vector)) - 1) < 1e-4
    assert 2 <= result.tokens <= 256


def test_special_tokens_in_a_callers_text_are_text(embedder: Embedder) -> None:
    assert embedder.embed("[SEP]").tokens > embedder.embed("x").tokens
    assert clean("\ud800") == "?"


def test_a_model_that_computes_something_else_is_refused(tmp_path: Path) -> None:
    for name in ("model.int8.onnx", "tokenizer.json"):
        (tmp_path / name).symlink_to(BUILT / name)
    manifest = json.loads((BUILT / "manifest.json").read_text(encoding="utf-8"))
    manifest["probe"]["vector"] = manifest["probe"]["vector"][::-1]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ModelInvalid, match="another vector"):
        Embedder(tmp_path)


def test_a_model_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    for name in ("manifest.json", "tokenizer.json"):
        (tmp_path / name).symlink_to(BUILT / name)
    (tmp_path / "model.int8.onnx").write_bytes(b"not the model")
    with pytest.raises(ModelInvalid, match="manifest names"):
        Embedder(tmp_path)


def test_a_short_text_takes_a_few_milliseconds(embedder: Embedder) -> None:
    """The fastest of many, so that a noisy neighbour does not count; the target on a quiet core is 5 ms."""
    taken = []
    for _ in range(60):
        begun = time.perf_counter()
        embedder.embed("How do I reset my password?")
        taken.append(time.perf_counter() - begun)
    assert min(taken) < 0.015


def test_a_tokenizer_that_does_not_load_is_refused_in_words(tmp_path: Path) -> None:
    for name in ("model.int8.onnx", "manifest.json"):
        (tmp_path / name).write_bytes((BUILT / name).read_bytes())
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    facts = json.loads((tmp_path / "manifest.json").read_bytes())
    for entry in facts["files"]:
        if entry["path"] == "tokenizer.json":
            entry["sha256"] = hashlib.sha256(b"{}").hexdigest()
    (tmp_path / "manifest.json").write_text(json.dumps(facts))
    with pytest.raises(ModelInvalid, match=r"tokenizer\.json does not load"):
        Embedder(tmp_path)
