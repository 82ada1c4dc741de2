"""Eight symbolic tasks with computable truth: extract, arithmetic, units, dates, lists, sort, filter, casing.

Phrasing is composed. A task owns `Ask` objects, each a set of patterns: `(a|b)` is an open choice,
`<a|b|c>` is a choice whose written-out alternatives are cut by `pool`, so each split owns its own. A core
("sort these numbers upwards") is put into a frame ("Could you ...?"), given an output clause, and laid out
around its content. Frames, cut choices and output clauses are held out one by one; the composed skeleton,
slots unfilled, is held out as well by `split_of`. Words that carry meaning occur in training; what a held-
out prompt has new is their combination.

Values are held out too: words, names and cities by `pool`, number tuples and dates by `split_of`.
"""

from __future__ import annotations

import datetime
import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from patterns import made_up, variants
from sample import DIFFICULTIES, SPLITS, Difficulty, Generate, Sample, Split, pool, split_of

# ---------------------------------------------------------------------------------------------- value pools

FIRST_NAMES = """
Ada Adam Agnes Alan Albert Alice Alma Amber Amir Amy Andre Anita Anna Anton Arthur Astrid Aisha Barbara
Basil Beatrice Ben Bella Boris Brenda Bruno Carla Carmen Carol Cecil Celia Chloe Clara Claude Colin Cora
Curtis Cyril Daisy Dana Daniel Daria David Deborah Dennis Diana Dora Doris Edgar Edith Elena Elias Elsa Emil
Emma Enid Eric Erika Esther Eva Evan Felix Fiona Flora Frank Freda Fritz Gavin Gemma George Gerda Gina Glen
Grace Greta Gustav Hanna Harold Harry Hazel Heidi Helen Henry Hilda Hugo Ian Ida Igor Ines Ingrid Irene Iris
Ivan Ivy Jack Jacob Jane Jasmin Jean Joan Joel Jonas Judith Julia Jules Karen Karl Kate Keith Kevin Kira
Kofi Lara Laura Lea Leo Leila Lena Lewis Lily Linda Lisa Lola Louis Lucas Lucy Luis Lydia Mabel Magda Maja
Marco Maria Mark Martha Martin Mary Maya Megan Mia Mila Mina Mona Nadia Nancy Naomi Neil Nina Noah Nora Olaf
Olga Oliver Omar Oscar Otto Pablo Paula Peter Petra Philip Priya Quinn Rachel Ralph Ravi Rita Robert Robin
Rosa Ruben Ruth Sam Sandra Sara Selma Simon Sofia Sonja Stefan Stella Susan Sven Tanya Tara Tessa Theo
Thomas Tilda Tina Tobias Tom Uma Ursula Vera Victor Viola Walter Wanda Wendy Willa Yara Yusuf Zoe
""".split()

LAST_NAMES = """
Abbott Adler Ahmed Allen Archer Ashby Bailey Baker Banks Barker Barnes Bauer Becker Bell Benson Berg Bishop
Blake Bloom Bolton Bond Booth Brandt Brewer Briggs Brook Brown Bryant Burke Burton Byrne Camp Carr Carter
Castro Chan Chapman Clark Cole Conway Cook Cooper Costa Cox Craig Crane Cross Curry Dale Dalton Davies
Dawson Dean Decker Diaz Dixon Doyle Drake Duarte Dunn Eaton Eder Ellis Emery Evans Farmer Fields Finch
Fischer Fisher Fleming Flores Forbes Ford Foster Fox Franke Frost Fuller Garcia Gibbs Giles Glover Gomez
Grant Gray Green Griffin Gruber Hahn Hale Hall Hansen Hardy Harper Hart Hayes Heath Herrera Hill Hoffman
Holm Holt Hooper Howe Hughes Hunt Ibsen Ingram Irwin Jacobs Jansen Jensen Joshi Keller Kemp Kent Khan Kim
King Klein Knight Koch Kraus Kumar Lake Lang Larsen Lawson Lee Lind Lloyd Long Lopez Lowe Lund Lynch Malik
Mann Marsh Mason Maurer May Meyer Miles Mills Moore Moreno Morris Moss Nash Neumann Nolan North Novak Olsen
Ortiz Owen Page Park Parker Patel Payne Pearce Perez Perry Pfeiffer Pierce Pike Poole Porter Price Quick
Ramos Reed Reyes Rice Rivera Robson Rojas Rose Ross Rowe Russo Sato Sauer Shah Sharp Shaw Silva Singh Slater
Stein Stone Swift Tanaka Tate Taylor Torres Turner Unger Vance Vargas Vogel Wade Walsh Ward Weber Webb Weiss
Wells West Winter Wolf Wong Wood Yates York Young Ziegler Zimmer
""".split()

CITIES = """
Aachen Aarhus Adelaide Amsterdam Ankara Antwerp Athens Auckland Austin Bangkok Barcelona Basel Belfast
Bergen Berlin Bern Bilbao Bogota Bonn Bordeaux Boston Bremen Brisbane Bristol Brno Brussels Budapest Cairo
Calgary Canberra Cardiff Casablanca Chicago Cologne Copenhagen Cork Dakar Dallas Delhi Denver Detroit
Dortmund Dresden Dubai Dublin Dundee Durban Edinburgh Essen Florence Frankfurt Geneva Genoa Ghent Glasgow
Graz Hague Hamburg Hanoi Hanover Havana Helsinki Houston Innsbruck Istanbul Jakarta Kiel Kigali Krakow Kyoto
Lagos Leeds Leipzig Lille Lima Limerick Linz Lisbon Liverpool London Lucerne Luxembourg Lyon Madrid Malaga
Malmo Manchester Manila Marseille Melbourne Miami Milan Montreal Moscow Mumbai Munich Nairobi Nantes Naples
Nice Odense Oporto Orlando Osaka Oslo Ottawa Oxford Palermo Paris Perth Pisa Plymouth Porto Potsdam Prague
Quito Riga Rome Rotterdam Salzburg Santiago Seattle Seoul Seville Sofia Stockholm Stuttgart Sydney Tallinn
Tampere Tokyo Toledo Toronto Trieste Tunis Turin Utrecht Valencia Venice Verona Vienna Vilnius Warsaw
Wellington Winnipeg York Zagreb Zurich
""".split()

NOUNS = """
acorn actor album alley amber angle ankle apple apron arch arrow artist atlas attic badge bagel baker ball
banana band bank barn barrel basil basket bath beach bean bear bed bee bell belt bench berry bike bird
blanket boat bolt bone book boot bottle bowl box brain branch bread brick bridge broom brush bucket bulb bus
bush butter button cabin cable cactus cake camel camera camp canal candle canoe card carpet carrot cart
castle cat cave chain chair chalk cheese cherry chess chest child circle city clay clock cloth cloud clover
club coach coast coat coffee coin comb cookie copper coral corn corner cotton couch cow crab crane crayon
cream crow crown cup curtain cushion dance deck deer desk diamond dinner dish doctor dog doll donkey door
dove dragon drawer dress drill drum duck dust eagle ear easel egg elbow engine eye fabric falcon farm farmer
feather fence fern ferry field fig finger fire fish flag flame flask flower flute fog forest fork fox frame
friend frog fruit funnel garden garlic gate ghost giraffe glass glove glue goat gold goose grape grass
guitar hair hammer hand harbor harp hat hawk hill honey hook horse hotel house ice igloo ink insect iron
island ivory jacket jam jar jewel juice kayak kettle key king kite kitten knee knife ladder lake lamb lamp
lantern leaf lemon letter lily lime lion lizard lock log lunch magnet mango map maple marble market mask
meadow medal melon milk mill mint mirror mole monkey moon moth motor mouse mug museum nail neck needle nest
net night noodle nose notebook nurse nut oak oar ocean olive onion orange orbit orchard oven owl oyster
paint palace palm panda paper parcel parrot pasta path peach pear pearl pebble pen pencil pepper piano
picture pie pig pillow pilot pin pine pipe pirate pizza planet plant plate plum pocket poem pond pony pool
potato prince puzzle quail quarry queen quill quilt rabbit radio rail rain ranch raven ribbon rice ring
river road robin robot rock roof room rope rose ruler saddle sail salad salt sand sauce scarf school screen
seal seed shark sheep shell ship shirt shoe shop shovel silk silver sink skirt sky snail snow soap sock sofa
soup spider spoon spring square stamp star stone storm stove straw street sugar sun swan table tail tea
teacher tent ticket tiger tile toast tomato tower town toy train tree truck tulip tunnel turtle uncle urn
valley vase velvet village vine violin wagon wall walnut watch water wave wheel whistle window wolf wood
wool yard yarn zebra
""".split()

ADJECTIVES = """
blue red green black white brown gray pink yellow old new big small large tall short long round flat thin
thick soft hard warm cold hot cool dry wet clean dirty light dark heavy fresh sweet sour salty plain fancy
rich poor fast slow quick quiet loud calm wild tame kind brave proud shy smart bright pale deep high low
wide narrow sharp dull smooth rough strong weak young early late happy sad busy lazy empty full open closed
broken shiny rusty dusty wooden golden silver paper plastic metal cotton silk frozen baked spare local royal
modern simple tiny giant hollow solid sandy
""".split()

PRODUCTS = " ".join(
    """
printer, monitor, keyboard, desk lamp, office chair, laptop stand, webcam, headset, router, scanner,
projector, whiteboard, paper tray, toner, phone case, charger, power bank, usb cable, mouse pad, speaker,
microphone, tablet, notebook, ring binder, stapler, hole punch, filing cabinet, bookshelf, standing desk,
door handle, coffee machine, kettle, toaster, blender, mixer, water filter, frying pan, baking tray, tea
pot, lunch box, drinking glass, bread knife, vacuum cleaner, iron, fan heater, air filter, smoke alarm,
light bulb, floor lamp, wall clock, mirror, curtain rail, bath mat, towel rack, shower head, garden hose,
lawn mower, rake, wheelbarrow, flower pot, bird feeder, tent, sleeping bag, backpack, rain jacket, hiking
boot, bike helmet, bike pump, inner tube, car mat, snow shovel, tool box, cordless drill, hammer, spirit
level, paint roller, ladder, work glove, safety vest, measuring tape, extension lead, battery pack, fuse,
solar panel, door bell, key ring, umbrella, travel mug, yoga mat, dumbbell, tennis racket, football, chess
set, jigsaw puzzle, toy train, picture frame, sketch pad, paint brush, acoustic guitar, piano stool, music
stand, camera strap, tripod, memory card, game console, wool blanket, pillow, bed frame
""".split()
).split(", ")

MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


@cache
def words(kind: str, split: Split) -> list[str]:
    """The words of one kind that a split may use."""
    kinds = {
        "first": FIRST_NAMES,
        "last": LAST_NAMES,
        "city": CITIES,
        "noun": NOUNS,
        "adjective": ADJECTIVES,
        "product": PRODUCTS,
        "short": [word for word in NOUNS if len(word) <= 5],
    }
    return pool(list(dict.fromkeys(kinds[kind])), split)


def some(rng: random.Random, kind: str, split: Split, count: int) -> list[str]:
    """Distinct words of one kind; in training half of the draws mix made-up words in, or use them alone."""
    real = words(kind, split)
    share = rng.choice((0.0, 0.0, 0.5, 1.0)) if split == "train" else 0.0
    drawn: dict[str, None] = {}
    while len(drawn) < count:
        drawn[_invented(rng, kind) if rng.random() < share else rng.choice(real)] = None
    return list(drawn)


