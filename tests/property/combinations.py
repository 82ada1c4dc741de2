"""Random requests as a client would send them, and what the paths do while they are served."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

from tests.property.paths import FAULTS, MANNERS
from tests.property.rules import TENANTS

Header = tuple[str, str]
Words = dict[str, tuple[str, ...]]
_ADDRESS = {"chat": "/v1/chat/completions", "completion": "/v1/completions", "embedding": "/v1/embeddings"}
MESSAGES, RESPONSES = "/v1/messages", "/v1/responses"
_WIRES = {"": "", "messages": MESSAGES, "responses": RESPONSES}  # of a chat, beside its own
_ON_ALL_WIRES = {"stream", "user"}
# What a text says, and the kinds of findings that are in it. Written by hand, like the node's reader of such a text.
PLAIN = ("sort 3, 1, 2", "say hello", "what is a weir")
FOUND = (
    ("write to anna.keller@example.org please", "email"),
    ("my account is DE89 3704 0044 0532 0130 00, is it not", "iban"),
    ("the card is 4111 1111 1111 1111", "card"),
    ("password: hunter2-Xk93mQ", "password"),
    ("the key AKIAIOSFODNN7EXAMPLE leaked", "aws-key"),
    ("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----", "private-key"),
)  # fmt: skip
# What of each of these stands for itself, and must not be where it is redacted.
TELLTALES = {
    "email": "anna.keller@example.org",
    "iban": "DE89 3704 0044 0532 0130 00",
    "card": "4111 1111 1111 1111",
    "password": "hunter2-Xk93mQ",
    "aws-key": "AKIAIOSFODNN7EXAMPLE",
    "private-key": "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
}
BAD_KEYS = ("none", "cut off", "forged", "revoked", "expired", "another's name")
# The first turns of a conversation, long enough to be told apart and short enough to be looked at at once.
OPENING = ("What does weir {} do?", "The weir of number {} holds water back and lets it over at a height.")
LONG = "a long text without anything in it, and so on, " * 7  # longer than what is looked at on the loop
PICTURE: dict[str, Any] = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
# What no node may take for something else: each is refused before anything is decided.
_UNREADABLE_HEADERS: tuple[Header, ...] = (
    ("X-Weir-Residenz", "country:CH"),
    ("X-Weir-Residency", "Switzerland"),
    ("X-Weir-Classification", "sekret"),
    ("X-Weir-Classification", ""),
    ("X-Weir-Purpose", "war"),
    ("X-Weir-Locale", "de_CH"),
    ("X-Weir-Tier", "frontier"),
    ("X-Weir-Allow", "*"),
    ("Cache-Control", "only-if-cached"),
)
_UNREADABLE_BODIES: tuple[dict[str, Any], ...] = (
    {"provider": {"order": ["frontier/one"], "allow": ["frontier"]}},
    {"provider": ["frontier/one"]},
    {"provider": {"policy": "off"}},
    {"models": []},
    {"models": ["frontier/one", "auto:any"]},
    {"route": "frontier"},
    {"transforms": ["middle-out"]},
    {"classification": "public"},
    {"X-Weir-Classification": "public"},
    {"extra_body": {"provider": {"order": ["frontier/one"]}}},
    {"tenant": "other"},
)
AUTO = ("auto", "auto:cheap", "auto:fast", "auto:best")
SINGLE = ("first", "split", "sticky")  # strategies, of one call each
COMPOSED = ("vote", "judged", "chain", "parts")  # and of several
# What narrows and orders, and widens nothing.
PREFERENCES: tuple[dict[str, Any], ...] = (
    {"provider": {"order": ["frontier/one"], "allow_fallbacks": True, "data_collection": "allow"}},
    {"provider": {"order": ["frontier", "site"], "allow_fallbacks": False}},
    {"provider": {"only": ["frontier/one"], "zdr": False}},
    {"provider": {"only": ["frontier", "sovereign/one"], "sort": "price"}},
    {"provider": {"ignore": ["device", "site"]}},
    {"provider": {"ignore": ["device/one"], "sort": {"by": "throughput", "partition": "none"}}},
    {"provider": {"data_collection": "deny"}},
    {"provider": {"zdr": True}},
    {"provider": {"max_price": {"prompt": 1}}},
    {"provider": {"allow_fallbacks": False}},
    {"provider": {"only": ["nobody"]}},
    {"provider": {}},
    {"models": ["frontier/one", "frontier/two"]},
    {"models": ["frontier/two", "auto"]},
    {"models": ["device/one", "site/one", "frontier/one"], "route": "fallback"},
    {"models": ["frontier/one", "frontier/three"]},
)
_UNREADABLE_METADATA: tuple[dict[str, str], ...] = (
    {"weir_tier": "frontier"},
    {"weir_classification": "none"},
    {"weir_below_floor": "serve"},
    {"weir_residency": "somewhere"},
)
# What paths do where they do not simply answer; what sets off other paths more often than the rest.
_DONE = (*MANNERS, *FAULTS, *("answers weakly",) * 8)
_MODELS_THAT_ARE_NONE = (
    "gpt-5", "AUTO", "Auto", "auto ", "frontier", "frontier/one:free", "auto:frontier/one", "auto:best:cheap", "*",
    "cache/exact", "frontier/one/../two", "", "auto,frontier/one",
)  # fmt: skip


@dataclass(eq=False)
class Combination:
    """One request and what happens to it; its fields are replaced, never changed in place.

    `unreadable`: nothing of it may be decided. `kinds` are what is found in its text.
    """

    number: int
    slot: int
    kind: str
    model: str
    text: str
    kinds: frozenset[str] = frozenset()
    headers: tuple[Header, ...] = ()
    metadata: tuple[Header, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)
    unreadable: bool = False
    picture: bool = False
    system: bool = False
    manners: dict[str, str] = field(default_factory=dict)
    planted: str = ""  # the path whose answer lies in the cache for this request
    hangs_up_after: int = -1  # turns of the loop; -1: not by itself
    tenant: str = "a"  # whose key it carries, where the node has tenants
    bad_key: str = ""  # one of BAD_KEYS in its place
    other_key_header: bool = False
    talk: str = ""  # what its caller calls the conversation
    talk_in_metadata: bool = False
    opening: int = -1  # the number of the conversation whose opening is sent along, -1: none
    beside: bool = False  # an address stands in `user` and in the metadata as well
    wire: str = ""  # on which it is said, where it can be

    @property
    def quick(self) -> bool:
        """Whether detectors look at it where it comes in: short, and no long number in it."""
        return LONG not in self.text and not self.kinds & {"iban", "card"}

    @property
    def prefers(self) -> bool:
        return "models" in self.more or bool(self.more.get("provider"))

    @property
    def strategy(self) -> str:
        return next((value for name, value in self.headers if name == "X-Weir-Strategy"), "")

    @property
    def any_will_do(self) -> bool:
        return any(name in AUTO for name in (self.model, *self.more.get("models", ())))

    @property
    def among(self) -> set[str]:
        """The models that it names, without suffixes."""
        return {name.partition(":")[0] for name in (self.model, *self.more.get("models", ()))}

    def wants(self, path: str) -> bool:
        """Whether what it says of providers leaves the path in."""
        stated = self.more.get("provider") or {}

        def named(field: str) -> bool:
            return any(f"{path}/".startswith(f"{name}/") for name in stated.get(field, ()))

        ordered = stated.get("allow_fallbacks", True) or not stated.get("order") or named("order")
        return ordered and not named("ignore") and ("only" not in stated or named("only"))

    @property
    def user(self) -> str:
        return TELLTALES["email"] if self.beside else str(self.more.get("user", ""))

    @property
    def conversation(self) -> tuple[object, ...]:
        """What its conversation is known by to its tenant; empty where it is in none."""
        if self.talk:
            return ("stated", self.talk)
        return ("turns", self.opening, self.user) if self.opening >= 0 and self.kind == "chat" else ()

    @property
    def sent_headers(self) -> tuple[Header, ...]:
        told = self.talk and not (self.talk_in_metadata and self.kind == "chat")
        return (*self.headers, ("X-Weir-Conversation", self.talk)) if told else self.headers

    @property
    def address(self) -> str:
        """Where it is sent."""
        both = self.kind == "chat" and (self.unreadable or self.more.keys() <= _ON_ALL_WIRES)
        return (both and _WIRES[self.wire]) or _ADDRESS[self.kind]

    @property
    def body(self) -> bytes:
        """As the client's library would write it."""
        text = f"{self.text} #{self.slot}"
        wire: dict[str, Any] = {"model": self.model, **self.more}
        if self.kind == "chat":
            wire["max_tokens"] = 50  # on both wires, so that one may answer for the other
            content: Any = [{"type": "text", "text": text}, PICTURE] if self.picture else text
            wire["messages"] = [{"role": "system", "content": "Be brief."}] if self.system else []
            if self.opening >= 0:
                asked, answered = (turn.format(self.opening) for turn in OPENING)
                wire["messages"] += [{"role": "user", "content": f"{asked} #{self.slot}"}]
                wire["messages"] += [{"role": "assistant", "content": answered}]
            wire["messages"].append({"role": "user", "content": content})
        elif self.kind == "completion":
            wire["prompt"] = text
        else:
            wire["input"] = [text, "and this"] if self.system else text
        metadata = dict(self.metadata)
        if self.talk and self.talk_in_metadata and self.kind == "chat":
            metadata["weir_conversation"] = self.talk
        if self.beside:
            wire["user"] = metadata["note"] = TELLTALES["email"]
        if metadata:
            wire["metadata"] = metadata
        said = {MESSAGES: _as_anthropic, RESPONSES: _as_response}.get(self.address)
        return orjson.dumps(wire if said is None else said(wire))


