"""Language tasks of the edge desk: sentiment, topic, urgency, passages, Weir help, rewriting by rule.

Rules kept here:
1. Truth holds by construction: the label or span is chosen first, the text is composed around it.
2. A prompt is an instruction (opening x core x output clause x layout) around a text. The composed skeleton,
   slots unfilled, goes through `split_of`; the core asks (verbs and questions) are cut by `pool` besides, so
   that calibration and test see only asks that training never saw. Openings, layouts and output clauses are
   shared.
3. Content is held out too: message clauses, names, places, products and amounts are cut by `pool`. Words that
   carry the truth (adjectives, deadlines) are shared: an unseen clause can be judged from known words.
4. Calibration and test are made by the same code from pools cut the same way.
"""

from __future__ import annotations

import itertools
import random
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import cast

try:
    from .patterns import made_up_words, wordings
    from .sample import DIFFICULTIES, SPLITS, Difficulty, Generate, Sample, Split, pool, split_of
except ImportError:  # run as a script
    from patterns import made_up_words, wordings  # type: ignore[import-not-found, no-redef]
    from sample import (  # type: ignore[import-not-found, no-redef]
        DIFFICULTIES,
        SPLITS,
        Difficulty,
        Generate,
        Sample,
        Split,
        pool,
        split_of,
    )

Words = tuple[str, ...]


def _w(text: str) -> Words:
    """A tuple of the non-empty parts of a text separated by `|` or new lines."""
    return tuple(part.strip() for part in re.split(r"[|\n]", text) if part.strip())


@cache
def _cut(values: Words, split: Split) -> Words:
    return tuple(pool(values, split))


@cache
def _copied(values: Words, split: Split, shape: str) -> Words:
    """Values of a split that an answer copies. In training half of them are made up in a shape: word, Name, CODE."""
    real = _cut(values, split)
    if split != "train" or not shape:
        return real
    made = made_up_words()
    if shape == "Name":
        made = tuple(_cap(word) for word in made)
    elif shape == "CODE":
        rng = random.Random(shape)
        made = tuple(
            "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=rng.randint(1, 3))) + f"-{rng.randint(10, 9999)}"
            for _ in made
        )
    elif shape == "team":
        made = tuple(f"{word} {kind}" for word, kind in zip(made, itertools.cycle(("team", "office", "desk", "group"))))
    return real * (len(made) // len(real)) + made


def _say(rng: random.Random, split: Split, clauses: Words, section: str) -> str:
    """A clause of the split, from a tuple of single clauses or from a section (`file/title`) of the text files."""
    groups = _said(clauses, section, split)
    return _pick(rng, groups[int(rng.random() * len(groups))])


@cache
def _said(clauses: Words, section: str, split: Split) -> tuple[tuple[str, ...], ...]:
    name, title = section.split("/", 1)
    return tuple((clause,) for clause in (_cut(clauses, split) if clauses else ())) + wordings(name, title, split)


def _say_any(rng: random.Random, clauses: Words, section: str) -> str:
    """A clause that is held out from no split: single ones, or a section of the text files."""
    groups = _any_said(clauses, section)
    return _pick(rng, groups[int(rng.random() * len(groups))])


@cache
def _any_said(clauses: Words, section: str) -> tuple[Words, ...]:
    name, title = section.split("/", 1)
    return tuple((clause,) for clause in clauses) + wordings(name, title, None)


@lru_cache(maxsize=200_000)
def _split_of(text: str) -> Split:
    return cast(Split, split_of(text))


def _pick(rng: random.Random, values: Sequence[str]) -> str:
    return values[int(rng.random() * len(values))]


def _one(rng: random.Random, values: Words, split: Split) -> str:
    return _pick(rng, _cut(values, split))


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]


_ARTICLE = re.compile(r"\b([Aa]) (?=[aeio]|u[mnrg][^i])")
_SLOT = re.compile(r"\{(\w+)\}")


def _fill(rng: random.Random, template: str, slots: Mapping[str, Words]) -> str:
    """Fill each {slot} by a random value and mend `a` before a vowel."""
    text = _SLOT.sub(lambda found: _pick(rng, slots[found.group(1)]), template)
    return _ARTICLE.sub(r"\1n ", text)


# ---------------------------------------------------------------------------------------------- phrasing

# An opening, and whether the sentence then ends as a question.
OPENINGS: tuple[tuple[str, bool], ...] = (
    ("", False),
    ("", False),
    ("", False),
    ("", False),
    ("Please ", False),
    ("Please ", False),
    ("Kindly ", False),
    ("Could you ", True),
    ("Could you please ", True),
    ("Can you ", True),
    ("Can you please ", True),
    ("Would you ", True),
    ("Would you please ", True),
    ("Will you ", True),
    ("I need you to ", False),
    ("I want you to ", False),
    ("I would like you to ", False),
    ("Your task is to ", False),
    ("Your job is to ", False),
    ("The task is to ", False),
    ("Help me to ", False),
    ("Task: ", False),
    ("To do: ", False),
    ("Hi, please ", False),
    ("Hello, can you ", True),
    ("Hello, please ", False),
    ("Hi. Could you ", True),
    ("Now ", False),
    ("First, ", False),
    ("Just ", False),
    ("You should ", False),
    ("As a desk assistant, ", False),
    ("For the desk, ", False),
    ("Quick task: ", False),
    ("Next: ", False),
    ("Is it possible to ", True),
    ("It is your turn: ", False),
    ("Do this: ", False),
    ("We need you to ", False),
)
QUESTION_OPENINGS = _w(
    "Quick question: |Question: |Tell me: |Please tell me: |Hi, |Hello, |One question: |"
    "Q: |"
    "Say: |Please answer: |I ask you: |For the desk: "
)
LAYOUTS_BEFORE: Words = (
    "{ins}{fmt}\n{text}",
    "{ins}{fmt}\n\n{text}",
    '{ins}{fmt} "{text}"',
    '{ins}{fmt}\n"{text}"',
    "{ins}{fmt}\nText: {text}",
    "{ins}{fmt}\n\nText: {text}",
    "{ins}{fmt}\nInput: {text}",
    "{ins}: {text}",
    "{ins}:\n{text}\n{fmt}",
    "{ins}\n{text}\n{fmt}",
    "{ins}\n\n{text}\n\n{fmt}",
    '{ins}\n"{text}"\n{fmt}',
    "{ins}{fmt}\n---\n{text}\n---",
    "{ins}{fmt}\n> {text}",
    "{ins}{fmt}\n\nText:\n{text}",
    '{ins}{fmt}\nText: "{text}"',
    "{ins}{fmt}\nText: {text}\nAnswer:",
    "{ins}{fmt}\n{text}\nAnswer:",
    "{ins}{fmt} Text: {text}",
    "{ins}{fmt} <text>{text}</text>",
)
LAYOUTS_AFTER: Words = (
    "{text}\n{ins}{fmt}",
    "{text}\n\n{ins}{fmt}",
    '"{text}"\n{ins}{fmt}',
    '"{text}" {ins}{fmt}',
    "Text: {text}\n{ins}{fmt}",
    "Text: {text}\n\n{ins}{fmt}",
    "Input: {text}\n{ins}{fmt}",
    "{text}\n---\n{ins}{fmt}",
    "> {text}\n{ins}{fmt}",
    'Text: "{text}"\n{ins}{fmt}',
    'Here is a text: "{text}" {ins}{fmt}',
    "Read this: {text}\n{ins}{fmt}",
    'Look at this: "{text}" {ins}{fmt}',
    "<text>{text}</text>\n{ins}{fmt}",
)
LAYOUTS_KEYWORD: Words = (
    "{ins}: {text}",
    '{ins}: "{text}"',
    "{ins}:\n{text}",
    "{text}\n{ins}:",
    "[{ins}] {text}",
    "{text}\n\n{ins}:",
    "{ins} - {text}",
    "{ins}\n{text}",
    "{text} ({ins})",
    "{text} -> {ins}",
    '"{text}" - {ins}',
    "{ins}? {text}",
    "{text}\n{ins}?",
    "{ins} = ?\n{text}",
)
OBJECTS_BEFORE = _w("this {noun}|the {noun} below|the following {noun}|the {noun}|the next {noun}")
OBJECTS_AFTER = _w("this {noun}|the {noun} above|the {noun}|that {noun}|the {noun} you just read")


# A core that begins so takes no opening that runs on ("Could you in this text, ...").
_CLAUSE_FIRST = ("in {obj}", "{a} ", "with {a}", "let ")


@dataclass(frozen=True)
class Bank:
    """The asks of one task. Cores hold {obj} and, where they name the labels, {labels}."""

    imperatives: Words
    questions: Words
    keywords: Words
    formats: Words  # output clauses without labels
    label_formats: Words  # output clauses with {labels}
    nouns: Words


def _compose(rng: random.Random, split: Split, bank: Bank, unstated: float = 0.0) -> tuple[str, str]:
    """An instruction skeleton that belongs to the split, with {text}, {labels}, {obj} and own slots unfilled.

    Returns the skeleton and where the text is (the instruction comes "before" or "after" it).
    """
    while True:
        roll = rng.random()
        if roll < 0.5 or not bank.questions:
            core = _one(rng, bank.imperatives, split)
            opening, asks = OPENINGS[int(rng.random() * len(OPENINGS))]
            if core.startswith(_CLAUSE_FIRST) and opening[-2:] != ": ":
                opening, asks = _pick(rng, ("", "", "Hello. ", "Hi. ", "To the desk. ")), False
            end = "?" if asks else "."
        elif roll < 0.82 or not bank.keywords:
            core = _one(rng, bank.questions, split)
            opening = _pick(rng, QUESTION_OPENINGS) + " " if rng.random() < 0.3 else ""
            end = "?"
        else:
            core = _one(rng, bank.keywords, split)
            opening, end = "", ""
        stated = "{labels}" in core or not bank.label_formats
        if not stated and rng.random() >= unstated:
            fmt = _pick(rng, bank.label_formats)
        elif stated and bank.formats and rng.random() < 0.55:
            fmt = _pick(rng, bank.formats)
        else:
            fmt = ""
        ins = opening + core
        where = "before"
        if end == "":
            layout = _pick(rng, LAYOUTS_KEYWORD)
            skeleton = layout.replace("{ins}", rng.choice((core, _cap(core), core)))
            if fmt:
                skeleton = skeleton + "\n" + fmt if rng.random() < 0.5 else fmt + "\n" + skeleton
        else:
            if opening[-2:] not in (": ", ", ") or not opening:
                ins = _cap(ins)
            if rng.random() < 0.62:
                layout = _pick(rng, LAYOUTS_BEFORE)
            else:
                layout, where = _pick(rng, LAYOUTS_AFTER), "after"
            if fmt and layout == "{ins}: {text}":
                layout = "{ins}{fmt} {text}"
            if "{ins}:" in layout:
                end = ""
            fmt_part = " " + fmt if fmt and "{ins}{fmt}" in layout else fmt
            if not fmt and layout.endswith("\n{fmt}"):
                layout = layout[:-6].rstrip("\n")
            skeleton = layout.replace("{ins}", ins + end).replace("{fmt}", fmt_part)
        if _split_of(skeleton) == split:
            return skeleton, where


def _render(rng: random.Random, skeleton: str, where: str, bank: Bank, slots: Mapping[str, str]) -> str:
    if "{obj}" in skeleton:
        obj = _pick(rng, OBJECTS_BEFORE if where == "before" else OBJECTS_AFTER)
        skeleton = skeleton.replace("{obj}", obj).replace("{noun}", _pick(rng, bank.nouns))
    return _SLOT.sub(lambda found: slots[found.group(1)], skeleton)


def _labels(rng: random.Random, labels: Words, shuffle: bool = True) -> str:
    order = list(labels)
    if shuffle:
        rng.shuffle(order)
    elif rng.random() < 0.4:
        order.reverse()
    style = rng.random()
    if style < 0.5:
        return ", ".join(order[:-1]) + " or " + order[-1]
    return (", " if style < 0.75 else "/" if style < 0.87 else " | ").join(order)


LABEL_FORMATS = _w("""
Answer with {labels}. | Answer {labels}. | Reply with {labels}. | Use one of: {labels}. | Options: {labels}.
Labels: {labels}. | Choose from {labels}. | Answer with one word: {labels}. | One word: {labels}.
The answer is {labels}. | Say {labels}. | Pick one: {labels}. | Give one label: {labels}. | Write {labels}.
Possible answers: {labels}. | Your answer must be {labels}. | Only one of these: {labels}.
Choices: {labels}.
""")
ONE_WORD = _w("""
Answer with one word. | One word only. | Reply with the label only. | Only the label.
Answer with the label only.
Give only one word. | Just the label. | Write one word. | Use a single word. | No explanation.
Reply in one word.
Do not explain. | Return only the label. | One word is enough. | Your answer is one word.
Just one word, please.
""")

# ---------------------------------------------------------------------------------------------- shared values

