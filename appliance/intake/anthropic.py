"""From bytes to a Request on Anthropic's wire: /v1/messages, counting its tokens, and pages of models.

Rules kept here:
1. Every parameter that Anthropic documents stands in a table: it means the same as one on OpenAI's wire and becomes
   that, or it is refused by name. A name that stands in none is refused, with the likely meant one.
2. The same question said on both wires is the same Request, digest included: what the cache holds of one answers the
   other. How an answer is written down is the wire's affair, never the request's.
3. Limits, labels and the form of errors are those of OpenAI's wire.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from appliance.errors import BadRequest, Unsupported, Unthreaded
from appliance.intake.blocks import read_conversation
from appliance.intake.body import read_object
from appliance.intake.fields import Refuse, array, choice, flag, integer, missing, number, obj, refused, shown, text
from appliance.intake.labels import is_label
from appliance.intake.limits import Limits
from appliance.intake.parameters import CHAT, Draft, Take, read_parameters
from appliance.intake.parse import finish
from appliance.intake.shapes import chosen_tool, has_tool, read_schema
from appliance.records.request import LOCAL, Format, Request, Thinking

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NAMED = "1 to 128 letters, digits, dashes or underscores"
_TOOL_FIELDS = frozenset(
    ("name", "description", "input_schema", "type", "strict", "cache_control", "eager_input_streaming")
)
# Of tools too, where they ask for nothing.
_TOOL_DEFAULTS: dict[str, Any] = {"defer_loading": False, "allowed_callers": ["direct"], "input_examples": []}
_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "xhigh"}
# What a budget of thinking tokens asks for, in OpenAI's words: below the first number, below the second, above.
_LITTLE, _MUCH = 4096, 16_384
_LEAST_BUDGET = 1024
_MOST_LISTED = 1000


def parse_messages(
    body: bytes, headers: Mapping[str, str], limits: Limits, *, request_id: str, tenant: str = LOCAL
) -> Request:
    """POST /v1/messages. Raises BadRequest (or a kind of it) naming the field."""
    return message_of(read_object(body, limits), headers, limits, request_id, tenant)


def message_of(
    wire: dict[str, Any], headers: Mapping[str, str], limits: Limits, request_id: str, tenant: str
) -> Request:
    """A body that was read."""
    draft = _draft(wire, limits, MESSAGES)
    if draft.sampling.get("max_tokens") is None:
        raise missing("max_tokens", "the most tokens that the answer may have")
    return finish("chat", draft, headers, request_id, tenant)


def parse_count(
    body: bytes, headers: Mapping[str, str], limits: Limits, *, request_id: str, tenant: str = LOCAL
) -> Request:
    """POST /v1/messages/count_tokens: what would be sent to /v1/messages, without how it is to be answered."""
    return finish("chat", _draft(read_object(body, limits), limits, COUNT), headers, request_id, tenant)


def parse_page(query: Mapping[str, str]) -> tuple[int, str, str]:
    """GET /v1/models: `limit`, `after_id` and `before_id` of a page, '' where one is not stated. Raises BadRequest."""
    limit, after_id, before_id = query.get("limit", "20"), query.get("after_id", ""), query.get("before_id", "")
    if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= _MOST_LISTED:
        raise BadRequest(f"'limit' must be a whole number from 1 to {_MOST_LISTED}.", param="limit")
    if after_id and before_id:
        raise BadRequest("A page is after one model or before one.", param="before_id", next_step="Leave one out.")
    return int(limit), after_id, before_id


def _draft(wire: dict[str, Any], limits: Limits, table: Mapping[str, Take]) -> Draft:
    if wire.get("messages") is None:
        raise missing("messages", "a list of messages")
    draft = Draft(limits, wire)
    draft.fields["messages"] = read_conversation(wire.get("system"), wire["messages"], limits)
    read_parameters(draft, table)
    fields = draft.fields
    tools = fields.get("tools", ())
    if not tools and fields.get("tool_choice", "none") not in ("none", "auto"):
        raise refused("tool_choice", "used together with 'tools'", "Send 'tools' as well.")
    name = chosen_tool(fields.get("tool_choice"))
    if name is not None and not has_tool(tools, name):
        raise refused("tool_choice.name", "the name of one of the tools")
    if fields["messages"][-1].role == "assistant":
        _begun(draft, len(wire["messages"]) - 1)
    _mark_end(fields, wire.get("cache_control"))
    return draft


def _begun(draft: Draft, last: int) -> None:
    """The answer is begun by the caller: it is gone on with, which thinking and forms leave no room for."""
    where, thinking = f"messages[{last}].role", draft.fields.get("thinking")
    if thinking is not None or draft.format is not None:
        other = "'output_config.format'" if thinking is None else "'thinking'"
        raise refused(where, f"another than 'assistant' at the end, together with {other}", "Leave one of them out.")
    draft.fields["continues"] = True


def _mark_end(fields: dict[str, Any], stated: dict[str, Any] | None) -> None:
    """`cache_control` of the whole request marks its end."""
    if stated is not None:
        *before, last = fields["messages"]
        marks = dict(last.marks) | {len(last.content): "1h" if stated.get("ttl") == "1h" else "5m"}
        fields["messages"] = (*before, replace(last, marks=tuple(marks.items())))


# -- interpreted ------------------------------------------------------------------------------------------


def _temperature(draft: Draft, name: str, value: object) -> None:
    draft.sampling["temperature"] = number(name, value, 0, 1)


def _stop(draft: Draft, name: str, value: object) -> None:
    limits = draft.limits
    stops = array(name, value, limits.stops)
    for index, entry in enumerate(stops):
        text(f"{name}[{index}]", entry, limits.stop_chars, least=1)
    if stops:
        draft.sampling["stop"] = tuple(stops)


def _tools(draft: Draft, name: str, value: object) -> None:
    names: set[str] = set()
    tools = []
    for index, entry in enumerate(array(name, value, draft.limits.tools)):
        where = f"{name}[{index}]"
        tool = _tool(where, obj(where, entry), draft.limits)
        if tool["function"]["name"] in names:
            raise refused(f"{where}.name", "different from the names of the other tools")
        names.add(tool["function"]["name"])
        tools.append(tool)
    draft.fields["tools"] = tuple(tools)


def _tool(where: str, wire: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """A tool of the caller's in OpenAI's form. Those that a provider runs are refused."""
    if wire.get("type") not in (None, "custom"):
        raise Unsupported(
            "Tools that a provider runs are not supported.",
            param=f"{where}.type",
            next_step="Send tools of your own: 'name', 'description' and 'input_schema'.",
        )
    for name, value in wire.items():
        if name in _TOOL_DEFAULTS:
            if value is not None and value != _TOOL_DEFAULTS[name]:
                raise Unsupported(
                    f"'{where}.{name}' is not supported.", param=f"{where}.{name}", next_step="Leave it out."
                )
        elif name not in _TOOL_FIELDS:
            raise refused(where, "an object of 'name', 'description' and 'input_schema'", "Leave the others out.")
    if wire.get("name") is None:
        raise missing(f"{where}.name", _NAMED)
    name = text(f"{where}.name", wire["name"], 128)
    if not _TOOL_NAME.fullmatch(name):
        raise refused(f"{where}.name", _NAMED)
    if wire.get("input_schema") is None:
        raise missing(f"{where}.input_schema", "a JSON schema (an object)")
    function: dict[str, Any] = {"name": name}
    if wire.get("description") is not None:
        function["description"] = text(f"{where}.description", wire["description"], limits.schema_bytes)
    function["parameters"] = read_schema(f"{where}.input_schema", wire["input_schema"], limits)
    if wire.get("strict") is not None:
        function["strict"] = flag(f"{where}.strict", wire["strict"])
    if wire.get("cache_control") is not None:
        obj(f"{where}.cache_control", wire["cache_control"])
    return {"type": "function", "function": function}


def _tool_choice(draft: Draft, name: str, value: object) -> None:
    wire = obj(name, value)
    kind = choice(f"{name}.type", wire.get("type"), ("auto", "any", "tool", "none"))
    known = {"type", "name"} if kind == "tool" else {"type"}
    if kind != "none":
        known.add("disable_parallel_tool_use")
    if not wire.keys() <= known:
        raise refused(name, "an object of only " + ", ".join(sorted(known)), "Leave the others out.")
    if kind == "tool":
        chosen = text(f"{name}.name", wire.get("name"), 128, least=1)
        draft.fields["tool_choice"] = {"type": "function", "function": {"name": chosen}}
    else:
        draft.fields["tool_choice"] = "required" if kind == "any" else kind
    single = wire.get("disable_parallel_tool_use")
    if single is not None and flag(f"{name}.disable_parallel_tool_use", single):
        draft.fields["parallel_tool_calls"] = False


def _metadata(draft: Draft, name: str, value: object) -> None:
    """`user_id` is OpenAI's `user`; `weir_*` entries are labels and stay here."""
    for key, entry in obj(name, value).items():
        if is_label(key) and len(key) <= 64:
            draft.labels[key] = text(f"{name}.{shown(key)}", entry, 512)
        elif key != "user_id":
            raise refused(name, "an object of 'user_id' and labels ('weir_*')", "Leave the others out.")
        elif entry is not None:
            user = text(f"{name}.user_id", entry, 512)
            draft.fields["user"] = draft.forwarded["user"] = user