def _as_anthropic(wire: dict[str, Any]) -> dict[str, Any]:
    """The same chat in Anthropic's words."""
    messages = wire["messages"]
    if messages[0]["role"] == "system":
        wire["system"] = messages.pop(0)["content"]
    last = messages[-1]
    if isinstance(last["content"], list):
        source = {"type": "url", "url": PICTURE["image_url"]["url"]}
        last["content"] = [last["content"][0], {"type": "image", "source": source}]
    if "user" in wire:
        wire["metadata"] = {**wire.get("metadata", {}), "user_id": wire.pop("user")}
    if "note" in wire.get("metadata", {}):
        del wire["metadata"]["note"]
    return wire


def _as_response(wire: dict[str, Any]) -> dict[str, Any]:
    """The same chat in the words of OpenAI's newer wire."""
    messages = wire.pop("messages")
    if messages[0]["role"] == "system":
        wire["instructions"] = messages.pop(0)["content"]
    last = messages[-1]
    if isinstance(last["content"], list):
        image = {"type": "input_image", "image_url": PICTURE["image_url"]["url"]}
        last["content"] = [{"type": "input_text", "text": last["content"][0]["text"]}, image]
    wire["input"] = messages
    wire["max_output_tokens"] = wire.pop("max_tokens")
    return wire