def _invented(rng: random.Random, kind: str) -> str:
    """A made-up word in the form of a kind: names with a capital, products of one or two words."""
    word = made_up(rng)
    if kind == "product" and rng.random() < 0.6:
        return f"{word} {made_up(rng)}"
    if kind == "short":
        return word[:5]
    return word.capitalize() if kind in ("first", "last", "city") else word


def one(rng: random.Random, kind: str, split: Split) -> str:
    """One word of a kind, as `some` draws it."""
    return some(rng, kind, split, 1)[0]


def held(rng: random.Random, split: Split, draw: Callable[[], tuple[int, ...]], key: str) -> tuple[int, ...]:
    """Draw number tuples until one belongs to the split; `key` is a format string over the tuple."""
    while True:
        values = draw()
        if split_of(key.format(*values)) == split:
            return values


# --------------------------------------------------------------------------------------- composed phrasing


@dataclass(frozen=True, eq=False)
class Ask:
    """How one thing can be asked for. A core that holds `{c}` (or needs no content) is not laid out further.

    `order`: imperatives without a full stop, lower case. `question`: whole questions. `terse`: keywords.
    `clause`: whole sentences about the output. `labels`: names for the content.
    """

    order: tuple[str, ...]
    question: tuple[str, ...] = ()
    terse: tuple[str, ...] = ()
    clause: tuple[str, ...] = ()
    labels: tuple[str, ...] = ("Input",)
    inline: bool = False  # the cores hold their values themselves


@dataclass(frozen=True)
class Parts:
    """The parts of an `Ask` that one split may use, written out."""

    order: list[str]
    question: list[str]
    terse: list[str]
    clause: list[str]


@cache
def parts_of(ask: Ask, split: Split) -> Parts:
    """The parts of an `Ask` that a split may use; clauses are cut whole."""
    order, question, terse = (
        [text for pattern in patterns for text in variants(pattern, split)]
        for patterns in (ask.order, ask.question, ask.terse)
    )
    return Parts(order, question, terse, clauses(ask.clause, split))


@cache
def clauses(patterns: tuple[str, ...], split: Split) -> list[str]:
    """All output clauses of some patterns, written out and cut by `pool`."""
    texts = list(dict.fromkeys(text for pattern in patterns for text in variants(pattern, split)))
    return pool(texts, split) if len(texts) >= 3 else texts


GREET = "Hi, |Hello, |Hey, |Hi there, |Good morning, |Good day, |Hello there, |Good evening, |Dear assistant, "
FRAMES = (
    f"<(|{GREET})(please|kindly|now|just|quickly please) #.>",
    f"<(|{GREET})(can|could|would|will) you (please |kindly |quickly |just |now |)#?>",
    "<(Now|Next,|Then|First,|Okay, now|So|Again,|As before,|Here,|Right,|Simply|Carefully) (please |)#.>",
    f"<(|{GREET})(I need you to|I want you to|I would like you to|I'd like you to|we need you to|I ask you to) #.>",
    "<(You should|You must|You have to|Your task is to|Your job is to|The task is to|The job is to|Your "
    "goal is to|"
    "The goal is to|You are asked to|It is your job to|I have to|We have to|We need to|I want to|I need "
    "to|Let us|"
    "Let's|Help me|Help us|Please help me|Please help us) #(.|, please.|. Thanks.)>",
    "<(Task|Instruction|Request|Job|Step 1|To do|Action|Your task|Your job|My request|The task|Next "
    "task|Exercise|"
    "Question|Quick one|One more|Quick task|Small task|New task|Work item|Desk task): (please |)#.>",
    "<#(, please| for me| for us| now| for me, please| now, please| right away| again)(.|. Thanks.|. Thank you.)>",
    "<#(. Thanks.|. Thank you.|, thanks.|, thank you.|!| please.)>",
)
PLAIN = ("#.", "Please #.", "#", "#.")
TAILS = ("\nAnswer:", "\nOutput:", "\nResult:", " Answer:", "\n\nAnswer:", "\nYour answer:", "\nA:", "\n\nOutput:")
QUOTES = ('"{c}"', "'{c}'", "`{c}`", "[{c}]")
TERSE = (
    "#: {c}",
    "#: {c}",
    "#:\n{c}",
    "#\n{c}",
    "{c}\n#",
    "{c} -> #",
    "{c} => #",
    "[#] {c}",
    "# | {c}",
    "{c} (#)",
    "#; @: {c}",
    "@: {c}; #",
    "@: {c}\n#",
    "#\n@: {c}",
    "{c} | #",
    "@ = {c}\n#",
    "task: #\n@: {c}",
    "#\n\n{c}",
    "{c}\n\n#",
    "@: {c}\ntask: #",
    "> #\n{c}",
    "{c}, #",
    "# this: {c}",
)
TERSE_LINES = (
    "#:\n{c}",
    "#\n{c}",
    "{c}\n#",
    "{c}\n-> #",
    "[#]\n{c}",
    "#\n@:\n{c}",
    "@:\n{c}\n#",
    "task: #\n{c}",
    "#:\n\n{c}",
    "{c}\n\n#",
    "task: #\n@:\n{c}",
    "@:\n{c}\ntask: #",
    "> #\n{c}",
    "{c}\n(#)",
    "#\n---\n{c}",
)
AFTER = ("\n", "\n", "\n\n", " ", ": ", ": ", ":\n", "\n@: ", "\n@: ", "\n@:\n", " @: ", "\n\n@: ", "\n@ = ", "\n---\n")
BEFORE = ("\n", "\n\n", "\n", "\n---\n", " - ")
GIVEN = (
    "",
    "",
    "@: ",
    "@: ",
    "Here is the @: ",
    "Given: ",
    "Given this @: ",
    "I have this @: ",
    "This is the @: ",
    "@:\n",
    "Take this: ",
    "The @ is: ",
    "We have: ",
)


@cache
def frames(split: Split) -> list[str]:
    """The frames of a split; '#' stands for the core."""
    return [text for pattern in FRAMES for text in variants(pattern, split)]


def capital(text: str) -> str:
    """The text with its first letter in upper case; a slot at the start stays."""
    return text[:1].upper() + text[1:]


def compose(rng: random.Random, split: Split, ask: Ask, clause: float = 0.4, lines: bool = False) -> str:
    """A skeleton of the split. `clause`: how often the output clause is added. `lines`: multi-line."""
    parts = parts_of(ask, split)
    while True:
        skeleton = _compose(rng, split, ask, parts, clause, lines)
        if split_of(skeleton) == split:
            return skeleton


def _compose(rng: random.Random, split: Split, ask: Ask, parts: Parts, clause: float, lines: bool) -> str:
    draw = rng.random()
    extra = rng.choice(parts.clause) if parts.clause and rng.random() < clause else ""
    tail = rng.choice(TAILS) if rng.random() < 0.12 else ""
    label = rng.choice(ask.labels)
    if rng.random() < 0.3:
        label = label.lower()
    if parts.terse and draw < 0.2:
        core = rng.choice(parts.terse)
        if rng.random() < 0.3:
            core = capital(core)
        if ask.inline:
            text = core
        else:
            text = rng.choice(TERSE_LINES if lines else TERSE).replace("#", core).replace("@", label)
        return text + ("\n" + extra if extra and clause >= 1 else "") + tail
    if parts.question and (draw < 0.42 or not parts.order):
        ask_text = rng.choice(parts.question)
        if rng.random() < 0.15:
            ask_text = rng.choice(("Question: ", "Q: ", "Quick question: ", "Please tell me: ")) + ask_text
        ask_text = capital(ask_text)
    else:
        frame = rng.choice(PLAIN) if rng.random() < 0.3 else rng.choice(frames(split))
        ask_text = capital(frame.replace("#", rng.choice(parts.order)))
    if ask.inline:
        if extra and ask_text[-1] not in ".?!":
            ask_text += "."
        if extra and rng.random() < 0.15:
            return extra + " " + ask_text + tail
        return ask_text + (rng.choice((" ", " ", "\n")) + extra if extra else "") + tail
    content = "{c}"
    if not lines and rng.random() < 0.2:
        content = rng.choice(QUOTES)
    if rng.random() < 0.7:
        joint = rng.choice(AFTER)
        if lines and joint.endswith(" "):
            joint = joint.rstrip(" ") + "\n"
        joint = joint.replace("@", label)
        if joint.startswith(":"):
            if ask_text[-1] in ".?":
                ask_text = ask_text[:-1]
            return ask_text + joint + content + ("\n" + extra if extra else "") + tail
        if joint[0] == " " and ask_text[-1] not in ".?!":
            ask_text += "."
        if extra and rng.random() < 0.25:
            return ask_text + joint + content + rng.choice(("\n", "\n\n")) + extra + tail
        if extra:
            ask_text += ("" if ask_text[-1] in ".?!" else ".") + " " + extra
        return ask_text + joint + content + tail
    given = rng.choice(GIVEN)
    given = given.replace("@", label if given.startswith("@") else label.lower())
    joint = rng.choice(BEFORE)
    if lines:
        given = given.rstrip(" ") + "\n" if given else given
        joint = "\n\n" if joint == " - " else joint
    if extra:
        ask_text += ("" if ask_text[-1] in ".?!" else ".") + " " + extra
    return given + content + joint + ask_text + tail


def fill(skeleton: str, **values: object) -> str:
    """The skeleton with its slots filled."""
    for key, value in values.items():
        skeleton = skeleton.replace("{" + key + "}", str(value))
    return skeleton


VALUE_ONLY = (
    "(Answer|Reply|Respond) with (only the #|the # only|just the #|the # alone|nothing but the #).",
    "(Give|Return|Write|Show|Print|Output|State) (only the #|the # only|just the #|the # alone|nothing but the #).",
    "(Only|Just) (give|return|write|show|print|output) the #.",
    "(No explanation|No extra words|No other text|No comment|No words around it).",
    "(Do not|Don't) (explain|add anything|add words|write anything else|add other text).",
    "The answer (is|should be|must be) the # (only|alone).",
)


def only(thing: str, *more: str) -> tuple[str, ...]:
    """Output clauses that ask for the bare result."""
    return tuple(pattern.replace("#", thing) for pattern in VALUE_ONLY) + more


# ------------------------------------------------------------------------------------------------- extract

