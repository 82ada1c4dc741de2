"""From bytes to a Request on OpenAI's newer wire: /v1/responses, without anything kept between two of them.

Rules kept here:
1. Every parameter that OpenAI documents stands in the table: it means the same as one of a chat and becomes that, or it
   is refused by name. A name that stands in none is refused, with the likely meant one.
2. The same question said in a chat is the same Request, digest included. What is given back in an answer is its `echo`,
   and changes nothing of the question.
3. No response is kept for later. OpenAI keeps one where nothing is said of it; here nothing said is `store: false`, and
   the answer says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from appliance.errors import Unsupported
from appliance.intake.body import read_object
from appliance.intake.fields import Refuse, array, choice, flag, integer, missing, obj, refused, text, wrong
from appliance.intake.items import read_input
from appliance.intake.limits import Limits
from appliance.intake.parameters import CHAT, Draft, Take, effort, read_parameters
from appliance.intake.parse import finish
from appliance.intake.shapes import check_function, has_tool, read_named_schema
from appliance.records.request import LOCAL, Echo, Format, Request

_SUMMARIES = ("auto", "concise", "detailed")
_SEALED, _LOGPROBS = "reasoning.encrypted_content", "message.output_text.logprobs"
_TOOL_FIELDS = ("name", "description", "parameters", "strict")
# Of tools too, where they ask for nothing.
_TOOL_DEFAULTS: dict[str, tuple[object, ...]] = {
    "defer_loading": (False,),
    "allowed_callers": (["direct"],),
    "async": (False,),
    "output_schema": (),
}
_STATELESS = "Nothing is kept between two requests: send all earlier items in 'input'."
# What an answer gives back as it was stated, null where it was not.
_GIVEN_BACK = (
    *("instructions", "temperature", "top_p", "max_output_tokens", "max_tool_calls", "top_logprobs", "user"),
    *("safety_identifier", "prompt_cache_key"),
)


def parse_responses(
    body: bytes, headers: Mapping[str, str], limits: Limits, *, request_id: str, tenant: str = LOCAL
) -> Request:
    """POST /v1/responses. Raises BadRequest (or a kind of it) naming the field."""
    return response_of(read_object(body, limits), headers, limits, request_id, tenant)


def response_of(
    wire: dict[str, Any], headers: Mapping[str, str], limits: Limits, request_id: str, tenant: str
) -> Request:
    """A body that was read."""
    if wire.get("input") is None:
        raise missing("input", "a string or a list of items", "Send what the model is to answer.")
    draft = Draft(limits, wire)
    draft.fields["messages"] = read_input(wire.get("instructions"), wire["input"], limits)
    read_parameters(draft, RESPONSES)
    fields = draft.fields
    tools, chosen = fields.get("tools", ()), fields.get("tool_choice")
    if not tools and chosen not in (None, "none", "auto"):
        raise refused("tool_choice", "used together with 'tools'", "Send 'tools' as well.")
    if type(chosen) is dict and not has_tool(tools, chosen["function"]["name"]):
        raise refused("tool_choice.name", "the name of one of the tools")
    fields["echo"] = _echo(wire)
    return finish("chat", draft, headers, request_id, tenant)


def _echo(wire: dict[str, Any]) -> Echo:
    """What the answer gives back of a body that is in order."""
    said = {name: wire.get(name) for name in _GIVEN_BACK}
    reasoning, form = wire.get("reasoning") or {}, wire.get("text") or {}
    summary = reasoning.get("summary") or reasoning.get("generate_summary")
    said["metadata"] = wire.get("metadata") or {}
    said["parallel_tool_calls"] = wire.get("parallel_tool_calls") is not False
    said["reasoning"] = {"effort": reasoning.get("effort"), "summary": summary}
    said["text"] = {"format": form.get("format") or {"type": "text"}, "verbosity": form.get("verbosity")}
    said["tool_choice"] = wire.get("tool_choice") or "auto"
    said["tools"] = wire.get("tools") or []
    said |= {"truncation": "disabled", "background": False, "previous_response_id": None, "store": False}
    return Echo(orjson.dumps(said).decode()[1:-1], summary is not None, _SEALED in (wire.get("include") or ()))


# -- interpreted ------------------------------------------------------------------------------------------


def _read_before(_: Draft, name: str, value: object) -> None:
    """Read by the endpoint itself, before the rest."""


def _tools(draft: Draft, name: str, value: object) -> None:
    names: set[str] = set()
    tools = []
    for index, entry in enumerate(array(name, value, draft.limits.tools)):
        where = f"{name}[{index}]"
        tool = obj(where, entry)
        if tool.get("type") is None:
            raise missing(f"{where}.type", "function")
        if text(f"{where}.type", tool["type"], 64) != "function":
            raise Unsupported(
                "Only function tools are supported; those that a provider runs are not.",
                param=f"{where}.type",
                next_step="Send tools of your own: 'type': 'function', 'name', 'description' and 'parameters'.",
            )
        for field, stated in tool.items():
            if field in _TOOL_DEFAULTS:
                if stated is not None and stated not in _TOOL_DEFAULTS[field]:
                    here = f"{where}.{field}"
                    raise Unsupported(f"'{here}' is not supported.", param=here, next_step="Leave it out.")
            elif field != "type" and field not in _TOOL_FIELDS:
                raise refused(where, "an object of 'type', " + ", ".join(_TOOL_FIELDS), "Leave the others out.")
        check_function(where, tool, names, draft.limits)
        function = {field: tool[field] for field in _TOOL_FIELDS if tool.get(field) is not None}
        tools.append({"type": "function", "function": function})
    draft.fields["tools"] = tuple(tools)


def _tool_choice(draft: Draft, name: str, value: object) -> None:
    if type(value) is str:
        draft.fields["tool_choice"] = choice(name, value, ("none", "auto", "required"))
        return
    if type(value) is not dict:
        raise wrong(name, "none, auto, required or an object that names a function", value)
    if value.get("type") != "function":
        raise Unsupported(
            "Of objects only the choice of one function is supported.",
            param=f"{name}.type",
            next_step="Send none, auto, required or one function by name, and only those tools that may be called.",
        )
    if not value.keys() <= {"type", "name"}:
        raise refused(name, "an object of only 'type' and 'name'", "Leave the others out.")
    chosen = text(f"{name}.name", value.get("name"), 64, least=1)
    draft.fields["tool_choice"] = {"type": "function", "function": {"name": chosen}}


def _text(draft: Draft, name: str, value: object) -> None:
    wire = obj(name, value)
    if not wire.keys() <= {"format", "verbosity"}:
        raise refused(name, "an object of 'format' and 'verbosity'", "Leave the others out.")
    if wire.get("verbosity") is not None:
        draft.forwarded["verbosity"] = choice(f"{name}.verbosity", wire["verbosity"], ("low", "medium", "high"))
    if wire.get("format") is None:
        return
    where = f"{name}.format"
    form = obj(where, wire["format"])
    kind = choice(f"{where}.type", form.get("type"), ("text", "json_object", "json_schema"))
    if kind == "json_schema":
        named = {field: stated for field, stated in form.items() if field != "type"}
        draft.format = read_named_schema(where, named, draft.limits)
    elif len(form) > 1:
        raise refused(where, "an object of only 'type'", "Leave the others out.")
    elif kind == "json_object":
        draft.format = Format("json_object")


def _reasoning(draft: Draft, name: str, value: object) -> None:
    wire = obj(name, value)
    if not wire.keys() <= {"effort", "summary", "generate_summary"}:
        raise refused(name, "an object of 'effort' and 'summary'", "Leave the others out.")
    if wire.get("effort") is not None:
        effort(draft, f"{name}.effort", wire["effort"])
    for field in ("summary", "generate_summary"):
        if wire.get(field) is not None:
            choice(f"{name}.{field}", wire[field], _SUMMARIES)


def _include(draft: Draft, name: str, value: object) -> None:
    for index, entry in enumerate(array(name, value, 16)):
        where = f"{name}[{index}]"
        if text(where, entry, 64) not in (_SEALED, _LOGPROBS):
            raise Unsupported(
                "This cannot be included.", param=where, next_step=f"Known are '{_SEALED}' and '{_LOGPROBS}'."
            )
        if entry == _LOGPROBS:
            draft.sampling["logprobs"] = True


def _top_logprobs(draft: Draft, name: str, value: object) -> None:
    most = integer(name, value, 0, 20)
    if most:
        draft.sampling["top_logprobs"] = most
        draft.sampling["logprobs"] = True


def _max_tool_calls(_: Draft, name: str, value: object) -> None:
    """Of tools that a provider runs: there are none, so it is kept whatever it says."""
    integer(name, value, 1, 1_000_000)


def _stream_options(draft: Draft, name: str, value: object) -> None:
    wire = obj(name, value)
    if not wire.keys() <= {"include_obfuscation"}:
        raise refused(name, "an object of 'include_obfuscation'", "Leave the others out.")
    if wire.get("include_obfuscation") is not None:
        flag(f"{name}.include_obfuscation", wire["include_obfuscation"])
    if draft.body.get("stream") is not True:
        raise refused(name, "used together with stream=true", "Set 'stream' to true as well.")


RESPONSES: dict[str, Take] = {
    "model": CHAT["model"],
    "input": _read_before,
    "instructions": _read_before,
    "stream": CHAT["stream"],
    "stream_options": _stream_options,
    "max_output_tokens": CHAT["max_tokens"],
    "temperature": CHAT["temperature"],
    "top_p": CHAT["top_p"],
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": CHAT["parallel_tool_calls"],
    "max_tool_calls": _max_tool_calls,
    "text": _text,
    "reasoning": _reasoning,
    "include": _include,
    "top_logprobs": _top_logprobs,
    "user": CHAT["user"],
    "metadata": CHAT["metadata"],
    "service_tier": CHAT["service_tier"],
    "safety_identifier": CHAT["safety_identifier"],
    "prompt_cache_key": CHAT["prompt_cache_key"],
    "prompt_cache_retention": CHAT["prompt_cache_retention"],
    "prompt_cache_options": CHAT["prompt_cache_options"],
    # as OpenRouter names them
    "models": CHAT["models"],
    "provider": CHAT["provider"],
    "route": CHAT["route"],
    "truncation": Refuse("Shorten the input yourself.", unless=("disabled",)),
    "store": Refuse("No response is kept for later: leave it out or send false.", unless=(False,)),
    "background": Refuse("Ask for a stream, or wait for the answer.", unless=(False,)),
    "previous_response_id": Refuse(_STATELESS),
    "conversation": Refuse(_STATELESS),
    "prompt": Refuse("No prompts are kept here: send the text in 'instructions' and 'input'."),
    "context_management": Refuse("Shorten the input yourself."),
    "moderation": Refuse("Its result could not be returned: leave it out."),
    "image": Refuse("Make images smaller yourself."),
    "access_programs": Refuse("Leave it out."),
    "messages": Refuse("POST /v1/chat/completions takes messages; here send 'input'."),
    "max_tokens": Refuse("Use 'max_output_tokens' instead."),
    "max_completion_tokens": Refuse("Use 'max_output_tokens' instead."),
    "response_format": Refuse("Use 'text.format' instead."),
    "reasoning_effort": Refuse("Use 'reasoning.effort' instead."),
}
