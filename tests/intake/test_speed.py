"""How long the border takes: a guard against a tenfold slip, with room for noisy machines.

Measured (2 noisy cores, CPU time, orjson 3.13): parse_chat of two short messages with 15 headers 24 us, of
which parsing and form 3.4, messages 3.2, parameters 1.7, digest 3.0, labels 0.8, Sampling 2.2, Request 3.9.
pydantic 2.14 (a strict TypedDict of the same fields) takes 3.2 us for parsing and the checks of single fields,
where ours takes 8.5 and makes the messages as well; why ours all the same stands in appliance/intake/fields.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from appliance.intake import parse_chat
from appliance.records.answer import Answer, Choice
from appliance.records.chunks import Text, Usage
from appliance.respond import ChatStream, chat_body
from tests.intake.wire import LIMITS

BODY = (
    b'{"model":"auto","messages":[{"role":"system","content":"You are a helpful assistant."},'
    b'{"role":"user","content":"What is the capital of France? Answer in one word."}],'
    b'"temperature":0.2,"max_tokens":64,"stream":false}'
)
HEADERS = {"Host": "localhost", "Accept": "*/*", "Content-Type": "application/json", "Content-Length": "200"}


def micros(call: Callable[[], object], rounds: int = 2000) -> float:
    """CPU time of one call, the best of five batches."""
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(rounds):
            call()
        best = min(best, time.process_time() - start)
    return best / rounds * 1e6


def test_a_small_chat_request_is_parsed_within_its_budget() -> None:
    assert micros(lambda: parse_chat(BODY, HEADERS, LIMITS, request_id="r")) < 120


def test_a_body_and_a_streamed_chunk_are_written_within_their_budgets() -> None:
    answer = Answer("id", "m", 1, (Choice("Paris. " * 20),), Usage(10, 20))
    assert micros(lambda: chat_body(answer)) < 30
    stream, chunk = ChatStream(id="id", model="m", created=1, include_usage=True), Text(" Paris")
    assert micros(lambda: stream.feed(chunk)) < 15
