"""What a path holds of a prompt: prefill seconds saved, against seconds in its queue, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.decide import decide
from appliance.decide.estimate import latency
from appliance.records.card import Speed
from appliance.records.decision import PathState
from tests import factories

SPEED = Speed(first_token_s=0.1, first_token_p95_s=0.3, prefill_tokens_per_s=100.0, decode_tokens_per_s=50.0)
CARDS = tuple(factories.card(id, speed=SPEED.model_dump()) for id in ("one", "two"))
FEATURES = factories.features(estimated_prompt_tokens=1500, estimated_output_tokens=50)


def chosen(one: PathState, two: PathState) -> str:
    snapshot = factories.snapshot(paths=(one, two))
    return decide(factories.asked(), FEATURES, factories.generation(*CARDS), snapshot).steps[0].path


def test_of_equal_paths_the_one_that_holds_the_prompt_is_taken() -> None:
    assert chosen(PathState("one", True), PathState("two", True)) == "one"
    assert chosen(PathState("one", True), PathState("two", True, cached_prompt_tokens=1400)) == "two"


def test_a_queue_that_is_longer_than_what_is_saved_outweighs_it() -> None:
    held = 1400  # 14 s of prefill; each who waits here takes about 16
    assert chosen(PathState("one", True), PathState("two", True, queued=3, slots=4, cached_prompt_tokens=held)) == "two"
    assert chosen(PathState("one", True), PathState("two", True, queued=4, slots=4, cached_prompt_tokens=held)) == "one"


@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 20), st.integers(0, 3000), st.integers(0, 500))
def test_more_held_is_never_slower_and_changes_no_promise(
    less: int, more: int, queued: int, prompt: int, output: int
) -> None:
    less, more = min(less, more), max(less, more)
    features = factories.features(estimated_prompt_tokens=prompt, estimated_output_tokens=output)
    times = [
        latency(CARDS[0], PathState("one", True, queued=queued, slots=4, cached_prompt_tokens=held), features)
        for held in (0, less, more)
    ]
    medians, p95s = [middle for middle, _ in times], {high for _, high in times}
    assert medians == sorted(medians, reverse=True)
    assert medians[-1] >= SPEED.first_token_s  # what is not held, and the answer, still take their time
    assert len(p95s) == 1  # a deadline is not promised on a hope