# -- passed on in OpenAI's words --------------------------------------------------------------------------


def _thinking(draft: Draft, name: str, value: object) -> None:
    """A budget becomes an effort for paths that know no budgets. `disabled` is what nothing stated is: answers show no
    thinking, and a path that thinks all the same is not kept from it.
    """
    wire = obj(name, value)
    kind = choice(f"{name}.type", wire.get("type"), ("enabled", "disabled", "adaptive"))
    if not wire.keys() <= {"type", "budget_tokens", "display"}:
        raise refused(name, "an object of 'type', 'budget_tokens' and 'display'", "Leave the others out.")
    display = wire.get("display")
    if display is not None:
        choice(f"{name}.display", display, ("summarized", "omitted"))
    if kind == "disabled":
        return
    if kind == "adaptive":
        draft.fields["thinking"] = Thinking(show=display != "omitted")
        return
    budget = integer(f"{name}.budget_tokens", wire.get("budget_tokens"), _LEAST_BUDGET, draft.limits.output_tokens)
    most = draft.body.get("max_tokens")
    if type(most) is int and budget >= most:
        raise refused(f"{name}.budget_tokens", "less than 'max_tokens'")
    effort = "low" if budget < _LITTLE else "medium" if budget < _MUCH else "high"
    draft.forwarded.setdefault("reasoning_effort", effort)
    draft.fields["thinking"] = Thinking(budget, display != "omitted")