FIRST = _w("""Ada|Bela|Carl|Dina|Emil|Fay|Gus|Hana|Igor|Jana|Kofi|Lena|Milo|Nora|Omar|Pia|Quin|Rosa|Sven
Tara|Umar|
Vera|Wim|Xena|Yara|Zeno|Amir|Berta|Cleo|Dario|Edda|Finn|Greta|Hugo|Ines|Jonas|Kira|Luca|Mara|Nils|Olga|Paul
Rania|
Samir|Thea|Ugo|Viola|Wanda|Yusuf|Zora|Aldo|Bruno|Celia|Dora|Elio|Frida|Gino|Heidi|Ivan|Judit|Karl|Lina|Marek
Nadia|
Otto|Petra|Remy|Sonja|Tomas|Ursel|Vito|Wilma|Ylva|Zita|Anouk|Basil|Corin|Demi|Enzo|Flora""")
LAST = _w("""Okafor|Lindt|Marsh|Novak|Berg|Castro|Dunne|Ekholm|Falk|Gruber|Haddad|Ito|Jansen|Kowal|Lopez
Moreau|
Nakata|Olsen|Petrov|Quist|Rossi|Sato|Tanner|Ulrich|Vargas|Weber|Yilmaz|Zeman|Abara|Brandt|Cole|Diaz|Engel
Fischer|
Garber|Holt|Ivers|Jung|Keller|Lang|Meyer|Nunez|Ortiz|Pohl|Reyes|Stein|Tovar|Urban|Vogel|Walsh|Young|Ziegler
Amsel|
Bauer|Conti|Drake|Evans|Frost|Grant|Hale|Irving|Joshi|Kumar|Lund|Mori|Nash|Osman|Park|Rahman|Silva|Toth|Varga|
Winter|Xu|Yates|Zhou|Adler|Blum|Cruz|Dahl""")
PLACES = _w("""Oslo|Lisbon|Porto|Geneva|Vienna|Prague|Lyon|Turin|Bergen|Ghent|Leeds|Cork|Malmo|Riga|Tartu
Zagreb|
Split|Graz|Linz|Basel|Bern|Bonn|Essen|Bremen|Kiel|Nice|Lille|Nantes|Seville|Bilbao|Murcia|Genoa|Bari|Parma
Siena|
Turku|Espoo|Aarhus|Odense|Lund|Dover|York|Bath|Derby|Perth|Dublin|Galway|Izmir|Ankara|Tunis|Rabat|Accra|Lagos|
Nairobi|Kigali|Quito|Lima|Cusco|Bogota|Santos|Osaka|Kyoto|Busan|Hanoi""")
ITEMS = _w("""printer|scanner|laptop|monitor|keyboard|headset|router|tablet|phone|charger|camera|speaker
desk lamp|
chair|cable|battery|mouse|projector|kettle|heater|fan|backpack|jacket|watch|blender|toaster|drill|ladder
tent|bicycle|
helmet|mixer|vacuum|notebook|stapler|whiteboard|microphone|adapter|dock|sensor|pump|filter|lock|badge reader
radio|
clock|coat|pair of boots|suitcase|umbrella|sofa|carpet|mirror|grill|oven|fridge|freezer|washer|dryer
toolbox""")
TEAMS = _w("""support team|sales team|finance office|legal team|design group|data team|field crew|night shift|
front desk|test lab|archive|warehouse|training unit|safety office|security desk|press office|repair shop|
research group|planning team|print room|service desk|transport unit|supply office|map office""")
PROJECTS = _w("""Heron|Falcon|Cedar|Maple|Birch|Comet|Delta|Ember|Fjord|Granite|Harbor|Indigo|Juniper|Kestrel|
Lantern|Meadow|Nimbus|Onyx|Pebble|Quartz|Raven|Saffron|Tundra|Umber|Velvet|Willow|Yarrow|Zephyr|Aspen|Basalt
Coral|
Dune|Echo|Flint|Glacier|Hazel|Iris|Jasper|Krill|Lotus|Moss|Nectar|Opal|Pine|Reef|Slate|Thistle|Walnut""")
MONTHS = _w("January|February|March|April|May|June|July|August|September|October|November|December")
DATES: Words = tuple(f"{day} {month}" for month in MONTHS for day in range(1, 29))
DAYS = _w("Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday")
TIMES: Words = tuple(f"{hour}:{minute:02d}" for hour in range(7, 20) for minute in range(0, 60, 5))
ROOMS: Words = tuple(f"{letter}{number}" for letter in "ABCDEFGHK" for number in range(10, 60))
AMOUNTS: Words = tuple(f"{euro} euros" for euro in range(12, 980, 3))
CODES: Words = tuple(f"{a}{b}-{n}" for a in "BDFGHKLMNPRST" for b in "AEKRX" for n in range(107, 990, 41))
COLORS = _w("red|blue|green|yellow|black|white|grey|brown|orange|purple|pink|silver")


# ---------------------------------------------------------------------------------------------- sentiment

POS = _w("""good|great|excellent|wonderful|fantastic|lovely|perfect|superb|amazing|brilliant|pleasant
helpful|friendly|
reliable|impressive|delightful|outstanding|fine and helpful|very good|really great|nice|splendid|terrific
awesome""")
NEG = _w("""bad|terrible|awful|poor|horrible|disappointing|dreadful|useless|annoying|rude|unreliable
frustrating|
unpleasant|broken|slow and rude|very bad|really poor|nasty|lousy|shoddy|faulty|careless|miserable
unacceptable""")
SERVICE = _w("""service|staff|support|delivery|food|hotel|app|course|room|visit|team|manual|setup|price
quality|website|
repair|training|meeting|talk|tour|shop|help desk|packaging|update|trip|event|concert|lunch|menu""")
SENT_EVEN = _w("""
the {thing} was {P} | the {thing} is {P} | my new {item} is {P} | the {item} turned out to be {P}
what a {P} {thing}
I found the {thing} {P} | we found the {item} {P} | the {thing} seems {P} to me | a {P} {item} for the money
the {item} feels {P} | everything about the {thing} was {P} | the {thing} we got was {P}
a {P} {thing} all round
the {item} that I bought is {P} | it was a {P} {thing} | it is a {P} {item} | honestly, the {thing} was {P}
I must say the {item} is {P} | our {thing} last week was {P} | the whole {thing} was {P} from start to end
I had a {P} time with the {item} | this {item} is {P} | such a {P} {thing} | the {thing} here is always {P}
in my view the {item} is {P} | {P} {thing}, {P} {item} | the people at the {thing} were {P}
we had a {P} {thing}
the sound of the {item} is {P} | the {item} looks {P} | the {thing} has been {P} all year | {P} {item}
my experience with the {thing} was {P} | the {thing} proved {P} | I think the {item} is {P}
all in all a {P} {thing}
the {item} came with a {P} manual | the {thing} was simply {P} | I call this {thing} {P}
our guests found it {P}
""")
SENT_POS = _w("""
I love this {item} | I love the {thing} | I am very happy with the {item} | we are happy with the {thing}
I really like the {item} | we enjoyed the {thing} a lot | I would recommend the {item} to everyone
I recommend this {thing} to all my friends | the {item} works perfectly | the {thing} made my day
thank you for the {P} {thing} | I will gladly come back | I will buy this {item} again
we were delighted by the {thing}
best {item} I have ever had | the {thing} was the best in years | I am so pleased with the {item}
the {item} makes me smile every day | I enjoy using the {item} | worth every cent, this {item}
I am glad that I bought the {item} | the {thing} exceeded what we hoped for | five stars for the {thing}
top marks for the {item} | the team was a joy to work with | I am thrilled with the {item}
my family loves the {item} | we all liked the {thing} | I am impressed by the {thing}
the {item} is a joy to use
""")
SENT_NEG = _w("""
I hate this {item} | I hate the {thing} | I am very unhappy with the {item} | we are unhappy with the {thing}
I really dislike the {item} | we disliked the {thing} a lot | I would warn everyone about the {item}
I regret that I bought the {item} | the {item} broke after one day | the {thing} ruined my day
I am angry about the {P} {thing} | I will never come back | I will never buy this {item} again
we were let down by the {thing} | worst {item} I have ever had | the {thing} was the worst in years
I am so upset about the {item} | the {item} makes me angry every day | I am sick of the {item}
a waste of money, this {item} | the {thing} was a waste of time | the {thing} fell short of what we hoped for
one star for the {thing} | no marks for the {item} | the team was a pain to work with
I am annoyed by the {item}
my family hates the {item} | we all disliked the {thing} | I am disappointed by the {thing}
the {item} is a pain to use
""")
SENT_NEU = _w("""
the {item} arrived on {day} | the {item} is {color} | the {item} comes in a {color} box
I bought the {item} on {day}
the {thing} starts at {time} | the {thing} is in {place} | we went to {place} on {day}
the {item} has two buttons
the {item} weighs three kilos | the {thing} takes place on {day} | there is a {item} in the room
I ordered one {item} and one cable | the manual has twenty pages | the {thing} lasts two hours
the {item} is on the table | the office in {place} opens at {time} | we use the {item} on {day}
the {thing} is open on {day} | the {item} runs on two batteries | my order has three items
the {item} was made in {place} | the {item} stands next to the door | the {thing} will be held in {place}
they moved the {thing} to {day} | the {item} is for the office | I received a letter about the {thing}
the {item} costs what it cost last year | the box contains one {item} | the {thing} has a new address
the bus to {place} leaves at {time} | the {item} is sold in {place} | the form has four parts
I use the {item} at work
the {thing} is listed on the website | the {color} {item} is in stock | the {item} was sent from {place}
we have one {item} per floor | the next {thing} is on {day} | the {color} one is the older {item}
""")
SENT_NOT_NEG = _w("""
the {thing} was not {N} at all | not {N} at all, this {item} | the {item} is anything but {N}
nothing about the {thing} was {N} | I cannot call the {thing} {N}, quite the opposite
the {item} was far from {N}
I have no complaints about the {thing} | there is nothing to dislike about the {item}
never a {N} moment with the {item}
the {item} was by no means {N} | I would not call the {item} {N}, I like it
no one could say that the {thing} was {N}
they said the {thing} would be {N}, but it was not | I expected a {N} {thing}, and I was wrong
the {thing} was never {N}
""")
SENT_NOT_POS = _w("""
the {thing} was not {N} at all | not {N} at all, this {item} | the {item} is anything but {N}
nothing about the {thing} was {N} | I cannot call the {thing} {N}, quite the opposite
the {item} was far from {N}
I have no praise for the {thing} | there is nothing to like about the {item}
never a {N} moment with the {item}
the {item} was by no means {N} | I would not call the {item} {N}, I dislike it
no one could say that the {thing} was {N}
they said the {thing} would be {N}, but it was not | I expected a {N} {thing}, and I was wrong
the {thing} was never {N}
""")
SENT_NEITHER = _w("""
the {thing} was neither {G} nor {N} | the {item} is not {G} and not {N} | I have no opinion about the {thing}
the {thing} was so-so, neither {G} nor {N} | I feel neutral about the {item}
I neither like nor dislike the {item}
not {G}, not {N}, just an average {item} | the {thing} was average, neither {G} nor {N}
I do not mind either way
I cannot say that the {thing} was {G} or {N} | the {item} is just average
neither {N} nor {G}, the {thing} was average
""")
# {A} is the evidence of the other side, {B} the clause that decides.
SENT_TURN = _w("""
{A}, but in the end {B} | although {A}, {B} overall | {A} at first, but now {B}
at first {A}, but overall {B}
{A}. Still, all in all {B} | even if {A}, in the end {B} | {A}; all things considered, {B}
{A}. Overall, though, {B}
yes, {A}, but my final view is clear: {B} | {A}, and yet {B} in the end | {A}. My final word: {B}
some say {A}, but for me {B} | {A}. In the end, however, {B} | you may hear that {A}, but overall {B}
""")
SENT_VERDICT_POS = _w("""I am happy|we are very pleased|I love it|it was {P}|I would buy it again
I recommend it|it is {P}|
I am glad that I came|I like it a lot|we enjoyed it|I would come back|everyone was pleased""")
SENT_VERDICT_NEG = _w("""I am unhappy|we are very upset|I hate it|it was {P}|I would never buy it again
I regret it|it is {P}|
I am sorry that I came|I dislike it a lot|we were let down|I would not come back|everyone was annoyed""")

SENT_BANK = Bank(
    imperatives=_w("""
    classify {obj} as {labels} | label {obj} as {labels} | rate {obj} as {labels} | mark {obj} as {labels}
    tag {obj} as {labels} | judge whether {obj} is {labels} | decide whether {obj} is {labels}
    sort {obj} into {labels}
    tell me whether {obj} is {labels} | say whether {obj} is {labels} | find the sentiment of {obj}
    read {obj} and give the sentiment | give the sentiment of {obj} | name the sentiment of {obj}
    determine the sentiment of {obj}
    classify the sentiment of {obj} | classify the sentiment of {obj} as {labels}
    describe the tone of {obj} as {labels}
    tell me if {obj} sounds {labels} | decide if {obj} sounds {labels} | say if the tone of {obj} is {labels}
    state the sentiment of {obj} | identify the sentiment of {obj} | detect the sentiment in {obj}
    judge the tone of {obj}
    judge the mood of {obj} | find the mood of {obj}: {labels} | rate the mood of {obj}
    label the mood of {obj}
    put one label on {obj}: {labels} | choose a sentiment label for {obj}
    pick the right label for {obj}: {labels}
    choose between {labels} for {obj} | pick {labels} for {obj} | read {obj} and say whether it is {labels}
    read {obj} and choose {labels} | look at {obj} and decide: {labels} | check whether {obj} is {labels}
    evaluate the feeling in {obj} | evaluate {obj} as {labels} | report the sentiment of {obj} as {labels}
    assign {labels} to {obj} | assign a sentiment to {obj} | work out whether the writer of {obj} is {labels}
    say how the writer of {obj} feels | tell me how the author of {obj} feels: {labels}
    review {obj} and say {labels}
    do a sentiment check of {obj} | run a sentiment check on {obj} | mark the tone of {obj} with {labels}
    """),
    questions=_w("""
    is {obj} {labels} | what is the sentiment of {obj} | which sentiment does {obj} have
    how does {obj} sound: {labels}
    does {obj} sound {labels} | how does the writer of {obj} feel | is the tone of {obj} {labels}
    what is the tone of {obj}
    what is the mood of {obj} | which label fits {obj}: {labels} | which of {labels} fits {obj}
    would you call {obj} {labels}
    what sentiment do you see in {obj} | is the writer of {obj} {labels} | how would you rate {obj}: {labels}
    which is right for {obj}: {labels} | what feeling does {obj} show | what is the sentiment here
    is this {labels}
    {labels}: which one is {obj} | how would you label {obj} | does the author of {obj} feel {labels}
    what mood is this
    is the sentiment of {obj} {labels} | which tone does {obj} have | which mood does {obj} show: {labels}
    """),
    keywords=_w("""
    sentiment | sentiment ({labels}) | {labels} | tone | mood | tone ({labels}) | sentiment label
    sentiment check
    sentiment of {obj} | sentiment, one word | sentiment: {labels} | mood ({labels}) | opinion ({labels})
    feeling
    classify sentiment | label sentiment | rate sentiment | tone of {obj} | review sentiment
    feeling ({labels})
    """),
    formats=ONE_WORD,
    label_formats=LABEL_FORMATS,
    nouns=_w("text|message|review|comment|note|feedback|sentence|statement"),
)
SENT_LABELS: Words = ("positive", "negative", "neutral")


def _join(rng: random.Random, clauses: Sequence[str]) -> str:
    """Clauses as sentences, sometimes two joined by `and`."""
    parts = list(clauses)
    if len(parts) > 1 and rng.random() < 0.25 and not re.search(r"[.;:?]", parts[0] + parts[1]):
        parts[:2] = [parts[0] + " and " + parts[1]]
    sentences = [_cap(part) + ("" if part[-1] in ".?!" else ".") for part in parts]
    return " ".join(sentences)


@cache
def _base_slots(split: Split) -> dict[str, Words]:
    return {
        "item": _copied(ITEMS, split, "word"),
        "thing": _cut(SERVICE, split),
        "day": DAYS,
        "time": _cut(TIMES, split),
        "place": _copied(PLACES, split, "Name"),
        "color": COLORS,
        "name": _copied(FIRST, split, "Name"),
        "last": _copied(LAST, split, "Name"),
        "team": _copied(TEAMS, split, "team"),
        "date": _cut(DATES, split),
        "amount": _cut(AMOUNTS, split),
        "code": _copied(CODES, split, "CODE"),
        "room": _cut(ROOMS, split),
        "month": MONTHS,
        "project": _copied(PROJECTS, split, "Name"),
    }


@cache
def _sent_slots(split: Split, positive: bool) -> dict[str, Words]:
    return {**_base_slots(split), "P": POS if positive else NEG, "N": NEG if positive else POS, "G": POS}


def _polar(rng: random.Random, split: Split, positive: bool) -> str:
    if rng.random() < 0.5:
        template = _say(rng, split, SENT_EVEN, "sentiment/even")
    elif positive:
        template = _say(rng, split, SENT_POS, "sentiment/positive")
    else:
        template = _say(rng, split, SENT_NEG, "sentiment/negative")
    return _fill(rng, template, _sent_slots(split, positive))


def _neutral(rng: random.Random, split: Split) -> str:
    return _fill(rng, _say(rng, split, SENT_NEU, "sentiment/neutral"), _base_slots(split))


