"""Write a checkpoint as a GGUF for llama.cpp, and prove that both compute the same.

Rules kept here:
1. Weights are F16, norms F32. Queries and keys are permuted: llama.cpp turns neighbouring pairs, the model halves.
2. Token types are written, special ones as CONTROL: without them they would be split into bytes, silently.
3. `--verify` fails unless token ids are equal, logits agree within F16 error, and the chat template renders the ids
   that were trained.

`python models/generator/export.py RUN OUT.gguf [--verify] [--reference FILE]`, where RUN is train.py's folder.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from language_tasks import TASKS as LANGUAGE
from model import Model, Shape
from sample import DIFFICULTIES
from symbolic_tasks import TASKS as SYMBOLIC
from tokenizer import CHAT_TEMPLATE, END_ID, PAD_ID, PRE, SPECIAL, Tokenizer, prompt_ids
from torch import Tensor

NAME = "weir-desk"
DESCRIPTION = (
    "Weir's starter model for short desk tasks in English: sentiment, topic, urgency, passage questions, "
    "questions about Weir, rewriting, extraction, arithmetic, units, dates, lists, sorting, filtering, letter case. "
    "Trained from nothing on generated text."
)
PERMITTED = 0.05  # Largest difference of a logit between F16 in llama.cpp and F32 in PyTorch.


def load(run: Path) -> tuple[Model, Tokenizer, dict[str, object]]:
    """The newest checkpoint of a run: final.pt, else checkpoint.pt."""
    path = run / "final.pt" if (run / "final.pt").exists() else run / "checkpoint.pt"
    kept = torch.load(path, map_location="cpu", weights_only=True)
    model = Model(Shape(**kept["shape"]))
    model.load_state_dict(kept["model"])
    return model.eval(), Tokenizer.from_file(str(run / "tokenizer.json")), kept


def paired(weight: Tensor, heads: int) -> Tensor:
    """Rows of a query or key matrix reordered from halves to neighbouring pairs, head by head."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns)


