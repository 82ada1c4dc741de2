"""What a call costs: exactly what the decimal arithmetic of an invoice says, and sums that do not drift."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from appliance.decide.price import most_of, picos_of, price_of
from appliance.records.card import Price
from appliance.records.chunks import Usage
from appliance.records.money import PICOS, amount_of, picos, total
from tests import factories as make

unhurried = settings(deadline=None)  # the first example loads what the others find
per_million = st.decimals(0, 1000, places=6)
per_one = st.decimals(0, 10, places=12)
tokens = st.integers(0, 2_000_000)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    prompt, completion = draw(tokens), draw(tokens)
    cached = draw(st.integers(0, prompt))
    return Usage(prompt, completion, cached, draw(st.integers(0, completion)), draw(st.integers(0, prompt - cached)))


@unhurried
@given(
    st.tuples(per_million, st.none() | per_million, st.none() | per_million),
    st.tuples(per_million, st.none() | per_million),
    st.tuples(per_one, per_one),
    usages(),
    st.integers(0, 8),
)
def test_a_price_is_the_decimal_sum_of_an_invoice_to_the_last_place(
    inputs: tuple[Decimal, Decimal | None, Decimal | None],
    outputs: tuple[Decimal, Decimal | None],
    ones: tuple[Decimal, Decimal],
    used: Usage,
    images: int,
) -> None:
    (fresh, cached, write), (output, reasoning), (request, image) = inputs, outputs, ones
    stated = {
        "input_per_million": fresh,
        "cached_input_per_million": cached,
        "cache_write_per_million": write,
        "output_per_million": output,
        "reasoning_per_million": reasoning,
        "per_request": request,
        "per_image": image,
    }
    price = Price.model_validate({name: None if value is None else float(value) for name, value in stated.items()})
    read = used.prompt_tokens - used.cached_tokens - used.cache_write_tokens
    said = used.completion_tokens - used.reasoning_tokens
    rows = (
        (read, fresh),
        (used.cached_tokens, fresh if cached is None else cached),
        (used.cache_write_tokens, fresh if write is None else write),
        (said, output),
        (used.reasoning_tokens, output if reasoning is None else reasoning),
    )
    invoice = sum((Fraction(count) * Fraction(rate) / 1_000_000 for count, rate in rows), Fraction(0))
    invoice += Fraction(request) + images * Fraction(image)
    assert Fraction(picos_of(price, used, images=images), PICOS) == invoice
    assert price_of(price, used, images=images) == float(invoice)


@unhurried
@given(st.integers(0, 2000 * PICOS))
def test_a_recorded_amount_gives_its_picos_back(amount: int) -> None:
    assert picos(amount_of(amount)) == amount


def test_a_million_calls_add_up_to_the_last_place_in_any_order() -> None:
    price = Price(input_per_million=0.075, output_per_million=0.3)
    costs = [price_of(price, Usage(n % 977, n % 331)) for n in range(100_000)]
    exact = sum(n % 977 * 75 + n % 331 * 300 for n in range(100_000)) * 1000
    shuffled = random.Random(1).sample(costs, len(costs))
    assert picos(total(costs)) == picos(total(shuffled)) == exact
    assert sum(costs) != total(costs)  # what it is done for


@pytest.mark.parametrize(
    ("price", "seconds", "amount"),
    [(0.000138888889, 1.0, 138_888_889), (1.0, 0.0000005, 0), (1.0, 0.000001, 1_000_000), (0.5, -1.0, 0)],
)
def test_seconds_are_charged_by_the_microsecond(price: float, seconds: float, amount: int) -> None:
    assert picos_of(Price(per_second=price), Usage(), seconds=seconds) == amount


def test_what_is_not_stated_costs_the_whole_and_nothing_is_free_only_where_it_is_said() -> None:
    used = Usage(100, 100, cached_tokens=40, reasoning_tokens=50, cache_write_tokens=10)
    plain = Price(input_per_million=1.0, output_per_million=2.0)
    assert price_of(plain, used) == 300e-6
    stated = {"cached_input_per_million": 0.0, "reasoning_per_million": 0.0}
    free = Price(input_per_million=1.0, output_per_million=2.0, **stated)
    assert price_of(free, used) == 160e-6


@unhurried
@given(usages(), tokens, tokens, tokens)
def test_parts_that_are_more_than_their_whole_never_make_a_call_cheaper_than_free(
    used: Usage, cached: int, written: int, thought: int
) -> None:
    wrong = Usage(used.prompt_tokens, used.completion_tokens, cached, thought, written)
    price = Price(input_per_million=1.0, cached_input_per_million=0.1, cache_write_per_million=1.25)
    assert 0 <= picos_of(price, wrong) <= used.prompt_tokens * 1_250_000


@pytest.mark.parametrize(
    "stated",
    [
        {"input_per_million": 0.0000001},
        {"output_per_million": 0.1 + 0.2},
        {"per_request": 1e-13},
        {"input_per_million": float("nan")},
        {"input_per_million": float("inf")},
        {"input_per_million": -1.0},
        {"per_second": 2e6},
        {"as_of": "yesterday"},
    ],
)
def test_a_price_that_cannot_be_computed_with_exactly_is_refused(stated: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Price.model_validate(stated)


def test_what_is_kept_for_an_hour_has_a_price_of_its_own() -> None:
    price = Price(
        input_per_million=3, cache_write_per_million=3.75, cache_write_1h_per_million=6, output_per_million=15
    )
    assert price_of(price, Usage(100_030, 5, 0, 0, 100_020, 100_000)) == pytest.approx(0.60018)
    assert picos_of(price, Usage(10, 0, 0, 0, 4, 400)) == picos_of(price, Usage(10, 0, 0, 0, 4, 4))
    unstated = Price(input_per_million=3, cache_write_per_million=3.75)
    assert price_of(unstated, Usage(100, 0, 0, 0, 100, 100)) == price_of(unstated, Usage(100, 0, 0, 0, 100))


def test_the_bound_is_of_an_hour_where_that_is_dearest() -> None:
    card = make.card("a", price={"input_per_million": 3, "cache_write_1h_per_million": 6}, max_output_tokens=1)
    assert most_of(card, make.asked(), make.features(most_prompt_tokens=1000)) == pytest.approx(0.006)
