"""What detectors find, what they leave alone, and that no text makes them slow."""

from __future__ import annotations

import importlib
import json
import random
import string
import sys
import time
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import iban as stdnum_iban
from stdnum import luhn
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pl import pesel

from appliance.features import detect
from appliance.features.detect import numbers
from appliance.features.detect.texts import EscapedTooDeeply, attachments, texts
from appliance.records.request import Format, Message, Request, Sampling

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["the", "order", "of", "yesterday", "was", "late", "and", "nobody", "told", "us", "why", "it", "is", "so"]
FOUND = {
    "email": "write to jane.doe+x@mail.example.co.uk.",
    "phone": "ring +49 (0)30 901820 please",
    "iban": "IBAN GB29 NWBK 6016 1331 9268 19",
    "card": "pay with 4111-1111-1111-1111",
    "de-tax-id": "Steuer-ID 36 574 261 809",
    "fr-nir": "NIR 2 55 08 14 168 025 38",
    "es-dni": "DNI 54362315K",
    "it-codice-fiscale": "RCCMNL83S18D969H",
    "nl-bsn": "BSN: 111222333",
    "pl-pesel": "44051401359",
    "us-ssn": "078-05-1120",
    "gb-nino": "NI number AB123456C",
    "private-key": "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n-----END OPENSSH PRIVATE KEY-----",
    "aws-key": "AKIAIOSFODNN7EXAMPLE",
    "api-key": "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5NXgL0n3I9PlFUP0THsR8U",
    "bearer-token": "authorization: bearer 0a1b2c3d4e5f6a7b8c9d",
    "password": "DB_PASSWORD='tr0ub4dor&3x'",
}
HOSTILE = (
    "7", "1.", "@", "a@b.", "-----BEGIN", "-----BEGIN PRIVATE KEY-----", "é", "aé1@", "\u0130", "𝟙", "\u202e\u0000",
    "DE89 ", "1234567 ", "12345678901 ", "123456789,", "4111 1111 1111 1112 ", "tel 0301234567 ", "+49", "(0",
    "00", "eyJ", "eyJabcdefgh.", "://a:", "bearer ", "password    ", "token=a1b2c3d4 ", "aws_secret", "sk-", "X12",
    "RCCMNL83S18", "\n",
)  # fmt: skip

WRITTEN = """
    SYSTEM HISTORY NAME PART CAPTION FILENAME CALL RESULT LAST PROMPT INPUT-1 INPUT-2 STOP KEY ENUM FORMAT ABOUT
    TOOL DOES USER FIELD VALUE 4111111111111111"""


def kinds(text: str) -> list[str]:
    return [finding.kind for finding in detect.find(text)]


@pytest.mark.parametrize("kind", FOUND)
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_each_kind_is_found_on_its_own_line_of_what_a_tool_is_called_with(kind: str, levels: int) -> None:
    arguments = json.dumps({"text": f"Payment:\n{FOUND[kind]}\tand\r\nso on"})
    for _ in range(levels - 1):
        arguments = json.dumps({"body": arguments})
    call = {"id": "c", "type": "function", "function": {"name": "write", "arguments": arguments}}
    request = Request(id="r", kind="chat", model="auto", messages=(Message("assistant", "", tool_calls=(call,)),))
    assert kind in dict(detect.counts(tuple(texts(request))))


def test_escapes_that_mean_escapes_are_not_followed_for_ever() -> None:
    with pytest.raises(EscapedTooDeeply):
        list(
            texts(
                Request(
                    id="r",
                    kind="chat",
                    model="auto",
                    messages=(Message("user", "\\" + "u005c" * 200_000 + "n4111111111111111"),),
                )
            )
        )
    list(texts(Request(id="r", kind="chat", model="auto", messages=(Message("user", "\\" * 100_000),))))


@pytest.mark.parametrize("kind", FOUND)
def test_each_kind_is_found_alone_in_a_sentence_and_in_json(kind: str) -> None:
    text = FOUND[kind]
    assert kinds(text) == [kind]
    assert kind in kinds(f"Vorher Ü {text} nachher.")
    assert kind in kinds(f'{{"a": 1, "value": "{text}", "b": [2]}}')


def test_every_kind_that_detectors_have_is_tried_here() -> None:
    assert {detector.kind for detector in detect._detectors()} == set(FOUND)


def test_a_finding_says_where_and_holds_no_text() -> None:
    text = "an jane@example.org, bitte"
    (finding,) = detect.find(text)
    assert text[finding.start : finding.end] == "jane@example.org"
    assert [field.name for field in fields(finding)] == ["start", "end", "kind", "validated"]
    assert "jane" not in repr(finding)
    with pytest.raises(AttributeError):
        finding.start = 0  # type: ignore[misc]