FIELD_KEYS = {
    "name": ("name", "name", "name", "customer", "full_name", "customer_name"),
    "city": ("city", "city", "city", "town", "location"),
    "amount": ("amount", "amount", "amount", "total", "price"),
    "order": ("order_id", "order_id", "order", "order_number"),
    "date": ("date", "date", "date", "day"),
    "product": ("product", "product", "product", "item", "article"),
    "quantity": ("quantity", "quantity", "count", "pieces"),
    "room": ("room", "room", "room_number"),
    "extension": ("extension", "extension", "phone_extension"),
}
INTEGER_FIELDS = frozenset({"amount", "quantity", "extension"})
SENTENCES: dict[str, tuple[str, ...]] = {
    "name": (
        "<(My name is|This is|I am|It is|You are talking to|My full name is|The name is) {name}"
        "(.| here.| speaking.| writing.)>",
        "<(The customer|The client|The caller|The buyer|The guest|The sender|The contact|The visitor)"
        "( is| is called| is named|'s name is|:) {name}.>",
        "<{name} (called|wrote|asked|phoned|contacted us|got in touch|sent a note|left a message)"
        "( again| for us| for you| about this|).>",
        "<(Customer|Name|Client|Contact|Caller|Sender|Booked by|Signed|Regards|Written by): {name}.>",
        "<(Please ask for|Please call|Speak to|Send it to|Address it to|Hand it to|I spoke with) {name}.>",
    ),
    "city": (
        "<(I live in|I am from|We are in|I am based in|I moved to|We are based in|I write from|I work "
        "in) {city}"
        "(.| now.| at the moment.| these days.)>",
        "<(Please |)(deliver|ship|send|post|bring) (it|this|everything|the parcel|the box|the goods) to {city}.>",
        "<(The parcel|The delivery|It|The box|The shipment|This) (should go|must go|goes|has to go) to {city}.>",
        "<(City|Town|Location|Place|Destination|Ship to|Address|Branch): {city}.>",
        "<(Our office|The office|Our branch|The shop|The store|Our team|The meeting|The site) is in {city}.>",
    ),
    "amount": (
        "<(I paid|I was charged|You charged me|We paid|They took|The bill says|We were billed|I owe) "
        "{amount} "
        "(euros|dollars|pounds)(.| for it.| in total.| so far.)>",
        "<(The total|The price|The amount|The bill|The cost|The sum|The invoice total) (is|was|came to|"
        "should be) "
        "{amount} (euros|dollars|pounds).>",
        "<(Amount|Total|Price|Sum|Cost|To pay|Invoice total)(: {amount} EUR|: {amount} USD|: {amount} euros).>",
        "<(A refund|A payment|A charge|A transfer|An invoice|A bill) of {amount} (euros|dollars) "
        "(is due|was booked|is missing|was made|is open).>",
    ),
    "order": (
        "<(My order|Our order|The order|Order|Order number|Order no.) {order} (is late|has not arrived|"
        "is missing|"
        "was damaged|is wrong|is not here yet|came broken|arrived late|is still open)(.| again.)>",
        "<(The order number|My order number|The order id|Our order id|The order) is {order}.>",
        "<(It is about|I am writing about|I am calling about|This concerns|I ask about|Please check|"
        "Please cancel|"
        "Please look at) (order|my order|our order|the order) {order}.>",
        "<(Order|Order id|Order number|Ref. order|About order|Order no.): {order}.>",
    ),
    "date": (
        "<(It arrived on|I ordered on|We met on|It was sent on|I bought it on|It broke on|The date is|"
        "It is due on|"
        "I paid on|It was booked for|Please come on) {date}.>",
        "<(The delivery|The meeting|The visit|The appointment|The payment|The repair|The pick-up|The call) "
        "(is on|was on|is set for|is planned for|took place on) {date}.>",
        "<(Date|Day|On|Due date|Booked for|Planned for|Dated): {date}.>",
    ),
    "product": (
        "<(I bought|I ordered|I have|We bought|We ordered|We need|I need|I am missing|I got|I want to "
        "return) "
        "the {product}(.| from you.| in your shop.)>",
        "<The {product} (is broken|does not work|arrived late|is missing|is faulty|has a crack|is too "
        "small|"
        "is the wrong colour|stopped working|looks used)(.| again.)>",
        "<(Product|Item|Article|Goods|About|Model|Ordered item): {product}.>",
        "<(The product|The item|The article|The thing in question|The missing item) is the {product}.>",
    ),
    "quantity": (
        "<(We need|I need|I want|We ordered|I ordered|Please send|Please pack|We got|There were) "
        "{quantity} "
        "(pieces|units|of them)(.| in all.| this time.)>",
        "<(Quantity|Count|Pieces|Units|Number of pieces|How many): {quantity}.>",
        "<(The quantity|The count|The number of pieces|The number of units) (is|was|should be) {quantity}.>",
    ),
    "room": (
        "<(I am in|I sit in|We are in|Bring it to|Meet me in|Come to|You find me in|It stands in) room {room}.>",
        "<(Room|Room number|Office room|Room no.|Meeting room): {room}.>",
        "<(The meeting is in|The printer is in|The talk is in|My office is|Our room is|The desk is in) room {room}.>",
    ),
    "extension": (
        "<(Call me at|My phone is|You reach me at|Ring|Please call|Please dial|Dial) (extension|ext.) {extension}.>",
        "<(My extension|The extension|Our extension|The phone extension) is {extension}.>",
        "<(Extension|Phone extension|Ext|Phone ext.): {extension}.>",
    ),
}
NOISE = (
    "(Thanks in advance|Thank you very much|Thanks a lot|Many thanks|Thanks for your help).",
    "(I have waited|We have waited|I waited) for (two|three|four|five) (days|weeks) (now|already|without an answer).",
    "(Nobody|No one|Not one person) (answered|replied|called back|helped) (so far|until now|last week).",
    "The (box|parcel|packet|carton|bag) was (open|wet|torn|dented|fine|heavy) when it (came|arrived).",
    "(I am not|We are not|My boss is not) happy (about this|with this|with the service).",
    "(Please|Kindly) (answer|reply|call back|write back|let me know) (soon|today|this week|when you can).",
    "(It was raining|The sun was out|It was cold|It was late) (that day|on that evening|when the driver came).",
    "(My neighbour|A friend|My sister|A colleague) (told|asked|warned) me about (this|the delay|the shop) before.",
    "(The driver|The staff|The service|Your team) was (friendly|kind|quick|slow|rude|helpful) (as always|this time).",
    "(I tried|We tried) (again|twice|three times|many times) but (it did not help|nothing changed|it failed).",
    "(Have a nice day|All the best|Kind regards|Best wishes|See you soon|Good luck).",
    "(The website|The app|Your page|The form) (was down|did not load|showed an error|was very slow) (again|for hours).",
    "(I keep|We keep) the (old|first|other) one (for now|as a spare|in the garage|until we hear from you).",
    "(Everything else|The rest) (is fine|was fine|works well|looks good).",
    "(In the past|Last year|Usually|Before) (all went well|we had no trouble|things were better|it took one day).",
)
FIELD_JOINS = ("comma", "comma", "and", "quoted", "lines", "brackets", "object", "spaced")
EXTRACT = Ask(
    order=(
        "<(extract|get|take|pull|pick|find|read|collect|list|return|give) (the fields |the values of |"
        "the values for |"
        "the keys |the data for |these fields: |the following: |)>{fields} <(from|in|out of) (the|this) "
        "(message|text|note|mail) (as JSON|as a JSON object|as one JSON object|in JSON|in JSON format|"
        "into JSON|"
        "as compact JSON|and answer in JSON|and reply as JSON)>",
        "<(turn|convert|change|put|make|parse) (the|this) (message|text|note|mail) into (JSON|a JSON "
        "object|"
        "one JSON object|compact JSON) with (the keys |the fields |keys |fields |these keys: |exactly "
        ")>{fields}",
        "<(fill|write|build|create|make|give|return|produce) (a JSON object|JSON|one JSON object|"
        "compact JSON|a JSON) "
        "with (the keys |the fields |keys |fields |these keys: |)>{fields} <(from|for|out of|taken from|"
        "based on) "
        "(the|this) (message|text|note|mail)>",
    ),
    question=(
        "<(which|what) (values|data) does (the|this) (message|text|note|mail) (give|have|hold|contain) "
        "for >{fields}"
        "<? (Answer|Reply|Respond) (in JSON|as JSON|with JSON|with a JSON object|as a JSON object).>",
        "<what (is the value|are the values) of >{fields}<( in the message| in the text| in this note| "
        "here|)"
        "\\? (Answer|Reply|Respond) (in|as|with) JSON.>",
    ),
    terse=(
        "<(extract|json|get|fields|json keys|to json|parse|as json|extract json|extract as json)>( |: "
        "){fields}"
        "<( as json| (json\\)| json| from text|)>".replace("(json\\)", "\\(json\\)"),
        "{fields} <(as|in|to) (json|a json object|JSON|one json object)>",
    ),
    clause=(
        "(Answer|Reply|Respond) with (JSON only|only JSON|the JSON only|just the JSON|nothing but JSON).",
        "(Keep|Use) (the keys|the fields) in (that|this|the given|the same) order.",
        "(Copy|Take|Keep) (the values|each value|all values) (exactly |)as (written|they are|in the text).",
        "(No extra keys|No other text|No spaces, no other text|No explanation|One line only).",
        "(Numbers|Whole numbers|Amounts and counts) (are integers|without quotes|go without quotes|as integers).",
    ),
    labels=("Message", "Text", "Note", "Mail", "Input", "Message"),
)
NUMERIC_CLAUSE = (
    "(Write|Give|Use|Put) (amounts|numbers|counts|number values) as (integers|whole numbers|plain integers).",
    "(Numbers|Amounts|Counts|Number values) (are integers|are whole numbers|must be integers|stay "
    "without quotes|"
    "go without quotes|are written without quotes).",
)


@cache
def sentences(field: str, split: Split) -> list[list[str]]:
    """The sentences that hold a field, one list for each pattern."""
    return [variants(pattern, split) for pattern in SENTENCES[field]]


@cache
def noise(split: Split) -> list[str]:
    """Sentences without any field."""
    return [text for pattern in NOISE for text in variants(pattern, split)]


def full_name(rng: random.Random, split: Split) -> str:
    return one(rng, "first", split) + " " + one(rng, "last", split)


def field_value(rng: random.Random, split: Split, field: str) -> str | int:
    """A value of the split for a field."""
    if field == "name":
        return full_name(rng, split)
    if field == "city":
        return one(rng, "city", split)
    if field == "product":
        return one(rng, "product", split)
    if field == "date":
        return written(rng, date_of(rng, split))
    top = {"amount": 999, "quantity": 60, "extension": 9999, "order": 9999, "room": 499}[field]
    low = {"amount": 5, "quantity": 2, "extension": 100, "order": 1000, "room": 1}[field]
    number = held(rng, split, lambda: (rng.randint(low, top),), field + "{0}")[0]
    if field == "order":
        return f"{rng.choice('ABCDEFGHKLMNPRSTWX')}-{number}"
    if field == "room":
        return f"{rng.choice('ABCDEF')}{number}"
    return number


def join_keys(keys: list[str], style: str) -> str:
    """The asked keys as one text."""
    if style == "and" and len(keys) > 1:
        return ", ".join(keys[:-1]) + " and " + keys[-1]
    if style == "quoted":
        return ", ".join(f'"{key}"' for key in keys)
    if style == "brackets":
        return "[" + ", ".join(keys) + "]"
    if style == "object":
        return "{" + ", ".join(f'"{key}": ...' for key in keys) + "}"
    if style == "lines" and len(keys) > 1:
        return " / ".join(keys)
    if style == "spaced" and len(keys) > 1:
        return " + ".join(keys)
    return ", ".join(keys)


