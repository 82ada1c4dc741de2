"""`weir cache`: what is kept for reuse, how much of it, and how it is erased. Works beside a running node."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import NEGATIVE, OK, CliError, F, Span, WeirCommand, json_option, where_options
from appliance.cli.out import clean, duration, emit_json, money, number, size, table

if TYPE_CHECKING:
    from appliance.cache.erasure import Erased, Found, Note, Selection

_SHOWN = 16  # characters of an entry's id
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would go, and erase nothing.")


def choice_options(command: F) -> F:
    """The options that choose entries; all that are stated must hold."""
    options = [
        click.option("--tenant", metavar="NAME", help="Of this tenant; 'local' is this host."),
        click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Such as residency=country:CH."),
        click.option("--entry", metavar="ID", help="This one; the first 8 characters of its id or more."),
        click.option("--older-than", type=Span(), help="Made longer ago than 90d, 12h, 30m."),
        click.option("--model", metavar="PATH", help="Answered by this path."),
        click.option("--generation", metavar="ID", help="Made under this generation."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group("cache", short_help="List, measure and erase the answers that are kept.")
def command() -> None:
    """List, measure and erase the answers that are kept."""


@command.command(
    "list",
    cls=WeirCommand,
    short_help="List the newest answers that are kept.",
    examples=("weir cache list", "weir cache list --tenant newsroom --limit 100 --json"),
)
@choice_options
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Entries to show.")
@where_options
@json_option
def list_(state: Path | None, config_file: Path | None, limit: int, as_json: bool, **chosen: Any) -> int:
    """List the newest answers that are kept.

    Neither questions nor answers are shown. Reads the state directory and changes nothing.
    """
    from appliance.cache.report import kept

    now = time.time()
    found = kept(_directory(state, config_file), _selection(now, **chosen), limit)
    if as_json:
        emit_json({"entries": [asdict(one) for one in found]})
        return OK
    if not found:
        click.echo("No answer is kept that this holds for.")
        return OK
    lines = [
        (
            one.id[:_SHOWN],
            one.tenant,
            one.cell or "-",
            one.staticity or "-",
            one.model,
            duration(max(0.0, now - one.created)),
            duration(one.expires - now) if one.expires > now else "over",
            number(round(one.hits, 1)),
            size(one.bytes),
        )
        for one in found
    ]
    headers = ("ID", "TENANT", "CELL", "CLASS", "ANSWERED BY", "AGE", "LIVES", "HITS", "SIZE")
    click.echo(table(headers, lines, right=("HITS", "SIZE")))
    return OK


@command.command(
    "report",
    cls=WeirCommand,
    short_help="Sum up what is kept, by cell, class, tenant and path.",
    examples=("weir cache report", "weir cache report --json"),
)
@where_options
@json_option
def report(state: Path | None, config_file: Path | None, as_json: bool) -> int:
    """Sum up what is kept, by cell, class, tenant and path, and what is promised of similar answers.

    Reads the state directory and changes nothing. A hit counts half a day after the last one; those of the last few
    seconds may be missing. WORTH is what hits saved, cost and time, in the currency of the cards.
    """
    from appliance.cache.report import sums
    from appliance.cli import cache_promise
    from appliance.config import load

    now, config = time.time(), load(state, file=config_file)
    found, promised = sums(config.state_dir), cache_promise.rows_of(config)
    if as_json:
        said = {by: [asdict(one) for one in several] for by, several in found.items()}
        emit_json({**said, "similar": [asdict(row) for row in promised]})
        return OK
    whole = found["tenant"]
    entries, questions = sum(one.entries for one in whole), sum(one.questions for one in whole)
    click.echo(f"{entries} answers, {questions} of them with a question to compare, {size(_bytes(found))}")
    for by, several in found.items():
        if several:
            lines = [
                (
                    one.name or "-",
                    str(one.entries),
                    str(one.questions),
                    size(one.bytes),
                    number(round(one.hits, 1)),
                    money(one.saved),
                    duration(max(0.0, now - one.oldest)),
                )
                for one in several
            ]
            headers = (by.upper(), "ANSWERS", "QUESTIONS", "SIZE", "HITS", "WORTH", "OLDEST")
            click.echo("")
            click.echo(table(headers, lines, right=headers[1:6]))
    click.echo("\n" + cache_promise.shown(promised))
    return OK


@command.command(
    "reopen",
    cls=WeirCommand,
    short_help="Serve similar answers of a cell again that labels closed or tightened.",
    examples=("weir cache reopen knowledge",),
)
@click.argument("cell")
@where_options
@json_option
def reopen(state: Path | None, config_file: Path | None, cell: str, as_json: bool) -> int:
    """Serve similar answers of a cell again that labels closed or tightened.

    For after the reason is mended: what was labelled up to now counts no longer.
    """
    from appliance.cli import cache_promise
    from appliance.config import load

    config = load(state, file=config_file)
    cache_promise.known(config, cell)
    with _noting(config.state_dir) as note:
        note({"act": "cache-reopen", "cell": cell})
        opened = cache_promise.reopen(config, cell)
    if as_json:
        emit_json({"cell": cell, **asdict(opened)})
    else:
        click.echo(f"The labels of {cell} count anew from here on; a running node knows within five minutes.")
    return OK


def _bytes(found: dict[str, Any]) -> int:
    return sum(one.bytes for one in found["tenant"])


@command.command(
    "erase",
    cls=WeirCommand,
    short_help="Erase kept answers from the disk, the index and the memory of a running node.",
    examples=(
        "weir cache erase --tenant newsroom --dry-run",
        "weir cache erase --label residency=country:CH",
        "weir cache erase --entry 5f0c77aa31b2",
        "weir cache erase --older-than 30d",
        "weir cache erase --all",
    ),
)
@choice_options
@click.option("--all", "everything", is_flag=True, help="Everything that is kept.")
@dry_run_option
@where_options
@json_option
def erase(
    state: Path | None, config_file: Path | None, everything: bool, dry_run: bool, as_json: bool, **chosen: Any
) -> int:
    """Erase kept answers from the disk, the index and the memory of a running node.

    An answer goes where all that is stated holds for it, or is not known of it. When the command is over, a running
    node serves nothing of it; ends with 1 where that node did not confirm that its memory is free of it too, or where
    what reads the database kept its log from being emptied.
    """
    stated = [value for value in chosen.values() if value not in (None, ())]
    if everything == bool(stated):
        raise CliError(
            "Say what to erase, or --all.", code="nothing_stated", next_step="'weir cache erase --help' has examples."
        )
    return _erase(state, config_file, _selection(time.time(), **chosen), "cache-erase", dry_run=dry_run, json=as_json)


@command.command(
    "invalidate",
    cls=WeirCommand,
    short_help="Let no answer of a model or a generation be used again.",
    examples=(
        "weir cache invalidate --model site/one --dry-run",
        "weir cache invalidate --generation 1f0c77aa31b2",
    ),
)
@click.option("--model", metavar="PATH", help="Answered by this path.")
@click.option("--generation", metavar="ID", help="Made under this generation.")
@dry_run_option
@where_options
@json_option
def invalidate(
    state: Path | None,
    config_file: Path | None,
    model: str | None,
    generation: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Let no answer of a model or a generation be used again.

    What was kept of it is erased. Answers of another generation than the one in force are never used, whether they were
    erased or not; this is for a model that was found to answer wrongly, and for the room.
    """
    from appliance.cache.erasure import Selection

    if model is None and generation is None:
        raise CliError("Name a --model or a --generation.", code="nothing_stated")
    chosen = Selection(model=model, generation=generation)
    return _erase(state, config_file, chosen, "cache-invalidate", dry_run=dry_run, json=as_json)