def _sent_text(rng: random.Random, split: Split, difficulty: Difficulty, label: str) -> tuple[str, str]:
    positive = label == "positive"
    if difficulty == "easy":
        clause = _neutral(rng, split) if label == "neutral" else _polar(rng, split, positive)
        return _join(rng, [clause]), "one"
    if difficulty == "medium":
        if label == "neutral":
            return _join(rng, [_neutral(rng, split) for _ in range(rng.choice((2, 2, 3)))]), "facts"
        clauses = [_polar(rng, split, positive), _neutral(rng, split)]
        if rng.random() < 0.3:
            clauses.append(_polar(rng, split, positive))
        rng.shuffle(clauses)
        return _join(rng, clauses), "polar+facts"
    if label == "neutral":
        clauses = [_neutral(rng, split), _neutral(rng, split)]
        if rng.random() < 0.65:
            slots = {**_base_slots(split), "G": POS, "N": NEG}
            clauses[0] = _fill(rng, _say(rng, split, SENT_NEITHER, "sentiment/neither"), slots)
        rng.shuffle(clauses)
        return _join(rng, clauses), "neither"
    if rng.random() < 0.5:
        if positive:
            template = _say(rng, split, SENT_NOT_NEG, "sentiment/not_negative")
        else:
            template = _say(rng, split, SENT_NOT_POS, "sentiment/not_positive")
        clauses = [_fill(rng, template, _sent_slots(split, positive)), _neutral(rng, split)]
        if rng.random() < 0.5:
            clauses.reverse()
        return _join(rng, clauses), "negation"
    turn = _say(rng, split, SENT_TURN, "sentiment/turn")
    if positive:
        verdict = _say(rng, split, SENT_VERDICT_POS, "sentiment/verdict_positive")
    else:
        verdict = _say(rng, split, SENT_VERDICT_NEG, "sentiment/verdict_negative")
    verdict = _fill(rng, verdict, _sent_slots(split, positive))
    text = _fill(rng, turn, {**_base_slots(split), "A": (_polar(rng, split, not positive),), "B": (verdict,)})
    clauses = [text] if rng.random() < 0.6 else [_neutral(rng, split), text]
    return " ".join(_cap(clause) + "." for clause in clauses), "turn"


def sentiment(rng: random.Random, split: Split, difficulty: Difficulty) -> Sample:
    """positive, negative or neutral; hard: negation, or mixed evidence where the final judgement decides."""
    label = rng.choice(SENT_LABELS)
    text, kind = _sent_text(rng, split, difficulty, label)
    skeleton, where = _compose(rng, split, SENT_BANK)
    slots = {"text": text, "labels": _labels(rng, SENT_LABELS)}
    prompt = _render(rng, skeleton, where, SENT_BANK, slots)
    return Sample("sentiment", difficulty, prompt, label, f"{skeleton} || {kind}")


# ---------------------------------------------------------------------------------------------- topic

TOPICS: dict[str, Words] = {
    "billing": _w("""
    why is my invoice higher than last month | I was charged twice for the {item}
    the invoice shows {amount} too much
    my card was charged {amount} by mistake | can I pay the invoice in {month}
    I need a copy of the invoice for {month}
    the payment of {amount} did not go through | please explain the charge of {amount}
    what is the fee for late payment
    the tax on my invoice is wrong | can I pay by bank transfer | my bill for {month} is missing
    the bill says {amount}
    please send the receipt for my payment | my payment was taken two times | how do I pay my bill
    I paid {amount} too much
    can you split the bill into two payments | the discount is not on the invoice
    the price on the bill is wrong
    which charge is this on my card | I want to pay by card
    there is an unknown charge of {amount} on my bill
    the invoice has the wrong company name | my monthly fee went up to {amount} | when is the payment due
    do you accept payment by card | please correct the invoice number {code}
    the receipt shows a wrong amount
    I was billed {amount} for nothing | I have a question about the fee on my bill
    the invoice was paid on {date}, yet you ask again
    """),
    "shipping": _w("""
    where is my parcel | my parcel has not arrived yet | the courier left the {item} at the wrong door
    when will the {item} be delivered | the tracking number {code} does not work
    my delivery to {place} is late
    the parcel was sent to {place} by mistake | how long does delivery to {place} take | the package is lost
    can the courier deliver on {day} | the tracking page has not moved since {day}
    has my order been shipped yet
    the delivery of the {item} is three days late | please ship the {item} to {place} | do you ship to {place}
    the courier never came on {day} | my package is stuck in {place} | what does shipping to {place} cost
    I want express delivery to {place} | the driver could not find my street
    the box was left in the rain by the courier
    can you change the delivery address to {place} | I am still waiting for the parcel
    the tracking says delivered, but it is not here
    which courier brings my package | when does the {item} ship | the delivery van did not stop here
    only half of the parcel was delivered | my shipment is still in {place}
    please send the package to the office in {place}
    """),
    "account": _w("""
    I forgot my password | I cannot log in to my account | please reset my password
    how do I change my email address
    I want to close my account | my account is locked | my login does not work | please delete my account
    how do I change my user name | I need to change the name on my profile | please update my profile
    the password reset mail never came | can two people share one account | I want to open a new account
    someone else uses my account | my user name was changed | please unlock my login
    I lost access to my account
    how do I add {name} as a user | please remove {name} from our account | I cannot sign in since {day}
    which email address is on my profile | I want a new password | my profile shows the wrong name
    please give {name} access to the account | my sign in code does not come | I want to merge my two accounts
    how do I turn on two step login | the login page says wrong password | my account was closed by mistake
    """),
    "technical": _w("""
    the app crashes when I open it | the {item} shows error {code} | my {item} does not turn on
    the screen stays black
    the software does not install | the update failed with error {code}
    the {item} will not connect to the network
    the app freezes every time | the {item} makes a loud noise | I get an error message on the screen
    the page does not load | the {item} stopped working on {day} | the app is very slow since the update
    how do I install the driver for the {item} | the {item} keeps restarting
    the sound of the {item} does not work
    the system does not save my file | the {item} does not sync with the app | there is a bug in the app
    the screen of the {item} flickers | the network drops every hour | how do I set up the {item}
    the software shows error {code} at start | the {item} gets too hot and turns off
    the button in the app does nothing
    the server does not answer | my file will not open in the app | the {item} is not found by the system
    the new version of the app does not start | the {item} lost its network settings
    """),
    "returns": _w("""
    I want to return the {item} | how do I send the {item} back | the {item} does not fit, can I return it
    I would like to exchange the {item} | can I exchange the {item} for a {color} one
    please send me a return label
    I need a return label for the {item} | can I return an opened {item}
    the {item} is the wrong size, I want to swap it
    how many days do I have to return the {item} | I sent the {item} back on {day} | did my return arrive
    I want to give the {item} back | the {color} {item} was wrong, can I exchange it
    where do I return the {item}
    I changed my mind and want to send the {item} back | is the return of the {item} free
    can I return a gift
    I returned the {item} on {date}, is it accepted | please take the {item} back
    the return form is not clear
    I want to swap the {item} for another size | I got the wrong {item}, how do I return it
    can I bring the {item} back to the shop
    I need to send back two of the three items | what is your return policy | how do I exchange a gift
    I lost the return label for the {item} | may I return the {item} without the box
    please confirm my return of the {item}
    """),
    "scheduling": _w("""
    can we move the meeting to {day} | I need an appointment on {day} | please book a time slot at {time}
    can I change my appointment to {day} | I have to cancel the appointment on {day}
    is {day} at {time} still free
    please reschedule our call to {day} | when is my next appointment | can we meet on {day} at {time}
    I would like to book a visit on {date} | please put the call with {name} on {day}
    the meeting on {day} is too early
    which time slots are free on {day} | can the technician visit on {day}
    I cannot make the appointment at {time}
    please cancel my booking for {date} | can we have the call one hour later
    I want to book an appointment with {name}
    what time is the meeting on {day} | let us move the visit to {date}
    please confirm the appointment on {date}
    can I come at {time} and not at {day} noon | the time slot at {time} does not suit me
    when can {name} meet me
    please find a date for the meeting | is there an earlier appointment | can we plan the call for {day}
    I need to reschedule the visit of {name} | please add {name} to the meeting on {day}
    book me a slot on {day}
    """),
}
TOPIC_NAMES: Words = tuple(TOPICS)
TOPIC_NP: dict[str, Words] = {
    "billing": _w("the invoice|the bill|my payment|the charge on my card|the fee|the receipt"),
    "shipping": _w("the parcel|the delivery|the tracking number|the courier|the package|the shipment"),
    "account": _w("my password|my login|my account|my user name|my profile|the sign in"),
    "technical": _w("the app|the error message|the software update|the bug|the screen|the network"),
    "returns": _w("the return|the return label|the exchange|the item I sent back|the return form|the swap"),
    "scheduling": _w(
        "the appointment|the meeting time|the time slot|the booking|the date of the visit|the call on Monday"
    ),
}
TOPIC_SETTLED = _w("""
{np} is fine now | I am not asking about {np} | {np} is already settled
you have solved the issue with {np}, thanks
forget {np} | do not worry about {np} | this is not about {np} | thank you for the help with {np}
{np} is no longer a problem
last week I wrote about {np}, that is done | leave {np} aside | {np} was sorted out on {day}
we talked about {np} before, all good
no need to check {np} | {name} has already dealt with {np} | the matter of {np} is closed
I have no question about {np}
you can skip {np} | my colleague asks about {np}, not me | {np} is in order
""")
TOPIC_PIVOT = _w("""
My question is: | What I need now: | Today I ask: | But: | Now my question: | Instead,
This is my problem: | I write because of this:
Here is what I need: | My issue is another one: | Now to my request: | The real question: | However,
What I want to know:
""")
TOPIC_FILLER = _w("""
hello, this is {name} | I am a customer from {place} | thank you for your help | I hope you are well
good morning
my name is {name} {last} | I wrote to you on {day} | please answer soon | I look forward to your answer
greetings from {place}
I have been a customer for years | could you help me | I called on {day} | sorry to bother you
this is my second message
thanks in advance | please let me know | best wishes, {name} | hi there | my reference is {code}
I need some help
{name} told me to write to you | can someone look at this | I am writing for the {team} | dear desk
hello team
""")
TOPIC_BANK = Bank(
    imperatives=_w("""
    classify {obj} as {labels} | classify {obj} by topic | label {obj} with {labels}
    sort {obj} into {labels}
    assign {obj} to {labels} | route {obj} to {labels} | send {obj} to the right desk: {labels}
    tag {obj} with its topic
    find the topic of {obj} | name the topic of {obj} | give the topic of {obj} | determine the topic of {obj}
    tell me the topic of {obj} | state the topic of {obj} | identify the topic of {obj}
    decide the topic of {obj}
    choose the topic of {obj} | pick the topic of {obj} | choose a topic for {obj} | choose the desk for {obj}
    pick the right desk for {obj} | tell me which desk handles {obj} | say which desk should get {obj}
    say what {obj} is about | tell me what {obj} is about: {labels} | read {obj} and give its topic
    read {obj} and choose {labels} | read {obj} and name the desk | put {obj} into one category
    give the category of {obj}
    find the category of {obj} | decide which category fits {obj} | choose one category for {obj}: {labels}
    pick one of {labels} for {obj} | mark {obj} as {labels} | file {obj} under {labels}
    file {obj} under its topic
    decide where {obj} belongs: {labels} | say where {obj} belongs | tell me the right label for {obj}
    give {obj} a topic label | assign a topic to {obj} | assign a category to {obj}
    report the topic of {obj}
    judge what the customer asks about in {obj} | work out the topic of {obj}
    look at {obj} and pick its topic
    """),
    questions=_w("""
    what is the topic of {obj} | which topic does {obj} have | what is {obj} about
    which desk should get {obj}
    which desk handles {obj} | where does {obj} belong | which category fits {obj} | which label fits {obj}
    is {obj} about {labels} | what is the category of {obj} | which of {labels} fits {obj}
    what does the customer ask about
    where should {obj} go | who should get {obj}: {labels} | which topic fits {obj}: {labels}
    what kind of request is {obj}
    under which topic do you file {obj} | how would you label {obj} | what is the right topic for {obj}
    which desk is right for {obj} | which one is {obj}: {labels} | what topic is this
    which team should answer {obj}
    """),
    keywords=_w("""
    topic | topic ({labels}) | category | category ({labels}) | desk | desk ({labels}) | {labels}
    topic label
    topic of {obj} | route | route to | ticket topic | label | classify topic | desk label | category of {obj}
    department ({labels}) | ticket category | request topic | topic, one word
    """),
    formats=ONE_WORD,
    label_formats=LABEL_FORMATS,
    nouns=_w("message|request|ticket|email|question|note|text"),
)


def topic(rng: random.Random, split: Split, difficulty: Difficulty) -> Sample:
    """The desk that a message belongs to; hard: two topics are mentioned, one is asked about."""
    label = rng.choice(TOPIC_NAMES)
    slots = _base_slots(split)
    ask = _fill(rng, _say(rng, split, TOPICS[label], f"topic/{label}"), slots)
    kind = "one"
    if difficulty == "easy":
        text = _topic_sentence(ask)
    else:
        parts = [_topic_sentence(ask)]
        if difficulty == "hard":
            kind = "two"
            other = rng.choice([name for name in TOPIC_NAMES if name != label])
            settled = _say(rng, split, TOPIC_SETTLED, "topic/settled").replace("{np}", _pick(rng, TOPIC_NP[other]))
            settled = _cap(_fill(rng, settled, slots)) + "."
            if rng.random() < 0.6:
                parts = [
                    settled,
                    _say(rng, split, TOPIC_PIVOT, "topic/pivot") + " " + parts[0][:1].lower() + parts[0][1:],
                ]
                parts[1] = re.sub(r"(?<= )i\b", "I", parts[1])
            else:
                parts = [parts[0], settled]
        for _ in range(rng.choice((1, 1, 2)) if difficulty == "medium" else rng.choice((0, 1, 1))):
            filler = _topic_sentence(_fill(rng, _say(rng, split, TOPIC_FILLER, "topic/filler"), slots))
            parts.insert(0 if rng.random() < 0.5 else len(parts), filler)
        text = " ".join(parts)
    skeleton, where = _compose(rng, split, TOPIC_BANK, unstated=0.2)
    prompt = _render(rng, skeleton, where, TOPIC_BANK, {"text": text, "labels": _labels(rng, TOPIC_NAMES)})
    return Sample("topic", difficulty, prompt, label, f"{skeleton} || {kind}")


_ASKING = _w(
    "until|am|are|was|were|will|would|should|does|did|whose|whom|why|can|what|how|when|where|which|is|do|has|did|may|could|who"
)


def _topic_sentence(clause: str) -> str:
    return _cap(clause) + ("?" if clause.split(" ", 1)[0] in _ASKING else ".")


# ---------------------------------------------------------------------------------------------- urgency

