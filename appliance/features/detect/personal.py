"""Detectors of personal data: what a number or address looks like, and what makes it one.

Rules kept here:
1. Every pattern is bounded in length and starts only where no longer run of its characters began before, so that
   the work is linear in the text.
2. What has a checksum is a finding only where the checksum holds. What a tenth of all numbers of its length would
   pass by chance (BSN), or what has no checksum at all, needs its name beside it or its usual grouping.
3. Names of persons and postal addresses are not covered: they need a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from appliance.features.detect import numbers
from appliance.features.detect.pattern import SEVEN_DIGITS, SOME_DIGIT, Detector, Match

_NO_LETTER_BEFORE = r"(?<![^\W_])"
_NO_LETTER_AFTER = r"(?![^\W_])"
# A number is not the tail of another one: neither a letter or digit nor a point or dash with a
# digit before it stands in front. A comma may: it separates the fields of a line.
_ALONE_BEFORE = r"(?<![^\W_])(?<!\d[.\-/])(?<!\W0,)"
_ALONE_AFTER = r"(?![^\W_]|[.\-/]\d)"
_SEPARATORS = str.maketrans("", "", " .-/()")


def _plain(text: str) -> str:
    return text.translate(_SEPARATORS)


def _near(text: str, match: Match, words: re.Pattern[str], before: int = 48, after: int = 24) -> bool:
    start, end = match.span()
    return bool(words.search(text, max(0, start - before), start) or words.search(text, end, end + after))


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])(?:{pattern})(?![^\W\d_])", re.IGNORECASE)


# ---- e-mail -------------------------------------------------------------------------------------------------

# Endings of files and of the Java and Python worlds that stand where a domain would: 'logo@2x.png'.
_NO_DOMAIN = frozenset((
    "png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "ts", "tsx", "jsx", "json", "html", "htm", "xml", "yaml",
    "yml", "toml", "txt", "csv", "pdf", "zip", "gz", "jar", "exe", "dll", "so", "local", "localhost", "service",
    "socket", "timer", "mount", "target",
))  # fmt: skip


def _email(text: str, match: Match) -> bool | None:
    if match[1].lower() in _NO_DOMAIN:
        return None
    scp = match[0].startswith("git@") and text[match.end() : match.end() + 1] == ":"
    return None if scp else False


# ---- telephone ----------------------------------------------------------------------------------------------

# Where a number without a country code may belong to, in the order of trial: with a trunk prefix 0 and without.
_WITH_ZERO = ("DE", "FR", "GB", "IT", "NL", "AT", "CH", "BE")
_WITHOUT_ZERO = ("US", "ES", "IT", "PL", "PT")
_DATE = re.compile(r"\(?(?:\d{4}[-/. ]\d\d?[-/. ]\d\d?|\d\d?[-/. ]\d\d?[-/. ]\d{4})(?!\d)")
_OTHER_NUMBER = re.compile(
    r"order|invoice|ticket|case|ref|article|item|bestell|rechnung|auftrag|vorgang|artikel|commande|facture|dossier"
    r"|pedido|factura|ordine|fattura|pratica|factuur|zaak|#",
    re.IGNORECASE,
)
_CALLS = _words(
    r"tel|telephone|telefon\w*|telefoon\w*|téléphone|teléfono|telefono|tél|tfno?|phone\w*|fon|fax|mobil\w*|handy\w*"
    r"|cell|cell\s?phone|cellulare|móvil|portable|gsm|(?:call|ring|text|dial|reach)(?:ed)? (?:me|us|him|her|them|on|at)"
    r"|hotline|whatsapp|sms|rufen\w*|rufnummer|anruf\w*|durchwahl|erreich\w*|appel\w*|joindre|joignable|ll[aá]m\w*"
    r"|chiam\w*|bel (?:me|mij|ons|naar|op)|bellen|gebeld|bereikbaar|mobiel\w*"
)
# Groupings that are written for telephone numbers and for little else, without any word beside them.
_SHAPES = re.compile(
    r"(?:0[1-9](?:[ .]\d\d){4}|\(0\d{1,5}\) ?[\d /-]{5,10}|0\d{2,4} ?/ ?[\d -]{5,10}|06[ -]\d{8}|07\d{3} \d{6}"
    r"|0\d{2,4} \d{3,4} \d{4}|\([2-9]\d\d\) ?\d{3}-\d{4}|[2-9]\d\d-\d{3}-\d{4})(?!\d)"
)


def _dialled(number: str, region: str | None, *, possible: bool = False) -> bool:
    import phonenumbers  # lazily: read-only commands never need the numbering plans

    try:
        parsed = phonenumbers.parse(number, region)
        return phonenumbers.is_possible_number(parsed) if possible else phonenumbers.is_valid_number(parsed)
    except phonenumbers.NumberParseException:
        return False


def _shortened(number: str) -> Iterator[str]:
    """The number, and without its last group or two: they may be another number that happens to follow."""
    yield number
    for _ in range(2):
        cut = max(number.rfind(" "), number.rfind("-"), number.rfind("/"))
        if cut < 8:
            return
        number = number[:cut]
        yield number


def _international(text: str, match: Match) -> bool | None:
    """By the numbering plan; where somebody is to be called, any number of a length that its country has."""
    number = match[0].replace("(0)", "")
    plus = number if number[0] == "+" else "+" + number[2:]
    if any(_dialled(shorter, None) for shorter in _shortened(plus)):
        return True
    called = _CALLS.search(text, max(0, match.start() - 32), match.start())
    return False if called and _dialled(plus, None, possible=True) else None


def _national(text: str, match: Match) -> bool | None:
    number = match[0]
    if _DATE.match(number):
        return None
    follows = text[max(0, match.start() - 2) : match.start()]  # another group of digits: part of something longer
    if not _SHAPES.match(number) or (follows[:1].isdigit() and follows[1:] == " "):
        said = text[max(0, match.start() - 32) : match.start()]
        if not _CALLS.search(said) or _OTHER_NUMBER.search(said[-20:]):
            return None
    regions = _WITH_ZERO if number.lstrip("(")[0] == "0" else _WITHOUT_ZERO
    return True if any(_dialled(shorter, region) for shorter in _shortened(number) for region in regions) else None


# ---- bank and card ------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _iban_form(length: int) -> re.Pattern[str]:
    return re.compile(rf"[A-Za-z]{{2}}\d\d(?:[ \-]?[^\W_]){{{length - 4}}}{_NO_LETTER_AFTER}", re.ASCII)


def _iban(text: str, match: Match) -> tuple[int, int] | None:
    length = numbers.IBAN_LENGTHS.get(match[1].upper())
    found = None if length is None else _iban_form(length).match(text, match.start())
    if found is None or not numbers.iban(_plain(found[0]).upper()):
        return None
    return found.span()


def _card(text: str, match: Match) -> bool | None:
    del text
    return True if numbers.card(_plain(match[0])) else None


# ---- national numbers ---------------------------------------------------------------------------------------

_BSN_WORDS = _words(
    r"bsn|bsn-?(?:nummer|nr)|burgerservice\w*|sofi\w*|citizen service number|dutch (?:id|citizen|tax|social)\w*"
    r"|persoonsnummer|fiscaal nummer|legitimatie\w*|identiteits\w*|fiscal number"
    r"|numéro de citoyen|bürgerservicenummer|número de servicio ciudadano|numero di servizio cittadino"
)
_DNI_WORDS = _words(r"dni|nif|nie|d\.n\.i\.|documento\w*|identidad|identity\w*|spanish\w*|ausweis\w*")
_NINO_WORDS = _words(r"nino|ni|n\.i\.|national insurance\w*|insurance")
_SSN_WORDS = _words(r"ssn|social|social[ _-]?security\w*|socialsecurity\w*")


def _checked(valid: object) -> bool | None:
    return True if valid else None


def _de_tax_id(text: str, match: Match) -> bool | None:
    del text
    return _checked(numbers.de_tax_id(_plain(match[0])))


def _fr_nir(text: str, match: Match) -> bool | None:
    del text
    return _checked(numbers.fr_nir(_plain(match[0]).upper()))


def _es_dni(text: str, match: Match) -> bool | None:
    number = match[0]
    # '12345678 a' and '12345678a' occur by themselves, in sentences and in hexadecimal.
    loose = number[-1].islower() or number[-2] == " "
    return _checked(numbers.es_dni(_plain(number).upper()) and (not loose or _near(text, match, _DNI_WORDS)))


def _it_codice_fiscale(text: str, match: Match) -> bool | None:
    del text
    return _checked(numbers.it_codice_fiscale(_plain(match[0]).upper()))


def _pl_pesel(text: str, match: Match) -> bool | None:
    del text
    return _checked(numbers.pl_pesel(match[0]))


def _nl_bsn(text: str, match: Match) -> bool | None:
    return _checked(numbers.nl_bsn(_plain(match[0])) and _near(text, match, _BSN_WORDS))


def _gb_nino(text: str, match: Match) -> bool | None:
    grouped = " " in match[0] or _near(text, match, _NINO_WORDS)
    return False if grouped and numbers.gb_nino(_plain(match[0]).upper()) else None


def _us_ssn(text: str, match: Match) -> bool | None:
    grouped = "-" in match[0] or _near(text, match, _SSN_WORDS)
    return False if grouped and numbers.us_ssn(_plain(match[0])) else None


def _compiled(*parts: str) -> re.Pattern[str]:
    return re.compile("".join(parts), re.ASCII)


_S = r"[ .\-]?"
_SIX_DIGITS = re.compile(r"\d\d ?\d\d ?\d\d")


def detectors() -> Iterator[Detector]:
    """In the order in which one finding goes before another that overlaps it."""
    yield Detector(
        "email",
        re.compile(
            r"(?<![\w.+%-])[\w.+%-]{1,64}+(?<!\.)@(?:[^\W_][\w-]{0,62}+\.){1,6}(xn--[a-z0-9]{2,24}+|[^\W\d_]{2,24}+)(?!\w)"
        ),
        _email,
        ("@",),
    )
    yield Detector(
        "iban",
        re.compile(_NO_LETTER_BEFORE + r"([A-Za-z]{2})\d\d(?=[ \-]?[A-Za-z\d])", re.ASCII),
        _iban,
        gate=SEVEN_DIGITS,
    )
    yield Detector(
        "card",
        _compiled(
            _ALONE_BEFORE,
            r"(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|3\d{3}[ -]\d{6}[ -]\d{4,5}|\d{14,19})",
            _ALONE_AFTER,
        ),
        _card,
        gate=SEVEN_DIGITS,
    )
    yield Detector(
        "fr-nir",
        _compiled(
            _ALONE_BEFORE,
            rf"[12]{_S}\d\d{_S}(?:0[1-9]|1[0-2]|[2-9]\d){_S}(?:\d\d|2[ABab]){_S}\d{{3}}{_S}\d{{3}}{_S}\d\d",
            _ALONE_AFTER,
        ),
        _fr_nir,
        gate=SEVEN_DIGITS,
    )
    yield Detector(
        "it-codice-fiscale",
        _compiled(
            _NO_LETTER_BEFORE,
            r"(?i:[A-Z]{3} ?[A-Z]{3} ?[\dL-NP-V]{2}[A-EHLMPR-T][\dL-NP-V]{2} ?[A-Z][\dL-NP-V]{3} ?[A-Z])",
            _NO_LETTER_AFTER,
        ),
        _it_codice_fiscale,
        gate=SOME_DIGIT,
    )
    yield Detector(
        "de-tax-id",
        _compiled(_ALONE_BEFORE, r"(?:\d{11}|\d\d([ ./-])\d{3}\1\d{3}\1\d{3})", _ALONE_AFTER),
        _de_tax_id,
        gate=SEVEN_DIGITS,
    )
    yield Detector("pl-pesel", _compiled(_ALONE_BEFORE, r"\d{11}", _ALONE_AFTER), _pl_pesel, gate=SEVEN_DIGITS)
    yield Detector(
        "es-dni",
        _compiled(
            _ALONE_BEFORE,
            r"(?i:(?:\d{8}|\d\d\.\d{3}\.\d{3}|[XYZ][ -]?\d{7})[ -]?[A-HJ-NP-TV-Z])",
            _NO_LETTER_AFTER,
        ),
        _es_dni,
        gate=SEVEN_DIGITS,
    )
    yield Detector(
        "nl-bsn",
        _compiled(_ALONE_BEFORE, r"(?:\d{9}|\d{4}([ .])\d\d\1\d{3}|\d{3}([ .-])\d{3}\2\d{3})", _ALONE_AFTER),
        _nl_bsn,
        gate=SEVEN_DIGITS,
    )
    yield Detector(
        "us-ssn",
        _compiled(_ALONE_BEFORE, r"(?:\d{9}|\d{3}([ -])\d\d\1\d{4})", _ALONE_AFTER),
        _us_ssn,
        gate=SEVEN_DIGITS,
    )
    yield Detector(
        "gb-nino",
        _compiled(
            _NO_LETTER_BEFORE,
            r"(?i:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z])(?:\d{6}| \d\d ?\d\d ?\d\d ?|\d\d \d\d \d\d )(?i:[A-D])",
            _NO_LETTER_AFTER,
        ),
        _gb_nino,
        gate=_SIX_DIGITS,
    )
    yield Detector(
        "phone",
        _compiled(r"(?<![\w+])(?:\+|(?<!\d[.,\-/])00)[1-9]\d{0,2}(?:[ .\-/()]{0,3}\d){6,12}", r"(?!\w|[.,]\d)"),
        _international,
        gate=SEVEN_DIGITS,
    )
    yield Detector(
        "phone",
        _compiled(r"(?<![\w+])(?<!\d[.,\-/:])\(?\d(?:[ .\-/()]{0,3}\d){7,11}", r"(?!\w|[.,:\-]\d)"),
        _national,
        gate=SEVEN_DIGITS,
    )
