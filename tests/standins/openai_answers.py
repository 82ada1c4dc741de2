"""What the stand-in for an OpenAI-compatible server says: by the book or by echo, the same every time.

Pure: a body goes in, an answer comes out. `openai_server` puts it on the wire.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LABEL = "stand-in"
TOKEN = re.compile(r"\s*\S+|\s+$")


@dataclass
class Behaviour:
    """How the stand-in answers. Times in seconds; `tokens_per_s` 0 means at once."""

    answers: dict[str, str] = field(default_factory=dict)
    delay_first_s: float = 0.0
    tokens_per_s: float = 0.0
    context_tokens: int = 4096
    max_new_tokens: int = 4096
    key: str = ""
    redirect_to: str = "http://192.0.2.1/v1/chat/completions"
    json_answers: dict[str, Any] = field(default_factory=dict)  # schema name -> the instance to answer with
    flavour: str = "openai"  # whose peculiarities it has: see `openai_flavours`
    prefix_cache: bool = False  # keep prompts and count what the next one shares, within a `cache_salt` as vLLM does


def tokens_of(text: str) -> list[str]:
    """Words with the blanks before them: the stand-in's tokens."""
    return TOKEN.findall(text)


def read_answers(path: Path) -> dict[str, str]:
    """An answer book: JSONL rows with at least `prompt` and `answer`."""
    book: dict[str, str] = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                row = json.loads(line)
                book[row["prompt"].strip()] = row["answer"]
    return book


def minimal(schema: Any) -> Any:
    """A smallest instance of a JSON schema, for the common keywords."""
    if not isinstance(schema, dict):
        return None
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return minimal(schema[key][0])
    kind = schema.get("type", "object" if "properties" in schema else "null")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        wanted = schema.get("required", list(schema.get("properties", {})))
        return {name: minimal(schema.get("properties", {}).get(name, {})) for name in wanted}
    if kind == "array":
        return [minimal(schema.get("items", {})) for _ in range(schema.get("minItems", 0))]
    if kind == "string":
        return "x" * schema.get("minLength", 0)
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return False if kind == "boolean" else None


@dataclass
class Answer:
    """What to say: tokens, or a tool call, and why it ended."""

    tokens: list[str]
    finish: str
    prompt_tokens: int
    call: dict[str, Any] | None = None
    cached_tokens: int = 0

    def usage(self, n: int) -> dict[str, Any]:
        made = n * max(1, len(self.tokens))
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": made,
            "total_tokens": self.prompt_tokens + made,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
        }


def prompt_of(body: dict[str, Any]) -> str:
    """The text to look up: the prompt, or the last user message."""
    if "prompt" in body:
        return str(body["prompt"])
    for message in reversed(body.get("messages", [])):
        if message.get("role") == "user":
            content = message.get("content") or ""
            if isinstance(content, list):
                return "".join(part.get("text", "") for part in content)
            return str(content)
    return ""


def prompt_tokens_of(body: dict[str, Any]) -> list[str]:
    """All tokens of a prompt, of every message in turn."""
    texts = [body["prompt"]] if "prompt" in body else [message.get("content") for message in body.get("messages", [])]
    return [token for text in texts for token in tokens_of(str(text))]


def compose(body: dict[str, Any], behaviour: Behaviour) -> Answer:
    """The answer to a body, by the book or by echo; the same body gets the same answer."""
    prompt = prompt_of(body)
    prompt_tokens = max(1, len(prompt_tokens_of(body)))
    tools = body.get("tools") or []
    choice = body.get("tool_choice")
    if tools and (choice == "required" or isinstance(choice, dict)):
        named = choice["function"]["name"] if isinstance(choice, dict) else tools[0]["function"]["name"]
        tool = next(tool for tool in tools if tool["function"]["name"] == named)
        arguments = json.dumps(minimal(tool["function"].get("parameters", {})))
        call = {"id": "call_1", "type": "function", "function": {"name": named, "arguments": arguments}}
        return Answer([], "tool_calls", prompt_tokens, call)
    form = body.get("response_format") or {}
    if (booked := behaviour.answers.get(prompt.strip())) is not None:
        text = booked
    elif form.get("type") == "json_schema":
        wanted = form["json_schema"]
        text = json.dumps(behaviour.json_answers.get(wanted.get("name"), minimal(wanted.get("schema", {}))))
    elif form.get("type") == "json":  # TGI's
        text = json.dumps(behaviour.json_answers.get(form["value"].get("title"), minimal(form["value"])))
    elif form.get("type") == "json_object":
        text = json.dumps({"echo": prompt})
    else:
        text = prompt or "(empty)"
    stops = body.get("stop") or []
    finish = "stop"
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.partition(stop)[0]
    tokens = tokens_of(text)
    limit = body.get("max_completion_tokens", body.get("max_tokens", behaviour.max_new_tokens))
    if len(tokens) > limit:
        tokens, finish = tokens[:limit], "length"
    return Answer(tokens, finish, prompt_tokens)


def logprobs_of(tokens: list[str], top: int, *, chat: bool) -> dict[str, Any]:
    """Made-up but well-formed: every token -0.1, alternatives falling by one."""
    if not chat:
        alternatives = [{token: -0.1, **{f"{token}{k}": -1.1 - k for k in range(top - 1)}} for token in tokens]
        return {
            "tokens": tokens,
            "token_logprobs": [-0.1] * len(tokens),
            "top_logprobs": alternatives if top else None,
        }
    rows = []
    for token in tokens:
        tops: list[dict[str, Any]] = [{"token": token, "logprob": -0.1, "bytes": None}]
        tops += [{"token": f"{token}{k}", "logprob": -1.1 - k, "bytes": None} for k in range(top - 1)]
        rows.append({"token": token, "logprob": -0.1, "bytes": None, "top_logprobs": tops[:top]})
    return {"content": rows, "refusal": None}
