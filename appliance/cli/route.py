"""`weir route`: where a request would go. The node decides and explains, and runs nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from appliance.cli.client import Node, expect, find
from appliance.cli.common import (
    LABEL_HEADERS,
    NEGATIVE,
    OK,
    CliError,
    WeirCommand,
    all_option,
    json_option,
    node_options,
)
from appliance.cli.out import emit_json
from appliance.cli.view import explanation, planned

MAX_TEXT = 64 << 20
_REFUSED = (400, 403, 404, 413)  # statuses of what is wrong with the request itself


@click.command(
    "route",
    cls=WeirCommand,
    short_help="Show where a request would go, and run nothing.",
    examples=(
        "weir route 'Translate to French: good morning'",
        "weir route --strategy careful 'Is this contract valid?'",
        "weir route --model auto:cheap --classification restricted - < letter.txt",
        "weir route --body request.json",
        "weir route --for /v1/responses --body - < request.json",
    ),
)
@click.argument("text", required=False)
@node_options
@click.option("--body", metavar="FILE", help="A whole body, as it would be sent, in place of TEXT; - is stdin.")
@click.option("--for", "address", metavar="ADDRESS", help="Where that body would be sent; otherwise it tells itself.")
@click.option("--model", help="auto (if nothing is said), auto:cheap, auto:fast, auto:best or a path.")
@click.option("--then", multiple=True, metavar="MODEL", help="What is tried next, as in 'models'; may be given again.")
@click.option("--provider", metavar="JSON", help="A preference object, as OpenRouter has it.")
@click.option("--strategy", help="A strategy of the content, by its name.")
@click.option("--system", help="Text of a system message.")
@click.option("--max-tokens", type=click.IntRange(1), help="Longest answer wanted, in tokens.")
@click.option("--stream", is_flag=True, help="Decide as for a streamed answer.")
@click.option("--json-answer", is_flag=True, help="Decide as for an answer that must be a JSON object.")
@click.option("--classification", type=click.Choice(["public", "internal", "restricted", "secret"]), help="Label.")
@click.option("--residency", help="Label: node, site, country:XX or region:NAME.")
@click.option("--purpose", type=click.Choice(["commercial", "research", "high-risk"]), help="Label: what it is for.")
@click.option("--rights", type=click.Choice(["licensed", "reserved"]), help="Label: what others hold in the content.")
@click.option("--locale", help="Label: where the answer is for, such as de-CH.")
@click.option("--deadline", type=click.FloatRange(0, min_open=True), help="Label: seconds.")
@click.option("--quality-floor", type=click.FloatRange(0, 1), help="Label: probability of a good answer.")
@click.option("--below-floor", type=click.Choice(["serve", "refuse"]), help="Label: what if none reaches the floor.")
@all_option
@json_option
def command(
    text: str | None,
    state: Path | None,
    config_file: Path | None,
    url: str | None,
    body: str | None,
    address: str | None,
    show_all: bool,
    as_json: bool,
    **stated: Any,
) -> int:
    """Show where a request would go, and run nothing.

    TEXT is the message of the user; - reads it from stdin. FILE is the body of a request to any address that answers,
    such as /v1/messages or /v1/responses; a body of a model and texts alone as 'input' is one for embeddings, unless
    --for says otherwise. Ends with 1 when the request would be refused, also for its form (a body or a label that is
    wrong), and with 2 when that cannot be found out: wrong options, a file that cannot be read, a node that fails.
    """
    labels = {header: stated.pop(name) for name, header in LABEL_HEADERS.items()}
    headers = {header: _plain(value) for header, value in labels.items() if value is not None}
    asked: bytes | dict[str, Any]
    if body is None:
        if address:
            raise CliError("--for goes with --body.", next_step="A TEXT is asked about as a chat.")
        asked = _chat(text, **stated)
    elif text is not None or any(stated.values()):
        raise CliError("With --body the body says it all.", next_step="Leave out TEXT and what it could state itself.")
    else:
        asked = _file(body)
    query = f"?{urlencode({'for': address})}" if address else ""
    reply = Node(find(state, config_file, url)).post(f"/v1/route{query}", asked, headers)
    decision = expect(reply, negative=_REFUSED)
    if as_json:
        emit_json(decision)
    else:
        click.echo(explanation(decision, show_all=show_all))
    return OK if planned(decision) else NEGATIVE


def _file(name: str) -> bytes:
    """Raises CliError."""
    try:
        with click.open_file(name, "rb") as file:
            return bytes(file.read(MAX_TEXT))
    except OSError as error:
        raise CliError(f"{name} cannot be read: {error.strerror}.", next_step="Name a file, or - for stdin.") from None


def _chat(
    text: str | None,
    *,
    model: str | None,
    then: tuple[str, ...],
    provider: str | None,
    system: str | None,
    max_tokens: int | None,
    stream: bool,
    json_answer: bool,
) -> dict[str, Any]:
    """A chat of one message of the user."""
    if text == "-":
        text = sys.stdin.buffer.read(MAX_TEXT).decode("utf-8", "replace")
    if not text or not text.strip():
        raise CliError(
            "There is no text to route.", next_step="Give it as an argument, on stdin with -, or a whole body: --body."
        )
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": text})
    body: dict[str, Any] = {"model": model or "auto", "messages": messages}
    if then:
        body["models"] = list(then)
    if provider:
        body["provider"] = _read(provider)
    if max_tokens:
        body["max_tokens"] = max_tokens
    if stream:
        body["stream"] = True
    if json_answer:
        body["response_format"] = {"type": "json_object"}
    return body


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise CliError("--provider is no JSON.", next_step='Such as \'{"sort": "price"}\'.') from None


def _plain(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if not text.isascii() or not text.isprintable():
        raise CliError("A label is printable ASCII.")
    return text