ISSUES = _w("""
the {item} in room {room} needs a new part | the {item} on floor two is broken
we need a new {item} for {name}
the {team} asks for a {item} | please check the {item} in {place} | the list of the {team} has an error
the door of room {room} does not close | {name} needs access to the {item}
the report for the {team} is missing
please order a {item} for room {room} | the light in room {room} is out | the {item} of {name} makes a noise
the {team} wants to move to room {room} | the page of the {team} shows an old date
please update the page of the {team}
the printer of the {team} is out of paper | {name} {last} asks for a copy of the report
the sign at room {room} has a wrong name
the printer list needs a check | the map of the office in {place} is old
please repair the {item} of the {team}
the backup of the {team} should be checked | the heating in room {room} is weak
the software of the {team} is old
we would like a second {item} | {name} would like a {color} {item} | the {team} needs three more chairs
please clean the {item} in room {room} | the form of the {team} has a wrong title
the clock in room {room} is slow
""")
URG: dict[str, Words] = {
    "high": _w("""
    this is urgent | this is an emergency | please act immediately | we need this right now | this cannot wait
    everything is down and nobody can work | the whole site is down | all users are blocked
    the outage affects all of us
    we need it within the hour | it must be done within {min} minutes | please fix it at once
    drop everything for this
    the deadline is in {min} minutes | we need it before noon today | it has to be done today
    nobody can work until then
    every minute counts | we are losing orders every minute | this is critical
    there is a safety risk, act now
    customers are waiting right now | please come immediately | people are in danger
    the {team} is fully blocked right now
    it is needed immediately by the {team} | the deadline is today at {time} | top priority, please
    as soon as you read this, act
    all work has stopped | the system is down for everyone | we have an outage right now
    help is needed at once
    please do it now, it cannot wait | this is a critical emergency | we must have it in {min} minutes
    today, without fail
    """),
    "medium": _w("""
    please do it this week | we need it by the end of the week | sometime this week would be good
    it should be done within three days
    we need it in the next few days | it can wait a day or two, but not longer
    please finish it within the week
    the deadline is at the end of this week | within two or three days, please | it is needed later this week
    we can work around it for a few days | there is a workaround for a few days
    it slows us down, but we can work
    only one person is affected, and this week is fine | normal priority, please
    by the end of this week is fine
    it should be ready in a few days | the {team} needs it this week | not today, but this week
    it is needed in two days
    please plan it for this week | we have a workaround until the end of the week
    in the next three days would be good
    we need it in three days | medium priority, please | we can manage for two days
    it has to be done within a few days
    a few days are fine, not more | please handle it in the coming days | this week, please
    the deadline is in three days
    a workaround holds for two days | normal priority, within the week
    """),
    "low": _w("""
    there is no rush | no hurry at all | whenever you have time | at your leisure | any time is fine
    it can wait
    it can wait until next month | there is no deadline | low priority | it is just a small wish
    no need to hurry
    when you get around to it | take your time | next month is fine | some day would be nice
    it is only cosmetic
    it is not urgent at all | if you find the time one day | it would be nice to have
    next year is early enough
    do it whenever it suits you | nobody is waiting for it | it is only a nice to have | we are in no hurry
    please do it when things are quiet | there is plenty of time | no rush, next month is fine
    it can wait for weeks
    just a small idea for later | for some time in the future | whenever it suits the {team}
    it does not matter when
    the deadline is months away | low priority, no deadline | a month or two is fine
    it is minor and can wait
    """),
}
# Hard: another urgency is named and set aside; {X} is the cue that does not count, {Y} the one that does.
URG_TURN = _w("""
last week I wrote "{X}", but that has changed: {Y} | earlier I said "{X}"; now the truth is: {Y}
the old ticket said "{X}". The new state: {Y} | {name} first told me "{X}", but then corrected it: {Y}
for the other request "{X}" was right. For this one: {Y}
do not mix it up with the other ticket ("{X}"); here {Y}
ignore the old note "{X}"; {Y} | the subject line says "{X}", but that is wrong: {Y}
yesterday it was "{X}", now it is: {Y}
you may have heard "{X}", but that is no longer true; {Y} | my first mail said "{X}", which was a mistake; {Y}
the earlier note "{X}" is out of date. Now {Y} | someone marked it "{X}" by mistake; in fact {Y}
the other team said "{X}" about their own case; for ours {Y} | before it was "{X}"; since this morning {Y}
""")
URG_BANK = Bank(
    imperatives=_w("""
    rate the urgency of {obj} as {labels} | rate the urgency of {obj} | classify the urgency of {obj}
    rate {obj} as {labels}
    classify the urgency of {obj} as {labels} | give the urgency of {obj} | give {obj} an urgency: {labels}
    decide how urgent {obj} is | decide how urgent {obj} is: {labels} | say how urgent {obj} is
    tell me how urgent {obj} is
    judge how urgent {obj} is | judge the urgency of {obj} | set the priority of {obj}
    set the priority of {obj} to {labels}
    give the priority of {obj} | choose the priority of {obj} | pick the priority for {obj}: {labels}
    assign a priority to {obj}
    assign an urgency level to {obj} | label the urgency of {obj} | label {obj} as {labels} urgency
    mark the urgency of {obj}
    mark {obj} as {labels} urgency | tag {obj} with its urgency | find the urgency of {obj}
    determine the urgency of {obj}
    determine the priority of {obj} | read {obj} and give its urgency | read {obj} and set the priority
    read {obj} and say how urgent it is | name the urgency of {obj} | state the urgency of {obj}
    state the priority of {obj}
    identify the urgency level of {obj} | sort {obj} by urgency: {labels} | put {obj} into the {labels} queue
    choose {labels} as the urgency of {obj} | pick {labels} urgency for {obj} | estimate the urgency of {obj}
    work out how urgent {obj} is | report the urgency of {obj} | tell me the priority of {obj}
    tell me the urgency level of {obj}
    look at {obj} and rate its urgency | look at {obj} and choose the priority | check how urgent {obj} is
    """),
    questions=_w("""
    how urgent is {obj} | what is the urgency of {obj} | which urgency does {obj} have
    what priority does {obj} have
    what is the priority of {obj} | is the urgency of {obj} {labels} | how urgent is {obj}: {labels}
    how soon must we act
    which priority fits {obj} | which urgency level fits {obj} | how would you rate the urgency of {obj}
    what urgency would you give {obj} | which priority should {obj} get | is the priority of {obj} {labels}
    which queue is right for {obj}: {labels} | how high is the urgency of {obj}
    how quickly must {obj} be handled
    what level of urgency is this | how urgent is this | is this {labels} priority
    which level of urgency does {obj} show
    does {obj} have {labels} urgency | would you give {obj} {labels} priority
    """),
    keywords=_w("""
    urgency | urgency ({labels}) | priority | priority ({labels}) | urgency level | priority level
    urgency of {obj}
    priority of {obj} | {labels} urgency | {labels} priority | rate urgency | set priority | ticket urgency
    ticket priority
    how urgent | urgency, one word | triage | triage ({labels}) | urgency label | level of urgency
    """),
    formats=ONE_WORD + _w("high means today, medium means this week, low means no rush."),
    label_formats=LABEL_FORMATS,
    nouns=_w("message|request|ticket|email|note|text|report"),
)
URG_LABELS: Words = ("low", "medium", "high")
_MINUTES: Words = ("ten", "twenty", "thirty", "five", "fifteen")


@cache
def _urg_slots(split: Split) -> dict[str, Words]:
    return {**_base_slots(split), "min": _MINUTES}


def urgency(rng: random.Random, split: Split, difficulty: Difficulty) -> Sample:
    """low, medium or high from a cue; hard: a cue of another level is quoted and set aside."""
    label = rng.choice(URG_LABELS)
    slots = _urg_slots(split)
    issue = _fill(rng, _say(rng, split, ISSUES, "urgency/issue"), slots)
    cue = _fill(rng, _say(rng, split, URG[label], f"urgency/{label}"), slots)
    kind = "cue"
    if difficulty == "easy":
        order = [issue, cue] if rng.random() < 0.7 else [cue, issue]
        text = _join(rng, [cue] if rng.random() < 0.2 else order)
    elif difficulty == "medium":
        clauses = [issue, cue]
        if rng.random() < 0.4:
            clauses.reverse()
        for _ in range(rng.choice((1, 1, 2))):
            clauses.insert(rng.randrange(len(clauses) + 1), _urg_filler(rng, split))
        text = " ".join(_topic_sentence(clause) for clause in clauses)
    else:
        other = rng.choice([name for name in URG_LABELS if name != label])
        wrong = _fill(rng, _say(rng, split, URG[other], f"urgency/{other}"), slots)
        turn = _fill(rng, _say(rng, split, URG_TURN, "urgency/turn"), {**slots, "X": (wrong,), "Y": (cue,)})
        clauses = [issue, turn] if rng.random() < 0.75 else [turn, issue]
        if rng.random() < 0.5:
            clauses.insert(0, _urg_filler(rng, split))
        text, kind = " ".join(_cap(clause) + "." for clause in clauses), "turn"
    skeleton, where = _compose(rng, split, URG_BANK)
    filled = {"text": text, "labels": _labels(rng, URG_LABELS, False)}
    prompt = _render(rng, skeleton, where, URG_BANK, filled)
    return Sample("urgency", difficulty, prompt, label, f"{skeleton} || {kind}")


URG_FILLER = _w("""
hello, this is {name} | I am in room {room} | thank you for your help | good morning
my name is {name} {last}
greetings from {place} | I work in the {team} | I am writing for the {team} | my reference is {code}
hi there | dear desk
hello team | the ticket number is {code} | {name} told me to write to you | best wishes, {name}
I sit in {place}
the {team} knows about it | {name} can show you the place | the key is at the front desk
the number is {code}
""")


def _urg_filler(rng: random.Random, split: Split) -> str:
    return _fill(rng, _say(rng, split, URG_FILLER, "urgency/filler"), _base_slots(split))


# ---------------------------------------------------------------------------------------------- passage_qa


@dataclass(frozen=True)
class Fact:
    """One kind of statement: {s} is the subject, {v} the value. `back` asks for the subject by the value."""

    subject: str
    value: str
    says: Words
    asks: Words
    back: Words

    @property
    def kind(self) -> str:
        return f"{self.subject}-{self.value}"