def extract(rng: random.Random, split: Split, difficulty: Difficulty) -> Sample:
    """Fields of a message as a JSON object, keys in the order asked."""
    names = list(FIELD_KEYS)
    rng.shuffle(names)
    asked = names[: {"easy": 1, "medium": rng.randint(2, 3), "hard": 4}[difficulty]]
    others = {"easy": 0, "medium": rng.randint(0, 1), "hard": rng.randint(1, 2)}[difficulty]
    shown = asked + names[len(asked) : len(asked) + others]
    values = {field: field_value(rng, split, field) for field in shown}
    said = [fill(rng.choice(rng.choice(sentences(field, split))), **{field: values[field]}) for field in shown]
    if difficulty != "easy":
        spare = rng.randint(0, 1) if difficulty == "medium" else rng.randint(1, 3)
        said += [rng.choice(noise(split)) for _ in range(spare)]
    if difficulty == "hard" and rng.random() < 0.01:
        size = rng.randint(900, 2150)
        while sum(map(len, said)) + len(said) < size:
            said.append(rng.choice(noise(split)))
    rng.shuffle(said)
    message = ("\n" if rng.random() < 0.1 else " ").join(capital(text) for text in said)
    keys = [rng.choice(FIELD_KEYS[field]) for field in asked]
    whole = any(field in INTEGER_FIELDS for field in asked)
    skeleton = compose(rng, split, EXTRACT, clause=0.3)
    if whole and rng.random() < 0.4 and not skeleton.endswith((":", "{fields}")):
        while True:
            longer = skeleton + "\n" + rng.choice(clauses(NUMERIC_CLAUSE, split))
            if split_of(longer) == split:
                skeleton = longer
                break
            skeleton = compose(rng, split, EXTRACT, clause=0.3)
    prompt = fill(skeleton, fields=join_keys(keys, rng.choice(FIELD_JOINS)), c=message)
    answer = json.dumps({key: values[field] for key, field in zip(keys, asked)}, separators=(",", ":"))
    types = {key: {"type": "integer" if field in INTEGER_FIELDS else "string"} for key, field in zip(keys, asked)}
    schema: dict[str, object] = {"type": "object", "properties": types, "required": keys, "additionalProperties": False}
    return Sample("extract", difficulty, prompt, answer, skeleton, schema)


# ---------------------------------------------------------------------------------------------- arithmetic

NUMBER_ONLY = only("number", *(pattern.replace("#", "result") for pattern in VALUE_ONLY[:3]))
EXPRESSION = Ask(
    order=(
        "<(compute|calculate|work out|evaluate|solve|find|determine|figure out|do|give|tell me|get) (|"
        "the value of |"
        "the result of |the answer to |the sum |this: |the following: )>{x}",
    ),
    question=(
        "<(what is|what's|how much is|what do you get for|what is the value of|what is the result of|"
        "what equals|"
        "what is the answer to|what comes out of|what number is|do you know|can you tell me|can you solve|"
        "can you work out|what result has|what does one get for)> {x}?",
        "{x} <(is|equals|makes|gives|comes to|is equal to) (what|how much|what number|which number)>?",
        "<(what does|how much does|what number does)> {x} <(make|equal|give|come to|add up to|result in)>?",
    ),
    terse=(
        "{x} =",
        "{x} = ?",
        "{x}",
        "{x}=",
        "{x} = (_|__|...|?|\\?\\?)",
        "{x}?",
        "? = {x}",
        "<(compute|calc|calculate|solve|eval|math|result|evaluate|work out|sum|answer|value)>(: |\n| ){x}( =|)",
        "<(Q|Problem|Exercise|Question|Expression|Input|Task|Sum)>(: |\n){x}( =|)",
    ),
    clause=NUMBER_ONLY,
    inline=True,
)
OPERATIONS = {
    "+": Ask(
        order=(
            "<(add|add up|sum|sum up|add together|total|add the numbers|add the two numbers|put "
            "together) >"
            "{a} (and|plus) {b}".replace("(and|plus)", "and"),
            "<(find|compute|calculate|give|work out|tell me|get) (the sum of|the total of) (the "
            "numbers |both "
            "numbers |the two numbers |)>{a} and {b}",
            "<(increase|raise)> {a} by {b}",
            "<(add|put)> {b} to {a}",
        ),
        question=(
            "<(what is|what's|how much is|can you give|can you tell me|do you know) (the sum of|"
            "the total of)> "
            "{a} and {b}?",
            "<(how much|what) (do|will) {a} and {b} (make|give|add up to|come to)( together|)>?",
            "<(what|which number|how much) (is|do you get) (if|when|once) you add>(| together) {a} and {b}?",
            "what is {b} <(more than|added to)> {a}?".replace("<", "(").replace(">", ")"),
        ),
        terse=("(sum|add|total|plus)(: | ){a}(, | ){b}", "(sum|add)\\({a}, {b}\\)", "{a} and {b}, (sum|added|total)"),
        clause=NUMBER_ONLY,
        inline=True,
    ),
    "-": Ask(
        order=(
            "<(subtract|take|deduct|take away)> {b} from {a}",
            "<(find|compute|calculate|give|work out|tell me|get) (the difference of|the difference "
            "between)> "
            "{a} and {b}",
            "(decrease|reduce|lower) {a} by {b}",
        ),
        question=(
            "<(what is|what's|can you give|can you tell me|do you know) the difference (of|between)> {a} and {b}?",
            "<(what is left|how much is left|what remains|how much remains) (if|when|after) you "
            "(take|subtract)> "
            "{b} from {a}?",
            "what is {b} (less than|subtracted from) {a}?",
            "what is {a} (less|take away) {b}?",
        ),
        terse=("(subtract|minus|difference|take away)(: | ){a}(, | ){b}", "(diff|subtract)\\({a}, {b}\\)"),
        clause=NUMBER_ONLY,
        inline=True,
    ),
    "*": Ask(
        order=(
            "<(multiply|multiply the numbers|multiply the two numbers)> {a} (and|by) {b}",
            "<(find|compute|calculate|give|work out|tell me|get) (the product of)( the numbers| the "
            "two numbers| "
            "both numbers|)> {a} and {b}",
        ),
        question=(
            "<(what is|what's|how much is|can you give|can you tell me|do you know) the product of> {a} and {b}?",
            "<(what|how much|which number) (is|do you get) (if|when) you multiply> {a} (and|by) {b}?",
            "<(what is|how much is|what's)> {a} multiplied by {b}?",
        ),
        terse=("(product|multiply|times|mult)(: | ){a}(, | ){b}", "(product|multiply)\\({a}, {b}\\)"),
        clause=NUMBER_ONLY,
        inline=True,
    ),
}
SIGNS = {
    "+": (" + ", " + ", "+", " plus "),
    "-": (" - ", " - ", "-", " minus "),
    "*": (" * ", " x ", "*", " times ", " × "),
}
STORIES: dict[str, Ask] = {
    "+-": Ask(
        order=(),
        question=(
            "<{name} (has|owns|keeps|starts with) {a} {item}s and (buys|gets|finds|adds|is given) {b} more. "
            "(Then|Later|"
            "After that) {name} (sells|loses|uses|gives away) {c}. How many {item}s (are left|does {name} "
            "have now|remain)>?",
            "<(a box|a shelf|a room|a shop|a store) (holds|has) {a} {item}s. {name} (puts in|adds|brings) "
            "{b} and "
            "(takes out|takes away|removes) {c}. How many {item}s are (there now|left|in it now)>?",
        ),
        clause=NUMBER_ONLY,
        inline=True,
    ),
    "--": Ask(
        order=(),
        question=(
            "<{name} (has|owns|starts with) {a} {item}s, (sells|loses|uses|gives away) {b} (today|first|on "
            "Monday) and {c} "
            "(later|then|on Tuesday). How many {item}s (are left|remain|does {name} still have)>?",
            "<(there are|we have|a shop has) {a} {item}s. {b} are (sold|lost|broken) and {c} are (given "
            "away|used|moved). "
            "How many {item}s (are left|remain|stay)>?",
        ),
        clause=NUMBER_ONLY,
        inline=True,
    ),
    "*+": Ask(
        order=(),
        question=(
            "<{name} (has|buys|packs|orders) {a} boxes with {b} {item}s (each|in each) and {c} (more|extra|"
            "loose) {item}s. "
            "How many {item}s (is that|are there|does {name} have) (in all|in total|altogether)>?",
            "<(there are|we have|a shop has) {a} (bags|shelves|rows|crates) of {b} {item}s and {c} single "
            "{item}s. "
            "How many {item}s (are there|is that)( in all| in total|)>?",
        ),
        clause=NUMBER_ONLY,
        inline=True,
    ),
    "*-": Ask(
        order=(),
        question=(
            "<{name} (has|buys|packs|orders) {a} boxes with {b} {item}s (each|in each) and (sells|loses|"
            "uses|gives away) {c} "
            "{item}s. How many {item}s (are left|remain|does {name} still have)>?",
            "<(there are|we have|a shop has) {a} (bags|shelves|rows|crates) of {b} {item}s. {c} {item}s are "
            "(sold|lost|"
            "broken|taken). How many {item}s (are left|remain)>?",
        ),
        clause=NUMBER_ONLY,
        inline=True,
    ),
}


def apply(op: str, a: int, b: int) -> int:
    return a + b if op == "+" else a - b if op == "-" else a * b


def arithmetic(rng: random.Random, split: Split, difficulty: Difficulty) -> Sample:
    """Sums, differences, products; at hard also three terms and two-step word problems."""
    if difficulty == "hard" and rng.random() < 0.5:
        return _two_steps(rng, split)

    def draw() -> tuple[int, ...]:
        if difficulty == "easy":
            if op == "+":
                return (rng.randint(0, 20), rng.randint(0, 20))
            a = rng.randint(1, 25)
            return (a, rng.randint(0, min(a, 15)))
        if difficulty == "medium":
            if op == "*":
                return (rng.randint(2, 9), rng.randint(2, 9))
            if op == "+" and wide:
                return (rng.randint(100, 899), rng.randint(10, 399))
            a, b = rng.randint(15, 99), rng.randint(11, 99)
            return (a, b) if op == "+" else (max(a, b), min(a, b))
        if op == "*":
            return (rng.randint(11, 99), rng.randint(3, 9) if wide else rng.randint(11, 30))
        a, b = rng.randint(200, 999), rng.randint(101, 999)
        return (a, b) if op == "+" else (max(a, b), min(a, b))

    op = rng.choice({"easy": "+-", "medium": "++--*", "hard": "+-***"}[difficulty])
    wide = rng.random() < (0.4 if difficulty == "medium" else 0.7)
    a, b = held(rng, split, draw, "{0}" + op + "{1}")
    if rng.random() < 0.6:
        skeleton = compose(rng, split, EXPRESSION, clause=0.3)
        prompt = fill(skeleton, x=f"{a}{rng.choice(SIGNS[op])}{b}")
    else:
        skeleton = compose(rng, split, OPERATIONS[op], clause=0.3)
        prompt = fill(skeleton, a=a, b=b)
    return Sample("arithmetic", difficulty, prompt, str(apply(op, a, b)), skeleton)


def _two_steps(rng: random.Random, split: Split) -> Sample:
    ops = rng.choice(("+-", "--", "*+", "*-"))

    def draw() -> tuple[int, ...]:
        while True:
            if ops[0] == "*":
                a, b, c = rng.randint(2, 12), rng.randint(2, 12), rng.randint(2, 20)
            else:
                a, b, c = rng.randint(10, 99), rng.randint(2, 60), rng.randint(2, 60)
            if apply(ops[1], apply(ops[0], a, b), c) > 0 and apply(ops[0], a, b) > 0:
                return (a, b, c)

    a, b, c = held(rng, split, draw, "{0}" + ops[0] + "{1}" + ops[1] + "{2}")
    if rng.random() < 0.5:
        skeleton = compose(rng, split, EXPRESSION, clause=0.3)
        style = rng.randrange(4)
        prompt = fill(skeleton, x=f"{a}{SIGNS[ops[0]][style]}{b}{SIGNS[ops[1]][style]}{c}")
    else:
        skeleton = compose(rng, split, STORIES[ops], clause=0.3)
        item = rng.choice(STORY_ITEMS)
        prompt = fill(skeleton, a=a, b=b, c=c, name=one(rng, "first", split), item=item)
    return Sample("arithmetic", "hard", prompt, str(apply(ops[1], apply(ops[0], a, b), c)), skeleton)


