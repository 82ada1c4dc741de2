"""The intents that the verifier learns from and is certified on: each a set of texts that one answer serves.

Rules kept here:
1. All of it was written for this: `texts/` holds the wordings, and nothing comes from anybody's data.
2. `train`, `calibration` and `test` share no wording and no subject, block, action or task: each is given to one split by
   a hash of itself.
3. Two intents never have the same answer, so that any two texts of different intents are a negative. Those of one
   family are look-alikes: one subject under several aspects, one aspect of several subjects, one wish with and without
   a condition, the lines of a block.
4. Deterministic: the same files and seed give the same texts.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

TEXTS = Path(__file__).resolve().parent / "texts"
SPLITS = ("train", "calibration", "test")
NUMBERS = ("50", "80", "100", "120", "150", "200", "250", "300", "400", "500", "750", "1000")
FOREIGN_SHARES = (30, 45, 25)  # little is written in them, and what is certified for all of them needs the most
MOST_ASPECTS = 3  # of one personal matter
FOREIGN = {"de": "german", "fr": "french", "es": "spanish", "it": "italian"}

# Said of nearly anything; each makes another question of it.
CONDITIONS = (
    "in Europe", "in Japan", "in the USA", "in Brazil", "for beginners", "for small children", "for older people", "in 2010", "in the 19th century",
    "at night", "in winter", "compared with ten years ago", "according to scientists", "for a school project", "in developing countries",
)  # fmt: skip
BEFORE = {
    "en": ("Please tell me: ", "Hi! ", "Hello, ", "Quick question: ", "Hey, ", "Good morning. ", "Dear assistant, ", "I have a question. ", "Just curious: ", "So, "),
    "de": ("Hallo! ", "Bitte sag mir: ", "Kurze Frage: ", "Guten Tag, "),
    "fr": ("Bonjour ! ", "Petite question : ", "Dis-moi : "),
    "es": ("¡Hola! ", "Una pregunta: ", "Por favor: "),
    "it": ("Ciao! ", "Una domanda: ", "Per favore: "),
}  # fmt: skip
AFTER = {
    "en": (" Thanks!", " Thank you.", " Thanks in advance.", " Please.", " I'd be glad of any help."),
    "de": (" Danke!", " Vielen Dank.", " Bitte."),
    "fr": (" Merci !", " Merci d'avance."),
    "es": (" ¡Gracias!", " Gracias de antemano."),
    "it": (" Grazie!", " Grazie in anticipo."),
}
SHORTER = (
    ("What is ", "What's "), ("I am ", "I'm "), ("do not ", "don't "), ("I would ", "I'd "), ("cannot ", "can't "), ("Where is ", "Where's "), ("I have ", "I've "), ("it is ", "it's "),
)  # fmt: skip
SPELT = (
    ("colour", "color"), ("organis", "organiz"), ("tyre", "tire"), ("mould", "mold"), ("centre", "center"), ("mobile", "cell phone"),
    ("yoghurt", "yogurt"), ("apologise", "apologize"), ("neighbour", "neighbor"), ("serialise", "serialize"), ("film", "movie"), ("holiday", "vacation"), ("grey", "gray"),
)  # fmt: skip

# Everyday wordings that stand among the other texts as well, in another split.
SAID_ELSEWHERE = frozenset(
    (
        "how can i remember my dreams", "how do i make friends in a new city", "can you drink too much water",
        "how do i get rid of dandruff", "how do i stop biting my nails", "how many bones does a baby have",
        "meaning of natural selection", "what is the greenhouse effect", "what is the number of bones in a newborn",
        "why is the sky red at sunset", "how do viruses differ from bacteria", "how do i delete cookies", "why do cats purr",
        "what causes appendicitis", "what is the difference between a crocodile and an alligator",
    )
)  # fmt: skip

# The same question with hardly another word: what a text begins with, and words for words.
OPENINGS = (
    ("How do I ", "How can I ", "What is the best way to ", "how to ", "How would I ", "What's a good way to ", "How should I "),
    ("What is ", "What's ", "What exactly is ", "Tell me what is ", "what is actually "),
    ("What are ", "Which are ", "Tell me ", "Name "),
    ("Should I ", "Do you think I should ", "Is it advisable to "),
    ("Is it possible to ", "Can I ", "Could I ", "Am I able to "),
    ("Why do ", "Why is it that ", "What's the reason that "),
    ("Wie kann ich ", "Wie könnte ich ", "Wie soll ich "), ("Was ist ", "Was genau ist "), ("Comment ", "De quelle façon "), ("¿Cómo puedo ", "¿De qué manera puedo "), ("Come posso ", "In che modo posso "),
)  # fmt: skip
WORDS = (
    ("quickly", "fast"), ("big", "large"), ("buy", "purchase"), ("begin", "start"), ("choose", "pick"), ("repair", "fix"), ("house", "home"), ("kids", "children"), ("doctor", "physician"),
    ("get rid of", "remove"), ("advantages", "benefits"), ("disadvantages", "drawbacks"), ("dangerous", "risky"), ("car", "automobile"), ("PC", "computer"), ("allowed", "permitted"),
    ("mother", "mum"), ("father", "dad"), ("prevent", "avoid"), ("help", "assist"), ("job", "position"), ("illness", "disease"), ("picture", "image"), ("people", "persons"), ("smart", "intelligent"),
    ("required", "needed"), ("folder", "directory"), ("function", "method"), ("program", "application"), ("picture", "photo"), ("trip", "journey"), ("shop", "store"), ("clever", "smart"),
)  # fmt: skip


@dataclass(frozen=True)
class Intent:
    """Texts of one meaning. `family` names its look-alikes, `cell` the task that it belongs to."""

    cell: str
    language: str
    family: str
    texts: tuple[str, ...]


def part(text: str, shares: tuple[int, int, int] = (50, 25, 25)) -> str:
    """The split that something belongs to, by its hash."""
    at = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % 100
    return SPLITS[0] if at < shares[0] else SPLITS[1] if at < shares[0] + shares[1] else SPLITS[2]


def bars(line: str) -> list[str]:
    return [piece.strip() for piece in line.split("|") if piece.strip()]


def frames(line: str, split: str, *, few: bool = False) -> list[str]:
    """The wordings of one aspect that belong to a split: some for each where there are six, else all for one.

    `few`: so little is written of it that four or five wordings are shared out, to calibration first.
    """
    found = sorted(bars(line), key=lambda text: hashlib.sha256(text.encode()).digest())
    if few and len(found) in {4, 5}:
        second = "test" if part(line, (50, 0, 50)) == "test" else "train"
        return {"calibration": found[:2], second: found[2:]}.get(split, [])
    if len(found) < 6:
        return found if part(line) == split else []
    own = max(2, len(found) // 4)
    cuts = {"calibration": found[:own], "test": found[own : 2 * own], "train": found[2 * own :]}
    return cuts[split]


def sections(name: str) -> dict[str, list[str]]:
    """The lines of a file under their [headings]; '' holds what comes before the first. Empty lines stay in blocks."""
    found: dict[str, list[str]] = {"": []}
    heading = ""
    for line in (TEXTS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"\[([\w: ]+)\]", line):
            heading = match[1]
            found[heading] = []
        elif not line.startswith("#"):
            found[heading].append(line)
    return found


def names(line: str) -> list[list[str]]:
    """Subjects, each with all its names."""
    return [[name.strip() for name in piece.split("=")] for piece in bars(line)]


def filled(frame: str, slots: dict[str, list[str]], rng: random.Random) -> str:
    return re.sub(r"\{(\w)\}", lambda match: rng.choice(slots[match[1]]), frame)


def tidy(text: str) -> str:
    """No article after 'my' or 'old', and a capital at the beginning of a question that begins with its subject."""
    text = re.sub(r"\b([Mm]y|old|good|used|right|best) an? ", r"\1 ", text)
    return text[:1].upper() + text[1:] if text.endswith("?") else text


def under(text: str, condition: str) -> str:
    """The question with a condition at its end."""
    return f"{text[:-1].rstrip()} {condition}?" if text.endswith("?") else f"{text} {condition}"


def intent(
    cell: str,
    language: str,
    family: str,
    wordings: list[str],
    slots: dict[str, list[str]],
    rng: random.Random,
    most: int = 5,
) -> Intent | None:
    """None where fewer than two different texts come of it."""
    chosen = rng.sample(wordings, min(most, len(wordings)))
    texts = tuple(dict.fromkeys(tidy(filled(frame, slots, rng)) for frame in chosen))
    return Intent(cell, language, family, texts) if len(texts) > 1 else None


def about(
    cell: str,
    language: str,
    kind: str,
    subjects: str,
    aspects: list[str],
    split: str,
    rng: random.Random,
    conditions: float = 0.0,
) -> Iterator[Intent | None]:
    """Each aspect of each subject of the split, and some of them under a condition."""
    for subject in names(subjects):
        if part(kind + subject[0], (50, 25, 25) if language == "en" else FOREIGN_SHARES) != split:
            continue
        for line in aspects:
            wordings = frames(line, split, few=language != "en")
            if not wordings:
                continue
            for number in rng.sample(NUMBERS, 3) if "{n}" in line else ("",):
                slots = {"x": subject, "n": [number]}
                yield intent(cell, language, f"{kind}:{subject[0]}", wordings, slots, rng)
                if rng.random() < conditions:
                    condition = rng.choice(CONDITIONS)
                    asked = [under(wording, condition) for wording in wordings]
                    yield intent(cell, language, f"{kind}:{subject[0]}", asked, slots, rng, most=2)


def blocks(lines: list[str], language: str, split: str, name: str) -> Iterator[Intent]:
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
            continue
        if block and part(block[0], (55, 20, 25)) == split:
            for each in block:
                yield Intent("knowledge", language, f"{name}:{block[0]}", tuple(bars(each)))
        block = []


def general(split: str, rng: random.Random) -> Iterator[Intent | None]:
    aspects, subjects = sections("aspects"), sections("subjects")
    for kind, lines in aspects.items():
        if kind:
            yield from about(
                "knowledge", "en", kind, "|".join(subjects[kind]), [x for x in lines if x], split, rng, 0.25
            )
    for name in ("blocks_a", "blocks_b"):
        yield from blocks(sections(name)[""], "en", split, name)
    for language, name in FOREIGN.items():
        found = sections(name)
        for kind in ("thing", "place"):
            if f"{kind}: aspects" in found:
                lines = found[f"{kind}: aspects"]
                yield from about(
                    "knowledge",
                    language,
                    kind,
                    "|".join(found[f"{kind}: subjects"]),
                    [x for x in lines if x],
                    split,
                    rng,
                )
        yield from blocks(found["blocks"], language, split, name)


def wishes(split: str, rng: random.Random) -> Iterator[Intent | None]:
    """Things one may want to do: how, how under a condition, and what else may be asked of them."""
    found = sections("actions")
    how = frames(found["frames"][0], split)
    others = [wordings for line in found["others"][0].split("||") if (wordings := frames(line, split))]
    conditions = bars(found["constraints"][0])
    for line in found[""]:
        action = [name.strip() for name in line.split("=")]
        if not line or part(line) != split:
            continue
        family = f"action:{action[0]}"
        yield intent("knowledge", "en", family, how, {"a": action}, rng)
        for condition in rng.sample(conditions, 8):
            asked = [under(wording, condition) for wording in how if wording.endswith("?") and ". " not in wording]
            yield intent("knowledge", "en", family, asked, {"a": action}, rng, most=3)
        for other in others:
            yield intent("knowledge", "en", family, other, {"a": action}, rng)


def code(split: str, rng: random.Random) -> Iterator[Intent | None]:
    found = sections("code")
    how = frames(found["frames"][0], split)
    others = [wordings for line in found["others"][0].split("||") if (wordings := frames(line, split))]
    languages = [[name] for name in bars(found["languages"][0])]
    for line in found["tasks"]:
        task = [name.strip() for name in line.split("=")]
        if not line or part(line, (50, 30, 20)) != split:
            continue
        for language in languages:
            slots = {"a": task, "l": language}
            yield intent("code", "en", f"code:{task[0]}", how, slots, rng)
            for other in rng.sample(others, min(1, len(others))):
                yield intent("code", "en", f"code:{task[0]}", other, slots, rng)


def weighing(split: str, rng: random.Random) -> Iterator[Intent | None]:
    """Two things against each other, in either order."""
    found = sections("analysis")
    for line in found["groups"]:
        things = [name.strip() for name in line.split(";")]
        for one, other in combinations([thing for thing in things if thing], 2):
            if part(one + other, (35, 37, 28)) != split:
                continue
            for aspect in found["aspects"]:
                wordings = frames(aspect, split) if aspect else []
                turned = [
                    wording.replace("{a}", "{c}").replace("{b}", "{a}").replace("{c}", "{b}") for wording in wordings
                ]
                yield intent("analysis", "en", f"analysis:{line}", wordings + turned, {"a": [one], "b": [other]}, rng)


def personal(split: str, rng: random.Random) -> Iterator[Intent | None]:
    """Of each matter and person some aspects: all of them would outweigh everything else."""
    found = sections("chat")
    aspects = [wordings for aspect in found["aspects"] if aspect and (wordings := frames(aspect, split))]
    for matter in names(found["matters"][0]):
        for person in names(found["persons"][0]):
            if part(matter[0] + person[0], (25, 50, 25)) != split:
                continue
            for wordings in rng.sample(aspects, min(MOST_ASPECTS, len(aspects))):
                yield intent("chat", "en", f"chat:{matter[0]}", wordings, {"p": person, "m": matter}, rng)


def help_with_weir(split: str, rng: random.Random) -> Iterator[Intent | None]:
    """None for training: there are too few of them to give any away."""
    found = sections("weir")
    for kind in ("setting", "command", "header"):
        for subject in names(found[f"{kind}: subjects"][0]):
            if part(kind + subject[0], (0, 62, 38)) != split:
                continue
            for line in found[f"{kind}: aspects"]:
                wordings = sorted(bars(line), key=lambda text: hashlib.sha256(text.encode()).digest())
                half = wordings[::2] if split == "calibration" else wordings[1::2]
                if half:
                    yield intent("weir_help", "en", f"weir:{subject[0]}", half, {"x": subject}, rng)


def everyday(split: str, rng: random.Random) -> Iterator[Intent | None]:
    """Look-alikes of all of life, in blocks, as people type them."""
    for path in sorted((TEXTS / "everyday").glob("*.txt")):
        for made in blocks(path.read_text(encoding="utf-8").splitlines(), "en", split, f"everyday:{path.stem}"):
            free = [text for text in made.texts if text.casefold().rstrip("?. ") not in SAID_ELSEWHERE]
            yield Intent(made.cell, made.language, made.family, tuple(rng.sample(free, len(free))))


def intents(split: str, seed: int = 5) -> list[Intent]:
    """All of a split; a text that came twice (by chance of the wordings) stays with the first."""
    rng = random.Random(f"{seed}:{split}")
    sources = (general, wishes, code, weighing, personal, help_with_weir, everyday)
    seen: set[str] = set()
    found = []
    for source in sources:
        for made in source(split, rng):
            if made is None:
                continue
            texts = tuple(text for text in made.texts if text.casefold().rstrip("?. ") not in seen)
            seen |= {text.casefold().rstrip("?. ") for text in texts}
            if len(texts) > 1:
                found.append(Intent(made.cell, made.language, made.family, texts))
    return found


def lightly(text: str, rng: random.Random) -> str:
    """The same question with another beginning and a word for a word, where there is one."""
    for openings in OPENINGS:
        begun = [opening for opening in openings if text.startswith(opening)]
        if begun:
            text = rng.choice([each for each in openings if each not in begun]) + text[len(begun[0]) :]
            break
    for one, other in rng.sample(WORDS, len(WORDS)):
        old, new = (one, other) if rng.random() < 0.5 else (other, one)
        if rng.random() < 0.5:
            text = re.sub(rf"\b{old}\b", new, text, count=1)
    return text


def as_typed(text: str, language: str, rng: random.Random) -> str:
    """The text as somebody may type it: other spelling, a slip, manners, no capitals."""
    if language == "en":
        for full, short in SHORTER:
            if full in text and rng.random() < 0.3:
                text = text.replace(full, short, 1)
        for one, other in SPELT:
            if one in text and rng.random() < 0.3:
                text = text.replace(one, other)
    if rng.random() < 0.12:
        text = rng.choice(BEFORE[language]) + text
    if rng.random() < 0.08:
        text += rng.choice(AFTER[language])
    if rng.random() < 0.08:
        text = _slip(text, rng)
    draw = rng.random()
    if draw < 0.12:
        text = text.lower()
    elif draw < 0.25:
        text = text.rstrip("?.! ")
    return text


def _slip(text: str, rng: random.Random) -> str:
    """One letter of a long word dropped, doubled or exchanged with the next."""
    words = list(re.finditer(r"[a-z]{6,}", text))
    if not words:
        return text
    word = rng.choice(words)
    at = rng.randint(word.start() + 1, word.end() - 3)
    kind = rng.randrange(3)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at] + text[at:]
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
