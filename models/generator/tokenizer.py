"""The vocabulary: byte-level BPE with single digits, and how a chat becomes token ids.

Rules kept here:
1. The pre-tokeniser is exactly what llama.cpp calls `smollm`: every digit alone, then GPT-2's expression.
   Change one only together with the other (`PRE` is written into the GGUF).
2. The vocabulary is learned from the `train` split alone.
3. `chat_ids` and `CHAT_TEMPLATE` render the same chat to the same ids; `export.py --verify` compares them.

Run `python models/generator/tokenizer.py OUT.json` to learn a vocabulary.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

PAD, SYSTEM, USER, ASSISTANT, END = "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"
SPECIAL = (PAD, SYSTEM, USER, ASSISTANT, END)
PAD_ID, SYSTEM_ID, USER_ID, ASSISTANT_ID, END_ID = range(len(SPECIAL))
PRE = "smollm"
VOCABULARY = 1024

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'system' or message['role'] == 'developer' -%}"
    "{{- '<|system|>' + (message['content'] | trim) + '<|end|>' -}}"
    "{%- elif message['role'] == 'assistant' -%}"
    "{{- '<|assistant|>' + (message['content'] | trim) + '<|end|>' -}}"
    "{%- else -%}"
    "{{- '<|user|>' + (message['content'] | trim) + '<|end|>' -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)


def blank() -> Tokenizer:
    """An empty tokeniser with the one pre-tokeniser and decoder of this model."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def learn(texts: Iterator[str], vocabulary: int = VOCABULARY) -> Tokenizer:
    """Learn `vocabulary` tokens (special ones and the 256 bytes included) from texts."""
    tokenizer = blank()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[AddedToken(text, special=True, normalized=False) for text in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if [tokenizer.token_to_id(text) for text in SPECIAL] != list(range(len(SPECIAL))):
        raise RuntimeError("the special tokens must take the first ids")
    return tokenizer


def prompt_ids(tokenizer: Tokenizer, prompt: str, system: str | None = None) -> list[int]:
    """Token ids of one user turn, up to and with the mark after which the model answers."""
    ids = [SYSTEM_ID, *tokenizer.encode(system.strip()).ids, END_ID] if system else []
    return [*ids, USER_ID, *tokenizer.encode(prompt.strip()).ids, END_ID, ASSISTANT_ID]


def answer_ids(tokenizer: Tokenizer, answer: str) -> list[int]:
    """Token ids of an answer, with the end mark."""
    return [*tokenizer.encode(answer.strip()).ids, END_ID]


def chat_ids(
    tokenizer: Tokenizer, turns: Sequence[tuple[str, str]], system: str | None = None
) -> tuple[list[int], list[int]]:
    """Ids of a chat of (prompt, answer) turns, and the positions whose *next* token is part of an answer."""
    ids: list[int] = []
    wanted: list[int] = []
    for number, (prompt, answer) in enumerate(turns):
        ids += prompt_ids(tokenizer, prompt, system if number == 0 else None)
        tail = answer_ids(tokenizer, answer)
        wanted += range(len(ids) - 1, len(ids) - 1 + len(tail))
        ids += tail
    return ids, wanted


def training_texts(count: int, seed: int) -> Iterator[str]:
    """Prompts and answers of the training split, all tasks and difficulties alike."""
    from language_tasks import TASKS as language
    from sample import DIFFICULTIES
    from symbolic_tasks import TASKS as symbolic

    rng = random.Random(seed)
    tasks = {**language, **symbolic}
    for _ in range(count):
        sample = tasks[rng.choice(sorted(tasks))](rng, "train", rng.choice(DIFFICULTIES))
        yield sample.prompt
        yield sample.answer


def main() -> None:
    """Learn a vocabulary and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=40_000)
    parser.add_argument("--vocabulary", type=int, default=VOCABULARY)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    learn(training_texts(options.samples, options.seed), options.vocabulary).save(str(options.out))


if __name__ == "__main__":
    main()
