"""The tables of known parameters, one per endpoint: each is interpreted, passed on, meaningless or refused.

Rules kept here:
1. Nothing is dropped silently. A name that stands in no table is refused by name, with the likely meant one.
2. null means 'not stated', as in OpenAI's API.
3. Two names of the same thing (max_tokens, max_completion_tokens) may both be stated only if they agree.
4. A parameter that a path could not honour through the contract (audio out) is refused, not passed on.

`docs/` lists these tables; a test compares them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from appliance.errors import BadRequest, Unsupported
from appliance.intake.fields import (
    Refuse,
    array,
    choice,
    flag,
    integer,
    nearest,
    number,
    obj,
    refused,
    shown,
    text,
    wrong,
)
from appliance.intake.labels import is_label
from appliance.intake.limits import Limits
from appliance.intake.preferences import model, models, provider
from appliance.intake.shapes import read_format, read_guided_json, read_pattern, read_tool_choice, read_tools
from appliance.records.request import Format

_TOKEN_ID = re.compile(r"[0-9]{1,9}")
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_LARGEST_SEED = 2**63 - 1


class Draft:
    """What has been read of one body so far; lives for one call."""

    __slots__ = ("body", "fields", "format", "forwarded", "labels", "limits", "sampling")

    def __init__(self, limits: Limits, body: Mapping[str, Any]) -> None:
        self.limits = limits
        self.body = body
        self.fields: dict[str, Any] = {}
        self.sampling: dict[str, Any] = {}
        self.forwarded: dict[str, Any] = {}
        self.format: Format | None = None
        self.labels: dict[str, str] = {}


Take = Callable[[Draft, str, Any], None]


def read_parameters(draft: Draft, table: Mapping[str, Take]) -> None:
    """Reads every parameter of the body by the table. Raises BadRequest, Unsupported or UnknownModel."""
    for name, value in draft.body.items():
        take = table.get(name)
        if take is None:
            raise _unknown(name, table)
        if value is not None:
            take(draft, name, value)
    if draft.forwarded:
        _check_forwarded(draft)


def _unknown(name: str, table: Mapping[str, Take]) -> BadRequest:
    near = nearest(name, (known for known, take in table.items() if not isinstance(take, Refuse)))
    return BadRequest(
        f"Parameter '{shown(name)}' is not known.",
        param=shown(name),
        next_step=f"Did you mean '{near}'?" if near else "Leave it out; Weir drops no parameter silently.",
    )


def _check_forwarded(draft: Draft) -> None:
    if len(orjson.dumps(draft.forwarded)) > draft.limits.forwarded_bytes:
        largest = max(draft.forwarded, key=lambda name: len(orjson.dumps(draft.forwarded[name])))
        raise refused(largest, f"at most {draft.limits.forwarded_bytes} bytes as JSON", "Send less.")


# -- kinds of entries -------------------------------------------------------------------------------------


def _agreed(store: dict[str, Any], slot: str, name: str, value: object) -> None:
    if slot in store and store[slot] != value:
        raise refused(name, f"equal to the other parameter that states '{slot}'", "State only one.")
    store[slot] = value


def _number(slot: str, low: float, high: float) -> Take:
    def take(draft: Draft, name: str, value: object) -> None:
        _agreed(draft.sampling, slot, name, number(name, value, low, high))

    return take


def _integer(slot: str, low: int, high: int) -> Take:
    def take(draft: Draft, name: str, value: object) -> None:
        draft.sampling[slot] = integer(name, value, low, high)

    return take


def _flag(slot: str) -> Take:
    def take(draft: Draft, name: str, value: object) -> None:
        draft.fields[slot] = flag(name, value)

    return take


def _forward(check: Callable[[str, Any], object]) -> Take:
    def take(draft: Draft, name: str, value: object) -> None:
        check(name, value)
        draft.forwarded[name] = value

    return take


def _words(*known: str) -> Take:
    return _forward(lambda name, value: choice(name, value, known))


def _ignore(draft: Draft, name: str, value: object) -> None:
    """Accepted, and without meaning here: it asks for nothing that changes an answer."""


# -- interpreted ------------------------------------------------------------------------------------------


def _max_tokens(draft: Draft, name: str, value: object) -> None:
    tokens = integer(name, value, 1, draft.limits.output_tokens)
    _agreed(draft.sampling, "max_tokens", name, tokens)


def _top_k(draft: Draft, name: str, value: object) -> None:
    # vLLM's -1 and llama.cpp's 0 both mean: no cut
    draft.sampling["top_k"] = max(0, integer(name, value, -1, 1_000_000))


def _stop(draft: Draft, name: str, value: object) -> None:
    limits = draft.limits
    if type(value) is str:
        value = [value]
    elif type(value) is not list:
        raise wrong(name, "a string or a list of strings", value)
    for index, entry in enumerate(array(name, value, limits.stops)):
        text(f"{name}[{index}]", entry, limits.stop_chars, least=1)
    if value:
        draft.sampling["stop"] = tuple(value)


def _logit_bias(draft: Draft, name: str, value: object) -> None:
    wire = obj(name, value)
    if len(wire) > draft.limits.logit_bias:
        raise refused(name, f"at most {draft.limits.logit_bias} entries")
    pairs: dict[int, float] = {}
    for key, bias in wire.items():
        if not _TOKEN_ID.fullmatch(key):
            raise refused(name, "an object whose names are token ids")
        if int(key) in pairs:
            raise refused(name, "an object that names every token once")
        pairs[int(key)] = number(f"{name}.{int(key)}", bias, -100, 100)
    if pairs:
        draft.sampling["logit_bias"] = tuple(sorted(pairs.items()))


def _logprobs(draft: Draft, name: str, value: object) -> None:
    draft.sampling["logprobs"] = flag(name, value)


def _logprobs_count(draft: Draft, name: str, value: object) -> None:
    draft.sampling["top_logprobs"] = integer(name, value, 0, 5)
    draft.sampling["logprobs"] = True


def _top_logprobs(draft: Draft, name: str, value: object) -> None:
    draft.sampling["top_logprobs"] = integer(name, value, 0, 20)
    if draft.sampling["top_logprobs"] and draft.body.get("logprobs") is not True:
        raise refused("top_logprobs", "used together with logprobs=true", "Set 'logprobs' to true as well.")


def _n(draft: Draft, name: str, value: object) -> None:
    draft.fields["n"] = integer(name, value, 1, draft.limits.choices)


def _best_of(draft: Draft, name: str, value: object) -> None:
    answers = draft.body.get("n")
    if type(value) is not int or value != (1 if answers is None else answers):
        raise Unsupported("Parameter 'best_of' is not supported.", param=name, next_step="Use 'n' instead.")


def _stream_options(draft: Draft, name: str, value: object) -> None:
    options = obj(name, value)
    for key, option in options.items():
        if key not in ("include_usage", "include_obfuscation"):
            raise refused(name, "an object with 'include_usage'")
        if option is not None:
            flag(f"{name}.{key}", option)
    if draft.body.get("stream") is not True:
        raise refused(name, "used together with stream=true", "Set 'stream' to true as well.")
    if options.get("include_usage"):
        draft.fields["stream_usage"] = True


def _set_format(draft: Draft, name: str, form: Format | None) -> None:
    if form is not None:
        if draft.format is not None and draft.format != form:
            raise refused(name, "the only parameter that states a format", "State one format only.")
        draft.format = form


def _response_format(draft: Draft, name: str, value: object) -> None:
    _set_format(draft, name, read_format(name, value, draft.limits))


def _guided_json(draft: Draft, name: str, value: object) -> None:
    _set_format(draft, name, read_guided_json(name, value, draft.limits))


def _regex(draft: Draft, name: str, value: object) -> None:
    _set_format(draft, name, read_pattern(name, value, draft.limits))


def _tools(draft: Draft, name: str, value: object) -> None:
    draft.fields["tools"] = read_tools(name, value, draft.limits)


def _tool_choice(draft: Draft, name: str, value: object) -> None:
    draft.fields["tool_choice"] = read_tool_choice(name, value)


def _user(draft: Draft, name: str, value: object) -> None:
    user = text(name, value, 256)
    draft.forwarded[name] = user
    if name == "user" or not draft.fields.get("user"):
        draft.fields["user"] = user


def _later(draft: Draft, name: str, value: object) -> None:
    """Read by the endpoint itself, after the rest."""


def _dimensions(draft: Draft, name: str, value: object) -> None:
    draft.fields["dimensions"] = integer(name, value, 1, 65_536)


def _encoding(draft: Draft, name: str, value: object) -> None:
    draft.fields["encoding"] = choice(name, value, ("float", "base64"))


# -- passed on --------------------------------------------------------------------------------------------


def _metadata(draft: Draft, name: str, value: object) -> None:
    entries = obj(name, value)
    if len(entries) > 16:
        raise refused(name, "an object of at most 16 entries")
    for key, entry in entries.items():
        if len(key) > 64 or type(entry) is not str or len(entry) > 512:
            raise refused(name, "an object with names of up to 64 and string values of up to 512 characters")
    draft.labels = {key: entry for key, entry in entries.items() if is_label(key)}
    if len(draft.labels) < len(entries):
        draft.forwarded[name] = {key: entry for key, entry in entries.items() if key not in draft.labels}


def _short(name: str, value: object) -> None:
    text(name, value, 256, least=1)


def _modalities(draft: Draft, name: str, value: object) -> None:
    for index, entry in enumerate(array(name, value, 8, least=1)):
        if choice(f"{name}[{index}]", entry, ("text", "audio")) != "text":
            raise Unsupported("Audio answers are not supported.", param=name, next_step="Ask for text only.")
    draft.forwarded[name] = value


def effort(draft: Draft, name: str, value: object) -> None:
    """How much is to be thought. No path knows more than `xhigh`."""
    word = choice(name, value, _EFFORTS)
    draft.forwarded["reasoning_effort"] = "xhigh" if word == "max" else word


_SAMPLING: dict[str, Take] = {
    "model": model,
    "stream": _flag("stream"),
    "temperature": _number("temperature", 0, 2),
    "max_tokens": _max_tokens,
    "top_p": _number("top_p", 0, 1),
    "stop": _stop,
    "n": _n,
    "seed": _integer("seed", -_LARGEST_SEED - 1, _LARGEST_SEED),
    "stream_options": _stream_options,
    "frequency_penalty": _number("frequency_penalty", -2, 2),
    "presence_penalty": _number("presence_penalty", -2, 2),
    "logit_bias": _logit_bias,
    "user": _user,
    # as vLLM and llama-server name them
    "top_k": _top_k,
    "min_p": _number("min_p", 0, 1),
    "repeat_penalty": _number("repeat_penalty", 0.01, 10),
    "repetition_penalty": _number("repeat_penalty", 0.01, 10),
    "response_format": _response_format,
    "guided_json": _guided_json,
    "guided_regex": _regex,
    "regex": _regex,
    "cache_prompt": _ignore,
    "guided_choice": Refuse("Use 'regex' with alternatives instead."),
    "guided_grammar": Refuse("Use 'response_format' or 'regex' instead."),
    "grammar": Refuse("Use 'response_format' or 'regex' instead."),
    "json_schema": Refuse("Use 'response_format' or 'guided_json' instead."),
    "ignore_eos": Refuse("Leave it out.", unless=(False,)),
    "min_tokens": Refuse("Leave it out.", unless=(0,)),
    "extra_body": Refuse("It is an argument of the SDK: put its content at the top level of the body."),
    # as OpenRouter names them
    "models": models,
    "provider": provider,
    "route": Refuse("What 'models' lists is tried in its order anyway.", unless=("fallback",)),
}

CHAT: dict[str, Take] = _SAMPLING | {
    "messages": _later,
    "max_completion_tokens": _max_tokens,
    "logprobs": _logprobs,
    "top_logprobs": _top_logprobs,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": _flag("parallel_tool_calls"),
    # passed on to paths that speak the same dialect
    "metadata": _metadata,  # its labels stay here
    "service_tier": _forward(_short),
    "safety_identifier": _user,
    "prompt_cache_key": _forward(_short),
    "prompt_cache_retention": _forward(_short),
    "prompt_cache_options": _forward(obj),
    "reasoning_effort": effort,
    "verbosity": _words("low", "medium", "high"),
    "prediction": _forward(obj),
    "web_search_options": _forward(obj),
    "modalities": _modalities,
    "chat_template_kwargs": _forward(obj),
    # refused
    "store": Refuse("Weir keeps no conversations for later: leave it out or send false.", unless=(False,)),
    "audio": Refuse("Answers are text: leave it out."),
    "moderation": Refuse("Its result could not be returned: leave it out."),
    "functions": Refuse("Use 'tools' instead."),
    "function_call": Refuse("Use 'tool_choice' instead."),
    "prompt": Refuse("POST /v1/completions takes a prompt; here send 'messages'."),
    "input": Refuse("POST /v1/embeddings takes an input; here send 'messages'."),
}

COMPLETION: dict[str, Take] = _SAMPLING | {
    "prompt": _later,
    "logprobs": _logprobs_count,
    "best_of": _best_of,
    "echo": Refuse("Prepend the prompt yourself.", unless=(False,)),
    "suffix": Refuse("Filling in is not offered: put all of the text into the prompt.", unless=("",)),
    "messages": Refuse("POST /v1/chat/completions takes messages; here send 'prompt'."),
}

EMBEDDING: dict[str, Take] = {
    "model": model,
    "input": _later,
    "encoding_format": _encoding,
    "dimensions": _dimensions,
    "user": _user,
    "stream": Refuse("Embeddings come in one piece.", unless=(False,)),
}
