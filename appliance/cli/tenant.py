"""`weir tenant`: who may use the node, with which keys, and within which limits. Works beside a running node."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import OK, CliError, F, Span, WeirCommand, json_option, where_options
from appliance.cli.out import clean, emit_json, money, table

if TYPE_CHECKING:
    from appliance.records.tenant import Tenant
    from appliance.store.tenants import Held, Tenants
    from appliance.tenancy.keys import Key

_NONE = "none"
_OPTIONS = {"models": "model", "tiers": "tier", "modalities": "modality", "strategies": "may-choose"}


def settings_options(command: F) -> F:
    """The options that state a tenant's settings. 'none' takes a setting away."""
    options: list[Callable[[Any], Any]] = [
        click.option("--model", "models", multiple=True, metavar="ID", help="Only this path; may be given again."),
        click.option("--tier", "tiers", multiple=True, metavar="TIER", help="Only paths of this tier."),
        click.option("--modality", "modalities", multiple=True, metavar="KIND", help="Chat, completion or embedding."),
        click.option("--strategy", metavar="NAME", help="What its requests follow that name no strategy."),
        click.option(
            "--may-choose", "strategies", multiple=True, metavar="NAME", help="A strategy that they may name."
        ),
        click.option("--classification", metavar="LABEL", help="The least that its requests are: public to secret."),
        click.option("--residency", metavar="PLACE", help="Its requests stay in: node, site, country:XX, region:NAME."),
        click.option("--purpose", metavar="LABEL", help="What its answers are for: commercial, research, high-risk."),
        click.option("--rights", metavar="LABEL", help="What others hold in its content: licensed, reserved."),
        click.option("--locale", metavar="TAG", help="Where its answers are for, such as de-CH."),
        click.option("--requests-per-minute", metavar="N", help="Most requests in a minute."),
        click.option("--tokens-per-minute", metavar="N", help="Most tokens in a minute, prompts and answers."),
        click.option("--concurrent", metavar="N", help="Most requests in work at once."),
        click.option("--budget-day", metavar="MONEY", help="Most that may be spent in a day (UTC)."),
        click.option("--budget-month", metavar="MONEY", help="Most that may be spent in a month (UTC)."),
        click.option("--budget-alert", metavar="SHARE", help="Share of a budget at which operators are told; 0.8."),
        click.option("--priority", metavar="WORD", help="Its share of what is contended: low, normal, high."),
        click.option("--business-value", metavar="MONEY", help="What a good answer is worth to it."),
        click.option("--quality-floor", metavar="P", help="Least probability of a good answer."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


expires_option = click.option("--expires", type=Span(empty=False), help="The key ends after this time: 90d, 12h, 30m.")


@click.group("tenant", short_help="Make, show, change and revoke tenants and their keys.")
def command() -> None:
    """Make, show, change and revoke tenants and their keys."""


@command.command(
    "add",
    cls=WeirCommand,
    short_help="Make a tenant; its key is shown this once.",
    examples=(
        "weir tenant add newsroom",
        "weir tenant add claims --classification restricted --residency country:CH --budget-month 200",
        "weir tenant add kiosk --tier device --requests-per-minute 60 --expires 90d --json",
    ),
)
@click.argument("name")
@settings_options
@expires_option
@where_options
@json_option
def add(
    name: str, expires: float | None, state: Path | None, config_file: Path | None, as_json: bool, **stated: Any
) -> int:
    """Make a tenant; its key is shown this once.

    The node keeps a digest of it. From the first tenant on every application needs a key. A running node
    knows the key within a second.
    """
    tenant, now = _settings(name, {}, stated), time.time()
    with _changing(state, config_file) as tenants:
        key, text = tenants.add(tenant, now=now, expires=None if expires is None else now + expires)
    _show_key(name, key, text, as_json=as_json)
    _warn_of(stated["models"], state, config_file)
    return OK


@command.command("list", cls=WeirCommand, short_help="List tenants and what they used.", examples=("weir tenant list",))
@where_options
@json_option
def list_(state: Path | None, config_file: Path | None, as_json: bool) -> int:
    """List tenants and what they used."""
    now = time.time()
    store = _store(state, config_file)
    facts = [_facts(held, now) for held in (store.all() if store is not None else ())]
    if as_json:
        emit_json({"tenants": facts})
        return OK
    if not facts:
        click.echo("No tenant: the node serves this host only, without keys. 'weir tenant add NAME' makes one.")
        return OK
    lines = [
        (
            fact["name"],
            str(sum(key["state"] == "active" for key in fact["keys"])),
            str(fact["today"]["requests"]),
            money(fact["today"]["cost"]),
            money(fact["month"]["cost"]),
            fact["settings"].get("priority", "normal"),
        )
        for fact in facts
    ]
    click.echo(table(("TENANT", "KEYS", "TODAY", "COST TODAY", "COST MONTH", "PRIORITY"), lines))
    return OK


@command.command(
    "show",
    cls=WeirCommand,
    short_help="Show one tenant, its keys and its use.",
    examples=("weir tenant show newsroom",),
)
@click.argument("name")
@where_options
@json_option
def show(name: str, state: Path | None, config_file: Path | None, as_json: bool) -> int:
    """Show one tenant, its keys and its use."""
    fact = _facts(_one(_store(state, config_file), name), time.time())
    if as_json:
        emit_json(fact)
        return OK
    settings = fact["settings"].items()
    lines = [(setting, ", ".join(value) if isinstance(value, list) else str(value)) for setting, value in settings]
    for period in ("today", "month"):
        used = fact[period]
        lines.append((period, f"{used['requests']} requests, {used['tokens']} tokens, {money(used['cost'])}"))
    if (aside := fact["set_aside"])["requests"]:
        lines.append(("set aside", f"{aside['requests']} requests in work, {money(aside['cost'])} at most"))
    click.echo(table(("SETTING", name.upper()), lines))
    click.echo("")
    keys = [(key["id"], key["state"], key["created"], key["expires"] or "never") for key in fact["keys"]]
    click.echo(table(("KEY", "STATE", "MADE", "EXPIRES"), keys))
    return OK


@command.command(
    "set",
    cls=WeirCommand,
    short_help="Change what a tenant may do; what is not named stays.",
    examples=("weir tenant set newsroom --budget-day 5", "weir tenant set newsroom --requests-per-minute none"),
)
@click.argument("name")
@settings_options
@where_options
@json_option
def set_(name: str, state: Path | None, config_file: Path | None, as_json: bool, **stated: Any) -> int:
    """Change what a tenant may do; what is not named stays. 'none' takes a setting away."""
    if all(value is None or value == () for value in stated.values()):
        raise CliError("Nothing was named that should change.", next_step="'weir tenant set --help' lists what can.")
    with _changing(state, config_file) as tenants:
        tenant = tenants.set(
            name, lambda before: _settings(name, before.model_dump(mode="json", exclude_defaults=True), stated)
        )
    if as_json:
        settings = tenant.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
        emit_json({"tenant": name, "settings": settings})
    else:
        click.echo(f"{name}: changed. A running node knows it within a second.")
    _warn_of(stated["models"], state, config_file)
    return OK


@command.command(
    "rotate",
    cls=WeirCommand,
    short_help="Give a tenant a new key, and end the old ones.",
    examples=("weir tenant rotate newsroom", "weir tenant rotate newsroom --grace 24h"),
)
@click.argument("name")
@click.option("--grace", type=Span(), default="0m", show_default=True, help="How long the old keys still work.")
@expires_option
@where_options
@json_option
def rotate(
    name: str, grace: float, expires: float | None, state: Path | None, config_file: Path | None, as_json: bool
) -> int:
    """Give a tenant a new key, and end the old ones after --grace."""
    now = time.time()
    with _changing(state, config_file) as tenants:
        key, text = tenants.rotate(name, now=now, grace_s=grace, expires=None if expires is None else now + expires)
    _show_key(name, key, text, as_json=as_json)
    return OK


@command.command(
    "revoke",
    cls=WeirCommand,
    short_help="End a tenant's keys at once.",
    examples=("weir tenant revoke newsroom", "weir tenant revoke newsroom --key 1f0c77aa"),
)
@click.argument("name")
@click.option("--key", default="", metavar="ID", help="Only this key.")
@where_options
@json_option
def revoke(name: str, key: str, state: Path | None, config_file: Path | None, as_json: bool) -> int:
    """End a tenant's keys at once.

    The tenant stays on record, so that its name is never somebody else's; 'weir tenant rotate' gives it a
    key again.
    """
    with _changing(state, config_file) as tenants:
        ended = tenants.revoke(name, now=time.time(), key=key)
    if as_json:
        emit_json({"tenant": name, "revoked": list(ended)})
    else:
        keys = "1 key" if len(ended) == 1 else f"{len(ended)} keys"
        click.echo(f"{name}: {keys} revoked. A running node knows it within a second.")
    return OK


def _settings(name: str, before: dict[str, Any], stated: dict[str, Any]) -> Tenant:
    """The tenant with what the options say. Raises CliError naming the option."""
    from pydantic import ValidationError

    from appliance.errors import BadRequest
    from appliance.intake.labels import read_labels
    from appliance.intake.limits import Limits
    from appliance.records.tenant import Tenant

    wanted = {"name": name, **{key: value for key, value in before.items() if key != "name"}}
    for setting, value in stated.items():
        if value in (_NONE, (_NONE,)):
            wanted.pop(setting, None)
        elif value is not None and value != ():
            wanted[setting] = value
    try:
        for label in ("locale", "residency"):
            if isinstance(wanted.get(label), str):
                read = read_labels({f"X-Weir-{label.title()}": wanted[label]}, Limits())
                wanted[label] = getattr(read, label)
        return Tenant.model_validate(wanted)
    except BadRequest as error:
        option = f"--{str(error.param).lower().removeprefix('x-weir-')}"
        raise CliError(error.message.replace(f"Header {error.param}", option), code="invalid_setting") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        setting = str(first["loc"][0])
        option = _OPTIONS.get(setting, setting).replace("_", "-")
        where = "The name" if setting == "name" else f"--{option}"
        said = first["msg"].removeprefix("Value error, ")
        raise CliError(f"{where}: {said[0].lower()}{said[1:]}.", code="invalid_setting") from None


def _warn_of(models: tuple[str, ...], state: Path | None, config_file: Path | None) -> None:
    """Of ids that no path in force has: misspelt, or meant for a bundle that comes later."""
    from appliance.bundle.in_force import in_force
    from appliance.config import load
    from appliance.doctor.shelf import read_cards

    if models in ((), (_NONE,)):
        return
    folder = in_force(load(state, file=config_file).state_dir).folder
    known = {one.card.id for one in read_cards(folder)[0]} if folder is not None else set(models)
    for id in sorted(set(models) - known):
        said = f"weir: warning: no path in force has the id {clean(id)}. 'weir models' lists those that there are."
        click.echo(said, err=True)


def _store(state: Path | None, config_file: Path | None) -> Tenants | None:
    """For a look: nothing is written, and None where nothing is."""
    from appliance.config import load
    from appliance.store.node_db import DATABASE
    from appliance.store.tenants import Tenants

    directory = load(state, file=config_file).state_dir
    return Tenants(directory) if (directory / DATABASE).exists() else None


def _one(store: Tenants | None, name: str) -> Held:
    if store is None:
        raise CliError(f"There is no tenant '{name}'.", next_step="'weir tenant add' makes one.")
    return store.one(name)


@contextmanager
def _changing(state: Path | None, config_file: Path | None) -> Iterator[Tenants]:
    """For a change, which the audit is told of first; a running node may be writing there too."""
    import getpass

    from appliance.errors import AuditUnavailable
    from appliance.store.audit.log import Audit
    from appliance.store.tenants import Tenants

    directory = _directory(state, config_file)
    audit = Audit(directory)
    try:
        yield Tenants(directory, note=lambda facts: audit.write("admin", {**facts, "by": getpass.getuser()}))
    except AuditUnavailable as error:
        raise CliError(
            f"Nothing was changed, because it cannot be written down first: {audit.trouble or error.message}",
            code=error.code,
            next_step="Make room, or mend what 'weir doctor' names. A key that must end now ends with the node.",
        ) from None
    finally:
        audit.close()


def _directory(state: Path | None, config_file: Path | None) -> Path:
    from appliance.cli.init import prepare
    from appliance.config import load

    directory = load(state, file=config_file).state_dir
    new = not directory.exists()
    prepare(directory)
    if new:  # a misspelt --state would go unseen: the key is good, but no node knows it
        click.echo(f"weir: {clean(directory)} was not there; it is now the state directory of a new node.", err=True)
    return directory


def _show_key(name: str, key: Key, text: str, *, as_json: bool) -> None:
    if as_json:
        emit_json({"tenant": name, "key_id": key.id, "key": text, "expires": _time(key.expires)})
        return
    click.echo(text)
    until = f" It ends on {_time(key.expires)}." if key.expires is not None else ""
    click.echo(f"weir: this is the key of {clean(name)}; it is not shown again.{until}", err=True)


def _facts(held: Held, now: float) -> dict[str, Any]:
    from appliance.tenancy.budget import Spending

    spending = Spending(dict(held.spending))
    return {
        "name": held.tenant.name,
        "created": _time(held.created),
        "settings": held.tenant.model_dump(mode="json", exclude_defaults=True, exclude={"name"}),
        "keys": [
            {"id": key.id, "state": key.state(now), "created": _time(key.created), "expires": _time(key.expires)}
            for key in held.keys
        ],
        "today": _used(spending.today(now)),
        "month": _used(spending.month(now)),
        "set_aside": {"requests": held.set_aside.requests, "cost": held.set_aside.cost},
    }


def _used(spent: Any) -> dict[str, Any]:
    return {"requests": spent.requests, "tokens": spent.tokens, "cost": spent.cost}


def _time(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
