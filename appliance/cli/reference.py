"""The reference parts of docs/cli.md and docs/configuration.md, made from the code.

`python -m appliance.cli.reference` writes them between their markers; a test fails while they are stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from appliance import config_show
from appliance.cli.common import EXIT_CODES, WeirCommand
from appliance.cli.main import COMMANDS, cli
from appliance.config import Config
from appliance.config_words import sections

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def commands() -> str:
    """Every visible command with its usage, options and examples."""
    lines: list[str] = []
    context = click.Context(cli, info_name="weir")
    for name in cli.list_commands(context):
        lines += _command(context, name)
    return "\n".join(lines).strip() + "\n"


def exit_codes() -> str:
    """The table of exit codes."""
    rows = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join(("| code | meaning |", "|---|---|", *rows)) + "\n"


def checks() -> str:
    """The table of doctor's checks."""
    from appliance.doctor import CHECKS

    rows = [f"| `{check.name}` | {check.about} |" for check in CHECKS.values()]
    return "\n".join(("| check | question |", "|---|---|", *rows)) + "\n"


def settings() -> str:
    """Every key of weir.yaml, by section."""
    about = {path: (model.__doc__ or "").strip() for path, model in sections(Config)}
    lines: list[str] = []
    section: tuple[str, ...] | None = None
    for setting in config_show.settings():
        if setting.path[:-1] != section:
            section = setting.path[:-1]
            lines += ["", f"### `{'.'.join(section)}`" if section else "### At the top", ""]
            if section:
                lines += [about[section], ""]
            lines += ["| key | kind | default | |", "|---|---|---|---|"]
        words = f"{setting.description} {_sentence(setting.limits)}".strip()
        lines.append(f"| `{setting.name}` | {setting.kind} | {setting.default} | {words} |")
    return "\n".join(lines).strip() + "\n"


def example() -> str:
    """The file that `weir init` writes."""
    return f"```yaml\n{config_show.example()}```\n"


PARTS = {
    "cli.md": {"commands": commands, "exit-codes": exit_codes, "checks": checks},
    "configuration.md": {"settings": settings, "example": example},
}


def fill(text: str, name: str) -> str:
    """The page with its generated parts made anew. Raises ValueError where a marker is missing."""
    for part, make in PARTS[name].items():
        begin, end = f"<!-- generated: {part} -->\n", f"<!-- end: {part} -->"
        head, found, rest = text.partition(begin)
        _, closed, tail = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"docs/{name} lacks the markers of {part}")
        text = f"{head}{begin}\n{make()}\n{end}{tail}"
    return text


def main() -> None:
    """Writes the pages; with --check only says whether they are current."""
    stale = []
    for name in PARTS:
        page = DOCS / name
        text = page.read_text(encoding="utf-8")
        if (new := fill(text, name)) != text:
            stale.append(name)
            if "--check" not in sys.argv:
                page.write_text(new, encoding="utf-8")
    for name in stale:
        click.echo(f"docs/{name}: {'stale' if '--check' in sys.argv else 'written'}")
    sys.exit(1 if stale and "--check" in sys.argv else 0)


def _command(parent: click.Context, name: str) -> Iterator[str]:
    group = parent.command
    assert isinstance(group, click.Group)
    command = group.get_command(parent, name)
    if command is None or command.hidden:
        return
    context = click.Context(command, info_name=name, parent=parent)
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            yield from _command(context, sub)
        return
    yield f"### `{context.command_path}`"
    yield ""
    yield _paragraphs(command.help or COMMANDS[name][1])
    yield ""
    yield f"Usage: `{' '.join((context.command_path, *command.collect_usage_pieces(context)))}`"
    yield ""
    records = [record for param in command.params if (record := param.get_help_record(context))]
    if records:
        yield "| option | |"
        yield "|---|---|"
    for option, text in records:
        escaped = option.replace("|", "\\|")
        yield f"| `{escaped}` | {text.replace('|', chr(92) + '|')} |"
    yield ""
    if isinstance(command, WeirCommand) and command.examples:
        yield "```sh"
        yield from command.examples
        yield "```"
        yield ""


def _paragraphs(text: str) -> str:
    blocks = [" ".join(block.split()) for block in text.split("\n\n")]
    return "\n\n".join(blocks)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else ""


if __name__ == "__main__":
    main()
