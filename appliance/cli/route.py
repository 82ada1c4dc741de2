"""`weir route`: where a request would go. The node decides and explains, and runs nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

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


@click.command(
    "route",
    cls=WeirCommand,
    short_help="Show where a request would go, and run nothing.",
    examples=(
        "weir route 'Translate to French: good morning'",
        "weir route --strategy careful 'Is this contract valid?'",
        "weir route --model auto:cheap --classification restricted - < letter.txt",
    ),
)
@click.argument("text")
@node_options
@click.option("--model", default="auto", show_default=True, help="auto, auto:cheap, auto:fast, auto:best or a path.")
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
    text: str,
    state: Path | None,
    config_file: Path | None,
    url: str | None,
    model: str,
    then: tuple[str, ...],
    provider: str | None,
    system: str | None,
    max_tokens: int | None,
    stream: bool,
    json_answer: bool,
    show_all: bool,
    as_json: bool,
    **labels: Any,
) -> int:
    """Show where a request would go, and run nothing.

    TEXT is the message of the user; - reads it from stdin. Ends with 1 when the request would be refused.
    """
    if text == "-":
        text = sys.stdin.buffer.read(MAX_TEXT).decode("utf-8", "replace")
    if not text.strip():
        raise CliError("There is no text to route.", next_step="Give it as an argument, or on stdin with -.")
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": text})
    body: dict[str, Any] = {"model": model, "messages": messages}
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
    headers = {LABEL_HEADERS[name]: _plain(value) for name, value in labels.items() if value is not None}
    decision = expect(Node(find(state, config_file, url)).post("/v1/route", body, headers))
    if as_json:
        emit_json(decision)
    else:
        click.echo(explanation(decision, show_all=show_all))
    return OK if planned(decision) else NEGATIVE


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