FACTS: tuple[Fact, ...] = (
    Fact(
        "person",
        "room",
        _w("""{s} works in room {v}|{s} sits in room {v}|the office of {s} is room {v}|
        you can find {s} in room {v}|{s} has room {v}|room {v} belongs to {s}"""),
        _w("""which room does {s} work in|in which room is {s}|in what room does {s} sit
        what is the room of {s}|
        which room has {s}|in which room can I find {s}|what room is {s} in|which room is the office of {s}
        room of {s}"""),
        _w("who works in room {v}|who sits in room {v}|who is in room {v}|whose office is room {v}|who has room {v}"),
    ),
    Fact(
        "person",
        "place",
        _w("""{s} lives in {v}|{s} comes from {v}|{s} travelled to {v}
    the home town of {s} is {v}|
        {s} has moved to {v}|{s} is based in {v}"""),
        _w("""which city goes with {s}|which town is named for {s}|what is the city of {s}
        which place belongs to {s}|
        which city is linked to {s}|what place does the text give for {s}|city of {s}
        which city do we read for {s}"""),
        _w(
            "who is linked to {v}|which person goes with {v}|who belongs to {v}|whose place is {v}|"
            "which person is named with {v}"
        ),
    ),
    Fact(
        "person",
        "project",
        _w("""{s} leads project {v}|{s} is in charge of project {v}
    {s} manages project {v}|
        project {v} is led by {s}|project {v} is run by {s}|the head of project {v} is {s}"""),
        _w("""which project does {s} lead|what project is led by {s}|which project is run by {s}|
        which project does {s} manage|what is the project of {s}|project of {s}
        {s} is in charge of which project|
        which project belongs to {s}"""),
        _w("""who leads project {v}|who is in charge of project {v}|who manages project {v}
        who runs project {v}|
        who is the head of project {v}|project {v} is led by whom"""),
    ),
    Fact(
        "person",
        "date",
        _w("""{s} starts on {v}|{s} arrives on {v}|the first day of {s} is {v}
    {s} will start on {v}|
        {s} begins work on {v}|on {v} {s} arrives"""),
        _w("""when does {s} start|when does {s} arrive|on which date does {s} start
        what is the first day of {s}|
        on what date does {s} begin|which date is the first day of {s}|start date of {s}
        on which day will {s} arrive"""),
        _w("who starts on {v}|who arrives on {v}|who begins on {v}|whose first day is {v}|which person starts on {v}"),
    ),
    Fact(
        "item",
        "amount",
        _w("""the {s} costs {v}|the price of the {s} is {v}|we paid {v} for the {s}
    the {s} is sold for {v}|
        for the {s} we pay {v}|the {s} has a price of {v}"""),
        _w("""how much does the {s} cost|what does the {s} cost|what is the price of the {s}
        how much is the {s}|
        what do we pay for the {s}|which price does the {s} have|price of the {s}
        at what price is the {s} sold"""),
        _w(
            "what costs {v}|which item costs {v}|what is sold for {v}|which item has a price of {v}|"
            "for what do we pay {v}"
        ),
    ),
    Fact(
        "item",
        "shelf",
        _w("""the {s} is on shelf {v}|the {s} is kept on shelf {v}
    you find the {s} on shelf {v}|
        shelf {v} holds the {s}|we store the {s} on shelf {v}|the {s} lies on shelf {v}"""),
        _w("""on which shelf is the {s}|which shelf holds the {s}|on what shelf is the {s} kept
        what shelf is the {s} on|
        on which shelf do we store the {s}|on which shelf do I find the {s}|shelf of the {s}
        which shelf is the {s} on"""),
        _w(
            "what is on shelf {v}|which item is on shelf {v}|what does shelf {v} hold|"
            "what is kept on shelf {v}|what lies on shelf {v}"
        ),
    ),
    Fact(
        "item",
        "color",
        _w("""the {s} is {v}|the color of the {s} is {v}|we chose a {v} {s}
    the {s} comes in {v}|
        the {s} was painted {v}|the new {s} is {v}"""),
        _w("""what color is the {s}|which color does the {s} have|what is the color of the {s}
        color of the {s}|
        which color is the {s}|in what color does the {s} come|what color does the {s} have
        of which color is the {s}"""),
        _w("what is {v}|which item is {v}|which item comes in {v}|what has the color {v}|which thing is {v}"),
    ),
    Fact(
        "team",
        "time",
        _w("""the {s} meets at {v}|the meeting of the {s} is at {v}|the {s} starts at {v}|
        at {v} the {s} comes together|the {s} has its call at {v}|the call of the {s} begins at {v}"""),
        _w("""when does the {s} meet|at what time does the {s} meet|at what time is the call of the {s}|
        what is the time of the {s}|when does the {s} start|at which time does the {s} begin
        meeting time of the {s}|
        what time is given for the {s}"""),
        _w(
            "who meets at {v}|which team meets at {v}|which group starts at {v}|who has a call at {v}|"
            "who comes together at {v}"
        ),
    ),
    Fact(
        "team",
        "place",
        _w("""the {s} is in {v}|the {s} works from {v}|the {s} has moved to {v}
    the base of the {s} is {v}|
        you reach the {s} in {v}|the {s} has its home in {v}"""),
        _w("""in which town is the {s}|in which city is the {s}|which city is the base of the {s}
        in which city does the {s} work|
        which city does the {s} work from|in what city is the {s}|city of the {s}
        in which city do I reach the {s}"""),
        _w(
            "who is in {v}|which team is in {v}|who works from {v}|which group has its home in {v}|"
            "which team works in {v}"
        ),
    ),
    Fact(
        "project",
        "date",
        _w("""project {s} ends on {v}|the deadline of project {s} is {v}
    project {s} is due on {v}|
        project {s} must be ready on {v}|on {v} project {s} ends|the last day of project {s} is {v}"""),
        _w("""when does project {s} end|what is the deadline of project {s}|when is project {s} due|
        on which date does project {s} end|by which date must project {s} be ready
        which date is the deadline of project {s}|
        deadline of project {s}|what is the last day of project {s}"""),
        _w(
            "which project ends on {v}|which project is due on {v}|what ends on {v}|what is due on {v}|"
            "which project has the deadline {v}"
        ),
    ),
    Fact(
        "project",
        "code",
        _w("""project {s} has the code {v}|the code of project {s} is {v}
    project {s} is filed under {v}|
        for project {s} use code {v}|code {v} stands for project {s}|project {s} runs under code {v}"""),
        _w("""what is the code of project {s}|which code does project {s} have
        under which code is project {s} filed|
        which code stands for project {s}|what code do I use for project {s}|code of project {s}
        project {s} has which code|
        which code belongs to project {s}"""),
        _w(
            "which project has the code {v}|what does code {v} stand for|which project is filed under {v}|"
            "which project uses code {v}"
        ),
    ),
    Fact(
        "person",
        "item",
        _w("""{s} ordered a {v}|{s} asked for a {v}|{s} bought a {v}|{s} needs a {v}
    {s} uses a {v}|
        {s} got a {v}"""),
        _w("""what did {s} order|which item goes with {s}|what did {s} get|which item belongs to {s}|
        what is named for {s}|which item is for {s}|item of {s}|what thing does {s} have"""),
        _w("who ordered a {v}|who needs a {v}|who asked for a {v}|who has a {v}|which person has a {v}"),
    ),
)
# Kinds whose wordings are all in the text files.
FACTS += tuple(
    Fact(*kind.split("-"), (), (), ())
    for kind in (
        "person-desk",
        "person-team",
        "item-room",
        "item-weight",
        "team-room",
        "project-place",
        "project-amount",
        "item-date",
    )
)
POOLS: dict[str, Words] = {
    "desk": tuple(str(number) for number in range(11, 99)),
    "weight": tuple(f"{kilos} kilos" for kilos in range(2, 90)),
    "room": ROOMS,
    "place": PLACES,
    "project": PROJECTS,
    "date": DATES,
    "item": ITEMS,
    "amount": AMOUNTS,
    "shelf": tuple(str(number) for number in range(11, 99)),
    "color": COLORS,
    "team": TEAMS,
    "time": TIMES,
    "code": CODES,
}
# The shape of made-up values; kinds of numbers and dates have values enough.
SHAPES = {"place": "Name", "project": "Name", "item": "word", "team": "team", "code": "CODE"}
QA_FILLER = _w("""
The weather was mild|Lunch is served in the hall|The lift is being cleaned|Please keep the doors closed|
The hall was full|New plants stand near the window|The coffee machine works again|The list was checked twice|
The windows will be cleaned soon|Everyone got a new badge|The next note will be shorter
The keys are at the desk
""")
QA_INTRO = _w("""
read the text and answer | read the passage and answer the question | answer from the text
answer the question from the passage
answer using the text only | use the passage to answer | use the text below to answer
find the answer in the text
find the answer in the passage | look it up in the text | copy the answer from the text
answer with words from the text
give the answer from the note | answer the question about the note | answer the question using the note
read the note and answer
take the answer from the passage | the answer is in the text | look at the notes and answer
answer with a short span from the text
use only the note to answer | search the text for the answer | answer briefly from the passage
reply from the text
""")
QA_FORMAT = _w("""
Answer briefly. | Only the answer. | Give only the answer. | Short answer. | Use words from the text.
Copy the answer.
No full sentence. | Reply with the answer only. | Just the answer, please. | A few words are enough.
Keep it short.
Copy it from the text. | Answer in a few words. | Do not write a sentence. | Only the words from the text.
Be brief.
""")
QA_LAYOUTS: Words = (
    "{intro}.\n{text}\n{q}",
    "{intro}.\n\n{text}\n\n{q}",
    "{intro}:\n{text}\nQuestion: {q}",
    "{text}\n{q}",
    "{text}\n\n{q}",
    "{text}\n\nQuestion: {q}",
    "{text}\nQ: {q}",
    "{text}\nQ: {q}\nA:",
    "{q}\n{text}",
    "{q}\n\n{text}",
    "{q}\nText: {text}",
    "Question: {q}\nText: {text}",
    "Text: {text}\nQuestion: {q}",
    "Text: {text}\nQuestion: {q}\nAnswer:",
    "Passage: {text}\nQuestion: {q}",
    "Passage:\n{text}\n\nQuestion:\n{q}",
    "Note: {text}\n{q}",
    "{intro}. {q}\n\n{text}",
    "{intro}. {q} {text}",
    "{text} {q}",
    '"{text}"\n{q}',
    '{q}\n"{text}"',
    "{intro}.\nText: {text}\nQuestion: {q}",
    "{intro}.\nQuestion: {q}\nText: {text}",
    "Context: {text}\n\n{q}",
    "Context: {text}\nQuestion: {q}\nAnswer:",
    'Given this note: "{text}" {q}',
    "From this text: {text}\nI want to know: {q}",
    "Here are my notes. {text}\n{q}",
    "{q} {intro}.\n{text}",
    "{q} {intro}:\n\n{text}",
    "{text}\n---\n{intro}. {q}",
    "{text}\n\n{intro}: {q}",
)
QA_ASK_OPENINGS: Words = (
    "",
    "",
    "",
    "",
    "",
    "",
    "please tell me: ",
    "tell me, ",
    "can you tell me: ",
    "quick question: ",
    "I ask: ",
    "according to the text, ",
    "according to the note, ",
    "in this text, ",
    "please say: ",
    "one question: ",
)


def _name(rng: random.Random, split: Split) -> str:
    first = _pick(rng, _copied(FIRST, split, "Name"))
    return first if rng.random() < 0.6 else first + " " + _pick(rng, _copied(LAST, split, "Name"))


def _value(rng: random.Random, split: Split, kind: str, used: set[str]) -> str | None:
    """A value not in use yet; no name may be part of another. None when the pool is spent."""
    for _ in range(12):
        if kind == "person":
            value = _name(rng, split)
        else:
            value = _pick(rng, COLORS if kind == "color" else _copied(POOLS[kind], split, SHAPES.get(kind, "")))
        key = kind + ":" + (value.split()[0] if kind == "person" else value)
        if key not in used:
            used.add(key)
            return value
    return None


def _fact_rows(rng: random.Random, split: Split, count: int, main: Fact, same: int) -> list[tuple[Fact, str, str]]:
    """`same` rows of the main kind, the rest of other kinds that partly share the main row's subject."""
    used: set[str] = set()
    rows: list[tuple[Fact, str, str]] = []
    seen: set[tuple[int, str]] = set()
    subjects: dict[str, list[str]] = {}
    tries = 0
    while len(rows) < count and tries < count * 6:
        tries += 1
        fact = main if len(rows) < same else rng.choice(FACTS)
        if len(rows) >= same and fact is main:
            continue
        known = subjects.get(fact.subject, [])
        old = bool(known) and fact is not main and rng.random() < 0.5
        subject = rng.choice(known) if old else _value(rng, split, fact.subject, used)
        if subject is None or (id(fact), subject) in seen:
            continue
        value = _value(rng, split, fact.value, used)
        if value is None:
            continue
        if not old:
            subjects.setdefault(fact.subject, []).append(subject)
        seen.add((id(fact), subject))
        rows.append((fact, subject, value))
    return rows


def passage_qa(rng: random.Random, split: Split, difficulty: Difficulty) -> Sample:
    """A short span copied from a passage; more sentences and more rows of the asked kind with difficulty."""
    main = rng.choice(FACTS)
    long = difficulty == "hard" and rng.random() < 0.02
    if long:
        count, same = rng.randint(20, 30), 4
    elif difficulty == "easy":
        count, same = 2, 1
    elif difficulty == "medium":
        count, same = rng.choice((4, 4, 5)), 2
    else:
        count, same = rng.randint(6, 10), rng.choice((3, 3, 4))
    rows = _fact_rows(rng, split, count, main, same)
    fact, subject, value = rows[0]
    # A question by value is asked where the value's kind occurs with this kind of fact only.
    backward = (
        rng.random() < (0.15 if difficulty == "easy" else 0.25)
        and all(row[0] is main or row[0].value != main.value for row in rows)
        and fact.value not in ("color", "item")
    )
    # Person-place and person-date facts share kinds with others, the subject keeps them apart.
    if backward:
        question, answer = _say(rng, split, fact.back, f"passages/{fact.kind} back"), subject
    else:
        question, answer = _say(rng, split, fact.asks, f"passages/{fact.kind} asks"), value
    sentences: list[str] = []
    ids: list[str] = []
    rng.shuffle(rows)
    for row_fact, row_subject, row_value in rows:
        wording = _say_any(rng, row_fact.says, f"passages/{row_fact.kind} says")
        said = wording.replace("{s}", row_subject).replace("{v}", row_value)
        sentences.append(_ARTICLE.sub(r"\1n ", _cap(said)) + ".")
        if row_fact is fact and row_subject == subject:
            ids.append(wording)
    if long:
        size = rng.randint(1200, 2100)
        while sum(map(len, sentences)) + len(sentences) < size:
            filler = _say(rng, split, QA_FILLER, "passages/filler")
            sentences.insert(rng.randrange(len(sentences) + 1), filler + ".")
    elif difficulty == "hard" and rng.random() < 0.3:
        sentences.insert(rng.randrange(len(sentences) + 1), _say(rng, split, QA_FILLER, "passages/filler") + ".")
    while True:
        layout = _pick(rng, QA_LAYOUTS)
        opening = _pick(rng, QA_ASK_OPENINGS)
        intro = _say_any(rng, QA_INTRO, "passages/intro")
        asked = opening + question
        asked = (_cap(asked) if rng.random() < 0.9 else asked) + "?"
        if rng.random() < 0.35:
            asked += " " + _say_any(rng, QA_FORMAT, "passages/format")
        skeleton = layout.replace("{intro}", _cap(intro)).replace("{q}", asked)
        if _split_of(skeleton) == split:
            break
    text = (" " if rng.random() < 0.85 else "\n").join(sentences)
    prompt = skeleton.replace("{s}", subject).replace("{v}", value).replace("{text}", text)
    prompt = _ARTICLE.sub(r"\1n ", prompt)
    return Sample("passage_qa", difficulty, prompt, answer, f"{skeleton} || {' '.join(ids)}")


# ---------------------------------------------------------------------------------------------- weir_help


@dataclass(frozen=True)
class Help:
    """One fact. `direct` and `other` complete the frames of its kind; `cases` are situations of their own."""

    kind: str  # command | value | header | call
    answer: str
    direct: Words
    other: Words
    cases: Words


