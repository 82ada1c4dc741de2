"""Takes off what only dresses a question, and says of which kind the question is.

Rules kept here:
1. Greeting, politeness, 'could you tell me' go from both ends, until nothing more does; never all of a text.
2. The many ways to ask one kind ('how do I', 'what is the best way to') become that kind, with the modality that
   stood in them and who asks.
3. Patterns are anchored and see at most SEEN words: linear, whatever the text.

It reads words in order and knows nothing of their meaning but what the language's lists say.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from appliance.similar.lexicon import LONGEST_WORD, Lexicon, entry
from appliance.similar.scan import Token, scan
from appliance.similar.stems import fold

SEEN = 24  # words
LEAST_DOING = 5  # letters; 'king' says nothing of what is done
_CLITICS = {"ll": "will", "re": "are", "ve": "have", "m": "am", "d": "would"}
_WHETHER = frozenset({"if", "whether", "ob", "si", "se"})
_CONTROLS = frozenset(
    """stop stops stopped remember remembers remembered forget forgets forgot forgotten regret regrets regretted
    try tries tried go_on went_on""".split()  # noqa: SIM905
)
_ANYONE = frozenset({"i", "we", "you"})
_PAUSES = frozenset({"stop", "comma"})
_DOERS = frozenset({"by", "von", "durch", "par", "por", "da"})
_GIVEN = frozenset({"to me", "for me"})  # dresses 'translate it for me' and not 'why does he lie to me'
_WHICH, _BEING = frozenset({"that", "which", "who"}), frozenset({"is", "are"})
_SUPPORT = frozenset({"do", "does", "did"})  # English has them in questions for what is not the subject


@dataclass(slots=True)
class Spoken:
    """A text's words (`forms`, each with the token it came from), what is quoted, code, and the question's kind."""

    forms: list[str] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    quotes: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    kind: str = ""
    modality: str = ""
    askers: tuple[str, ...] = ()  # persons that stood in the words of asking
    subjects: set[str] = field(default_factory=set)  # persons that verbs alone say
    anyone: bool = False  # speaks of whoever it may be: 'one', 'somebody'
    asked_by: str = ""  # the preposition before the question word: 'of what'
    doer: bool = False  # the question asks for who did it: 'by whom'
    object: bool = False  # the question asks for an object: 'whom', 'what did he'

    def drop(self, at: int, taken: str) -> bool:
        """Drops the forms from `at` that make up `taken`; an expression goes whole. Never all of the text."""
        words, end = len(taken.split()), at
        while words > 0 and end < len(self.forms):
            words -= self.forms[end].count("_") + 1
            end += 1
        if at == 0 and end >= len(self.forms):
            return False
        del self.tokens[at:end], self.forms[at:end]
        return True

    def line(self, at: int) -> str:
        """The words from `at`, without diacritics, as the patterns see them."""
        return fold(" ".join(self.forms[at : at + SEEN])).replace("_", " ") + " "


def spoken(text: str, lexicon: Lexicon) -> Spoken:
    """What a normalised text says, undressed."""
    found = Spoken()
    _expand(found, scan(text), lexicon)
    if lexicon.language == "en":
        _reduce(found, lexicon)
    found.subjects.update(lexicon.agreement[form] for form in found.forms if form in lexicon.agreement)
    found.anyone = not lexicon.anyone.isdisjoint(found.forms)
    for before, form in itertools.pairwise(["", *found.forms]):
        if form in lexicon.kind_words and before:
            found.asked_by = found.asked_by or entry(lexicon.language, before[:LONGEST_WORD]).governor
        if before in _DOERS and form in lexicon.kind_words:
            found.doer = True
        elif form in lexicon.objects:
            found.object = True
    _undress(found, lexicon)
    if lexicon.language == "en" and found.kind in {"who", "what"}:
        found.object = found.object or not _SUPPORT.isdisjoint(found.forms[:4])
    return found


def controlled(forms: list[str]) -> Iterator[str]:
    """Marks of English verbs that say another thing before 'to' than before '-ing': 'stop to smoke', 'stop smoking'."""
    if _CONTROLS.isdisjoint(forms):
        return
    for verb, following in itertools.pairwise(forms):
        if verb in _CONTROLS:
            if following == "to":
                yield "aspect:to"
            elif following.endswith("ing"):
                yield "aspect:ing"


_HAVE_DONE = frozenset(["have", "has", "had", "having", "get", "gets", "got", "getting"])
_HAVERS = frozenset(["i", "you", "we", "they", "he", "she", "who", "to", "by", "should", "can", "must"])
_OWN = frozenset(["a", "an", "the", "my", "your", "his", "her", "our", "their"])
_PLAIN_PARTICIPLES = frozenset(["cut", "put", "set", "shut", "hit", "done", "made"])
_LETS = frozenset(["let", "lets", "letting"])
_TO_ME = frozenset(["me", "us", "you", "it", "'s"])
# Verbs of having it done, before an infinitive (German: after it), and what goes on by itself: 'faire bouillir'.
_CAUSES = {
    "de": frozenset(["lassen", "lasse", "lässt", "lasst", "ließ", "ließen"]),
    "fr": frozenset(["faire", "fais", "fait", "faites", "font", "fasse"]),
    "es": frozenset(["hacer", "hago", "haces", "hace", "hacen", "hacerme", "hacerse", "hacerte"]),
    "it": frozenset(["fare", "far", "faccio", "fai", "fa", "fanno", "farmi", "farsi", "farti"]),
}
_BY_ITSELF = frozenset(
    """kochen ziehen ruhen stehen gehen abkühlen quellen cuire fondre bouillir frire revenir sauter dorer mijoter
    griller pousser hervir cocer crecer funcionar bollire cuocere rosolare crescere funzionare fonctionner""".split()  # noqa: SIM905
)
_DATIVES = frozenset(["mir", "dir", "uns", "euch"])
_INFINITIVE = re.compile(r"\w{2,}(?:er|ir|re|ar)")


def caused(said: Spoken, lexicon: Lexicon) -> bool:
    """Whether somebody has it done: 'have my hair cut', 'mir die Haare schneiden lassen', 'me faire couper …'."""
    forms, causes = said.forms, _CAUSES.get(lexicon.language, frozenset())
    if lexicon.language == "de":
        if causes.isdisjoint(forms) or "sich" in forms or not _BY_ITSELF.isdisjoint(forms):
            return False  # 'lässt sich öffnen' is 'can be opened'
        return forms[-1] == "lassen" or not _DATIVES.isdisjoint(forms)
    if causes:
        return any(
            one in causes and _INFINITIVE.fullmatch(then) and then not in _BY_ITSELF
            for one, then in itertools.pairwise(forms)
        )
    for at, form in enumerate(forms[:-1]):
        following = forms[at + 1]
        if form in _LETS and following not in _TO_ME:
            return True
        if form in _HAVE_DONE and following in _OWN:
            asks = form.startswith("ha") and (
                forms[at - 1] not in _HAVERS if at else not (said.askers or said.kind == "who")
            )
            ends = forms[at + 3 : at + 5]  # after one word or two
            if not asks and any(word in _PLAIN_PARTICIPLES or lexicon.is_participle(word) for word in ends):
                return True
    return False


def asking(persons: tuple[str, ...], said: Spoken) -> tuple[str, ...]:
    """In 'how do I find my way' and 'how can you find your way' the person is whoever asks."""
    different = set(persons)
    asked = said.kind == "how" or bool(said.askers) or (said.kind == "what" and len(persons) > 1)
    return ("self",) if asked and len(different) == 1 and different <= _ANYONE else persons


def _expand(out: Spoken, tokens: list[Token], lexicon: Lexicon) -> None:
    """Contractions and elisions become words, expressions one word; code and quotations are noted."""
    contractions, elided = lexicon.contractions, lexicon.words.elided
    forms, kept = out.forms, out.tokens
    for token in tokens:
        form = token.form
        if token.kind == "quote":
            out.quotes.append(form)
            if token.begins:
                out.codes.append(token.text)
            continue
        parts: tuple[str, ...] = ()
        if token.kind == "word":
            parts = contractions.get(form, ())
            if not parts and "'" in form:
                parts = _parted(form, elided=elided)
        if parts:
            forms += parts
            kept += [token] * len(parts)
        else:
            forms.append(form)
            kept.append(token)
    if lexicon.separable:
        _rejoin(out, lexicon)
    sequences = lexicon.sequences
    if sequences.keys().isdisjoint(forms):
        return
    position = 0
    while position < len(forms):
        for words, becomes in sequences.get(forms[position], ()):
            if tuple(forms[position : position + len(words)]) == words:
                forms[position : position + len(words)] = [becomes]
                kept[position : position + len(words)] = [kept[position]]
                break
        position += 1


def _reduce(out: Spoken, lexicon: Lexicon) -> None:
    """English: 'the mills that are built of wood' are 'the mills built of wood'."""
    forms = out.forms
    for at in range(len(forms) - 3, 0, -1):
        if forms[at] in _WHICH and forms[at + 1] in _BEING and _said_of(forms[at + 2], lexicon):
            before = entry(lexicon.language, forms[at - 1][:LONGEST_WORD])
            if before.role == "content" and out.tokens[at - 1].kind == "word":
                del forms[at : at + 2], out.tokens[at : at + 2]


def _said_of(form: str, lexicon: Lexicon) -> bool:
    """Whether a form may follow its noun without 'who is': 'built', 'travelling'."""
    return lexicon.is_participle(form) or (form.endswith("ing") and len(form) > LEAST_DOING)


def _parted(form: str, *, elided: bool) -> tuple[str, ...]:
    """The words of a form with an apostrophe."""
    head, _, tail = form.rpartition("'")
    if elided:
        return tuple(part for part in form.replace("'", "' ").split(" ") if part)
    if tail == "t" and head.endswith("n"):
        return head[:-1], "not"
    if tail in _CLITICS:
        return head, _CLITICS[tail]
    if tail == "s":
        return head, "'s"
    return tuple(part for part in form.split("'") if part)


_STATES = frozenset(["ist", "sind", "war", "waren", "bleibt", "bleiben"])  # what stands after says how it is
_FINITE = re.compile(r"\w{2,}(?:e|t|n)")  # what a German verb may end in


def _rejoin(out: Spoken, lexicon: Lexicon) -> None:
    """German: 'setze … zurück' is 'zurücksetze'."""
    forms, kept = out.forms, out.tokens
    last = len(kept) - 1
    while last > 0 and kept[last].kind == "stop":
        last -= 1
    if last < 2 or forms[last] not in lexicon.separable or forms[last - 1] in _STATES:
        return  # 'welcher Platz ist frei'
    low = all(token.text.islower() for token in kept[: min(last, SEEN)] if token.kind == "word")
    for at in range(min(last, SEEN)):
        if low and not _FINITE.fullmatch(forms[at]):
            continue  # 'auf wen geht buchdruck zurück'
        if kept[at].kind == "word" and (kept[at].text.islower() or at == 0):
            found = entry(lexicon.language, forms[at][:LONGEST_WORD])
            if found.role == "content" and not found.name:
                forms[at] = forms[last] + forms[at]
                del forms[last], kept[last]
                return


def _undress(out: Spoken, lexicon: Lexicon) -> None:
    """Takes framing off both ends, and the words that only ask off the question."""
    forms = out.forms
    _skip(out)
    while (found := lexicon.framing.match(out.line(0))) is not None and out.drop(0, found.group()):
        _skip(out)
    _close(out, lexicon)
    if forms and fold(forms[0]) in _WHETHER and out.drop(0, forms[0]):
        out.kind = "polar"
    if _ask(out, 0, lexicon):
        return
    if forms and not out.kind:
        if fold(forms[0]) in lexicon.yes_no:
            out.kind = "polar"
            return
        first = next((at for at, form in enumerate(forms) if form in lexicon.kind_words), 0)
        if first and not _ask(out, first, lexicon):
            out.kind = lexicon.kind_words[forms[first]]


def _ask(out: Spoken, at: int, lexicon: Lexicon) -> bool:
    """Takes the words that say of which kind the question is, where they begin at `at`."""
    line = out.line(at)
    for pattern, kind in lexicon.kinds:
        found = pattern.match(line)
        if found is not None:
            out.kind, _, out.modality = kind.partition(" ")
            taken = found.group()
            out.askers = tuple([lexicon.persons[word] for word in taken.split() if word in lexicon.persons])
            out.drop(at, taken)
            if at and out.tokens[at - 1].kind == "comma":
                out.tokens[at - 1] = out.tokens[at - 1]._replace(kind="stop")
            return True
    return False


def _skip(out: Spoken) -> None:
    count = 0
    while count < len(out.tokens) and out.tokens[count].kind in _PAUSES:
        count += 1
    del out.tokens[:count], out.forms[:count]


def _close(out: Spoken, lexicon: Lexicon) -> None:
    _trim(out)
    found = lexicon.closing.search(" " + fold(" ".join(out.forms[-12:])).replace("_", " "))
    if found is None:
        return
    first = fold(out.forms[0])
    if found.group().strip() in _GIVEN and (first in lexicon.yes_no or first in lexicon.kind_words):
        return
    words = len(found.group().split())
    while words > 0 and len(out.forms) > 1:
        words -= out.forms.pop().count("_") + 1
        out.tokens.pop()
    _trim(out)


def _trim(out: Spoken) -> None:
    while out.tokens and out.tokens[-1].kind in _PAUSES:
        out.tokens.pop()
        out.forms.pop()