@pytest.mark.parametrize(
    "text",
    [
        "logo@2x.png and @media and npm i react@18.2.0",
        "git@github.com:acme/tool.git",
        "192.168.1.1, fe80::1, 10.0.0.0/8",
        "550e8400-e29b-41d4-a716-446655440000 and da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "978-3-16-148410-0, 0.4111111111111111, 12:30:45.123456, 2025-11-21 10:00",
        "call me before 2025-11-21 10:00",
        "password: required; api_key = os.environ['API_KEY']; max_tokens=256; token: ${TOKEN}",
        "-----BEGIN CERTIFICATE----- and -----BEGIN PUBLIC KEY-----",
        "DE89370400440532013001 and 4111 1111 1111 1112 and 44051401358",
        "order 111222333 and 123456789",
    ],
)
def test_what_only_looks_like_something_is_left_alone(text: str) -> None:
    assert kinds(text) == []


def test_typographic_blanks_dashes_and_wide_digits_hide_nothing() -> None:
    assert kinds("DE89\u00a03704\u202f0044\u20090532\u00a00130\u00a000") == ["iban"]
    assert kinds("4111\u20111111\u20131111\u20101111") == ["card"]
    assert kinds("".join(chr(ord(c) + 0xFEE0) for c in "4111111111111111")) == ["card"]


def test_no_character_but_one_changes_its_length_in_lower_case() -> None:
    assert [c for c in map(chr, range(sys.maxunicode + 1)) if len(c.lower()) != 1] == ["\u0130"]


def test_checksums_agree_with_python_stdnum_on_random_numbers() -> None:
    rng = random.Random(7)

    def draw(n: int, of: str = string.digits) -> str:
        return "".join(rng.choices(of, k=n))

    for _ in range(20_000):
        eleven, nine, card = draw(11), draw(9), "4" + draw(15)
        assert numbers.de_tax_id(eleven) == idnr.is_valid(eleven), eleven
        assert numbers.nl_bsn(nine) == bsn.is_valid(nine), nine
        assert numbers.card(card) == luhn.is_valid(card), card
        identity = draw(8) + rng.choice("TRWAGMYFPDXBNJZSQVHLCKE")
        assert numbers.es_dni(identity) == dni.is_valid(identity), identity
        foreigner = rng.choice("XYZ") + draw(7) + rng.choice("TRWAGMYFPDXBNJZSQVHLCKE")
        assert numbers.es_dni(foreigner) == nie.is_valid(foreigner), foreigner
        country = rng.choice(list(numbers.IBAN_LENGTHS))
        account = country + draw(numbers.IBAN_LENGTHS[country] - 2)
        if stdnum_iban.is_valid(account, check_country=False):
            assert numbers.iban(account), account
    for year in range(0, 100, 3):
        for month in range(1, 13):
            body = f"{year:02d}{month + rng.choice((0, 20)):02d}{rng.randint(1, 28):02d}{draw(4)}"
            whole = body + pesel.calc_check_digit(body)
            assert numbers.pl_pesel(whole), whole
            assert not numbers.pl_pesel(body + str((int(whole[-1]) + 1) % 10))
            part = f"{rng.randint(1, 2)}{year:02d}{month:02d}{rng.choice(['2A', '2B', '75', '01'])}{draw(6)}"
            assert numbers.fr_nir(part + nir.calc_check_digits(part)), part
            person = f"{draw(6, 'BCDFGLMNPR')}{year:02d}{'ABCDEHLMPRST'[month - 1]}{rng.randint(1, 28):02d}H{draw(3)}"
            assert numbers.it_codice_fiscale(person + codicefiscale.calc_check_digit(person)), person


@pytest.mark.parametrize("country", sorted(numbers.IBAN_LENGTHS))
def test_an_iban_of_every_country_is_found_grouped_and_not(country: str) -> None:
    body = "0" * (numbers.IBAN_LENGTHS[country] - 5) + "7"
    account = country + stdnum_iban.calc_check_digits(country + "00" + body) + body
    apart = " ".join(account[i : i + 4] for i in range(0, len(account), 4))
    assert kinds(f"to {account} and") == ["iban"]
    assert kinds(f"to {apart} and") == ["iban"]


def test_one_digit_changed_is_never_the_same_kind() -> None:
    for kind in ("iban", "card", "de-tax-id", "fr-nir", "es-dni", "it-codice-fiscale", "nl-bsn", "pl-pesel"):
        text = FOUND[kind]
        (finding,) = detect.find(text)
        for at in range(finding.start, finding.end):
            if text[at].isdigit():
                for digit in string.digits.replace(text[at], ""):
                    assert kind not in kinds(text[:at] + digit + text[at + 1 :]), (kind, at, digit)


pieces = st.lists(st.sampled_from([*FOUND.values(), *WORDS, "\n", " ", ", ", "1", "@", "-----BEGIN"]), max_size=40)


@settings(max_examples=60, deadline=None)
@given(pieces, st.integers(600, 900))
def test_pieces_make_no_difference(parts: list[str], piece: int) -> None:
    text = " ".join(parts)
    assert detect.in_pieces(text, piece, 600) == detect.find(text)