HELP: tuple[Help, ...] = (
    Help(
        "command",
        "weir init",
        _w("create the state directory|make the state directory"),
        _w(
            "set up the state directory|prepare the folder for state|set up a new node folder|"
            "make the folder where state is kept|begin a new state folder|create the state folder"
        ),
        _w(
            "I have just installed Weir and there is no state directory yet|"
            "this is a fresh machine without a state directory|the state directory does not exist yet|"
            "we set up a new machine and the state folder is missing|"
            "Weir says that the state directory is missing"
        ),
    ),
    Help(
        "command",
        "weir serve",
        _w("start the node|start the Weir node"),
        _w(
            "bring the node up|run the node|launch the node|get the node running|"
            "let the node begin to serve|start serving requests"
        ),
        _w(
            "the node is not running and clients cannot reach it|"
            "everything is set up, now the node has to run|"
            "I want clients to send requests, but no node runs|"
            "the machine was restarted and the node is not running|"
            "setup is done and the node must begin to serve"
        ),
    ),
    Help(
        "command",
        "weir status",
        _w("see whether the node is ready|show if the node is ready"),
        _w(
            "check that the node is up and ready|find out if the node can take requests|"
            "see the state of the node|check if the node is ready to serve|know whether the node is ready|"
            "look at the readiness of the node"
        ),
        _w(
            "I have started the node and do not know if it is ready|someone asks if our node is ready|"
            "I am not sure that the node is ready to take requests|"
            "before I send requests I want to be sure that the node is ready|"
            "the node was started and I want to see if it is ready"
        ),
    ),
    Help(
        "command",
        "weir route",
        _w("decide a route without running anything|explain a route without running it"),
        _w(
            "see where a request would go without running it|try a request as a dry run|"
            "make a dry run of a request|test the routing without running the request|"
            "see the decision without any run|preview where a request would go"
        ),
        _w(
            "I want to know where a request would go, but it must not run|"
            "a request is costly and I first want to see its route as a dry run|"
            "I want to test a new policy without running requests|"
            "my colleague wants a preview of the route, nothing may run|"
            "I need a decision explained, but the request must not run"
        ),
    ),
    Help(
        "command",
        "weir why ID",
        _w("show why a request was routed where it went|see why a request went where it went"),
        _w(
            "find the reason for a past route|learn why a request took its path|"
            "explain a past request by its id|see the reason of an old decision|"
            "understand why a request was sent there|look up why a request was refused"
        ),
        _w(
            "a request was refused and I want to know why|"
            "a request went to the frontier and I want to know why|"
            "yesterday a request took a strange path and I want the reason|"
            "a user asks why his request was sent to the site server|"
            "I have the id of a request and want to know why it went there"
        ),
    ),
    Help(
        "command",
        "weir tail",
        _w("follow requests live|watch requests live"),
        _w(
            "see requests as they come in|watch the live stream of requests|follow the traffic live|"
            "look at requests in real time|see new requests as they happen|keep an eye on live requests"
        ),
        _w(
            "I want to sit and watch requests come in|"
            "something odd happens now and I want to see the requests live|"
            "during the test I want to follow each request as it happens|"
            "I want to see live what the users send through the node|"
            "traffic is rising and I want to follow it live"
        ),
    ),
    Help(
        "command",
        "weir models",
        _w("list the models|show the models"),
        _w(
            "see which models there are|get a list of all models|find out what models the node has|"
            "see the models of the node|get the names of the models|look at the available models"
        ),
        _w(
            "I do not know which models the node has|"
            "a bundle was added and I want to see if its model is listed|a user asks which models we offer|"
            "I want to compare the models that are there|I need the names of all models for a report"
        ),
    ),
    Help(
        "command",
        "weir config check",
        _w("check the configuration|check the config"),
        _w(
            "test the config file for errors|find errors in the configuration|validate the configuration|"
            "make sure that the config is right|see if the configuration is valid|verify the config file"
        ),
        _w(
            "I changed weir.yaml and want to be sure that it is valid|"
            "I edited the config and fear an error in it|"
            "before a restart I want to know that the config is right|"
            "a new key was added to the config file and I want to check it|"
            "my colleague wrote a config file and I want to verify it"
        ),
    ),
    Help(
        "command",
        "weir doctor",
        _w("run the self checks|do the self checks"),
        _w(
            "let the node check itself|run the checks of Weir on itself|make Weir test itself|"
            "start the self tests|check the health of the installation|diagnose the installation"
        ),
        _w(
            "something is wrong with the installation and I want it to check itself|"
            "the node acts strange and I want a diagnosis|after an upgrade I want the self checks|"
            "support asks me to run all self checks|"
            "I do not know what is broken and want Weir to test itself"
        ),
    ),
    Help(
        "command",
        "weir version",
        _w("print the versions|show the version"),
        _w(
            "see which version is installed|find the version of Weir|get the version numbers|"
            "know what version we run|look up the installed version|tell the version of this node"
        ),
        _w(
            "support asks me which version I run|I am not sure that the upgrade changed the version|"
            "for a bug report I need the version|two nodes differ and I want to compare versions|"
            "I need to write down the version that is installed"
        ),
    ),
    Help(
        "value",
        "127.0.0.1:8377",
        _w("the default data-plane address|the default address of the data plane"),
        _w(
            "the address and port where the node listens by default|"
            "the address that clients use by default|the default listen address|"
            "the default host and port of the node|the standard address of the data plane|"
            "the address of a node that has no other setting"
        ),
        _w(
            "my client runs on the same machine and needs the default address|"
            "I left the address out of the config and want to know where the node listens|"
            "I need the default host and port for my client|"
            "my tool asks for the default address of the node|"
            "a script on this machine has to reach the node at its default address"
        ),
    ),
    Help(
        "value",
        "/healthz",
        _w("the liveness path|the path for liveness"),
        _w(
            "the endpoint that shows that the process is alive|the liveness endpoint|"
            "the path for a liveness probe|the URL path that says the node is alive|"
            "the probe path for alive or dead|the path to see that the node lives"
        ),
        _w(
            "my orchestrator needs a probe that the process is alive|I have to set up a liveness probe|"
            "the monitor should test if the node is alive|a probe must tell if the process still lives|"
            "our monitor asks for the liveness endpoint"
        ),
    ),
    Help(
        "value",
        "/readyz",
        _w("the readiness path|the path for readiness"),
        _w(
            "the endpoint that shows that the node is ready|the readiness endpoint|"
            "the path for a readiness probe|the URL path that says the node is ready|"
            "the probe path for ready or not|the path to see that the node can take requests by HTTP"
        ),
        _w(
            "my load balancer should send traffic only when the node is ready and needs a probe path|"
            "I have to set up a readiness probe|the monitor should test by HTTP if the node is ready|"
            "a probe must tell if the node is ready for traffic|"
            "our load balancer asks for the readiness endpoint"
        ),
    ),
    Help(
        "header",
        "x-weir-path",
        _w("the path that answered|the answering path"),
        _w(
            "which path gave the answer|the path taken by the answer|the path that served the reply|"
            "what path the answer came by|by which path it was answered"
        ),
        _w(
            "my client wants to log the path that answered|"
            "an answer came and I want to see its path in the reply|"
            "I want to count answers per path from the replies|the reply should tell me the path it took"
        ),
    ),
    Help(
        "header",
        "x-weir-tier",
        _w("the tier|the tier that answered"),
        _w(
            "which tier gave the answer|the tier of the answer|the tier that served the reply|"
            "what tier the answer came from|on which tier it was answered"
        ),
        _w(
            "my client wants to log the tier of each answer|"
            "an answer came and I want to see its tier in the reply|"
            "I want to count answers per tier from the replies|"
            "the reply should tell me which tier it came from"
        ),
    ),
    Help(
        "header",
        "x-weir-cost",
        _w("the cost|the cost of the answer"),
        _w(
            "how much the answer cost|what the request cost|the price of the reply|"
            "what we pay for the answer|the money spent on the request"
        ),
        _w(
            "my client wants to log the cost of each answer|finance wants to see in the reply what it cost|"
            "I want to add up the costs from the replies|the reply should tell me how much was spent"
        ),
    ),
    Help(
        "header",
        "x-weir-reason",
        _w("the reason|the reason of the route"),
        _w(
            "why the route was taken|the reason for the choice|the reason behind the decision|"
            "what the reason for the path was|the short reason for the route"
        ),
        _w(
            "my client wants to log the reason of each route|"
            "an answer came and I want to see the reason in the reply|I want to group replies by reason|"
            "the reply should tell me the reason for the choice"
        ),
    ),
    Help(
        "header",
        "x-weir-cache",
        _w("the cache state|the state of the cache"),
        _w(
            "whether the answer came from the cache|if the cache was hit|a cache hit or miss|"
            "what the cache did|the hit or miss of the cache"
        ),
        _w(
            "my client wants to log cache hits|"
            "an answer was very fast and I want to see in the reply if the cache was hit|"
            "I want to count cache hits from the replies|"
            "the reply should tell me if it came from the cache"
        ),
    ),
    Help(
        "header",
        "x-weir-decision",
        _w("the decision id|the id of the decision"),
        _w(
            "the id to look up the decision|the number of the decision|the id for a later explanation|"
            "which decision id belongs to the reply|the decision identifier"
        ),
        _w(
            "my client wants to log the id of each decision|"
            "I want to ask later about this decision and need its id from the reply|"
            "I need the decision id of an answer for support|"
            "the reply should tell me the id of its decision"
        ),
    ),
    Help(
        "call",
        "GET /v1/decisions/{id}",
        _w("explain a decision|get the explanation of a decision"),
        _w(
            "fetch the explanation of a decision by its id|read a decision over HTTP|"
            "look up a decision by id over HTTP|get a past decision as data|"
            "ask the node about a past decision"
        ),
        _w(
            "my web page should show the explanation of a past decision|"
            "my program has a decision id and wants the explanation over HTTP|"
            "a tool should fetch old decisions by id|"
            "our dashboard needs the explanation of a decision by its id"
        ),
    ),
    Help(
        "call",
        "POST /v1/route",
        _w("decide without running|get a decision without a run"),
        _w(
            "ask over HTTP where a request would go|make a dry run over HTTP|"
            "get the route without running the request|send a request for a decision only|"
            "let the node decide but not run"
        ),
        _w(
            "my program wants only the decision over HTTP, nothing may run|"
            "a tool should ask over HTTP where a request would go|"
            "our dashboard needs a preview of the route over HTTP|my script wants a dry run over HTTP"
        ),
    ),
    Help(
        "model",
        "auto",
        _w("lets Weir choose|leaves the choice to Weir"),
        _w(
            "makes Weir pick the model by itself|gives Weir the free choice|means that Weir decides|"
            "is right when Weir should choose|lets the router select"
        ),
        _w(
            "I do not care which model answers, Weir should choose|"
            "my client must name a model, but the choice should be left to Weir|"
            "users should not choose, Weir should|I have no preference and let Weir decide"
        ),
    ),
    Help(
        "model",
        "auto:cheap",
        _w("prefers a low cost|prefers a cheap answer"),
        _w(
            "makes Weir prefer the cheapest way|asks for low cost|saves money|"
            "tells Weir that cost matters most|is right when money is short"
        ),
        _w(
            "Weir should choose, but cost matters most to me|"
            "we must save money and Weir should prefer cheap answers|"
            "my budget is small and Weir should choose with that in mind|"
            "the batch is large and must be cheap"
        ),
    ),
    Help(
        "model",
        "auto:fast",
        _w("prefers speed|prefers a fast answer"),
        _w(
            "makes Weir prefer the fastest way|asks for a quick answer|saves time|"
            "tells Weir that speed matters most|is right when time is short"
        ),
        _w(
            "Weir should choose, but speed matters most to me|"
            "users wait and Weir should prefer fast answers|"
            "my chat must be quick and Weir should choose with that in mind|the answer has to come fast"
        ),
    ),
    Help(
        "model",
        "auto:best",
        _w("prefers quality|prefers the best answer"),
        _w(
            "makes Weir prefer the best quality|asks for the best answer|gets the highest quality|"
            "tells Weir that quality matters most|is right when quality counts"
        ),
        _w(
            "Weir should choose, but quality matters most to me|"
            "the text is important and Weir should prefer the best answer|"
            "quality counts more than money and Weir should choose with that in mind|"
            "the answer has to be the best"
        ),
    ),
    Help(
        "value",
        "cache, reuse, device, site, sovereign, frontier",
        _w("the order of the tiers|the list of tiers in order"),
        _w(
            "the tiers from first to last|the sequence of tiers|the six tiers in order|"
            "the names of all tiers in their order|the tier order of Weir"
        ),
        _w(
            "I have to explain to a new colleague all tiers in order|"
            "my report needs the tiers from first to last|someone asks in which order the tiers come|"
            "I have to draw the tiers in their order"
        ),
    ),
    Help(
        "value",
        "telemetry.db",
        _w("the file for records|the file where records are stored"),
        _w(
            "the file that holds the records|the place where records are kept|the database of the records|"
            "the database file with the request records|the store of the records"
        ),
        _w(
            "I want to back up the records and look for the file|"
            "an auditor wants the records and I look for the file|I want to read the stored records myself|"
            "the disk is full and I want to know which file holds the records"
        ),
    ),
    Help(
        "value",
        "weir.yaml",
        _w("the config file|the name of the config file"),
        _w(
            "the file that holds the configuration|the file with the settings|the configuration file name|"
            "the place of the settings|the file to edit for settings"
        ),
        _w(
            "I want to change a setting and look for the file|"
            "my colleague asks which file he has to edit for settings|"
            "I have to write the configuration and need the file name|"
            "a setting is wrong and I want to edit the right file"
        ),
    ),
    Help(
        "rule",
        "they are refused",
        _w("unknown config keys|unknown keys in the config"),
        _w(
            "config keys that Weir does not know|keys in weir.yaml that are not known|"
            "a wrong key in the config|config keys with a typing error|settings that do not exist"
        ),
        _w(
            "I made a typing error in a config key|there is a key in weir.yaml that Weir does not know|"
            "an old config has keys that are unknown now|someone added an unknown key to the config"
        ),
    ),
    Help(
        "rule",
        "it is restarted with back-off",
        _w("a worker that crashes|a crashed worker"),
        _w(
            "a worker process that dies|a worker that stops by a crash|a worker after a crash|"
            "a worker that fails|a broken worker process"
        ),
        _w(
            "one of the workers has just crashed|a worker dies again and again|"
            "the log says that a worker crashed|a worker process died in the night"
        ),
    ),
    Help(
        "set",
        "Cache-Control: no-store",
        _w("keep an answer out of the cache|keep an answer from being cached"),
        _w(
            "stop an answer from being stored in the cache|avoid the cache for an answer|"
            "prevent caching of an answer|make sure that an answer is not cached|"
            "not store an answer in the cache"
        ),
        _w(
            "this answer is private and must not be cached|"
            "the answer has secret data and may not go into the cache|"
            "my answer changes each minute and must stay out of the cache|"
            "I do not want this reply to be stored in the cache"
        ),
    ),
    Help(
        "how",
        "by USB stick or internal mirror",
        _w("bundles come to a node|bundles reach a node"),
        _w(
            "new bundles are brought to the node|a bundle gets onto the node|"
            "we bring bundles to a closed site|bundles are delivered|a bundle is moved to the site"
        ),
        _w(
            "our site has no internet and a bundle has to get there|"
            "I have a new bundle and the node is offline|the node is cut off and needs a new bundle|"
            "we need a new model bundle on a closed network"
        ),
    ),
    Help(
        "order",
        "policy",
        _w("policy or cost|cost or policy"),
        _w(
            "the policy or the cost|the cost or the policy|the rule of policy or the rule of cost|"
            "the check of cost or the check of policy|policy rules or cost"
        ),
        _w(
            "a cheap path breaks the policy and I wonder if policy or cost comes first|"
            "a request has a policy and a cost limit, one is evaluated first|"
            "I ask myself if cost or policy is looked at first|"
            "two rules apply, one of policy and one of cost, and one goes first"
        ),
    ),
    Help(
        "set",
        "--json",
        _w("print JSON|get JSON output"),
        _w(
            "make a command print JSON|get the output as JSON|have the output in JSON form|"
            "turn the output into JSON|let a command answer in JSON"
        ),
        _w(
            "my script has to parse the output of a command as JSON|"
            "I want to read the output of weir by a program as JSON|a tool needs the output in JSON|"
            "the table is hard to parse and I want JSON"
        ),
    ),
)
FRAMES: dict[str, Words] = {
    "command": _w("""
    which command do I use to {x} | which weir command should I use to {x} | how do I {x} in Weir
    how do I {x} with weir
    what do I run to {x} | what do I type to {x} in Weir | with which command can I {x}
    what is the command to {x}
    what is the weir command to {x} | how can I {x} in Weir | name the command to {x}
    give me the command to {x}
    tell me the weir command to {x} | I want to {x}. Which command do I need
    I would like to {x}. What do I run
    I need to {x}. Which weir command is it | show me the command to {x} | what must I run to {x}
    weir: how to {x}
    which command lets me {x} | what command will {x} | command to {x} | weir command to {x}
    how to {x} with weir
    to {x}, which command do I use | how does one {x} in Weir | please give the command to {x}
    which subcommand is there to {x}
    is there a command to {x} | what should I type to {x} | how would I {x} on a Weir node
    say the command to {x}
    """),
    "value": _w("""
    what is {x} in Weir | what is {x} | tell me {x} in Weir | give me {x} | name {x} of Weir
    which is {x} in Weir
    I need {x}. What is it | what do you know as {x} in Weir | please tell me {x} | Weir: {x} | {x} in Weir
    what does Weir use as {x}
    I want to know {x} | can you tell me {x} | could you give me {x} of Weir | say {x} | I look for {x}
    do you know {x}
    on a Weir node, what is {x} | for Weir, what is {x} | please name {x} | show me {x}
    what would be {x} in Weir | write down {x}
    """),
    "header": _w("""
    which header names {x} | which header shows {x} | which response header tells {x} | what header holds {x}
    in which header do I find {x} | what is the header for {x} | name the header for {x}
    give me the header for {x}
    tell me the header with {x} | which x-weir header gives {x} | header for {x} | weir header for {x}
    where in the headers is {x}
    which header do I read for {x} | what header do I look at for {x} | please name the header with {x}
    I want to read {x}. Which header
    which header of the reply says {x} | which header carries {x} | what is the name of the header with {x}
    the header for {x} is called what
    which Weir header tells me {x} | I need {x}. What is the header | show the header that gives {x}
    by which header do I see {x}
    """),
    "call": _w("""
    which HTTP call is there to {x} | which API call do I use to {x} | which endpoint do I call to {x}
    what is the endpoint to {x}
    how do I {x} over the API | with which HTTP request can I {x} | what HTTP request do I send to {x}
    name the API call to {x}
    give me the endpoint to {x} | tell me the API call to {x} | which API request will {x}
    API call to {x} | endpoint to {x}
    what do I call over HTTP to {x} | please name the endpoint to {x} | I want to {x} by API. Which call
    which route of the API is there to {x}
    how can my program {x} over the API | which method and path do I use to {x} | method and path to {x}
    HTTP call to {x}
    """),
    "model": _w("""
    which model name {x} | what model name {x} | name the model name that {x}
    give me the model name that {x}
    tell me which model name {x} | which value of model {x} | which name in the model field {x}
    what do I write as model that {x}
    please name the model name that {x} | model name that {x} | which model setting {x}
    what is the model name that {x}
    in Weir, which model name {x} | which auto name {x} | say which model name {x}
    I look for the model name that {x}
    which name of a model {x} | what is the name in the model field that {x}
    show me the model name that {x} | which special model name {x}
    """),
    "rule": _w("""
    what happens to {x} | what does Weir do with {x} | how does Weir handle {x} | what will happen to {x}
    what does the node do with {x}
    how does Weir treat {x} | tell me what happens to {x} | in Weir, what happens to {x}
    what becomes of {x} | what is done with {x}
    how does the node handle {x} | say what Weir does with {x} | how are things handled with {x}
    please tell me what happens to {x}
    what happens in Weir to {x} | explain what happens to {x} | what do I expect for {x}
    how does the node treat {x}
    """),
    "set": _w("""
    what do I set to {x} | how do I {x} | what do I send to {x} | what do I add to {x}
    which option do I use to {x} | how can I {x}
    what is used to {x} in Weir | what must I give to {x} | how do I tell Weir to {x}
    give me what I need to {x} | with what do I {x}
    what should I add to {x} | tell me how to {x} | how to {x} in Weir | which setting is there to {x}
    name what I use to {x}
    what can I pass to {x} | how would I {x} in Weir | please say how to {x} | what do I write to {x}
    """),
    "how": _w("""
    how is it that {x} | in which way is it that {x} | by what means is it that {x} | tell me how {x}
    say how {x}
    please explain how {x} | explain how {x} in Weir | I want to know how {x} | do you know how {x}
    can you tell me how {x}
    by which way is it that {x} | Weir: how {x} | could you say how {x} | describe how {x}
    please tell me how {x} | show me how {x}
    """),
    "order": _w("""
    what is evaluated first, {x} | what comes first in Weir, {x} | which is checked first, {x}
    what does Weir evaluate first, {x}
    which goes before the other, {x} | what is looked at first, {x} | tell me what comes first, {x}
    in Weir, which comes first: {x}
    what has to be passed first, {x} | what does the node check first, {x}
    say which is evaluated first: {x} | first in line, {x}
    which one does Weir look at first, {x} | what is the first step, {x} | please say what is first, {x}
    what is evaluated before the other, {x}
    """),
}
CASE_END: dict[str, Words] = {
    "command": _w("""which command helps|what should I run|which weir command do I use|what do I type
    what command is right|
    which command do I need|what do I run now|which command should I run|give me the command|name the command|
    what is the right command|tell me what to run|which weir command is it|with which command do I do it"""),
    "value": _w("""what is it|what is the answer|what would it be|tell me what it is|what is the right one
    give me the answer|
    what is it called|can you name it|which one is it|please name it|tell me the answer|say what it is"""),
    "header": _w("""which header is it|which header do I read|what header do I need|name the header
    give me the header|
    which header helps|what is the right header|tell me the header|which x-weir header is it
    what header should I read"""),
    "call": _w("""which API call is it|what endpoint do I use|which HTTP call do I need|name the endpoint
    give me the API call|
    which call helps|what is the right endpoint|tell me the API call|which request do I send
    what should it call"""),
    "model": _w("""which model name do I use|what model name is right|what do I write as model
    name the model name|
    give me the model name|which model name helps|what do I set as model|tell me the model name
    which name do I put in the model field"""),
    "rule": _w("""what happens now|what does Weir do|how does Weir react|what will happen
    what does the node do|
    tell me what happens|what should I expect|how does the node react|what is done about it"""),
    "set": _w("""what do I set|what do I use|what do I add|what should I send|what helps|tell me what to add|
    what is the right option|give me what to use|name what I need"""),
    "how": _w("""how does it get there|which way is there|by what means|how is it done|tell me how
    in which way does it come|
    how do we bring it|what ways are there|how can it come in"""),
    "order": _w("""which comes first|what is evaluated first|which one is first|tell me the first
    what does Weir check first|
    name the first one|what goes first|which is looked at first|say which is first"""),
}
CASE_OPEN: Words = (
    "",
    "",
    "",
    "",
    "Hi. ",
    "Hello. ",
    "Situation: ",
    "My problem: ",
    "Help: ",
    "On our Weir node: ",
    "A question on Weir: ",
    "I run a Weir node. ",
    "Weir question. ",
    "Here is my case: ",
    "Please help. ",
    "About Weir: ",
)
HELP_OPEN: Words = (
    "",
    "",
    "",
    "",
    "",
    "",
    "Hi, ",
    "Hello, ",
    "Weir question: ",
    "Quick question: ",
    "Please help: ",
    "Question: ",
    "About Weir: ",
    "A question on Weir: ",
    "Q: ",
    "I run a Weir node: ",
)
HELP_END: Words = (
    "",
    "",
    "",
    "",
    "",
    " Short answer.",
    " Answer briefly.",
    " Only the answer.",
    " Be brief.",
    " Just the answer, please.",
    " Thanks.",
    " Keep it short.",
    " No explanation.",
    " Please answer briefly.",
)
# Questions on what a command does; the answer is the description.
DOES: dict[str, str] = {
    "weir init": "it creates the state directory",
    "weir serve": "it starts the node",
    "weir status": "it shows whether the node is ready",
    "weir route": "it decides and explains without running anything",
    "weir why": "it shows why a request was routed where it went",
    "weir tail": "it follows requests live",
    "weir models": "it lists the models",
    "weir config check": "it checks the configuration",
    "weir doctor": "it runs the self checks",
    "weir version": "it prints versions",
}
DOES_FRAMES = _w("""
what does {x} do | what is {x} for | what does the command {x} do | what is the command {x} good for
explain {x}
tell me what {x} does | what happens when I run {x} | what will {x} do | why would I run {x}
say what {x} does
describe the command {x} | what is the use of {x} | what do I get from {x} | please explain {x}
{x}: what does it do
what can {x} do for me | when I type {x}, what does it do | explain the command {x}
what does running {x} do | purpose of {x}
""")


