"""Content that contradicts itself is found when it is loaded, not when it is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from appliance.bundle.content import load_generation
from appliance.errors import ConfigInvalid
from appliance.judge import FEATURES
from appliance.records.card import File
from tests import factories
from tests.node.conftest import fake_card, upstream_card, write_content

WIDTH = len(FEATURES)


def findings(directory: Path, *cards: Any, gates: tuple[Any, ...] = (), **over: Any) -> list[str]:
    """What is found wrong; [] where the content loads."""
    try:
        load_generation(write_content(directory, *cards, gates=gates, **over))
    except ConfigInvalid as error:
        return list(error.details)
    return []


@pytest.mark.parametrize(
    "url",
    [
        "http://192.168.1.7:8000/v1",
        "https://api.example.com/v1",
        "http://127.0.0.1.example.com/v1",
        "http://0.0.0.0:8000/v1",
    ],
)
def test_a_card_of_tier_device_that_is_served_elsewhere_is_a_finding(tmp_path: Path, url: str) -> None:
    (found,) = findings(tmp_path, upstream_card(url, "device/far", tier="device"))
    assert "device/far" in found
    assert "not on this host" in found
    assert findings(tmp_path / "site", upstream_card(url, "site/far", tier="site")) == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/v1", "http://localhost/v1", "http://LOCALHOST:1/v1", "http://[::1]:8080/v1"]
)
def test_a_card_of_tier_device_on_loopback_is_none(tmp_path: Path, url: str) -> None:
    assert findings(tmp_path, upstream_card(url, "device/near", tier="device")) == []


@pytest.mark.parametrize(
    "url",
    ["http://[bad/v1", "http://127.0.0.1@example.com/v1", "http://host:99999/v1", "http://host:0/v1", "http:///v1"],
)
def test_an_endpoint_that_is_no_address_makes_no_card(tmp_path: Path, url: str) -> None:
    good = upstream_card("http://127.0.0.1:1/v1", "site/odd")
    write_content(tmp_path, good)
    file = tmp_path / "cards" / "site-odd.json"
    file.write_text(file.read_text().replace("http://127.0.0.1:1/v1", url))
    with pytest.raises(ConfigInvalid) as raised:
        load_generation(tmp_path)
    assert "base_url" in str(raised.value.details)


def test_a_gate_that_was_fitted_for_another_model_is_a_finding(tmp_path: Path) -> None:
    gate = factories.gate("g", "device/other", floor=0.9)
    (found,) = findings(tmp_path, fake_card("device/small", gate="g"), gates=(gate,))
    assert "device/small" in found
    assert "another model" in found
    assert findings(tmp_path / "own", fake_card("device/other", gate="g"), gates=(gate,)) == []


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_a_gate_whose_scale_is_not_above_zero_is_a_finding(tmp_path: Path, scale: float) -> None:
    gate = factories.gate("g", "device/small", floor=0.9, scale=(1.0,) * (WIDTH - 1) + (scale,))
    (found,) = findings(tmp_path, fake_card("device/small", gate="g"), gates=(gate,))
    assert "scale" in found


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e999"])
@pytest.mark.parametrize(
    ("file", "field"),
    [
        ("cards/device-small.json", "watts"),
        ("cards/device-small.json", "speed.first_token_s"),
        ("router/weights.json", "latency_weight"),
        ("router/gate-g.json", "bias"),
    ],
)
def test_a_number_that_json_cannot_carry_is_a_finding(tmp_path: Path, file: str, field: str, number: str) -> None:
    """It would be none in the digest, so that other content had the same id."""
    gate = factories.gate("g", "device/small", floor=0.9)
    content = write_content(tmp_path, fake_card("device/small", gate="g"), gates=(gate,), latency_weight=0.1)
    section, _, name = field.rpartition(".")
    stated = json.loads((content / file).read_text())
    (stated[section] if section else stated)[name] = "here"
    (content / file).write_text(json.dumps(stated).replace('"here"', number))
    with pytest.raises(ConfigInvalid) as caught:
        load_generation(content)
    assert any(found.startswith(f"{Path(file).name}: {field}: ") for found in caught.value.details)


@pytest.mark.parametrize(("file", "field"), [("cards/device-small.json", "parameters"), ("router/gate-g.json", "rows")])
def test_a_whole_number_that_no_digest_can_hold_is_a_finding(tmp_path: Path, file: str, field: str) -> None:
    gate = factories.gate("g", "device/small", floor=0.9)
    content = write_content(tmp_path, fake_card("device/small", gate="g"), gates=(gate,))
    for number, holds in ((2**63 - 1, True), (2**64, False), (10**400, False)):
        (content / file).write_text(json.dumps(json.loads((content / file).read_text()) | {field: number}))
        if holds:
            assert load_generation(content).id
            continue
        with pytest.raises(ConfigInvalid) as caught:
            load_generation(content)
        assert f"{Path(file).name}: a whole number in it has more than 64 bits" in caught.value.details


@pytest.mark.parametrize("path", ["../elsewhere/m.gguf", "/dev/zero", "models/../../m.gguf", "models//m.gguf", "", "."])
def test_a_card_names_no_file_outside_of_the_content(tmp_path: Path, path: str) -> None:
    """A device has no end: the import hung until its time ran out."""
    files = (File(path=path, sha256="0" * 64, bytes=1),)
    (found,) = findings(tmp_path, fake_card("device/small", files=files))
    assert found.startswith("cards: 'device/small' names a file that is no part of the content: ")
    sound = (File(path="models/small/m.gguf", sha256="0" * 64, bytes=1),)
    assert findings(tmp_path / "sound", fake_card("device/small", files=sound)) == []


def test_prices_in_another_currency_than_the_weights_are_a_finding(tmp_path: Path) -> None:
    dear = upstream_card("http://127.0.0.1:1/v1", price={"currency": "EUR", "input_per_million": 1.0})
    (found,) = findings(tmp_path, dear)
    assert "EUR" in found
    assert "USD" in found


def test_what_costs_nothing_may_be_in_any_currency_and_the_counterfactual_may_not(tmp_path: Path) -> None:
    free = upstream_card("http://127.0.0.1:1/v1", price={"currency": "EUR"})
    (found,) = findings(tmp_path, free, frontier={"name": "far", "price": {"currency": "CHF", "per_request": 1.0}})
    assert "frontier is priced in CHF" in found


STATED = {"default": "first", "strategies": {"first": {"kind": "fallback", "paths": ["site/one", "auto"]}}}


def test_strategies_are_content_and_part_of_its_id(tmp_path: Path) -> None:
    content = write_content(tmp_path, upstream_card("http://127.0.0.1:9"))
    before = load_generation(content)
    (content / "router" / "strategies.json").write_text(json.dumps(STATED))
    after = load_generation(content)
    assert before.strategies is None and after.strategies is not None
    assert after.strategies.default == "first" and before.id != after.id


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"default": "gone"}, "there is no strategy 'gone'"),
        ({"strategies": {"x": {"kind": "fallback", "paths": ["nobody"]}}}, "names 'nobody', which is no path"),
        (
            {"strategies": {"x": {"kind": "fallback", "paths": ["cache/exact"]}}},
            "names 'cache/exact', which is no path",
        ),
        ({"strategies": {"x y": {"kind": "sticky"}}}, "strategies.json"),
        ({"strategies": {"x": {"kind": "sticky", "extra": 1}}}, "Extra inputs are not permitted"),
    ],
)
def test_strategies_that_make_no_sense_are_named_with_their_file(
    tmp_path: Path, stated: dict[str, Any], words: str
) -> None:
    content = write_content(tmp_path, upstream_card("http://127.0.0.1:9"))
    (content / "router" / "strategies.json").write_text(json.dumps(stated))
    with pytest.raises(ConfigInvalid) as caught:
        load_generation(content)
    assert any(words in detail and "strategies.json" in detail for detail in caught.value.details)