def _output_config(draft: Draft, name: str, value: object) -> None:
    wire = obj(name, value)
    if not wire.keys() <= {"effort", "format"}:
        raise refused(name, "an object of 'effort' and 'format'", "Leave the others out.")
    if wire.get("effort") is not None:
        effort = choice(f"{name}.effort", wire["effort"], tuple(_EFFORTS))
        draft.forwarded["reasoning_effort"] = _EFFORTS[effort]
    if wire.get("format") is not None:
        where = f"{name}.format"
        form = obj(where, wire["format"])
        choice(f"{where}.type", form.get("type"), ("json_schema",))
        if not form.keys() <= {"type", "schema"}:
            raise refused(where, "an object of 'type' and 'schema'", "Leave the others out.")
        if form.get("schema") is None:
            raise missing(f"{where}.schema", "a JSON schema (an object)")
        draft.format = Format(
            "json_schema", read_schema(f"{where}.schema", form["schema"], draft.limits), "answer", True
        )


def _service_tier(draft: Draft, name: str, value: object) -> None:
    tier = choice(name, value, ("auto", "standard_only"))
    draft.forwarded[name] = "default" if tier == "standard_only" else tier


def _cache_control(_: Draft, name: str, value: object) -> None:
    """It tells a provider what to keep of a prompt, and changes no answer."""
    obj(name, value)


COUNT: dict[str, Take] = {
    "model": CHAT["model"],
    "messages": CHAT["messages"],  # read before the rest, as `system` is
    "system": CHAT["messages"],
    "tools": _tools,
    "tool_choice": _tool_choice,
    "thinking": _thinking,
    "output_config": _output_config,
    "cache_control": _cache_control,
    "speed": Refuse("Send the model 'auto:fast'.", unless=("standard",)),
    "output_format": Refuse("Use 'output_config.format' instead."),
    "context_management": Refuse("Shorten the conversation yourself."),
    "mcp_servers": Refuse("Call the servers yourself and send what they offer as 'tools'."),
}

MESSAGES: dict[str, Take] = COUNT | {
    "max_tokens": CHAT["max_tokens"],
    "stream": CHAT["stream"],
    "stop_sequences": _stop,
    "temperature": _temperature,
    "top_p": CHAT["top_p"],
    "top_k": CHAT["top_k"],
    "metadata": _metadata,
    "service_tier": _service_tier,
    "user_profile_id": Refuse("State the user in 'metadata.user_id'."),
    "workspace_id": Refuse("Keys belong to tenants here: leave it out."),
    "thread": Refuse("No conversation is held: send all messages with each request.", error=Unthreaded),
    "container": Refuse("Nothing is run here: leave it out."),
    "diagnostics": Refuse("Response headers and `weir why` say what the cache did: leave it out."),
    "inference_geo": Refuse("State where a request may go in X-Weir-Residency."),
}