STORY_ITEMS = """
apple book pen card coin cup egg key lamp lemon map nail pear pencil plate ring shirt
spoon stamp ticket tile toy button chair bottle cookie
""".split()

# --------------------------------------------------------------------------------------------------- units

UNITS = Ask(
    order=(
        "<(convert|change|turn|transform|translate|recalculate) {q} (to|into)( the unit|)> {dst}",
        "<(express|write|give|state|show|put|tell me|calculate|work out|compute) {q} (in|as)( the unit|)> {dst}",
        "<(convert|change|turn) (the value|the quantity|the measure|the amount)( of|:|) {q} (to|into)> {dst}",
        "<(find|calculate|work out|compute|tell me|say) how many> {dst} <(are in|there are in|make|make up|are)> {q}",
    ),
    question=(
        "<how many> {dst} <(are|are there|do we have|do you get|do I have|can you count) (in|within)> {q}?",
        "<(what is|what's|how much is|what would be|what are) {q} (in|when converted to|converted to|"
        "expressed in|"
        "written in|given in|as)> {dst}?",
        "{q} <(is|are|equals|equal|makes|make|is equal to|corresponds to) how many> {dst}?",
    ),
    terse=(
        "{q} (in|to|into|-\\>|=\\>|as|\\>) {dst}",
        "{q} = ? {dst}",
        "{q} = ... {dst}",
        "{q} in {dst}( =|:| ?|?)",
        "<(convert|units|unit|conversion|change|calc|conv|turn|switch|unit change)>( |: |\n){q} (to|"
        "in|-\\>|into) {dst}",
        "<(from|given|source|input)>(: | ){q}(, |\n| )<(to|target|wanted|in)>(: | ){dst}",
    ),
    clause=only("number and the unit")
    + (
        "(Give|Write|Answer with|Reply with|Return|State) (the number and the unit|a number with its unit|"
        "number and unit|the value with the unit|the number with the unit|a number and the unit).",
        "(Include|Add|Keep|Write|Name) the unit( in the answer| after the number| as written|).",
        "(Use|Take) the form: number, (space|one space|blank), unit.",
        "(The unit|The unit name) (goes|comes|stands|belongs) after the number.",
    ),
    inline=True,
)


def plain_number(thousandths: int) -> str:
    """A count of thousandths as a decimal number without needless zeros."""
    whole, part = divmod(thousandths, 1000)
    return str(whole) if not part else f"{whole}.{part:03d}".rstrip("0")


# source forms (symbol, word), target forms, factor, weight
DOWN = (
    (("km", "kilometres"), ("m", "metres"), 1000),
    (("m", "metres"), ("cm", "centimetres"), 100),
    (("kg", "kilograms"), ("g", "grams"), 1000),
    (("l", "litres"), ("ml", "millilitres"), 1000),
    (("cm", "centimetres"), ("mm", "millimetres"), 10),
    (("h", "hours"), ("min", "minutes"), 60),
    (("days", "days"), ("hours", "hours"), 24),
)
EASY_WEIGHTS = (4, 4, 4, 4, 2, 2, 1)
TIMES = (
    (("min", "minutes"), ("s", "seconds"), 60),
    (("weeks", "weeks"), ("days", "days"), 7),
    (("dozen", "dozen"), ("pieces", "items"), 12),
    (("dozen", "dozen"), ("eggs", "eggs"), 12),
)


