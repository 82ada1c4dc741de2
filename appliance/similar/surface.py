"""What the written form of a text says besides its words: signs, scripts, capitals, diacritics, sentences.

Rules kept here:
1. Only what ends a word is plain punctuation; brackets, operators and signs that stand free are compared in order,
   each with what it is attached to.
2. Capitals and diacritics are forgiven where one text has none, and not where both have them and put them otherwise.
   German umlauts are letters: `ae` for `ä` is the same, `a` is not.
3. Letters of another script, marks that combine and signs without a shape are compared with nothing but themselves.

It reads no meaning; `unlike` names the guards that object.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from appliance.similar.lexicon import LONGEST_WORD, Lexicon, entry
from appliance.similar.stems import fold

_PUNCTUATION = ".,!?;:…"
_ENDS = frozenset(".!?…")
_IN_NUMBERS = frozenset(".,:/-'")
_UNITS = frozenset("%$€£¥°₹₿")
_QUOTED = re.compile(r"""(["`])([^"`\n]{1,300})\1|(?<![\w'])'([^'\n]{2,200})'(?!\w)""")
_SIGN = re.compile(r"[^\w]|_")
_LEFT, _RIGHT = re.compile(r"[^\W_]{1,40}$"), re.compile(r"[^\W_]{1,40}")
_WORD = re.compile(r"[^\W\d_]+")
_SYMBOLS = frozenset({"No", "So", "Sm", "Nl", "Nd"})
_DASH = re.compile(
    "\\b(?:type|write|insert|enter|add|use|match|print|does|is|a|an|the|sign|ist|ein|das|est|un|le|es|el|è|il|[a-z\\d])"
    " ([\u2010-\u2015\u2212])(?= \\w)"
)  # a dash that is asked about, or stands between single letters
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"')]?\s+(?=\S)|\n+(?=[A-ZÀ-Þ])")
_UNIT_LETTERS = frozenset("VWACFKLGMSHBT")  # after a number they are compared as units
_DEGREES = re.compile(r"(?<=\d)\s?°")  # as above
_ENDING = re.compile(r"(?<= )[.!?…]{2,9}$")
_UMLAUTS = re.compile("ae|oe|ue")
_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_REGARDS = re.compile(
    r"(?:(?:best|kind|kindest|warm) )?regards|(?:mit )?(?:freundlichen?|vielen?|besten?|liebe) grus+en?"
    r"|cordialement|bien a vous|(?:un )?saludos?(?: cordial(?:es)?)?|(?:cordiali |distinti )?saluti"
)
_VOWELS_AS_WORDS = frozenset("àáèéìíòóùúÀÉÈÒ")
_AFTER_NUMERAL = re.compile(r"\s*(?:$|[?.!,;:)]|(?:of|in|and|or|the|from|on|die|born|rule)\b)")
# English words that are others with a capital, or as an acronym.
_CAPITAL_MATTERS = frozenset(
    """polish turkey china march may august reading java go swift rust apple amazon mercury mobile nice bill mark jack
    rose excel word access teams outlook ruby basic job lima cologne bath cork jersey guinea chile japan may bush brown
    shell oracle target gap frank grant pat rob sue dick bob art amber hope grace joy dawn eve ray guy drew chuck
    earth sun moon catholic orthodox labour conservative democratic republican tory
    liberal discover chase dove ford jaguar beetle focus golf polo dodge mini smart mars bounty subway buffalo split
    tours champagne bordeaux burgundy panama rugby oxford derby sandwich down pole swede turk mass lent depression
    prohibition reformation restoration god lord pascal newton watt kelvin sandy jean gene miles carol christian
    dean earl jimmy max nick peg rich skip victor wade ward woody young white black green gray cook baker smith
    fisher hunter mason carpenter porter king bishop pope church woods hill stone wood fox wolf bird carter pierce
    string signal slack zoom notion safari edge unity flash spark dart tinder steam origin discord paint julia
    banks will faith violet lily daisy ivy iris olive pearl crystal jasmine ginger basil sage rosemary heather robin
    drake jay penny summer crown congress state chad nancy tide axe echo fire surface galaxy pixel stripe square
    block quest giant orange virgin finder snap buzz bolt puma camel diesel guess lotus oasis queen genesis rush
    journey cream blur pulp muse titan atlas phoenix hydra aurora minor major general private lance buck butch chip
    rusty gay straight bud dale glen heath cliff clay reed brook lane park west day knight page rice""".split()  # noqa: SIM905
)
# Signs that capitals make others: a megawatt and a milliwatt, a byte and a bit. The second are often typed without.
_SCALED = frozenset(["mm", "mg", "mw", "mv", "ma", "ms", "mpa", "mj", "mhz", "mohm", "mmol"])
_SCALED_LOOSELY = frozenset(["kb", "mb", "gb", "tb", "kbps", "mbps", "gbps", "kbit", "mbit", "ph", "db", "hz"])
_ACRONYMS = frozenset(
    """aids it us who ram pin led cat sad act ace aim arm ask bat bit can dad dare dog fat faq gas hit hot ice lot mac
    mad man map mad mop nap net oil pet pie ping pit pop port rap rest rip rom sap sars sat scar scuba sim sip ski soap
    spa star swat swift tap tar tip top van vat war won zip""".split()  # noqa: SIM905
)
# Pairs of words that a diacritic or 'ß' alone tells apart, and that are compared whether or not a text has others.
_TOLD_APART = {
    "de": frozenset(["masse", "maße", "massen", "maßen", "busse", "buße", "bussen", "bußen", "flosse", "flöße"]),
    "fr": frozenset(
        "tache tâche taches tâches marche marché salarie salarié pêcheur pécheur cote côte".split()  # noqa: SIM905
    ),
    "es": frozenset(["pena", "peña", "penas", "peñas"]),
    "it": frozenset(["meta", "metà", "faro", "farò", "pero", "però"]),
}
_NEGATIONS = frozenset(
    """not never no none nor neither without nicht kein keine keinen keinem keiner keines nie niemals nein ohne weder
    pas jamais sans aucun aucune rien non ne nunca jamás jamas sin ni ningún ninguna nada mai senza nessuno nessuna
    niente né niet geen não nao inte ikke dont doesnt""".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Surface:
    """The written form. `said` is the text with its spaces evened out; the rest is what `unlike` compares."""

    said: str = ""
    signs: tuple[tuple[str, str, str], ...] = ()  # (sign, word attached before it, word attached after it)
    odd: tuple[str, ...] = ()  # signs that normalising makes into others: '①', '½'
    foreign: bool = False
    capitals: frozenset[tuple[str, str]] = frozenset()  # (case-folded word, 'lower', 'title' or 'upper')
    cased: bool = False  # neither wholly in one case nor a title
    letters: frozenset[str] = frozenset()  # capitals that stand alone
    accents: frozenset[tuple[str, str]] = frozenset()  # (what may be confused, how it is written)
    accented: bool = False
    told_apart: frozenset[str] = frozenset()  # of the pairs that a diacritic alone tells apart
    negations: tuple[str, ...] = ()  # of another language
    ending: str = ""  # more than one sign that stands free at the end: '??'
    sentences: tuple[str, ...] = ()  # where there is more than one, but for those that only dress


def surface(text: str, smooth: str, known: Lexicon) -> Surface:
    """What the written form of `text` says; `smooth`: the same, normalised."""
    said = " ".join(smooth.split())
    words = [(found[0], found.start(), found.end()) for found in _WORD.finditer(said)]
    capitals, letters, cased = _capitals(said, words, known)
    accents, accented = _accents([word for word, _, _ in words], known)
    return Surface(
        said,
        _signs(said, known.language),
        () if text.isascii() else _odd(text),
        _foreign(smooth),
        capitals,
        cased,
        letters,
        accents,
        accented,
        frozenset([word.lower() for word, _, _ in words]) & _TOLD_APART.get(known.language, frozenset()),
        tuple(
            sorted([form for word, _, _ in words if (form := word.casefold()) in _NEGATIONS and not _own(form, known)])
        ),
        ending[0] if (ending := _ENDING.search(said)) else "",
        _sentences(smooth, known),
    )


def unlike(a: Surface, b: Surface, language: str) -> set[str]:
    """The guards that object to what differs in writing alone."""
    found: set[str] = set()
    if a.signs != b.signs or a.odd != b.odd:
        found.add("sign")
    if a.ending and b.ending and a.ending != b.ending:
        found.add("sign")  # 'when should I use ??', 'when should I use ???'
    if (a.foreign or b.foreign) and a.said != b.said:
        found.add("script")
    if a.negations != b.negations:
        found.add("negation")
    if a.cased and b.cased and (a.letters != b.letters or _recased(a, b, language)):
        found.add("spelling")
    if a.told_apart and b.told_apart and a.told_apart != b.told_apart:
        found.add("spelling")
    if a.accents != b.accents and (language == "de" or (a.accented and b.accented)) and _reaccented(a, b):
        found.add("spelling")
    return found


def _signs(said: str, language: str) -> tuple[tuple[str, str, str], ...]:
    signs: list[tuple[str, str, str]] = []
    if '"' in said or "`" in said or "'" in said:
        said = _QUOTED.sub(_inside, said)
    chunks = said.split()
    for at, chunk in enumerate(chunks):
        core = chunk.rstrip(_PUNCTUATION)
        if not core:
            ends = set(chunk) <= _ENDS
            following = chunks[at + 1] if at + 1 < len(chunks) else ""
            spaced = language == "fr" and (
                chunk == ":" or (chunk in "?!;" and (not following or following[0].isupper()))
            )
            if not (spaced or (ends and not following)):
                signs.append((chunk, "", ""))
        elif core.isalnum():
            if len(core) == 1 and "!" in chunk and core not in "aI":
                signs.append(("!", core, ""))  # 'what is n!?'
            if (
                len(core) == 1
                and not core.isascii()
                and not (language in {"fr", "es", "it"} and core in _VOWELS_AS_WORDS)
            ):
                signs.append((core.casefold(), "", ""))
        elif core in {"-", "--"}:
            beside = [*chunks[max(0, at - 1) : at], *chunks[at + 1 : at + 2]]
            if any(len(word.strip(_PUNCTUATION)) < 2 and word.lower() not in {"i", "a"} for word in beside[:2]) and at:
                signs.append((core, "", ""))
        else:
            for match in _SIGN.finditer(core):
                sign, start = match[0], match.start()
                before, after = core[start - 1 : start] if start else "", core[start + 1 : start + 2]
                if (
                    sign == "'"
                    and (before.isalnum() or after.isalnum())
                    and not (len(core) == 3 and core[0] == core[2])
                ):
                    continue
                if sign == "-" and before.isalnum() and after.isalnum() and start + 2 < len(core):
                    continue  # but 'billing-a' is not 'billing-b'
                if sign in _IN_NUMBERS and before.isdigit() and after.isdigit():
                    continue
                if sign in _UNITS and (before.isdigit() or after.isdigit()):
                    continue
                left, right = _LEFT.search(core[max(0, start - 40) : start]), _RIGHT.match(core, start + 1)
                signs.append(
                    (sign, fold(left[0].casefold()) if left else "", fold(right[0].casefold()) if right else "")
                )
    return tuple(signs)


def _inside(found: re.Match[str]) -> str:
    """What is quoted, without the marks: they are compared as a quotation."""
    inner = found[2] or found[3] or ""
    return inner if any(map(str.isalnum, inner)) and inner == inner.strip() else found[0]


def _odd(text: str) -> tuple[str, ...]:
    """Signs that normalising makes into others, and dashes that stand free."""
    text = _DEGREES.sub("", text)
    found = [sign for sign in text if sign > "\x7f" and unicodedata.category(sign) in _SYMBOLS]
    return (*found, *_DASH.findall(text))


def _foreign(smooth: str) -> bool:
    if smooth.isascii():
        return _CONTROL.search(smooth) is not None
    for sign in smooth:
        if sign <= "\x7f":
            if sign < " " and sign not in "\n\t":
                return True
        elif sign.isalpha():
            if not unicodedata.name(sign, "").startswith("LATIN"):
                return True
        elif unicodedata.category(sign)[0] in "CM":
            return True
    return False


def _capitals(
    said: str, words: list[tuple[str, int, int]], known: Lexicon
) -> tuple[frozenset[tuple[str, str]], frozenset[str], bool]:
    """Words as they are written but for those that begin a sentence, and capitals alone; whether capitals say much."""
    capital = sum([word[0].isupper() for word, _, _ in words])
    cased = not (said.islower() or said.isupper() or (len(words) >= 4 and capital >= 0.7 * len(words)))
    if not cased:
        return frozenset(), frozenset(), False
    shapes: list[tuple[str, str]] = []
    letters: list[str] = []
    for word, start, end in words:
        if len(word) == 1:
            alone = not (said[start - 1 : start].strip() if start else "") and not said[end : end + 1].strip(
                _PUNCTUATION + ")'\" "
            )
            if (
                word.isupper()
                and start
                and alone
                and not (word in _UNIT_LETTERS and said[:start].rstrip()[-1:].isdigit())
                and (word != "I" or known.language != "en" or _numeral(said, start, end))
            ):
                letters.append(word)
            continue
        shape = "lower" if word.islower() else "upper" if word.isupper() else "title" if word.istitle() else word
        if shape != "title" or said[max(0, start - 8) : start].rstrip(" \"'(")[-1:] not in {".", "!", "?", ":", ""}:
            shapes.append((word.casefold(), shape))
    return frozenset(shapes), frozenset(letters), cased


def _numeral(said: str, start: int, end: int) -> bool:
    """Whether an 'I' counts: 'George I of England'."""
    before = said[:start].split()
    return bool(len(before) > 1 and before[-1][0].isupper() and _AFTER_NUMERAL.match(said, end))


def _recased(a: Surface, b: Surface, language: str) -> bool:
    """Whether a word that has another meaning with capitals has them in one text alone."""
    ours, theirs = _grouped(a.capitals), _grouped(b.capitals)
    for word, shapes in ours.items():
        others = theirs.get(word, shapes)
        if not shapes.isdisjoint(others):
            continue
        if word in _SCALED or (word in _SCALED_LOOSELY and "lower" not in shapes | others):
            return True
        if "upper" in shapes | others:
            if word in _ACRONYMS or _function(word, language):
                return True
        elif language != "en" or word in _CAPITAL_MATTERS:
            return True
    return False


def _function(word: str, language: str) -> bool:
    return entry(language, word[:LONGEST_WORD]).role != "content"


def _accents(words: list[str], known: Lexicon) -> tuple[frozenset[tuple[str, str]], bool]:
    """What diacritics may tell apart, with how it is written; whether there are any."""
    if known.language == "de":
        forms = [word.casefold() for word in words]
        return frozenset(
            [(known.stem(fold(form)), "".join(_UMLAUTS.findall(form.translate(_SPELT_OUT)))) for form in forms]
        ), True
    accented = not all(map(str.isascii, words))
    forms = [word.casefold() for word in words] if accented else []
    return frozenset([(fold(form), form) for form in forms]), accented


def _reaccented(a: Surface, b: Surface) -> bool:
    ours, theirs = _grouped(a.accents), _grouped(b.accents)
    return any(theirs[form].isdisjoint(written) for form, written in ours.items() if form in theirs)


def _grouped(pairs: frozenset[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for form, written in pairs:
        found.setdefault(form, set()).add(written)
    return found


def _own(form: str, known: Lexicon) -> bool:
    """Whether a word of negation is one of the language itself, whose marks tell."""
    found = entry(known.language, form[:LONGEST_WORD])
    return found.role != "content" or any(mark.startswith("negation") for mark in found.marks)


def _sentences(smooth: str, known: Lexicon) -> tuple[str, ...]:
    parts = _SENTENCE.split(smooth.strip())
    if len(parts) < 2:
        return ()
    kept = [part for part in parts if not _dresses(part, known)]
    return tuple(kept) if len(kept) > 1 else ()


def _dresses(part: str, known: Lexicon) -> bool:
    """Whether a sentence is a greeting or thanks and nothing else."""
    line = fold(" ".join([word.casefold() for word in re.findall(r"[^\W_]+(?:'[^\W_]+)*", part)[:25]])) + " "
    if known.closing.fullmatch(" " + line.rstrip()) is not None:
        return True
    while (found := known.framing.match(line)) is not None and found.end():
        line = line[found.end() :]
    return (
        not line.strip()
        or _REGARDS.fullmatch(line.strip()) is not None
        or known.closing.fullmatch(" " + line.rstrip()) is not None
    )