def combination(
    random: Random, words: Words, number: int, slot: int, paths: tuple[str, ...], before: list[Combination]
) -> Combination:
    """A new one, or one that came before in this slot, with one thing about it changed or nothing."""
    if before and random.random() < 0.8:
        made = copy(random.choice(before[-12:]))
        made.number = number
        for _ in range(random.choice((0, 0, 0, 1, 1, 2))):
            _change(random, words, made, paths)
    else:
        made = _new(random, words, number, slot, paths)
        before.append(copy(made))
    made.manners = _manners(random, paths)
    if made.model in _MODELS_THAT_ARE_NONE:  # some are refused before anything is found
        made.talk, made.opening = "", -1
    if random.random() < 0.04:
        _make_unreadable(random, made)
    if random.random() < 0.08 and made.kind != "embedding":
        made.planted = random.choice(paths)
    if random.random() < 0.005 and not made.unreadable:  # which may lie in a deadline that stands twice
        _hurry(random, made, paths)
    if random.random() < 0.06:
        made.bad_key = random.choice(BAD_KEYS)
    made.other_key_header = random.random() < 0.2
    # A conversation goes on from what was decided before: who goes away before that leaves open what it was.
    if random.random() < 0.01 and not made.conversation:
        made.hangs_up_after = random.randrange(6)
    return made


