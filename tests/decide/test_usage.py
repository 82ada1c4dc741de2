"""What a provider states of tokens is held against what was seen: none, too little, too much, parts over the whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.decide.price import most_of, picos_of, price_of
from appliance.decide.usage import Seen, checked, possible
from appliance.records.card import Price
from appliance.records.chunks import Usage
from tests import factories as make

unhurried = settings(deadline=None)  # the first example loads what the others find
counts = st.integers(0, 100_000)
usages = st.builds(Usage, counts, counts, counts, counts, counts)


def seen(prompt: int = 100, characters: int = 400, own: int = 90, **over: object) -> Seen:
    return Seen(prompt, characters, lambda: own, **over)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stated", "charged", "note"),
    [
        (Usage(120, 100, 20, 10, 5), Usage(120, 100, 20, 10, 5), ""),
        (Usage(), Usage(100, 90), "missing"),
        (Usage(0, 100), Usage(100, 100), "too-low"),
        (Usage(120, 0), Usage(120, 90), "too-low"),
        (Usage(120, 4), Usage(120, 90), "too-low"),
        (Usage(120, 4000), Usage(120, 4000), "too-high"),
        (Usage(4000, 100), Usage(4000, 100), "too-high"),
        (Usage(120, 100, 100, 0, 50), Usage(120, 100, 100, 0, 20), "inconsistent"),
        (Usage(120, 100, 0, 200), Usage(120, 100, 0, 100), "inconsistent"),
    ],
)
def test_what_can_be_is_charged_as_stated_and_what_cannot_is_noted(stated: Usage, charged: Usage, note: str) -> None:
    how = seen() if note != "too-low" or stated.completion_tokens != 4 else seen(characters=4000)
    assert checked(stated, how) == (charged, note)


@pytest.mark.parametrize(
    ("stated", "how"),
    [
        (Usage(60_000, 100), {"open_ended": True}),  # an image
        (Usage(100, 9000), {"thought": True}),
        (Usage(100, 9000, 0, 8900), {}),
        (Usage(30, 200), {}),
        (Usage(700, 13), {}),
    ],
)
def test_what_providers_do_state_is_no_news(stated: Usage, how: dict[str, object]) -> None:
    assert checked(stated, seen(**how)) == (stated, "")


def test_more_than_the_callers_limit_is_noted() -> None:
    assert checked(Usage(100, 101), seen(most=100)) == (Usage(100, 101), "too-high")


@unhurried
@given(st.builds(Usage, *[st.integers()] * 5), st.booleans())
def test_no_figure_gives_money_back_or_is_too_large_to_be_written(stated: Usage, whole: bool) -> None:
    charged = checked(stated, seen())[0] if whole else possible(stated)
    price = Price(input_per_million=30.0, cached_input_per_million=3.0, output_per_million=60.0)
    assert 0 <= picos_of(price, charged) < 1 << 62


@unhurried
@given(usages, counts, st.integers(0, 1_000_000), counts)
def test_no_server_gets_round_a_budget_by_stating_too_little(
    stated: Usage, prompt: int, characters: int, own: int
) -> None:
    charged, note = checked(stated, Seen(prompt, characters, lambda: own))
    assert charged.prompt_tokens in (stated.prompt_tokens, prompt)
    assert charged.completion_tokens in (stated.completion_tokens, own)
    assert charged.cached_tokens + charged.cache_write_tokens <= charged.prompt_tokens
    assert charged.reasoning_tokens <= charged.completion_tokens
    if prompt:
        assert charged.prompt_tokens > 0
    if characters and own:
        assert charged.completion_tokens > 0
    assert note or charged == stated


@unhurried
@given(
    st.integers(0, 5000),
    st.integers(0, 3000),
    st.none() | st.integers(1, 3000),
    st.integers(0, 2),
    st.floats(0, 1),
    st.integers(1, 3),
)
def test_no_call_costs_more_than_its_most(
    prompt: int, output: int, limit: int | None, images: int, part: float, choices: int
) -> None:
    price = Price(
        input_per_million=2.5,
        cached_input_per_million=0.25,
        cache_write_per_million=3.125,
        output_per_million=10.0,
        reasoning_per_million=12.0,
        per_request=0.001,
        per_image=0.002,
        per_second=0.0001,
    )
    card = make.card(price=price, max_output_tokens=2000)
    bound = 2000 if limit is None else min(limit, 2000)
    used = choices * min(output, bound)
    usage = Usage(prompt, used, int(prompt * part), int(used * part), prompt - int(prompt * part))
    features = make.features(most_prompt_tokens=prompt, most_output_tokens=limit or 0, images=images)
    cost = price_of(price, usage, images=images, seconds=599.0)
    assert cost <= most_of(card, make.asked(n=choices), features)


def test_the_bound_of_many_texts_to_embed_is_of_all_of_them() -> None:
    card = make.card("e", modalities=("embedding",), price={"input_per_million": 0.1}, context_tokens=8192)
    features = make.features(modality="embedding", most_prompt_tokens=700_000, estimated_prompt_tokens=135_000)
    assert most_of(card, make.asked(kind="embedding"), features) == pytest.approx(0.07)