def _erase(
    state: Path | None, config_file: Path | None, selection: Selection, act: str, *, dry_run: bool, json: bool
) -> int:
    from appliance.cache import erasure

    directory = _directory(state, config_file)
    if dry_run:
        found = erasure.find(directory, selection)
        if json:
            emit_json({"dry_run": True, **asdict(found)})
        else:
            click.echo(f"{_words(found)} would go. Nothing was erased.")
        return OK
    if not (directory / erasure.DATABASE).exists():
        erased = erasure.Erased(erasure.Found(), node=False, confirmed=True, emptied=True)
    else:
        with _noting(directory) as note:
            erased = erasure.erase(directory, selection, act=act, note=note)
    if json:
        emit_json({"dry_run": False, **asdict(erased.found), **_state(erased)})
    else:
        click.echo(_said(erased))
    return OK if erased.confirmed and erased.emptied else NEGATIVE


def _state(erased: Erased) -> dict[str, bool]:
    return {"node": erased.node, "confirmed": erased.confirmed, "emptied": erased.emptied}


def _said(erased: Erased) -> str:
    lines = [f"{_words(erased.found)} erased."]
    if erased.node and erased.confirmed:
        lines.append("The running node has let go of it.")
    elif erased.node:
        lines.append(
            "The running node serves nothing of it, and did not confirm that its memory is free of it: "
            "'weir status' shows how it is; a restart empties its memory."
        )
    if not erased.emptied:
        lines.append(
            "Something reads cache.db and kept its write-ahead log from being emptied: run the command again, "
            "and look for a backup or a shell that has the file open."
        )
    return "\n".join(lines)


def _words(found: Found) -> str:
    answers = "1 answer" if found.entries == 1 else f"{found.entries} answers"
    tenants = "" if not found.tenants else " of " + ", ".join(clean(name) for name in found.tenants)
    return f"{answers}{tenants} ({size(found.bytes)})"


def _selection(
    now: float,
    *,
    tenant: str | None,
    labels: tuple[str, ...],
    entry: str | None,
    older_than: float | None,
    model: str | None,
    generation: str | None,
) -> Selection:
    """Raises CliError where an option makes no sense."""
    from appliance.cache.erasure import LABELS, Selection

    stated: dict[str, str] = {}
    for label in labels:
        name, given, value = label.partition("=")
        if not given or name not in LABELS:
            raise CliError(
                f"--label {label!r}: must be NAME=VALUE, with one of {', '.join(LABELS)}.", code="invalid_setting"
            )
        stated[name] = value
    if entry is not None and (len(entry) < 8 or not set(entry) <= set("0123456789abcdef")):
        raise CliError(
            "--entry: must be 8 characters of an id or more.",
            code="invalid_setting",
            next_step="'weir cache list' shows them.",
        )
    return Selection(
        tenant=tenant,
        labels=stated,
        entry=entry,
        model=model,
        generation=generation,
        before=None if older_than is None else now - older_than,
    )


@contextmanager
def _noting(directory: Path) -> Iterator[Note]:
    """What tells the audit, before anything is erased. Raises CliError where it cannot."""
    import getpass

    from appliance.errors import AuditUnavailable
    from appliance.store.audit.log import Audit

    audit = Audit(directory)
    try:
        yield lambda facts: audit.write("admin", {**facts, "by": getpass.getuser()})
    except AuditUnavailable as error:
        raise CliError(
            f"Nothing was erased, because it cannot be written down first: {audit.trouble or error.message}",
            code=error.code,
            next_step="Make room, or mend what 'weir doctor' names.",
        ) from None
    finally:
        audit.close()


def _directory(state: Path | None, config_file: Path | None) -> Path:
    from appliance.config import load

    return load(state, file=config_file).state_dir