def _new(random: Random, words: Words, number: int, slot: int, paths: tuple[str, ...]) -> Combination:
    kind = random.choices(("chat", "completion", "embedding"), (80, 12, 8))[0]
    made = Combination(number, slot, kind, _model(random, paths), *_text(random))
    for label in words:
        if random.random() < 0.22:
            _label(random, words, made, label)
    if kind != "embedding" and random.random() < 0.35:
        made.more = {"stream": True}
    if kind == "chat":
        made.wire = random.choices(tuple(_WIRES), (5, 3, 2))[0]
        made.picture, made.system = random.random() < 0.03, random.random() < 0.1
        made.opening = random.randrange(30) if random.random() < 0.2 else -1
        if made.kinds and random.random() < 0.4:
            made.beside, made.kinds = True, made.kinds | {"email"}
    made.tenant = random.choice(TENANTS)
    _talk(random, made)
    _state_more(random, made)
    return made


def _state_more(random: Random, made: Combination) -> None:
    """Parameters that have no say in where a request may go."""
    if random.random() < 0.1:
        made.headers += (random.choice((("X-Weir-Below-Floor", "refuse"), ("X-Weir-Quality-Floor", "0.97"))),)
    if random.random() < 0.06:
        made.headers += (("Cache-Control", random.choice(("no-store", "no-cache", "max-age=0", "max-age=600"))),)
    if random.random() < 0.03:
        made.headers += (("X-Weir-Variation", random.choice(("replay", "fresh"))),)
    if random.random() < 0.03:
        made.headers += (("X-Weir-Deadline", "30"),)
    if random.random() < 0.05 and made.kind != "embedding":
        made.more = made.more | random.choice(
            ({"provider": None}, {"seed": 7}, {"n": 2, "temperature": 0}, {"user": "u-1"})
        )
    if random.random() < 0.08 and made.kind != "embedding":
        made.more = made.more | random.choice(PREFERENCES)
    if random.random() < 0.1 and made.kind == "chat":
        made.headers += (("X-Weir-Strategy", random.choice((*SINGLE, *COMPOSED, *COMPOSED, "nobody"))),)
        if random.random() < 0.8:
            made.model = "auto"
    if random.random() < 0.04 and made.kind == "chat":
        made.more = made.more | {"response_format": {"type": "json_object"}}


def _label(random: Random, words: Words, made: Combination, label: str) -> None:
    """State this label, by header or metadata or both, in some spelling."""
    value = random.choice(words[label])
    if label in ("classification", "purpose", "rights") and random.random() < 0.2:
        value = value.upper()
    if label == "residency" and random.random() < 0.3:
        value = value.replace("country:CH", "country:ch").replace("country:DE", "country:De")
    where = random.choices(("header", "metadata", "both"), (60, 30, 10))[0] if made.kind == "chat" else "header"
    _take_out(made, label)
    if where != "metadata":
        name = random.choice((f"X-Weir-{label.title()}", f"x-weir-{label}", f"X-WEIR-{label.upper()}"))
        made.headers += ((name, value),)
    if where != "header":
        other = random.choice(words[label]) if random.random() < 0.4 else value
        name = random.choice((f"weir_{label}", f"weir-{label}", f"X-Weir-{label.title()}"))
        made.metadata += ((name, other),)