_COMMANDING = re.compile(
    r"(?:.*\. |.*; |.* - )?(?:give|name|tell|say|show|please|explain|describe|write)\b[^?]*$", re.I
)


def weir_help(rng: random.Random, split: Split, difficulty: Difficulty) -> Sample:
    """Questions on operating Weir; easy names the thing, medium paraphrases, hard tells a situation."""
    while True:
        if difficulty != "hard" and rng.random() < (0.2 if difficulty == "easy" else 0.05):
            name = rng.choice(tuple(DOES))
            answer, key = DOES[name], name
            shown = f"`{name}`" if rng.random() < 0.4 else name
            body, skeleton = _say(rng, split, DOES_FRAMES, "weir_help/does"), ""
            body = body.replace("{x}", shown)
            opening, end = _pick(rng, HELP_OPEN), _pick(rng, HELP_END)
        else:
            fact = rng.choice(HELP)
            answer, key = fact.answer, fact.answer
            if difficulty == "hard":
                case = _say(rng, split, fact.cases, f"weir_help/cases {fact.answer}")
                last = _say_any(rng, CASE_END[fact.kind], f"weir_help/end {fact.kind}")
                joint = rng.choice((". ", ". ", "; ", " - "))
                body = _cap(case) + joint + (_cap(last) if joint == ". " else last)
                opening, end = _pick(rng, CASE_OPEN), _pick(rng, HELP_END)
            else:
                frame = _say(rng, split, FRAMES[fact.kind], f"weir_help/frame {fact.kind}")
                if difficulty == "easy":
                    phrase = _pick(rng, fact.direct)
                else:
                    phrase = _say(rng, split, fact.other, f"weir_help/other {fact.answer}")
                body = frame.replace("{x}", phrase)
                opening, end = _pick(rng, HELP_OPEN), _pick(rng, HELP_END)
        if opening[-2:] != ", ":
            body = _cap(body)
        closing = rng.choice(("?", "?", "?", "")) if not end else "?"
        if _COMMANDING.match(body):
            closing = "."
        prompt = skeleton = opening + body + closing + end
        if _split_of(skeleton) == split:
            return Sample("weir_help", difficulty, prompt, answer, f"{skeleton} || {key}")


# ---------------------------------------------------------------------------------------------- rewrite

RW_NOUN = _w("""report|table|window|garden|letter|bridge|river|basket|market|ticket|bottle|button|mirror
ladder|engine|
folder|signal|island|forest|kitchen|teacher|driver|doctor|farmer|baker|parcel|printer|camera|lamp|chair|door
key|map|
train|boat|truck|wall|roof|floor|box|card|book|pen|cup|plate|clock|coat|shoe|stone|tree""")
RW_ADJ = _w("""new|old|small|large|blue|green|red|quiet|heavy|light|clean|empty|full|warm|cold|round|short
long|wide|narrow|
bright|dark|soft|hard|early|late|simple|busy|fresh|dry""")
RW_VERB = _w("""found|moved|opened|closed|painted|checked|cleaned|carried|lost|sold|bought|sent|repaired
washed|counted|
dropped|lifted|marked|packed|returned""")
RW_PREP = _w("near|behind|under|beside|before|after|above|below")
RW_SHORT = _w("""the {adj} {noun} is {adj2}|we {verb} the {noun}|the {noun} is near the {noun2}
{name} {verb} the {noun}|
they {verb} the {adj} {noun}|the {noun} was {adj}|I {verb} the {adj} {noun}|{name} has the {adj} {noun}""")
RW_MID = _w("""the {adj} {noun} is {prep} the {adj2} {noun2}
{name} {verb} the {noun} {prep} the {adj} {noun2}|
we {verb} the {adj} {noun} and the {noun2}|the {noun} {prep} the {noun2} was {adj} on {day}|
on {day} {name} {verb} the {adj} {noun}|{name} said that the {noun} is {prep} the {adj} {noun2}|
they {verb} the {noun} because the {noun2} was {adj}
the {noun} from {place} is {adj} and the {noun2} is {adj2}""")
ABBREV: tuple[tuple[str, str], ...] = (
    ("ETA", "arrival time"),
    ("HQ", "head office"),
    ("PO", "purchase order"),
    ("QA", "quality check"),
    ("HR", "staff office"),
    ("IT", "computer team"),
    ("SLA", "service promise"),
    ("FAQ", "question list"),
    ("PM", "project lead"),
    ("MFR", "maker"),
    ("QTY", "quantity"),
    ("MTG", "meeting"),
    ("DEPT", "department"),
    ("APPT", "appointment"),
    ("ACCT", "account"),
    ("INV", "invoice"),
    ("MGR", "manager"),
    ("TBD", "open"),
    ("WH", "warehouse"),
    ("CS", "customer service"),
    ("DB", "data store"),
    ("GW", "gateway"),
    ("LN", "line number"),
    ("RM", "room"),
    ("BLDG", "building"),
    ("EOD", "end of day"),
    ("WIP", "work in progress"),
    ("CC", "cost center"),
    ("SN", "serial number"),
    ("REF", "reference"),
)
_ABBREV_KEYS: Words = tuple(f"{short}={full}" for short, full in ABBREV)
PREFIXES = _w(
    "Note|Draft|Urgent|Todo|Info|Copy|Reply|Reminder|Internal|Update|Final|Private|Desk|Action|"
    "Warning|Public|Review|New"
)
TITLES: Words = ("Ms", "Mr", "Dr")