def test_a_finding_across_the_border_of_two_pieces_is_found_once() -> None:
    for offset in range(-40, 4, 3):
        text = "x " * ((detect.PIECE + offset) // 2) + FOUND["iban"] + " y" * (detect.PIECE + detect.OVERLAP)
        assert kinds(text) == ["iban"], offset


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300) | pieces.map("".join))
def test_any_text_gives_findings_within_it_that_do_not_overlap(text: str) -> None:
    found = detect.find(text)
    assert all(0 <= f.start < f.end <= len(text) for f in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert detect.find(text) == found


@pytest.mark.parametrize("unit", HOSTILE)
def test_work_grows_no_faster_than_the_text(unit: str) -> None:
    detect.load()
    spent = []
    for size in (50_000, 200_000):
        text = (unit * (size // len(unit) + 1))[:size]
        best = 1e9
        for _ in range(2):
            began = time.process_time()
            detect.find(text)
            best = min(best, time.process_time() - began)
        spent.append(best)
    assert spent[1] / max(spent[0], 0.001) < 10, spent  # 4 is linear, 16 quadratic


def test_whoever_gives_up_is_told_before_the_next_piece() -> None:
    asked = []

    def after_two() -> bool:
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(detect.DetectorFailed):
        detect.find("1234567 " * 100_000, after_two)
    assert len(asked) == 3


def test_short_texts_without_long_numbers_are_quick_and_no_others() -> None:
    assert detect.quick(["Sort ascending: 31, 7, 19", "x" * 200])
    assert not detect.quick(["x" * 200, "x" * 200])
    assert not detect.quick(["call 030 1234567"])


def test_every_text_of_a_request_is_seen() -> None:
    media = {"type": "image_url", "image_url": {"url": "https://h.example/PART?token=1", "detail": "low"}}
    held = {"type": "image_url", "image_url": {"url": "data:image/png;base64,BYTES"}, "caption": "CAPTION"}
    file = {"type": "file", "file": {"filename": "FILENAME", "file_data": "BYTES"}}
    request = Request(
        id="r",
        kind="chat",
        model="auto",
        messages=(
            Message("system", "SYSTEM"),
            Message("user", "HISTORY", name="NAME", parts=(media, held, file, {"type": "text", "text": "HISTORY"})),
            Message(
                "assistant", "", tool_calls=({"id": "c", "function": {"name": "f", "arguments": '{"a": "CALL"}'}},)
            ),
            Message("tool", "RESULT", tool_call_id="c"),
            Message("user", "LAST"),
        ),
        prompt="PROMPT",
        inputs=("INPUT-1", "INPUT-2"),
        sampling=Sampling(stop=("STOP",)),
        format=Format("json_schema", {"properties": {"KEY": {"enum": ["ENUM"]}}}, "FORMAT", description="ABOUT"),
        tools=({"type": "function", "function": {"name": "TOOL", "description": "DOES"}},),
        user="USER",
        forwarded={"metadata": {"FIELD": "VALUE", "n": 4111111111111111}},
    )
    seen = "\n".join(texts(request))
    for word in WRITTEN.split():
        assert word in seen, word
    assert "BYTES" not in seen
    assert attachments(request) == 3


def test_the_labelled_set_holds_the_targets_in_a_part_of_it() -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        bench = importlib.import_module("detectors")
    finally:
        sys.path.pop(0)
    rows = bench.load()
    assert len(rows) >= 1000
    assert {row["language"] for row in rows} >= {"en", "de", "fr", "es", "it", "nl"}
    result = bench.score(rows[::3])
    for kind in bench.CHECKED:
        assert result["found"][kind, False] >= 0.98 * result["there"][kind, False] > 0, kind
    assert len(result["alarmed"]) <= 0.01 * result["empty"]


def test_the_demo_has_nothing_to_find() -> None:
    path = ROOT / "bundles" / "starter" / "evals" / "edge-desk.jsonl"
    assert detect.counts(path.read_text(encoding="utf-8").splitlines()) == ()


def test_what_stands_beside_the_text_of_a_message_is_looked_at_too() -> None:
    key = "AKIAIOSFODNN7ABCDEFG"
    beside = {"type": "text", "text": "hello", "annotations": [{"note": key}]}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    asked = Request("r", "chat", "auto", messages=(Message("user", "hello", parts=(beside, image)),))
    assert key in tuple(texts(asked))
    assert "AAAA" not in "".join(texts(asked))
    answered = Request("r", "chat", "auto", messages=(Message("tool", "ok", tool_call_id=key),))
    assert key in tuple(texts(answered))
    passed_on = Request("r", "chat", "auto", forwarded={"prediction": {"content": 4111111111111111.0}})
    assert "4111111111111111" in tuple(texts(passed_on))