def _talk(random: Random, made: Combination) -> None:
    """Be in a conversation that has a name, or in none. Those of one slot follow each other."""
    made.talk = f"talk {made.slot}-{random.randrange(40)}" if random.random() < 0.3 else ""
    made.talk_in_metadata = random.random() < 0.3


def _take_out(made: Combination, label: str) -> None:
    def kept(pairs: tuple[Header, ...]) -> tuple[Header, ...]:
        return tuple(pair for pair in pairs if not pair[0].lower().endswith((f"weir-{label}", f"weir_{label}")))

    made.headers, made.metadata = kept(made.headers), kept(made.metadata)


def _change(random: Random, words: Words, made: Combination, paths: tuple[str, ...]) -> None:
    """Change one thing: how a cache or a memory that is too coarse is found out."""
    kinds = ("label", "no label", "model", "stream", "text", "tenant", "talk", "wire")
    what = random.choices(kinds, (42, 13, 13, 8, 10, 14, 12, 8))[0]
    label = random.choice(tuple(words))
    if what == "label":
        _label(random, words, made, label)
    elif what == "no label":
        _take_out(made, label)
    elif what == "model":
        made.model = _model(random, paths)
    elif what == "stream" and made.kind != "embedding":
        made.more = {**made.more, "stream": not made.more.get("stream", False)}
    elif what == "tenant":
        made.tenant = random.choice(TENANTS)
    elif what == "talk":
        _talk(random, made)
    elif what == "wire":
        made.wire = random.choice([wire for wire in _WIRES if wire != made.wire])
    else:
        made.text, made.kinds = _text(random)
        made.beside = False


def _model(random: Random, paths: tuple[str, ...]) -> str:
    which = random.random()
    if which < 0.5:
        return "auto"
    if which < 0.62:
        return random.choice(("auto:cheap", "auto:fast", "auto:best"))
    return random.choice(paths) if which < 0.95 else random.choice(_MODELS_THAT_ARE_NONE)


def _text(random: Random) -> tuple[str, frozenset[str]]:
    which = random.random()
    if which < 0.12:
        text, kind = random.choice(FOUND)
        return (text if random.random() < 0.7 else f"{LONG} {text}"), frozenset({kind})
    return (LONG if which < 0.17 else random.choice(PLAIN)), frozenset()


def _manners(random: Random, paths: tuple[str, ...]) -> dict[str, str]:
    """What each path does. Mostly a few fail, so that what stands behind them has its turn."""
    share = random.choice((0.0, 0.0, 0.3, 0.6, 0.9))
    return {path: random.choice(_DONE) for path in paths if random.random() < share}


def _hurry(random: Random, made: Combination, paths: tuple[str, ...]) -> None:
    """State a deadline, before paths that let it pass."""
    headers = [pair for pair in made.headers if pair[0].lower() != "x-weir-deadline"]
    made.headers = (*headers, ("X-Weir-Deadline", "0.01"))
    made.manners = made.manners | dict.fromkeys(random.sample(paths, 3), "hangs")


def _make_unreadable(random: Random, made: Combination) -> None:
    made.unreadable = True
    which = random.randrange(4)
    name, value = random.choice(made.headers) if made.headers else ("", "")
    if which == 0:
        made.headers += (random.choice(_UNREADABLE_HEADERS),)
    elif which == 1 and name.lower().startswith("x-weir-"):  # the same twice, however it is spelt
        made.headers += ((name.lower(), value),)
    elif which == 2 and made.kind == "chat":
        made.metadata += tuple(random.choice(_UNREADABLE_METADATA).items())
    else:
        made.more = {**made.more, **random.choice(_UNREADABLE_BODIES)}