RW_CORES: dict[str, Words] = {
    "replace": _w("""
    replace "{a}" by "{b}" in {obj} | replace "{a}" with "{b}" in {obj} | replace the word {a} by {b} in {obj}
    replace the word {a} with {b} in {obj} | change "{a}" to "{b}" in {obj}
    change the word {a} to {b} in {obj}
    change the word {a} into {b} in {obj} | swap the word {a} for {b} in {obj}
    put {b} in place of {a} in {obj}
    put "{b}" where {obj} says "{a}" | use {b} instead of {a} in {obj} | write {b} instead of {a} in {obj}
    substitute {b} for {a} in {obj} | exchange the word {a} for {b} in {obj}
    rewrite {obj} with {b} in place of {a}
    rewrite {obj} so that {a} becomes {b} | turn the word {a} into {b} in {obj} | edit {obj}: {a} becomes {b}
    edit {obj} so that it says {b} and not {a} | rewrite {obj} with "{b}" instead of "{a}"
    in {obj}, change {a} to {b}
    in {obj}, replace {a} with {b} | in {obj}, write {b} for {a} | let {a} become {b} in {obj}
    correct {obj}: not {a} but {b}
    """),
    "remove": _w("""
    remove the word {a} from {obj} | remove "{a}" from {obj} | delete the word {a} from {obj}
    delete "{a}" from {obj}
    take out the word {a} from {obj} | take the word {a} out of {obj} | leave out the word {a} in {obj}
    drop the word {a} from {obj}
    drop "{a}" from {obj} | strike the word {a} from {obj} | cut the word {a} from {obj}
    cut "{a}" out of {obj}
    rewrite {obj} without the word {a} | rewrite {obj} without "{a}" | write {obj} without the word {a}
    repeat {obj} without {a}
    copy {obj} without the word {a} | copy {obj} but leave out {a} | edit {obj}: no {a}
    in {obj}, remove the word {a}
    in {obj}, leave out {a} | in {obj}, delete {a} | erase the word {a} from {obj}
    give {obj} without the word {a}
    """),
    "swap": _w("""
    swap the two names in {obj} | change the order of the two names in {obj}
    turn the two names around in {obj}
    exchange the two names in {obj} | switch the two names in {obj} | put the second name first in {obj}
    reverse the order of the two names in {obj} | write {obj} with the two names swapped
    rewrite {obj} with the names swapped
    let the two names change places in {obj} | flip the two names in {obj}
    put the names in {obj} the other way round
    swap the names before and after "and" in {obj} | in {obj}, swap the two names
    in {obj}, put the second name first
    rewrite {obj} with the second name first | swap "A and B" to "B and A" for the names in {obj}
    move the first name in {obj} after the second
    copy {obj} with the two names exchanged | edit {obj}: swap the names
    trade the places of the two names in {obj}
    """),
    "greeting": _w("""
    write the greeting line "Dear ...," for {a}
    write a letter greeting to {a} beginning with Dear and ending with a comma
    write the line "Dear ...," for {a} | make a greeting "Dear ...," for {a}
    greet {a} with a line like "Dear ...,"
    start a letter to {a} with Dear and end the line with a comma
    give me the greeting line "Dear ...," for {a}
    write the greeting of a letter to {a}: Dear, title, last name, comma
    open a letter to {a} in the form "Dear ...,"
    make the Dear line of a letter to {a} | write the Dear line for {a} | fill in "Dear ...," for {a}
    write only the Dear line to {a}
    begin a mail to {a} with the Dear line | give the Dear line of a mail to {a}
    compose the Dear line for a note to {a}
    turn {a} into a greeting line "Dear ...," | put {a} into the greeting "Dear ...,"
    address {a} in a Dear line with a comma
    """),
    "prefix": _w("""
    add "{a}:" before {obj} | add "{a}:" to the front of {obj} | put "{a}:" in front of {obj}
    put "{a}:" before {obj}
    write "{a}:" in front of {obj} | begin {obj} with "{a}:" | start {obj} with "{a}:"
    add the prefix "{a}:" to {obj}
    give {obj} the prefix "{a}:" | set "{a}:" before {obj} | place "{a}:" at the start of {obj}
    rewrite {obj} with "{a}:" at the start
    copy {obj} with "{a}:" before it | mark {obj} by "{a}:" at the front | let {obj} begin with "{a}:"
    write {obj} after "{a}:"
    repeat {obj} with "{a}:" in front | insert "{a}:" at the beginning of {obj}
    put the label "{a}:" at the start of {obj}
    """),
    "initial": _w("""
    write {a} with an initial for the first name | shorten the first name of {a} to an initial
    give {a} as initial and last name
    write the name {a} with the first name as an initial | shorten {a} to initial and last name
    make the first name in {a} an initial
    write {a} as initial, dot, last name | put {a} in the form "X. Lastname"
    turn {a} into initial and last name
    abbreviate the first name of {a} | abbreviate the first name in {a} to one letter and a dot
    use an initial for the first name of {a}
    rewrite {a} with only the first letter of the first name and a dot
    cut the first name of {a} to its initial
    change {a} to initial plus last name | replace the first name of {a} by its initial
    write {a} in short form with an initial
    reduce the first name of {a} to an initial | format {a} as initial and last name
    """),
    "expand": _w("""
    {a} means {b}. Write {a} out in full in {obj} | {a} means {b}. Expand {a} in {obj}
    expand {a} ({b}) in {obj}
    expand the short form {a} to {b} in {obj} | {a} stands for {b}. Expand it in {obj}
    write {a} in full as {b} in {obj}
    spell out {a} as {b} in {obj} | replace the short form {a} by its meaning {b} in {obj}
    {a} is short for {b}. Expand {a} in {obj}
    {a} is short for {b}. Write it out in {obj} | write out the short form {a} = {b} in {obj}
    with {a} = {b}, expand {a} in {obj}
    rewrite {obj} with {a} written out as {b} | rewrite {obj} with {b} for the short form {a}
    in {obj}, expand {a} to {b}
    {a} = {b}. Expand the short form in {obj} | put the full form {b} for {a} in {obj}
    in {obj}, write out {a} as {b}
    use the full form {b} for the short form {a} in {obj} | resolve the short form {a} ({b}) in {obj}
    """),
    "upper": _w("""
    write the word {a} in capitals in {obj} | put the word {a} in capitals in {obj}
    make the word {a} upper case in {obj}
    change the word {a} to upper case in {obj} | turn the word {a} into capitals in {obj}
    write {a} in upper case in {obj}
    set the word {a} in capital letters in {obj} | use capital letters for the word {a} in {obj}
    use capitals for {a} in {obj}
    rewrite {obj} with {a} in capitals | rewrite {obj} with the word {a} in upper case
    copy {obj} with {a} in capital letters
    capitalise all letters of {a} in {obj} | convert the word {a} to upper case in {obj}
    in {obj}, put {a} in capitals
    in {obj}, write {a} in upper case | raise the word {a} to upper case in {obj}
    show the word {a} in capitals in {obj}
    let the word {a} stand in capitals in {obj} | give {obj} with {a} in capitals
    """),
}
RW_FORMAT = _w("""
Write only the result. | Only the result. | Give only the new text. | Reply with the new text only.
No explanation.
Change nothing else. | Keep the rest as it is. | Leave the rest unchanged. | Return only the new text.
Do not explain.
Only the new line. | Just the result, please. | Answer with the result only. | Write the result.
Touch nothing else.
""")
RESULT_ONLY = _w("""
Write only the result. | Only the result. | No explanation. | Do not explain. | Only the new line.
Just the result, please.
Answer with the result only. | Write the result. | Reply with the result only. | One line only.
Nothing else.
""")
GREET_FORMAT = _w("""
Use title and last name. | Use only title and last name. | Leave out the first name. | No first name.
Without the first name.
Take title and last name. | Title and last name only. | After Dear comes the title and the last name.
Drop the first name.
""")
RW_NOUNS = _w("text|sentence|line|note|message")
RW_BANKS: dict[str, Bank] = {rule: Bank(cores, (), (), RW_FORMAT, (), RW_NOUNS) for rule, cores in RW_CORES.items()}
# The second rule of a hard sample, said after the first one.
RW_SECOND: dict[str, Words] = {
    "replace": _w("""replace {c} by {d}|change {c} to {d}|replace the word {c} with {d}
    write {d} instead of {c}|
    put {d} in place of {c}|turn {c} into {d}|use {d} instead of {c}"""),
    "remove": _w("""remove the word {c}|delete the word {c}|leave out {c}|take out the word {c}
    drop the word {c}|
    cut the word {c}|strike {c}"""),
    "prefix": _w("""put "{c}:" in front|add "{c}:" at the front|begin with "{c}:"|start the line with "{c}:"|
    add the prefix "{c}:"|write "{c}:" before it|place "{c}:" at the start"""),
}
RW_THEN: Words = (", and then {two}", " and {two}", ", then {two}", ", and also {two}", " and after that {two}")


@cache
def _rw_slots(split: Split) -> dict[str, Words]:
    own = {"noun": _copied(RW_NOUN, split, "word"), "verb": RW_VERB, "prep": RW_PREP, "adj": RW_ADJ}
    return {**_base_slots(split), **own}


def _rw_sentence(rng: random.Random, split: Split, template: str) -> tuple[str, dict[str, str]]:
    """A sentence of distinct words and the words by slot."""
    slots = _rw_slots(split)
    noun, noun2 = rng.sample(slots["noun"], 2)
    adj, adj2 = rng.sample(slots["adj"], 2)
    words = {
        "noun": noun,
        "noun2": noun2,
        "adj": adj,
        "adj2": adj2,
        "verb": _pick(rng, RW_VERB),
        "prep": _pick(rng, RW_PREP),
        "name": _pick(rng, slots["name"]),
        "day": _pick(rng, DAYS),
        "place": _pick(rng, slots["place"]),
    }
    text = _SLOT.sub(lambda found: words[found.group(1)], template)
    return _cap(text) + ".", words


def _word_sub(text: str, word: str, new: str) -> str:
    """Replace a whole word; the empty replacement takes one space with it."""
    if new:
        return re.sub(rf"\b{re.escape(word)}\b", new, text)
    return re.sub(rf" \b{re.escape(word)}\b", "", text)


def _once(text: str, word: str) -> bool:
    return len(re.findall(rf"\b{re.escape(word)}\b", text)) == 1


def _rw_text(rng: random.Random, split: Split, difficulty: Difficulty) -> tuple[str, dict[str, str]]:
    if difficulty == "easy":
        return _rw_sentence(rng, split, _pick(rng, RW_SHORT))
    text, words = _rw_sentence(rng, split, _pick(rng, RW_MID))
    if difficulty == "hard":
        more, _ = _rw_sentence(rng, split, _pick(rng, RW_SHORT if rng.random() < 0.5 else RW_MID))
        text = text + " " + more
    return text, words


def _rw_words(rng: random.Random, text: str, words: Mapping[str, str], keys: Words) -> list[str]:
    """The words of the slots that occur exactly once in the text, not as its first word, in random order."""
    found = [words[key] for key in keys if _once(text, words[key]) and not text.startswith(words[key])]
    rng.shuffle(found)
    return found


def _abbreviation(rng: random.Random, split: Split) -> tuple[str, str]:
    """A short form and what it means; in training mostly made up."""
    if split == "train" and rng.random() < 0.7:
        words = [_pick(rng, made_up_words()) for _ in range(rng.choice((1, 2, 2)))]
        return "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=rng.randint(2, 4))), " ".join(words)
    short, full = _one(rng, _ABBREV_KEYS, split).split("=")
    return short, full


def _rewrite_text(
    rng: random.Random, split: Split, difficulty: Difficulty, rule: str
) -> tuple[dict[str, str], str] | None:
    """Slots and answer of a rule; None when the words drawn do not fit."""
    slots = _rw_slots(split)
    if rule == "greeting":
        title, first, last = _pick(rng, TITLES), _pick(rng, slots["name"]), _pick(rng, slots["last"])
        shown = f"{title} {last}" if difficulty == "easy" else f"{title} {first} {last}"
        if difficulty == "hard":
            shown = rng.choice(
                (
                    f"{first} {last} ({title}, from {_pick(rng, slots['place'])})",
                    f"{first} {last}, title {title}, of the {_pick(rng, slots['team'])}",
                )
            )
        return {"a": shown}, f"Dear {title} {last},"
    if rule == "initial":
        first, last = _pick(rng, slots["name"]), _pick(rng, slots["last"])
        return {"a": f"{first} {last}"}, f"{first[0]}. {last}"
    if rule == "swap":
        one, two = rng.sample(slots["name"], 2)
        tail = f" {_pick(rng, RW_VERB)} the {_pick(rng, slots['noun'])}."
        if difficulty != "easy":
            tail = f" {_pick(rng, RW_VERB)} the {_pick(rng, RW_ADJ)} {_pick(rng, slots['noun'])}"
            tail += f" on {_pick(rng, DAYS)}."
        if difficulty == "hard":
            templates = ("the {noun} was {adj}", "the {noun} is {prep} the {noun2}")
            more, _ = _rw_sentence(rng, split, rng.choice(templates))
            tail += " " + more
        if difficulty == "easy" and rng.random() < 0.5:
            tail = ""
        return {"text": f"{one} and {two}{tail}"}, f"{two} and {one}{tail}"
    text, words = _rw_text(rng, split, difficulty)
    if rule == "prefix":
        label = _pick(rng, _copied(PREFIXES, split, "Name"))
        return {"text": text, "a": label}, f"{label}: {text}"
    if rule == "expand":
        short, full = _abbreviation(rng, split)
        found = _rw_words(rng, text, words, ("noun",))
        if not found:
            return None
        text = _word_sub(text, found[0], short)
        return {"text": text, "a": short, "b": full}, _word_sub(text, short, full)
    if rule == "remove":
        found = _rw_words(rng, text, words, ("adj", "adj2"))
        found = [word for word in found if f" the {word} " in " " + text.lower()]
    else:
        found = _rw_words(rng, text, words, ("adj", "noun", "noun2"))
    if not found:
        return None
    word = found[0]
    if rule == "remove":
        return {"text": text, "a": word}, _word_sub(text, word, "")
    if rule == "upper":
        return {"text": text, "a": word}, _word_sub(text, word, word.upper())
    new = _pick(rng, slots["noun"] if word in slots["noun"] else RW_ADJ)
    if new in text:
        return None
    return {"text": text, "a": word, "b": new}, _word_sub(text, word, new)


RULES: Words = tuple(RW_CORES)


def rewrite(rng: random.Random, split: Split, difficulty: Difficulty) -> Sample:
    """Rewriting by a rule that is told; hard: longer texts, half of them with a second rule."""
    while True:
        rule = rng.choice(RULES)
        if difficulty == "hard" and rule in ("initial", "greeting") and rng.random() < 0.7:
            continue
        made = _rewrite_text(rng, split, difficulty, rule)
        if made is None:
            continue
        slots, answer = made
        second = ""
        double = rule in ("replace", "remove", "upper", "expand", "swap") and rng.random() < 0.5
        if difficulty == "hard" and double:
            extra = _second_rule(rng, split, slots, answer)
            if extra is None:
                continue
            second, answer = extra
        break
    bank = RW_BANKS[rule]
    while True:
        if "text" in slots:
            skeleton, where = _compose(rng, split, bank)
        else:
            clear = rule == "greeting" and difficulty != "easy"
            skeleton, where = _compose_bare(rng, split, bank, GREET_FORMAT if clear else ()), "before"
        if not second:
            break
        cores = _cut(bank.imperatives, split)
        core = max((core for core in cores if core in skeleton or _cap(core) in skeleton), key=len)
        at = skeleton.lower().find(core.lower()) + len(core)
        skeleton = skeleton[:at] + second + skeleton[at:]
        if _split_of(skeleton) == split:
            break
    prompt = _render(rng, skeleton, where, bank, slots)
    return Sample("rewrite", difficulty, prompt, answer, f"{skeleton} || {rule}")


def _second_rule(rng: random.Random, split: Split, slots: dict[str, str], answer: str) -> tuple[str, str] | None:
    """A second rule on the answer of the first: its words with slots, and the final answer."""
    kind = rng.choice(("replace", "prefix"))
    then = _pick(rng, RW_THEN).replace("{two}", _one(rng, RW_SECOND[kind], split))
    if kind == "prefix":
        slots["c"] = _pick(rng, _copied(PREFIXES, split, "Name"))
        return then, f"{slots['c']}: {answer}"
    words = [
        word
        for word in re.findall(r"[a-z]+", answer)
        if (word in RW_ADJ or word in _rw_slots(split)["noun"])
        and word not in (slots.get("a"), slots.get("b"))
        and _once(answer, word)
        and word not in slots.get("b", "")
    ]
    if not words:
        return None
    word = rng.choice(words)
    new = _pick(rng, RW_ADJ if word in RW_ADJ else _rw_slots(split)["noun"])
    if new in answer or new in slots.values():
        return None
    slots["c"], slots["d"] = word, new
    return then, _word_sub(answer, word, new)


def _compose_bare(rng: random.Random, split: Split, bank: Bank, always: Words = ()) -> str:
    """An instruction skeleton that has its own value and no text, ending with a clause of `always`."""
    while True:
        opening, asks = OPENINGS[int(rng.random() * len(OPENINGS))]
        body = opening + _one(rng, bank.imperatives, split)
        if opening[-2:] not in (": ", ", "):
            body = _cap(body)
        skeleton = body + ("?" if asks else "." if body[-1] != '"' else "")
        if always:
            skeleton += " " + _pick(rng, always)
        if rng.random() < (0.25 if always else 0.5):
            skeleton += " " + _pick(rng, RESULT_ONLY)
        if _split_of(skeleton) == split:
            return skeleton


TASKS: dict[str, Generate] = {
    "sentiment": sentiment,
    "topic": topic,
    "urgency": urgency,
    "passage_qa": passage_qa,
    "weir_help": weir_help,
    "rewrite": rewrite,
}


def _main(arguments: Sequence[str]) -> None:
    shown = int(arguments[1]) if len(arguments) > 1 and arguments[0] == "--show" else 2
    rng = random.Random(7)
    for name, generate in TASKS.items():
        for split in SPLITS:
            for difficulty in DIFFICULTIES:
                for _ in range(shown):
                    sample = generate(rng, split, difficulty)
                    print(f"[{name} {split} {difficulty}]\n{sample.prompt}\n=> {sample.answer}\n")


def _measure(count: int = 4000) -> None:
    """Distinct templates and samples per second, on standard error."""
    for name, generate in TASKS.items():
        rng, started, templates = random.Random(1), time.perf_counter(), set[str]()
        for index in range(count):
            templates.add(generate(rng, "train", DIFFICULTIES[index % 3]).template.split(" || ")[0])
        rate = count / (time.perf_counter() - started)
        print(f"{name}: {len(templates)} templates in {count} samples, {rate:.0f}/s", file=sys.stderr)


if __name__ == "__main__":
    _main(sys.argv[1:])
    if "--measure" in sys.argv:
        _measure()