def write(model: Model, tokenizer: Tokenizer, out: Path, version: str) -> None:
    """Write the GGUF beside `out`, then replace it: a worker may have the old file mapped."""
    shape = model.shape
    part = out.with_suffix(".part")
    writer = gguf.GGUFWriter(part, "llama")
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(NAME)
    writer.add_version(version)
    writer.add_description(DESCRIPTION)
    writer.add_license("Apache-2.0")
    writer.add_organization("Weir")
    writer.add_languages(["en"])
    writer.add_size_label(f"{sum(weight.numel() for weight in model.parameters()) / 1e6:.1f}M")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)

    learned = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(learned["vocab"], key=learned["vocab"].get)
    if [learned["vocab"][token] for token in tokens] != list(range(shape.vocabulary)):
        raise ValueError(f"the vocabulary must fill ids 0 to {shape.vocabulary - 1}")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE)
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token in SPECIAL else gguf.TokenType.NORMAL for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in learned["merges"]])
    writer.add_eos_token_id(END_ID)
    writer.add_eot_token_id(END_ID)
    writer.add_pad_token_id(PAD_ID)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)

    def put(name: str, weight: Tensor, kind: type[np.floating]) -> None:
        writer.add_tensor(name, np.ascontiguousarray(weight.detach().float().numpy().astype(kind)))

    put("token_embd.weight", model.embedding, np.float16)
    put("output_norm.weight", model.norm, np.float32)
    for number, block in enumerate(model.blocks):
        query, key, value = block.qkv.chunk(3)
        gate, up = block.gate_up.chunk(2)
        put(f"blk.{number}.attn_norm.weight", block.attention_norm, np.float32)
        put(f"blk.{number}.attn_q.weight", paired(query, shape.heads), np.float16)
        put(f"blk.{number}.attn_k.weight", paired(key, shape.heads), np.float16)
        put(f"blk.{number}.attn_v.weight", value, np.float16)
        put(f"blk.{number}.attn_output.weight", block.out, np.float16)
        put(f"blk.{number}.ffn_norm.weight", block.feed_norm, np.float32)
        put(f"blk.{number}.ffn_gate.weight", gate, np.float16)
        put(f"blk.{number}.ffn_up.weight", up, np.float16)
        put(f"blk.{number}.ffn_down.weight", block.down, np.float16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.replace(out)


def last_logits(model: Model, ids: list[int]) -> np.ndarray:
    """PyTorch's logits (vocabulary,) after the last of ids."""
    with torch.inference_mode():
        return model(torch.tensor([ids]), torch.tensor([len(ids) - 1]))[0].float().numpy()


def prompts_for_check(count: int, split: str = "test") -> list[str]:
    """Prompts of every task, and a few that no task has: other scripts, spaces, digits, marks."""
    rng = random.Random(11)
    tasks = {**LANGUAGE, **SYMBOLIC}
    names = sorted(tasks)
    odd = [
        "a",
        " ",
        "  two  spaces ",
        "tab\tand\n\nlines \n",
        "Größe 12,5 m² – ½ Liter",
        "你好 123",
        "don't we'll I'VE",
        "x1y22z333",
        '{"a": [1, 2]}',
        "😀 ok",
        "٣٤ ۵",
    ]
    return [
        *odd,
        *(
            tasks[names[i % len(names)]](rng, split, DIFFICULTIES[i // len(names) % 3]).prompt
            for i in range(count - len(odd))
        ),
    ]  # type: ignore[arg-type]


def reference(model: Model, tokenizer: Tokenizer, out: Path) -> None:
    """Token ids and PyTorch's logits (rounded as float16) of a few fixed prompts, for a test without PyTorch."""
    chosen = prompts_for_check(40)
    rows = []
    for prompt in [chosen[4], chosen[6], *chosen[11::5]][:8]:
        ids = prompt_ids(tokenizer, prompt)
        logits = last_logits(model, ids).astype(np.float16)
        rows.append(
            {
                "prompt": prompt,
                "ids": ids,
                "best": int(logits.argmax()),
                "logits": [float(f"{value:.4g}") for value in logits],
            }
        )
    out.write_text(json.dumps({"permitted": PERMITTED, "rows": rows}, separators=(",", ":")) + "\n")


def verify(model: Model, tokenizer: Tokenizer, path: Path) -> list[str]:
    """What differs between llama.cpp on the GGUF and PyTorch: nothing, if the list is empty."""
    import llama_cpp

    faults: list[str] = []
    llama = llama_cpp.Llama(
        str(path), n_ctx=model.shape.context, n_batch=model.shape.context, n_threads=1, n_gpu_layers=0, verbose=False
    )
    if llama.token_eos() != END_ID:
        faults.append("the end token differs")
    template = llama.metadata["tokenizer.chat_template"]
    formatter = llama_cpp.llama_chat_format.Jinja2ChatFormatter(template=template, eos_token="<|end|>", bos_token="")
    prompts = prompts_for_check(500)
    split = worst = 0
    largest = 0.0
    for number, prompt in enumerate(prompts):
        system = "You are a helpful assistant." if number % 3 == 0 else None
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": prompt})
        rendered = formatter(messages=messages).prompt  # type: ignore[arg-type]
        ids = prompt_ids(tokenizer, prompt, system)
        if llama.tokenize(rendered.encode(), add_bos=False, special=True) != ids:
            split += 1
            print("token ids differ:", repr(prompt[:80]), file=sys.stderr)
        if number < 50 and len(ids) <= model.shape.context:
            llama.reset()
            llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(llama.ctx), True)
            llama.eval(ids)
            seen = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(llama.ctx, -1), shape=(model.shape.vocabulary,))
            difference = float(np.abs(seen - last_logits(model, ids)).max())
            largest = max(largest, difference)
            worst += difference > PERMITTED
    print(f"{len(prompts)} prompts tokenised, {split} differ; 50 prompts' logits, largest difference {largest:.4f}")
    if split:
        faults.append(f"{split} of {len(prompts)} prompts have other token ids in llama.cpp")
    if worst:
        faults.append(f"{worst} of 50 prompts have a logit that differs by more than {PERMITTED}")
    return faults


def main() -> int:
    """Export, and verify where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--verify", action="store_true")
    parser.add_argument("--reference", type=Path, help="write fixed prompts with PyTorch's logits here")
    parser.add_argument("--version", default="1")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer, kept = load(options.run)
    write(model, tokenizer, options.out, options.version)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB, step {kept['steps']}, {kept['samples']} samples")
    if options.reference:
        reference(model, tokenizer, options.reference)
    faults = verify(model, tokenizer, options.out) if options.verify else []
    for fault in faults:
        print("FAULT:", fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