def units(rng: random.Random, split: Split, difficulty: Difficulty) -> Sample:
    """A quantity in another unit; the answer is the number and the target unit as the prompt writes it."""
    form = 0 if rng.random() < 0.7 else 1
    while True:
        if difficulty == "easy":
            source, target, factor = rng.choices(DOWN, EASY_WEIGHTS)[0]
            count = rng.randint(2, {60: 12, 24: 7}.get(factor, 40))
            quantity, result = str(count), str(count * factor)
        elif difficulty == "medium":
            if rng.random() < 0.6:
                target, source, factor = rng.choice(DOWN)
                count = rng.randint(2, 60 if factor in (10, 100, 1000) else 10)
                quantity, result = str(count * factor), str(count)
            else:
                source, target, factor = rng.choice(TIMES)
                count = rng.randint(2, 12)
                quantity, result = str(count), str(count * factor)
        else:
            kind = rng.random()
            if kind < 0.6:
                source, target, factor = rng.choice(DOWN[:4])
                thousandths = rng.choice(
                    (rng.randint(1, 99) * 100, rng.randint(5, 199) * 50, rng.randint(11, 999) * 10)
                )
                if thousandths % 1000 == 0:
                    continue
                quantity, result = plain_number(thousandths), str(thousandths * factor // 1000)
            elif kind < 0.75:
                source, target = ("°C", "degrees Celsius"), ("°F", "degrees Fahrenheit")
                celsius = rng.randint(-8, 30) * 5
                quantity, result = str(celsius), str(celsius * 9 // 5 + 32)
            else:
                big, small, factor = rng.choice(
                    (
                        (("h", "hours"), ("min", "minutes"), 60),
                        (("m", "metres"), ("cm", "centimetres"), 100),
                        (("min", "minutes"), ("s", "seconds"), 60),
                        (("kg", "kilograms"), ("g", "grams"), 1000),
                    )
                )
                left, right = rng.randint(2, 9), rng.randint(2, 59) * (10 if factor == 1000 else 1)
                quantity, source = f"{left} {big[form]} {right}", small
                target, result = small, str(left * factor + right)
        if split_of(f"{quantity} {source[0]} {target[0]}") == split:
            break
    skeleton = compose(rng, split, UNITS, clause=0.4)
    if "how many" in skeleton.lower() or "?" in skeleton:  # else the bare number fits
        while not any(text in skeleton for text in parts_of(UNITS, split).clause):
            skeleton = compose(rng, split, UNITS, clause=1.0)
    prompt = fill(skeleton, q=f"{quantity} {source[form]}", dst=target[form])
    return Sample("units", difficulty, prompt, f"{result} {target[form]}", skeleton)


# --------------------------------------------------------------------------------------------------- dates

FORMATS: dict[str, str] = {
    "iso": "(ISO format|ISO 8601|the ISO form|ISO form|ISO date format|YYYY-MM-DD|the form YYYY-MM-DD|"
    "YYYY-MM-DD format|the format YYYY-MM-DD|ISO \\(YYYY-MM-DD\\)|year-month-day \\(YYYY-MM-DD\\)|"
    "ISO format \\(YYYY-MM-DD\\)|the pattern YYYY-MM-DD|ISO style YYYY-MM-DD|year-month-day with "
    "dashes)",
    "dot": "(DD.MM.YYYY|the form DD.MM.YYYY|DD.MM.YYYY format|the format DD.MM.YYYY|day.month.year "
    "\\(DD.MM.YYYY\\)|"
    "the pattern DD.MM.YYYY|dotted form DD.MM.YYYY|dots \\(DD.MM.YYYY\\)|DD.MM.YYYY with dots|"
    "the dotted format DD.MM.YYYY|DD.MM.YYYY form|day.month.year as DD.MM.YYYY)",
    "written": "(D Month YYYY|the form D Month YYYY|the format D Month YYYY|D Month YYYY format|"
    "written form \\(D Month YYYY\\)|words \\(D Month YYYY\\)|the written form D Month YYYY|"
    "the pattern D Month YYYY|written style D Month YYYY|day month year \\(D Month YYYY\\)|"
    "long form D Month YYYY|D Month YYYY with the month as a word)",
    "slash": "(DD/MM/YYYY|the form DD/MM/YYYY|DD/MM/YYYY format|the format DD/MM/YYYY|day/month/year "
    "\\(DD/MM/YYYY\\)|"
    "the pattern DD/MM/YYYY|DD/MM/YYYY with slashes|slashes \\(DD/MM/YYYY\\)|DD/MM/YYYY form|"
    "the slash format DD/MM/YYYY|day/month/year as DD/MM/YYYY|slash form DD/MM/YYYY)",
}
DATE_CLAUSE = only("date")
DATE_LABELS = ("Date", "Input", "Date", "Text")


def _to_format(target: str) -> Ask:
    return Ask(
        order=(
            f"(rewrite|write|format|reformat|give|show|put|express|print|return) (the date|this date|"
            f"it|the given "
            f"date|the date below) <(in|as|using) {target}>".replace("|it|", "|"),
            f"(convert|change|turn|bring|transform) (the date|this date|the given date|the date below) "
            f"<(to|into) {target}>",
        ),
        question=(
            f"(what is|how do you write|how would you write|how is) (the date|this date) <(in|as) {target}>?",
            f"(what does this date look like|how does this date read|how do I write this date) <in {target}>?",
        ),
        terse=(
            f"<(date |)(to|in|as|into) {target}>",
            f"<(format as|reformat to|date as|target|convert to|write as) {target}>",
        ),
        clause=DATE_CLAUSE,
        labels=DATE_LABELS,
    )


TO_FORMAT = {name: _to_format(target) for name, target in FORMATS.items()}
SHORT = {
    "iso": "(YYYY-MM-DD|ISO|ISO format|ISO \\(YYYY-MM-DD\\))",
    "dot": "(DD.MM.YYYY|DD.MM.YYYY format)",
    "written": "(D Month YYYY|the form D Month YYYY)",
    "slash": "(DD/MM/YYYY|DD/MM/YYYY format)",
}
PAIRS = (("iso", "dot"), ("dot", "iso"), ("iso", "written"), ("written", "iso"), ("slash", "iso"), ("dot", "written"))
TWO_FORMATS = {
    (one, two): Ask(
        order=(
            f"<(write|give|show|rewrite|format|print|return) (the date|this date|the given date) "
            f"(first |)(in|as) "
            f"{SHORT[one]} and (then |)(in|as) {SHORT[two]}, (separated by a comma|with a comma "
            f"between them|"
            f"joined by a comma)>",
        ),
        question=(
            f"<(what is|how do you write) (the date|this date) (in|as) {SHORT[one]} and (in|as) "
            f"{SHORT[two]}? "
            f"(Separate them by|Put|Use) a comma.>".replace("Put|Use", "Join them with"),
        ),
        terse=(
            f"<(as|to|in|both formats:) {SHORT[one]}, {SHORT[two]} \\((with a comma|comma between|"
            f"split by a comma)\\)>",
        ),
        clause=DATE_CLAUSE,
        labels=DATE_LABELS,
    )
    for one, two in PAIRS
}
ADD_DAYS = Ask(
    order=(
        "<(add|count) {n} days (onto|to) {d} and (give|write|answer with|show|return|tell me) (the "
        "date|the new date|"
        "the result|the day) (as|in the form|in the format|in) YYYY-MM-DD>",
        "<(give|find|compute|work out|calculate|tell me|write|name) the date {n} days (after|later "
        "than|past) {d} "
        "(as|in|in the form|in the format) YYYY-MM-DD>",
    ),
    question=(
        "<(what|which) (date|day) (is|comes|will it be) {n} days after {d}? (Answer|Reply|Write "
        "it|Give it) "
        "(as|in the form|in|in the format) YYYY-MM-DD.>",
        "<(today|it) is {d}. What (is the date|date is it|will the date be) in {n} days? (Answer|"
        "Reply) (as|in|"
        "in the form) YYYY-MM-DD.>".replace("(today|it)", "(today|today's date)"),
    ),
    terse=("<{d} (+|plus) {n} days( as| in| -\\>| =\\>|:) YYYY-MM-DD>",),
    clause=DATE_CLAUSE,
    inline=True,
)
WEEKDAY = Ask(
    order=(
        "<(tell me|name|give|work out|find|say|compute) the (weekday|day of the week) {n} days "
        "(after|later than|past) "
        "{d}, (which is a|given that it is a|if that is a|knowing that it is a) {w}>",
    ),
    question=(
        "<{d} (is|was) a {w}. (What|Which) (weekday|day of the week) (is it|comes|do we have) {n} "
        "days "
        "(later|after that|after it)>?",
        "<(today|the day) is {w}, {d}. (What|Which) (weekday|day of the week) (is it|comes|do we "
        "have|will it be) "
        "(in {n} days|{n} days later)>?",
    ),
    terse=("<(weekday|day of week|day name)(: | ){d} is {w}, (+|plus) {n} days>",),
    clause=only("weekday"),
    inline=True,
)
LATER = {
    word: Ask(
        order=(
            f"<(give|tell me|name|pick|find|write|return|choose|show) (the {word} date|the {word} of "
            f"the two dates|"
            f"the {word} one|the {word} of these dates) (as|in the form|in|in the format) "
            f"YYYY-MM-DD: {{d}} "
            f"(or|and|or maybe) {{e}}>",
        ),
        question=(
            f"<(which|what) (date |one |)is {word}, {{d}} or {{e}}? (Answer|Reply|Write it|Give "
            f"it) (as|in|"
            f"in the form|in the format) YYYY-MM-DD.>",
            f"<(which|what) is the {word} (date|one|day): {{d}} or {{e}}? (Answer|Reply|Write it|"
            f"Give it) (as|in|"
            f"in the form|in the format) YYYY-MM-DD.>",
        ),
        terse=(f"<({word} date|{word} of|{word}|{word} day) (as |in |)YYYY-MM-DD: {{d}}(, |; | / | or ){{e}}>",),
        clause=DATE_CLAUSE,
        inline=True,
    )
    for word in ("later", "earlier")
}


def date_of(rng: random.Random, split: Split) -> datetime.date:
    """A date of the split."""
    while True:
        first = datetime.date(rng.randint(1990, 2034), rng.randint(1, 12), 1)
        day = first + datetime.timedelta(rng.randint(0, 30))
        if split_of(day.isoformat()) == split:
            return day


def show_date(day: datetime.date, style: str) -> str:
    """A date in one of the styles of `FORMATS`, or 'us' and 'th' for the two written American ones."""
    if style == "iso":
        return day.isoformat()
    if style == "dot":
        return f"{day.day:02d}.{day.month:02d}.{day.year}"
    if style == "slash":
        return f"{day.day:02d}/{day.month:02d}/{day.year}"
    month = MONTHS[day.month - 1]
    if style == "written":
        return f"{day.day} {month} {day.year}"
    if style == "us":
        return f"{month} {day.day}, {day.year}"
    ending = "th" if 10 < day.day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    return f"{month} {day.day}{ending}, {day.year}"


def written(rng: random.Random, day: datetime.date) -> str:
    return show_date(day, rng.choice(("iso", "dot", "written", "written", "us")))


SLASH_NOTES = (
    (" (day/month/year)", " (DD/MM/YYYY)", " (day first)", " (day/month order)"),
    (" (month/day/year)", " (MM/DD/YYYY)", " (month first)", " (month/day order)"),
)


def dates(rng: random.Random, split: Split, difficulty: Difficulty) -> Sample:
    """A date in another format; at hard, date arithmetic and comparison."""
    day = date_of(rng, split)
    if difficulty == "easy":
        source, target = rng.choice(
            (
                ("written", "iso"),
                ("written", "iso"),
                ("iso", "written"),
                ("iso", "dot"),
                ("dot", "iso"),
                ("written", "dot"),
                ("dot", "written"),
                ("us", "iso"),
            )
        )
        skeleton = compose(rng, split, TO_FORMAT[target], clause=0.2)
        prompt = fill(skeleton, c=show_date(day, source))
        return Sample("dates", difficulty, prompt, show_date(day, target), skeleton)
    if difficulty == "medium":
        kind = rng.random()
        if kind < 0.4:
            month_first = rng.randrange(2)
            text = f"{day.month:02d}/{day.day:02d}/{day.year}" if month_first else show_date(day, "slash")
            text += rng.choice(SLASH_NOTES[month_first])
            target = rng.choice(("iso", "iso", "dot", "written"))
        elif kind < 0.75:
            text = show_date(day, rng.choice(("th", "th", "us")))
            target = rng.choice(("iso", "iso", "dot", "slash"))
        else:
            pair = rng.choice(PAIRS)
            skeleton = compose(rng, split, TWO_FORMATS[pair], clause=0.1)
            text = show_date(day, rng.choice(("us", "th")))
            answer = ", ".join(show_date(day, style) for style in pair)
            return Sample("dates", difficulty, fill(skeleton, c=text), answer, skeleton)
        skeleton = compose(rng, split, TO_FORMAT[target], clause=0.2)
        return Sample("dates", difficulty, fill(skeleton, c=text), show_date(day, target), skeleton)
    kind = rng.random()
    source = rng.choice(("iso", "written", "us"))
    if kind < 0.4:
        count = rng.randint(2, 45)
        skeleton = compose(rng, split, ADD_DAYS, clause=0.2)
        answer = (day + datetime.timedelta(count)).isoformat()
        prompt = fill(skeleton, n=count, d=show_date(day, source))
        return Sample("dates", difficulty, prompt, answer, skeleton)
    if kind < 0.65:
        count = rng.randint(2, 20)
        skeleton = compose(rng, split, WEEKDAY, clause=0.3)
        prompt = fill(skeleton, n=count, d=show_date(day, source), w=WEEKDAYS[day.weekday()])
        return Sample("dates", difficulty, prompt, WEEKDAYS[(day.weekday() + count) % 7], skeleton)
    word = rng.choice(("later", "earlier"))
    other = day
    while other == day:
        other = date_of(rng, split) if rng.random() < 0.5 else day + datetime.timedelta(rng.randint(-90, 90))
    skeleton = compose(rng, split, LATER[word], clause=0.2)
    second = show_date(other, rng.choice(("iso", "written", "us")))
    prompt = fill(skeleton, d=show_date(day, source), e=second)
    chosen = max(day, other) if word == "later" else min(day, other)
    return Sample("dates", difficulty, prompt, chosen.isoformat(), skeleton)


# --------------------------------------------------------------------------------------------------- lists

LIST_STYLES: dict[str, str] = {
    "comma": "(a comma list|a comma-separated list|a list separated by commas|one line separated by commas|"
    "a line with commas between the items|items separated by ', '|one comma-separated line|"
    "comma-separated text|a single line with commas|items joined by commas|a list with commas)",
    "bullets": "(bullets|a bullet list|bullet points|a list with '- ' before each item|lines that start "
    "with '- '|"
    "a dash list|one bullet \\('- '\\) for each item|a bullet list with dashes|bullet lines "
    "\\(- item\\)|"
    "a bulleted list|dash bullets, one item per line|a list of bullets with '- ')",
    "numbered": "(a numbered list|numbered lines|a list numbered 1., 2., 3.|numbered points|lines "
    "numbered from 1.|"
    "a numbered list \\(1. item\\)|one numbered line for each item|a list with numbers 1., "
    "2. and so on|"
    "numbered items, one per line|lines that start with 1., 2., 3.|a list with numbers)",
    "and": "(one line joined by ' and '|a line with 'and' between all items|items joined by 'and'|"
    "one line with ' and ' between the items|text joined by 'and'|items linked by ' and '|"
    "a single line joined with 'and'|an 'and' list|a list joined by ' and '|a list with 'and' "
    "between items)",
    "semicolon": "(a semicolon list|a semicolon-separated list|a list separated by semicolons|items "
    "separated by '; '|"
    "one line separated by semicolons|items joined by semicolons|one semicolon-separated line|"
    "a single line with semicolons|semicolon-separated text|a list with semicolons)",
}
LIST_TERSE = {
    "comma": "(commas|comma list|comma-separated|comma separated|csv line|comma line)",
    "bullets": "(bullets|bullet list|dash list|bullet points|bulleted list|'- ' list)",
    "numbered": "(numbered|numbered list|numbered lines|numbers|numbered points|1. 2. 3. list)",
    "and": "(and list|joined by and|'and' list|join with and|join by 'and'|and-joined)",
    "semicolon": "(semicolons|semicolon list|semicolon-separated|semicolon separated|semicolon line|'; ' list)",
}


def _list_ask(style: str) -> Ask:
    target = LIST_STYLES[style]
    return Ask(
        order=(
            f"(turn|change|convert|transform|make|bring) (this|this list|the list|these items|the "
            f"items|the list below|"
            f"the items below) <into {target}>",
            f"(rewrite|write|format|show|give|put|reformat|print|return) (this list|the list|these "
            f"items|the items|"
            f"the list below|all items) <as {target}>",
        ),
        question=(
            f"(how do|how would) (you|I|we) (write|show|format) (this list|these items) <as {target}>?",
            f"(what does|how does) (this list|the list) (look|read) <as {target}>?",
        ),
        terse=(
            f"<(as|to|into|make|list to|format as|-\\>|list as|write as|convert to|turn into) {LIST_TERSE[style]}>",
            f"<{LIST_TERSE[style]}( please| now|)>",
        ),
        clause=(
            "(Keep|Leave) (the order|the same order|the items as they are|all items|the words as they are).",
            "(Do not|Don't) (change|sort|drop|add) (the items|any item|items|any words).",
            "(Add nothing else|No other text|Only the list|Just the list|Nothing but the list|No extra words).",
        ),
        labels=("List", "Items", "Input", "List"),
    )


TO_LIST = {style: _list_ask(style) for style in LIST_STYLES}


def show_list(items: list[str], style: str) -> str:
    """Items in one of the styles of `LIST_STYLES`."""
    if style == "bullets":
        return "\n".join(f"- {item}" for item in items)
    if style == "numbered":
        return "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))
    return {"comma": ", ", "and": " and ", "semicolon": "; "}[style].join(items)


def lists(rng: random.Random, split: Split, difficulty: Difficulty) -> Sample:
    """A list in another form, items and order kept."""
    size = rng.randint(*{"easy": (2, 3), "medium": (4, 5), "hard": (6, 8)}[difficulty])
    items = some(rng, "noun", split, size)
    if difficulty == "hard":
        items = [f"{one(rng, 'adjective', split)} {item}" for item in items]
    elif difficulty == "medium" and rng.random() < 0.2:
        items = some(rng, "city", split, size)
    source, target = rng.sample(list(LIST_STYLES), 2)
    skeleton = compose(rng, split, TO_LIST[target], clause=0.25, lines=source in ("bullets", "numbered"))
    prompt = fill(skeleton, c=show_list(items, source))
    return Sample("lists", difficulty, prompt, show_list(items, target), skeleton)


# ---------------------------------------------------------------------------------------------------- sort

COMMA_CLAUSE = (
    "(Separate|Divide) (them|the items|the results|the values) (by|with) (commas|a comma|a comma and a space).",
    "(Answer|Reply|Respond) with (a comma-separated list|a comma list|a list separated by commas|the list only).",
    "(Give|Return|Write|Show|Print|Output) (a comma-separated list|a comma list|one comma-separated "
    "line|the list only|"
    "one line with commas).",
    "(Use|Put|Keep) (commas|a comma and a space) between (them|the items|the values).",
    "(Only|Just) (the list|the comma list|the comma-separated list), (no other text|no explanation|nothing else).",
)
ASCENDING = (
    "(in (ascending|increasing|rising) order|from (the |)(smallest|lowest|least) to (the |"
    ")(largest|highest|"
    "biggest|greatest)|(smallest|lowest)( number| one| value|) first|ascending|upwards|"
    "with the (smallest|lowest)( number|) first|low to high|small to large|from (low to high|"
    "small to large))"
)
DESCENDING = (
    "(in (descending|decreasing|falling) order|from (the |)(largest|highest|biggest|greatest) "
    "to (the |)"
    "(smallest|lowest|least)|(largest|highest|biggest)( number| one| value|) first|descending|"
    "downwards|"
    "with the (largest|highest|biggest)( number|) first|high to low|large to small|"
    "from (high to low|large to small))"
)
ALPHABETIC = (
    "(alphabetically|in alphabetical order|from A to Z|A to Z|by alphabet|in alphabetic order|"
    "by the alphabet|in the order of the alphabet|in A-Z order|alphabetically from A to Z|in "
    "ABC order|"
    "in order from A to Z|by letter from A to Z|in alphabetical order, A first)"
)
REVERSED = (
    "(in reverse alphabetical order|from Z to A|Z to A|in descending alphabetical order|"
    "alphabetically from Z to A|in reversed alphabetical order|reverse alphabetically|in Z-A order|"
    "in order from Z to A|by letter from Z to A|in reverse alphabetic order|in alphabetical "
    "order backwards)"
)
SORT_TERSE = {
    "up": "(sort asc|ascending|sort up|asc|sort ascending|sort low to high|order asc|sort small to large)",
    "down": "(sort desc|descending|sort down|desc|sort descending|sort high to low|order desc|sort large to small)",
    "az": "(sort a-z|a-z|sort alphabetically|alphabetical|sort A to Z|alphabetically|sort words a-z|abc order)",
    "za": "(sort z-a|z-a|sort Z to A|reverse alphabetical|sort words z-a|sort reverse alphabetically|Z to A|z-a order)",
}


def _sort_ask(things: str, rule: str, terse: str, labels: tuple[str, ...]) -> Ask:
    return Ask(
        order=(
            f"(sort|order|arrange|put|rank|list|give|write|place) (the|these|the following|all|all "
            f"the|the given|"
            f"all these) {things} <{rule}>",
            f"(sort|order|arrange|list) (them|this list|the list|the list below|this|everything) <{rule}>",
        ),
        question=(
            f"(what is|what are) (the list|the {things}|these {things}) <{rule}>?",
            f"(how do|how would) (the|these) {things} (look|read|go) <{rule}>?",
            f"(what is|which is) the (order|right order|sorted order) of (the|these) {things} <{rule}>?",
        ),
        terse=(f"<{terse}(| list| please)>", f"<(task |do |to do )({terse})>"),
        clause=COMMA_CLAUSE,
        labels=labels,
    )


NUMBER_LABELS = ("Numbers", "List", "Input", "Values")
WORD_LABELS = ("Words", "List", "Input", "Items")
SORTS = {
    "up": _sort_ask("(numbers|values)", ASCENDING, SORT_TERSE["up"], NUMBER_LABELS),
    "down": _sort_ask("(numbers|values)", DESCENDING, SORT_TERSE["down"], NUMBER_LABELS),
    "az": _sort_ask("(words|items)", ALPHABETIC, SORT_TERSE["az"], WORD_LABELS),
    "za": _sort_ask("(words|items)", REVERSED, SORT_TERSE["za"], WORD_LABELS),
}


def numbers(rng: random.Random, split: Split, size: int, top: int) -> list[int]:
    """Distinct numbers whose tuple belongs to the split."""
    while True:
        drawn = rng.sample(range(1, top + 1), size)
        if split_of(",".join(map(str, drawn))) == split:
            return drawn


def in_line(rng: random.Random, items: list[str]) -> tuple[str, bool]:
    """Items as prompt content, and whether the separator is the comma that the answer has too."""
    kind = rng.random()
    if kind < 0.75:
        return ", ".join(items), True
    return rng.choice((" ", "; ", " / ", " | ")).join(items), False


def sort(rng: random.Random, split: Split, difficulty: Difficulty) -> Sample:
    """Numbers or words in order, comma-joined."""
    as_words = rng.random() < {"easy": 0.0, "medium": 0.3, "hard": 0.4}[difficulty]
    if as_words:
        rule = "az" if difficulty == "medium" else rng.choice(("az", "za"))
        size = 3 if difficulty == "medium" else rng.randint(6, 8)
        drawn = some(rng, "noun", split, size)
        while difficulty == "medium" and len({word[0] for word in drawn}) < size:
            drawn = some(rng, "noun", split, size)
        result = sorted(drawn, reverse=rule == "za")
    else:
        rule = rng.choice(("up", "up", "down"))
        size = rng.randint(*{"easy": (3, 3), "medium": (4, 5), "hard": (6, 8)}[difficulty])
        top = {"easy": rng.choice((9, 20, 99)), "medium": 99, "hard": rng.choice((99, 999))}[difficulty]
        values = numbers(rng, split, size, top)
        drawn = [str(value) for value in values]
        result = [str(value) for value in sorted(values, reverse=rule == "down")]
    content, same = in_line(rng, drawn)
    skeleton = compose(rng, split, SORTS[rule], clause=0.35 if same else 1.0)
    return Sample("sort", difficulty, fill(skeleton, c=content), ", ".join(result), skeleton)


# -------------------------------------------------------------------------------------------------- filter

KEEP = "(keep only|keep|give|give me|list|select|pick|show|return|find|write down|take only)"
WHICH = "(which|which of the|which of these|what)"
RULES: dict[str, tuple[str, str]] = {  # condition to keep, condition to remove (or nothing)
    "gt": (
        "(greater than|bigger than|larger than|above|over|higher than|more than)",
        "(less than|smaller than|below|under|lower than)",
    ),
    "lt": (
        "(less than|smaller than|below|under|lower than)",
        "(greater than|bigger than|larger than|above|over|higher than|more than)",
    ),
}
NONE_CLAUSE = (
    "(If|When) (there is none|there are none|nothing fits|nothing is left|none fits|no item fits), "
    "(write|answer|say|reply"
    "|return) (none|'none'|\"none\").",
    "(Answer|Write|Say|Reply|Return) ('none'|none) if (there is none|there are none|nothing fits|"
    "nothing is left|none "
    "fits|no item fits).",
)


def _filter_ask(things: str, keep: str, remove: str, short: str, labels: tuple[str, ...]) -> Ask:
    order = [
        f"<{KEEP} (the|all|all the|only the|just the|those) {things} (that are|which are) {keep}>"
        if not keep.startswith("@")
        else f"<{KEEP} (the|all|all the|only the|just the|those) {things} {keep[1:]}>"
    ]
    if remove:
        order.append(
            f"<(remove|drop|delete|take out|leave out|throw out|cut) (the|all|all the|any|"
            f"those) {things} "
            f"(that are|which are) {remove}>"
        )
    question = [
        f"<{WHICH} {things} are {keep}>?"
        if not keep.startswith("@")
        else f"<{WHICH} {things} are the ones {keep[1:]}>?"
    ]
    return Ask(order=tuple(order), question=tuple(question), terse=(f"<{short}>",), clause=COMMA_CLAUSE, labels=labels)


START = "@(that start with|starting with|that begin with|beginning with|with the first letter|whose first letter is)"
END = "@(that end with|ending with|ending in|with the last letter|whose last letter is)"
_GT, _LT = RULES["gt"][0], RULES["lt"][0]
FILTERS: dict[str, Ask] = {
    "gt": _filter_ask(
        "(numbers|values)",
        _GT + " {n}",
        _LT + " {n}",
        "(keep |only |filter |list |numbers |)(\\> {n}|over {n}|above {n}|greater than {n})",
        NUMBER_LABELS,
    ),
    "lt": _filter_ask(
        "(numbers|values)",
        _LT + " {n}",
        _GT + " {n}",
        "(keep |only |filter |list |numbers |)(\\< {n}|under {n}|below {n}|less than {n})",
        NUMBER_LABELS,
    ),
    "even": _filter_ask(
        "(numbers|values)",
        "even",
        "odd",
        "(keep|only|filter|list|select|show|pick|all) even( numbers| values|)",
        NUMBER_LABELS,
    ),
    "odd": _filter_ask(
        "(numbers|values)",
        "odd",
        "even",
        "(keep|only|filter|list|select|show|pick|all) odd( numbers| values|)",
        NUMBER_LABELS,
    ),
    "start": _filter_ask(
        "(words|items)",
        START + " {n}",
        "",
        "(keep |only |filter |list |words |"
        ")(starting with {n}|"
        "first letter {n}|start with {n}|begin with {n}|beginning with {n})",
        WORD_LABELS,
    ),
    "between": _filter_ask(
        "(numbers|values)",
        f"{_GT} {{n}} and {_LT} {{m}}",
        "",
        "(keep |only |filter |numbers |)(\\> {n} and \\< {m}|over {n} and under {m}|above {n} and below {m})",
        NUMBER_LABELS,
    ),
    "even_gt": _filter_ask(
        "(numbers|values)",
        f"even and {_GT} {{n}}",
        "",
        "(keep |only |filter |numbers |)(even and \\> {n}|even and over {n}|even and above {n})",
        NUMBER_LABELS,
    ),
    "odd_gt": _filter_ask(
        "(numbers|values)",
        f"odd and {_GT} {{n}}",
        "",
        "(keep |only |filter |numbers |)(odd and \\> {n}|odd and over {n}|odd and above {n})",
        NUMBER_LABELS,
    ),
    "even_lt": _filter_ask(
        "(numbers|values)",
        f"even and {_LT} {{n}}",
        "",
        "(keep |only |filter |numbers |)(even and \\< {n}|even and under {n}|even and below {n})",
        NUMBER_LABELS,
    ),
    "odd_lt": _filter_ask(
        "(numbers|values)",
        f"odd and {_LT} {{n}}",
        "",
        "(keep |only |filter |numbers |)(odd and \\< {n}|odd and under {n}|odd and below {n})",
        NUMBER_LABELS,
    ),
    "either": _filter_ask(
        "(words|items)",
        START + " {n} or {m}",
        "",
        "(keep |only |filter |words |)(starting with {n} or {m}|first letter {n} or {m}|beginning with {n} or {m})",
        WORD_LABELS,
    ),
    "ends": _filter_ask(
        "(words|items)",
        END + " {n}",
        "",
        "(keep |only |filter |words |)(ending with {n}|last letter {n}|ending in {n})",
        WORD_LABELS,
    ),
    "count": Ask(
        order=(
            "<(count|count up|tell me the number of|give the number of|give the count of|find the "
            "number of) (the |all "
            "the |these |)(items|entries|words)( in the list| in this list| below|)>",
        ),
        question=(
            "<how many (items|entries|words) (are there|are in the list|does the list have|are "
            "listed|do you see|"
            "are in this list|can you count)( in all| in total|)>?",
        ),
        terse=(
            "<(count|count items|number of items|how many items|item count|count words|count the list|list length)>",
        ),
        clause=NUMBER_ONLY,
        labels=WORD_LABELS,
    ),
}


def matches(rule: str, item: str, first: str, second: str) -> bool:
    """Whether an item is kept by a rule with its one or two arguments."""
    if rule in ("start", "ends", "either"):
        return item.endswith(first) if rule == "ends" else item[0] in (first, second)
    value = int(item)
    if rule == "between":
        return int(first) < value < int(second)
    fits = True
    if rule.startswith(("even", "odd")):
        fits = value % 2 == (0 if rule.startswith("even") else 1)
    if rule.endswith("gt"):
        fits = fits and value > int(first)
    if rule.endswith("lt"):
        fits = fits and value < int(first)
    return fits


def filter_items(rng: random.Random, split: Split, difficulty: Difficulty) -> Sample:
    """The items that a rule keeps, comma-joined or 'none'; at medium also their number."""
    rule = rng.choice(
        {
            "easy": ("gt", "lt"),
            "medium": ("even", "odd", "start", "count", "gt", "lt"),
            "hard": ("between", "even_gt", "odd_gt", "even_lt", "odd_lt", "either", "ends"),
        }[difficulty]
    )
    size = rng.randint(*{"easy": (3, 4), "medium": (5, 5), "hard": (7, 9)}[difficulty])
    may_be_none = rule != "count" and rng.random() < 0.3
    while True:
        first = second = ""
        if rule in ("start", "ends", "either", "count"):
            if rule == "count":
                size = rng.randint(3, 7)
            items = some(rng, "noun", split, size)
            letters = rng.choice(items)
            first = letters[-1] if rule == "ends" else letters[0]
            second = rng.choice(items)[0] if rule == "either" else first
            if rule == "either" and second == first:
                continue
            if may_be_none and rng.random() < 0.2:
                first, second = rng.choice("abcdfghlmnprst"), rng.choice("bcfgk")
                if first == second:
                    continue
        else:
            top = rng.choice((20, 99)) if difficulty == "easy" else 99
            values = numbers(rng, split, size, top)
            items = [str(value) for value in values]
            low, high = sorted(rng.sample(range(2, top), 2))
            if rule == "between" and high - low < 20:
                continue
            inside = max(values) - min(values) > 2 and rng.random() < 0.8
            near = rng.randint(min(values) + 1, max(values) - 1) if inside else rng.randint(3, top - 2)
            first, second = str(low if rule == "between" else near), str(high)
            if first in items or second in items:
                continue
        if rule == "count":
            break
        kept = [item for item in items if matches(rule, item, first, second)]
        if kept or (may_be_none and rng.random() < 0.5):
            break
    answer = str(len(items)) if rule == "count" else ", ".join(kept) if kept else "none"
    content, same = in_line(rng, items)
    clause = 0.3 if same or rule == "count" else 1.0
    skeleton = "" if may_be_none else compose(rng, split, FILTERS[rule], clause)
    while not skeleton:
        draft = _compose(rng, split, FILTERS[rule], parts_of(FILTERS[rule], split), clause, False)
        extra = rng.choice(clauses(NONE_CLAUSE, split))
        before = rng.random() < 0.3 or draft.endswith(":")
        draft = f"{extra}\n{draft}" if before else f"{draft}\n{extra}"
        skeleton = draft if split_of(draft) == split else ""
    return Sample("filter", difficulty, fill(skeleton, n=first, m=second, c=content), answer, skeleton)


# -------------------------------------------------------------------------------------------------- casing

CASE_RULES: dict[str, tuple[str, str]] = {  # long rule (after "write ... "), terse rule
    "upper": (
        "(in (upper case|uppercase|capital letters|capitals|all capitals|all caps|big letters)|"
        "(all |only |)(with|using) (upper case|uppercase|capital|big) letters( only|)|fully in "
        "(upper case|capitals|"
        "uppercase))",
        "(upper|uppercase|upper case|to upper|caps|all caps|to uppercase|capitals|upper-case)",
    ),
    "lower": (
        "(in (lower case|lowercase|small letters|lower-case letters|lowercase letters)|"
        "(all |only |)(with|using) (lower case|lowercase|small) letters( only|)|fully in (lower "
        "case|lowercase|small "
        "letters))",
        "(lower|lowercase|lower case|to lower|small letters|to lowercase|no capitals|lower-case)",
    ),
    "title": (
        "(in title case|with a capital (letter |)at the start of (each|every) word|with (each|"
        "every) word capitalised|"
        "so that (each|every) word starts with a capital( letter|)|in title case \\((each|every) "
        "word "
        "capitalised\\)|with the first letter of (each|every) word (in upper case|as a capital))",
        "(title case|titlecase|to title case|title-case|capitalise each word|capitalise every word|Title Case)",
    ),
    "first": (
        "(with only the first letter (of the line |)(capitalised|in upper case|as a capital)|with "
        "a capital (letter |)"
        "at the (very |)start only|in sentence case|so that only the first letter is a capital|in "
        "sentence case "
        "\\(only the first letter a capital\\))",
        "(sentence case|capitalise first letter only|first letter upper|capital first letter only|"
        "to sentence case|first letter only capital)",
    ),
    "snake": (
        "(in snake_case|as snake_case|in snake_case style|as a snake_case name|with underscores "
        "between the words|"
        "joined by underscores|(in|as) snake_case \\(words joined by _\\)|as one snake_case word|"
        "as a name in "
        "snake_case|with _ in place of spaces)",
        "(snake_case|snake case|to snake_case|as snake_case|snake_case name|to snake case|join with _)",
    ),
    "kebab": (
        "(in kebab-case|as kebab-case|in kebab-case style|as a kebab-case name|with hyphens "
        "between the words|"
        "joined by hyphens|(in|as) kebab-case \\(words joined by -\\)|as one kebab-case word|as a "
        "name in "
        "kebab-case|with - in place of spaces)",
        "(kebab-case|kebab case|to kebab-case|as kebab-case|kebab-case name|to kebab case|join with -)",
    ),
    "camel": (
        "(in camelCase|as camelCase|in camelCase style|as a camelCase name|as one camelCase word|"
        "as a name in "
        "camelCase|(in|as) camelCase \\((first word small|the first word in lower case)\\))",
        "(camelCase|to camelCase|as camelCase|camel case|camelCase name|to camel case)",
    ),
    "reverse": (
        "(with the words in (reverse|reversed|backward|the opposite) order|in reverse word order|"
        "with the order of the words reversed|from the last word to the first( word|)|word by "
        "word backwards|"
        "with the last word first and the first word last|starting with the last word and "
        "ending with the first)",
        "(reverse words|reverse word order|words backwards|reverse the words|words reversed|last word to first)",
    ),
}
CASE_ONLY = only("text", *(pattern.replace("#", "result") for pattern in VALUE_ONLY[:2]))
CASE_LABELS = ("Text", "Input", "Line", "Text")


def _case_ask(rule: str, terse: str) -> Ask:
    return Ask(
        order=(
            f"(write|rewrite|give|put|print|show|return|type|repeat|set) (the text|this text|the "
            f"following|the line|"
            f"this line|this|the words|these words|the text below) <{rule}>",
            f"(change|convert|turn) (the text|this text|this|the line|this line|the words) (so that "
            f"it is written|to be) "
            f"<{rule}>".replace("(so that it is written|to be)", "and write it"),
        ),
        question=(
            f"(how do you|how would you|how do I|how can I) write (this|this text|the text|this "
            f"line|these words) "
            f"<{rule}>?",
            f"(what is|what does one get for|how does one write) (this text|the text|this line|"
            f"the line) "
            f"<(written |){rule}>?",
        ),
        terse=(f"<{terse}(| please| this)>", f"<(make it |task |do )({terse})>"),
        clause=CASE_ONLY,
        labels=CASE_LABELS,
    )


CASES = {rule: _case_ask(*patterns) for rule, patterns in CASE_RULES.items()}
CASES["initials"] = Ask(
    order=(
        "<(give|write|list|take|return|show|join|print) the (initials|first letters) of (the words|"
        "these words|all words|"
        "each word|every word) (in capitals|as capitals|as capital letters|in upper case) (without "
        "spaces|with no spaces|"
        "as one word|in one piece)>",
    ),
    question=(
        "<(what are|which are) the (initials|first letters) of (the|these|all the) words, (in "
        "capitals|as capitals|"
        "in upper case), (without spaces|with no spaces|as one word)>?",
    ),
    terse=("<(initials|acronym|first letters)(, | )(caps|capitals|upper case|uppercase)(| no spaces|, no spaces)>",),
    clause=CASE_ONLY,
    labels=CASE_LABELS,
)


def recase(text: str, rule: str) -> str:
    """The text after a rule."""
    parts = text.split()
    if rule == "upper":
        return text.upper()
    if rule == "lower":
        return text.lower()
    if rule == "title":
        return " ".join(part.capitalize() for part in parts)
    if rule == "first":
        return text.capitalize()
    if rule == "snake":
        return "_".join(parts).lower()
    if rule == "kebab":
        return "-".join(parts).lower()
    if rule == "camel":
        return parts[0].lower() + "".join(part.capitalize() for part in parts[1:])
    if rule == "initials":
        return "".join(part[0].upper() for part in parts)
    return " ".join(reversed(parts))


def casing(rng: random.Random, split: Split, difficulty: Difficulty) -> Sample:
    """Letters and joints of a short text by a rule."""
    rule = rng.choice(
        {
            "easy": ("upper", "lower"),
            "medium": ("title", "first", "snake"),
            "hard": ("kebab", "camel", "initials", "reverse"),
        }[difficulty]
    )
    nouns = some(rng, "short" if difficulty == "easy" else "noun", split, 6)
    adjectives = some(rng, "adjective", split, 6)
    if difficulty == "easy":
        text = rng.choice(nouns)
        if rng.random() < 0.4:
            text = f"{rng.choice(adjectives)} {text}"
    else:
        sizes = {"title": (4, 6), "first": (4, 6), "snake": (2, 3)}
        size = rng.randint(*sizes.get(rule, (4, 4)))
        mixed = [rng.choice(adjectives if place % 2 == 0 and size - place > 1 else nouns) for place in range(size)]
        text = " ".join(mixed)
    if rule == "lower":
        text = text.upper() if rng.random() < 0.5 else recase(text, "title")
    skeleton = compose(rng, split, CASES[rule], clause=0.25)
    named = any(style in skeleton.lower() for style in ("snake", "kebab", "camel"))
    if rng.random() < 0.2 and (rule == "upper" or named):
        text = recase(text, "title")
    return Sample("casing", difficulty, fill(skeleton, c=text), recase(text, rule), skeleton)


TASKS: dict[str, Generate] = {
    "extract": extract,
    "arithmetic": arithmetic,
    "units": units,
    "dates": dates,
    "lists": lists,
    "sort": sort,
    "filter": filter_items,
    "casing": casing,
}


def main(arguments: list[str]) -> None:
    """`--show N`: N samples of each task, difficulty and split. `--measure N`: templates and speed."""
    count = int(arguments[1]) if len(arguments) > 1 else 2
    for name, generate in TASKS.items():
        if arguments and arguments[0] == "--measure":
            for split in SPLITS:
                rng = random.Random(1)
                generate(rng, split, "easy")
                start = time.perf_counter()
                made = [generate(rng, split, rng.choice(DIFFICULTIES)) for _ in range(count)]
                speed = count / (time.perf_counter() - start)
                print(
                    f"{name:10} {split:11} {len({one.template for one in made}):6} templates, "
                    f"{speed:7.0f}/s, "
                    f"words {sum(len(one.prompt.split()) for one in made) / count:.1f}, "
                    f"longest {max(len(one.prompt) for one in made)}"
                )
            continue
        for difficulty in DIFFICULTIES:
            for split in SPLITS:
                rng = random.Random(f"{name} {difficulty} {split}")
                for _ in range(count):
                    one = generate(rng, split, difficulty)
                    print(f"--- {name} {difficulty} {split}\n{one.prompt}\n>>> {one.answer}")


if __name__ == "__main__":
    main(sys.argv[1:])
