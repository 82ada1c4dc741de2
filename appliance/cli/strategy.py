"""`weir strategy`: which strategies are in force, what each says, and for whom it holds. Needs no running node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.client import Where
from appliance.cli.common import NEGATIVE, OK, CliError, WeirCommand, content_in_force, json_option, where_options
from appliance.cli.models import live
from appliance.cli.out import clean, emit_json, table
from appliance.config_places import operator_key_of

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from appliance.config import Config
    from appliance.decide.generation import Generation
    from appliance.decide.strategies import Strategy
    from appliance.records.tenant import Tenant

_ANY = "auto"


@click.group("strategy", short_help="List and show the strategies that are in force.")
def command() -> None:
    """List and show the strategies that are in force."""


@command.command(
    "list",
    cls=WeirCommand,
    short_help="List the strategies of the content, and for whom each holds.",
    examples=("weir strategy list", "weir strategy list --json"),
)
@where_options
@json_option
def list_(state: Path | None, config_file: Path | None, as_json: bool) -> int:
    """List the strategies of the content, and for whom each holds.

    They are those of the generation in force. Where none holds, the plan of the highest utility is taken.
    """
    config, name, generation = _in_force(state, config_file)
    tenants = _tenants(config)
    found = [_described(generation, one, tenants) for one in _known(generation)]
    if as_json:
        emit_json({"generation": name, "default": _default(generation) or None, "strategies": found})
        return OK
    if not found:
        click.echo(f"There are no strategies in {clean(name)}: the plan of the highest utility is taken.")
        return OK
    rows = [(one["name"], one["kind"], _stated(one["parameters"]), "; ".join(_holds(one))) for one in found]
    click.echo(table(("NAME", "KIND", "STATED", "HOLDS FOR"), rows))
    if not _default(generation):
        click.echo("Whoever has no strategy gets the plan of the highest utility.")
    return OK


def _complete(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names that begin so; none where no content can be read."""
    from click.shell_completion import CompletionItem

    from appliance.errors import WeirError

    try:
        generation = _in_force(context.params.get("state"), context.params.get("config_file"))[2]
    except (CliError, WeirError):
        return []
    return [CompletionItem(name) for name in _known(generation) if name.startswith(begun)]


@command.command(
    "show",
    cls=WeirCommand,
    short_help="Show what one strategy does, with every parameter.",
    examples=("weir strategy show thrifty", "weir strategy show --json thrifty"),
)
@click.argument("name", shell_complete=_complete)
@where_options
@json_option
def show(name: str, state: Path | None, config_file: Path | None, as_json: bool) -> int:
    """Show what one strategy does, with every parameter.

    A running node is asked which of its paths are ready; 'weir route --strategy NAME' says where a request would go.
    Ends with 1 when there is none of that name.
    """
    config, folder, generation = _in_force(state, config_file)
    known = _known(generation)
    if name not in known:
        raise CliError(
            f"There is no strategy '{name}' in {folder}.",
            code="not_found",
            exit_code=NEGATIVE,
            next_step=f"There are: {', '.join(known) or 'none'}.",
        )
    paths = _paths(generation, known[name], Where(config.state_dir, config.url, operator_key_of(config.state_dir)))
    found = {"generation": folder, **_described(generation, name, _tenants(config)), "paths": paths}
    if as_json:
        emit_json(found)
        return OK
    click.echo(f"{clean(name)}  {found['kind']}, of {clean(folder)}")
    click.echo(f"does      {found['does']}")
    if found["description"]:
        click.echo(f"because   {clean(found['description'])}")
    click.echo(f"holds     for {clean('; '.join(_holds(found)))}")
    if found["not_for"]:
        click.echo(f"not for   {clean(', '.join(found['not_for']))}")
    click.echo("")
    rows = [(key, _text(one["value"]), "" if one["stated"] else "default") for key, one in found["parameters"].items()]
    click.echo(table(("PARAMETER", "VALUE", ""), rows))
    click.echo("")
    click.echo(table(("PATH", "TIER", "STATE"), [(one["path"], one["tier"], one["state"]) for one in paths]))
    return OK


def _in_force(state: Path | None, config_file: Path | None) -> tuple[Config, str, Generation]:
    """The configuration, and the generation in force with its name. Raises CliError or ConfigInvalid."""
    from appliance.bundle.content import load_generation
    from appliance.config import load

    config = load(state, file=config_file)
    folder = content_in_force(config.state_dir)
    return config, folder.name, load_generation(folder)


def _known(generation: Generation) -> dict[str, Strategy]:
    return {} if generation.strategies is None else generation.strategies.strategies


def _default(generation: Generation) -> str:
    return "" if generation.strategies is None else generation.strategies.default


def _tenants(config: Config) -> list[Tenant]:
    from appliance.store.node_db import DATABASE
    from appliance.store.tenants import Tenants

    there = (config.state_dir / DATABASE).exists()
    return [held.tenant for held in Tenants(config.state_dir).all()] if there else []


def _described(generation: Generation, name: str, tenants: list[Tenant]) -> dict[str, Any]:
    """What it is and for whom it holds; `not_for` are tenants that may not name it."""
    one = _known(generation)[name]
    values = one.model_dump(mode="json", exclude={"kind", "description"})
    return {
        "name": name,
        "kind": one.kind,
        "does": " ".join((one.__doc__ or "").split("\n\n")[0].split()),
        "description": one.description,
        "parameters": {key: {"value": value, "stated": key in one.model_fields_set} for key, value in values.items()},
        "default": name == _default(generation),
        "tenants": [tenant.name for tenant in tenants if tenant.strategy == name],
        "not_for": [tenant.name for tenant in tenants if tenant.strategies and name not in tenant.strategies],
    }


def _holds(one: dict[str, Any]) -> list[str]:
    """For whom, in words."""
    found = ["whoever has no other (the default)"] if one["default"] else []
    found += [f"tenant {name}" for name in one["tenants"]]
    return [*found, "requests that name it"]


def _stated(parameters: dict[str, Any]) -> str:
    return "; ".join(f"{key} {_text(one['value'])}" for key, one in parameters.items() if one["stated"]) or "-"


def _text(value: object) -> str:
    """A value as a person reads it; lists in their order."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_text(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _paths(generation: Generation, one: Strategy, where: Where) -> list[dict[str, str]]:
    """Each path that is named, in the order of its first naming, and how the running node says it is."""
    now = live(where)
    found = []
    for path in dict.fromkeys(_named(one.model_dump(mode="json", exclude={"kind", "description"}))):
        card = generation.card_by_id.get(path)
        if path == _ANY:
            found.append({"path": path, "tier": "", "state": "all others, best utility first"})
        elif card is not None:
            state = now.get(path)
            said = "no node is running" if state is None and not now else "not on the running node"
            if state is not None:
                said = "ready" if state.get("ready") else f"not ready: {state.get('reason') or 'no reason is given'}"
            found.append({"path": path, "tier": card.tier, "state": said})
    return found


def _named(parameters: dict[str, Any]) -> list[str]:
    """The paths of lists, of tables of lists, and of shares."""
    found: list[str] = []
    for value in parameters.values():
        if isinstance(value, dict):
            lists = [inner for inner in value.values() if isinstance(inner, list)]
            found += [path for inner in lists for path in inner] if lists else list(value)
        elif isinstance(value, list):
            found += value
    return found
