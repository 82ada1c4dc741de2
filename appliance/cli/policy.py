"""`weir policy check`, `weir policy test` and `weir policy explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import (
    LABEL_HEADERS,
    NEGATIVE,
    OK,
    CliError,
    WeirCommand,
    content_in_force,
    json_option,
    say_invalid,
    where_options,
)
from appliance.cli.out import clean, emit_json, paint, table
from appliance.errors import BadRequest, ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.config import Config
    from appliance.policy import Use
    from appliance.records.card import ModelCard
    from appliance.records.features import FindingKind
    from appliance.records.request import Labels

_folder = click.argument("folder", metavar="[DIR]", required=False, type=click.Path(file_okay=False, path_type=Path))


@click.group("policy", short_help="Check, test and explain the rules of the policy.")
def command() -> None:
    """Check, test and explain the rules of the policy."""


@command.command(
    "check",
    cls=WeirCommand,
    short_help="Name everything that is wrong with a policy.",
    examples=("weir policy check", "weir policy check ./policy"),
)
@_folder
@where_options
@json_option
def check(folder: Path | None, state: Path | None, config_file: Path | None, as_json: bool) -> int:
    """Name everything that is wrong with a policy.

    DIR holds the policy's files, or the content that they are a part of; by default it is the node's own. Its tests
    are run too. Each finding has the form FILE:LINE:COLUMN: what is wrong. Ends with 4 when anything is.
    """
    from appliance.policy import read_policy

    where, files = _files(folder, state, config_file)
    try:
        policy = read_policy(files, folder=str(where))
    except ConfigInvalid as error:
        return say_invalid(error, as_json=as_json)
    if as_json:
        emit_json({"valid": True, "id": policy.id, "rules": len(policy.rules), "findings": []})
    else:
        click.echo(f"{clean(policy.id)} in {clean(where)} is valid: {len(policy.rules)} rules.")
    return OK


@command.command(
    "test",
    cls=WeirCommand,
    short_help="Run the tests that travel with a policy.",
    examples=("weir policy test", "weir policy test ./policy --json"),
)
@_folder
@where_options
@json_option
def test(folder: Path | None, state: Path | None, config_file: Path | None, as_json: bool) -> int:
    """Run the tests that travel with a policy.

    DIR is as for `check`. Ends with 1 when a test fails, with 4 when the policy cannot be read.
    """
    from appliance.policy import read_policy, read_tests, run_tests, untested

    where, files = _files(folder, state, config_file)
    policy = read_policy(files, folder=str(where), try_out=False)
    tests = read_tests(files, folder=str(where))
    results = run_tests(policy, tests)
    failed = [result for result in results if result.problem]
    without = untested(policy, tests)
    if as_json:
        rows = [{"name": r.name, "expect": r.expected, "rule": r.rule, "problem": r.problem} for r in results]
        emit_json({"id": policy.id, "passed": not failed, "tests": rows, "untested_rules": list(without)})
        return NEGATIVE if failed else OK
    for result in failed:
        click.echo(f"{paint('FAIL', 'red')} {clean(result.name)}: {clean(result.problem)}")
    click.echo(f"{len(results) - len(failed)} of {len(results)} tests of {clean(policy.id)} hold.")
    if without:
        click.echo("No test is decided by: " + clean(", ".join(without)))
    return NEGATIVE if failed else OK


@command.command(
    "explain",
    cls=WeirCommand,
    short_help="Show per path what the rules say to a request with these labels.",
    examples=(
        "weir policy explain --classification restricted",
        "weir policy explain --residency region:EU --path weir-desk --json",
        "weir policy explain --finding email --redacted",
    ),
)
@where_options
@click.option("--classification", type=click.Choice(["public", "internal", "restricted", "secret"]), help="Label.")
@click.option("--residency", help="Label: node, site, country:XX or region:NAME.")
@click.option("--purpose", type=click.Choice(["commercial", "research", "high-risk"]), help="Label: what it is for.")
@click.option("--rights", type=click.Choice(["licensed", "reserved"]), help="Label: what others hold in the content.")
@click.option("--locale", help="Label: where the answer is for, such as de-CH.")
@click.option("--tenant", default="local", show_default=True, help="Whose request it would be.")
@click.option("--finding", "findings", metavar="KIND", multiple=True, help="Something that was found, such as email.")
@click.option("--redacted", is_flag=True, help="Ask about the request with its findings replaced.")
@click.option("--path", "only", metavar="ID", help="Only this path.")
@json_option
def explain(
    state: Path | None,
    config_file: Path | None,
    tenant: str,
    findings: tuple[str, ...],
    redacted: bool,
    only: str | None,
    as_json: bool,
    **stated: str | None,
) -> int:
    """Show per path what the rules say to a request with these labels.

    Every rule that holds is named: those that forbid, else those that permit. Health, cost and quality play no part.
    What is found raises no label here: state the one that the request has with it, or, with --redacted, without it.
    Ends with 1 when no path is permitted.
    """
    from appliance.policy import Use

    labels, kinds = _labels(stated), _kinds(findings)
    rows = _explained(_config(state, config_file), only, lambda card: Use(card, labels, tenant, kinds, redacted))
    if as_json:
        emit_json({"paths": rows})
    else:
        lines = [
            (
                row["path"],
                row["tier"],
                "permitted" if row["permitted"] else "refused",
                ", ".join(rule["rule"] for rule in row["rules"]),
                row["why"],
            )
            for row in rows
        ]
        click.echo(table(("PATH", "TIER", "VERDICT", "RULES", "WHY"), lines))
    return OK if any(row["permitted"] for row in rows) else NEGATIVE


def _explained(config: Config, only: str | None, asking: Callable[[ModelCard], Use]) -> list[dict[str, Any]]:
    import time

    from appliance.hosted import generation_of

    generation = generation_of(config, content_in_force(config.state_dir))
    if only is not None and only not in generation.card_by_id:
        raise CliError(
            f"There is no path {only}.", code="not_found", next_step="Paths: " + ", ".join(generation.card_by_id) + "."
        )
    now = time.time()
    rows = []
    for card in generation.cards:
        if only in (None, card.id):
            verdict = generation.policy.verdict(asking(card), now)
            reason = verdict.reason
            rules = [
                {"rule": rule.id, "effect": rule.effect, "why": rule.why, "at": f"{rule.file}:{rule.mark.line}"}
                for rule in verdict.rules
            ]
            why = reason.text if reason is not None else verdict.rules[0].why
            facts = {"path": card.id, "tier": card.tier, "permitted": verdict.permitted}
            rows.append({**facts, "rules": rules, "why": why})
    return rows


def _kinds(stated: tuple[str, ...]) -> tuple[FindingKind, ...]:
    from appliance.records.features import FINDING_KINDS

    for kind in stated:
        if kind not in FINDING_KINDS:
            raise CliError(f"No detector finds '{kind}'.", next_step=f"Kinds: {', '.join(FINDING_KINDS)}.")
    return tuple(kind for kind in sorted(FINDING_KINDS) if kind in stated)


def _labels(stated: dict[str, str | None]) -> Labels:
    from appliance.intake.labels import read_labels
    from appliance.intake.limits import Limits

    headers = {LABEL_HEADERS[name]: value for name, value in stated.items() if value is not None}
    try:
        return read_labels(headers, Limits())
    except BadRequest as error:
        option = f"--{(error.param or '').lower().removeprefix('x-weir-')}"
        raise CliError(error.message.replace(f"Header {error.param}", option)) from None


def _config(state: Path | None, config_file: Path | None) -> Config:
    from appliance.config import load

    return load(state, file=config_file)


def _files(folder: Path | None, state: Path | None, config_file: Path | None) -> tuple[Path, dict[str, bytes]]:
    """Where the policy is, and its files."""
    from appliance.bundle.content import policy_files

    where = folder or content_in_force(_config(state, config_file).state_dir)
    where = where / "policy" if (where / "policy").is_dir() else where
    try:
        return where, policy_files(where)
    except OSError as error:
        raise CliError(
            f"{where}: {error.strerror}.", code="not_found", next_step="Name the directory that holds policy.json."
        ) from error
