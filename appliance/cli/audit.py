"""`weir audit`: verify, export and prove, from the files of a state directory, with or without a running node."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import NEGATIVE, OK, CliError, WeirCommand, json_option, where_options
from appliance.cli.out import clean, emit_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from appliance.store.audit.chain import Entry, Mark
    from appliance.store.audit.prove import Proof
    from appliance.store.audit.verify import Verdict

_FILE = click.Path(dir_okay=False, path_type=Path)
key_option = click.option("--key", "key_file", type=_FILE, help="Public key (PEM); by default the node's audit.pub.")
from_option = click.option("--from", "begin", required=True, help="First day, or time, in UTC: 2026-11-01[T08:00].")
to_option = click.option("--to", "end", required=True, help="Last day, inclusive; or the time before which to stop.")


@click.group("audit", short_help="Verify, export and question the log of what left.")
def command() -> None:
    """Verify, export and question the log of what left."""


@command.command(
    "verify",
    cls=WeirCommand,
    short_help="Say whether the audit is whole and as it was written.",
    examples=(
        "weir audit verify",
        "weir audit verify --against november.jsonl",
        "weir audit verify --file november.jsonl --key audit.pub",
    ),
)
@where_options
@key_option
@click.option("--file", "file", type=_FILE, help="An export to verify, in place of the log. Needs --key.")
@click.option("--against", type=_FILE, help="An export, or a copy of audit.head, that the log must agree with.")
@json_option
def verify(
    state: Path | None,
    config_file: Path | None,
    key_file: Path | None,
    file: Path | None,
    against: Path | None,
    as_json: bool,
) -> int:
    """Say whether the audit is whole and as it was written.

    Ends with 1 when it is not, and names the first sequence that is wrong and why. An auditor gives --key
    with the public key that was written down on the first day, since whoever can replace the log can
    replace the key beside it.
    """
    from appliance.identity import load_public
    from appliance.store.audit import verify as reading

    if file is not None:
        if key_file is None or against is not None:
            raise CliError(
                "An export is verified with --key, and alone.",
                next_step="A key that came in the same file would prove nothing.",
            )
        verdict = reading.verify_export(file, load_public(key_file))
    else:
        marks = reading.marks_of(against) if against is not None else ()
        directory = _state_dir(state, config_file)
        verdict = reading.verify(directory, _public(directory, key_file), against=marks)
    if as_json:
        emit_json(_verdict(verdict))
    else:
        _say(verdict)
    return OK if verdict.finding is None else NEGATIVE


@command.command(
    "export",
    cls=WeirCommand,
    short_help="Write a part of the audit to a file that proves itself elsewhere.",
    examples=("weir audit export --from 2026-11-01 --to 2026-11-30 november.jsonl",),
)
@click.argument("file", type=_FILE)
@from_option
@to_option
@where_options
@json_option
def export(file: Path, begin: str, end: str, state: Path | None, config_file: Path | None, as_json: bool) -> None:
    """Write a part of the audit to a file that proves itself elsewhere.

    FILE gets one line per entry, then a mark signed by the node's key. Kept where nobody of this host can
    reach it, it also shows later whether the log was cut or written anew: 'weir audit verify --against'.
    """
    from appliance.store.audit.export import export as exported

    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    count, mark = exported(_state_dir(state, config_file), file.absolute(), *_span(begin, end), now=now)
    if as_json:
        emit_json({"file": str(file), "entries": count, "mark": _mark(mark)})
        return
    click.echo(f"Wrote {count} entries to {clean(file)}; the last is {mark.seq}, {mark.hash}.")
    click.echo(f"Elsewhere: weir audit verify --file {clean(file)} --key audit.pub")


@command.command(
    "prove",
    cls=WeirCommand,
    short_help="Answer whether requests with a label left for a place, with the evidence.",
    examples=(
        "weir audit prove --label restricted --not-to frontier --from 2026-11-01 --to 2026-11-30",
        "weir audit prove --label tenant=acme --only-to country:CH --from 2026-11-01 --to 2026-11-30 --json",
    ),
)
@click.option("--label", required=True, help="Classification or residency; or NAME=VALUE, also tenant=ID; or any.")
@click.option("--not-to", help="The claim: none went there. A tier, country:XX, region:, site:, node:, or any.")
@click.option("--only-to", help="The claim: none went anywhere else. A tier or a place, as above.")
@from_option
@to_option
@where_options
@key_option
@json_option
def prove(
    label: str,
    not_to: str | None,
    only_to: str | None,
    begin: str,
    end: str,
    state: Path | None,
    config_file: Path | None,
    key_file: Path | None,
    as_json: bool,
) -> int:
    """Answer whether requests with a label left for a place, with the evidence.

    Ends with 0 when none did, and with 1 when one did or the log does not verify. A place that a card does
    not state counts against the claim. Requests answered on this host left for nowhere.
    """
    from appliance.store.audit import prove as proving

    if (not_to is None) == (only_to is None):
        raise CliError("The claim is either --not-to or --only-to.")
    try:
        about = proving.parse_label(label)
        target = proving.parse_target(not_to or only_to or "", outside=only_to is not None)
    except ValueError as error:
        raise CliError(f"The claim cannot be read: {error}.") from None
    directory = _state_dir(state, config_file)
    since, until = _span(begin, end)
    proof = proving.prove(directory, _public(directory, key_file), about, target, since, until)
    where = f"for {not_to}" if not_to else f"for anywhere but {only_to}"
    claim = f"no request labelled {label} left {where} from {_time(since)} until before {_time(until)}"
    if as_json:
        emit_json(_proof(proof, claim))
    else:
        _explain(proof, claim)
    return OK if proof.holds else NEGATIVE


def _state_dir(state: Path | None, config_file: Path | None) -> Path:
    from appliance.config import load

    return load(state, file=config_file).state_dir


def _public(directory: Path, key_file: Path | None) -> Ed25519PublicKey:
    from appliance.identity import PUBLIC, load_public

    return load_public(key_file or directory / PUBLIC)


def _span(begin: str, end: str) -> tuple[int, int]:
    """From when until before when, in microseconds since 1970 UTC."""
    since, until = _moment(begin), _moment(end, last=True)
    if since >= until:
        raise CliError(f"No time lies between {begin} and {end}.", next_step="--from is the earlier of the two.")
    return since, until


def _moment(text: str, *, last: bool = False) -> int:
    """Microseconds since 1970 UTC. A day means its beginning, or with `last` its end."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CliError(f"{text!r} is no date or time.", next_step="Write 2026-11-01 or 2026-11-01T08:00.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if not 1970 <= moment.year < 2255:  # the log holds no other
        raise CliError(f"{text!r} is not between 1970 and 2254.")
    if last and len(text) <= len("2026-11-01"):
        moment += timedelta(days=1)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _time(microseconds: int) -> str:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    except OverflowError:
        return f"{microseconds} µs"
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _mark(mark: Mark | None) -> dict[str, Any] | None:
    return (
        None if mark is None else {"seq": mark.seq, "hash": mark.hash, "time": mark.time, "signature": mark.signature}
    )


def _end(entry: Entry | None) -> dict[str, Any] | None:
    return None if entry is None else {"seq": entry.seq, "hash": entry.hash, "time": _time(entry.time)}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    finding = verdict.finding
    return {
        "ok": finding is None,
        "entries": verdict.entries,
        "first": _end(verdict.first),
        "last": _end(verdict.last),
        "signatures": len(verdict.signed),
        "clock_set_back": verdict.steps_back,
        "key": verdict.key,
        "mark": _mark(verdict.mark),
        "finding": None if finding is None else {"seq": finding.seq, "code": finding.code, "text": finding.text},
    }


def _say(verdict: Verdict) -> None:
    if verdict.finding is not None:
        finding = verdict.finding
        click.echo(f"Not whole: entry {finding.seq}: {clean(finding.text)} ({finding.code}).")
        click.echo(f"Before it, {verdict.entries} entries are as they were written.")
    elif verdict.first is not None and verdict.last is not None:
        first, last = verdict.first, verdict.last
        click.echo(f"Whole: entries {first.seq} to {last.seq}, {_time(first.time)} to {_time(last.time)}.")
        click.echo(f"Last hash {last.hash}; {len(verdict.signed)} signatures.")
    if verdict.steps_back:
        click.echo(f"The host's clock was set back {verdict.steps_back} times; order holds, times may overlap.")
    click.echo(f"Key {verdict.key}")


def _proof(proof: Proof, claim: str) -> dict[str, Any]:
    return {
        "claim": claim,
        "holds": proof.holds,
        "log": _verdict(proof.verdict),
        "range": {"first": proof.range.first, "last": proof.range.last, "entries": proof.range.count},
        "covered_by_signature_of": proof.covering or None,
        "left": proof.left,
        "labelled": proof.labelled,
        "tenant_known": proof.known,
        "counter_examples": proof.against,
        "examples": [
            {"seq": one.entry.seq, "time": _time(one.entry.time), "why": one.why, **one.facts} for one in proof.examples
        ],
    }


def _explain(proof: Proof, claim: str) -> None:
    verdict = proof.verdict
    answer = "Proved" if proof.holds else "Not proved"
    click.echo(f"{answer}: {clean(claim)}.")
    click.echo(
        f"In that time {proof.left} requests left this host, {proof.labelled} of them with that label; "
        f"{proof.against} speak against the claim."
    )
    if not proof.known:
        click.echo("No entry of the whole log names that tenant: see with 'weir tenant list' whether it is spelt so.")
    for one in proof.examples[:10]:
        facts = one.facts
        click.echo(
            clean(
                f"  entry {one.entry.seq}, {_time(one.entry.time)}: {facts['decision']} to {facts['path']}: {one.why}"
            )
        )
    if proof.against > 10:
        click.echo(f"  and {proof.against - 10} more; --json lists {len(proof.examples)}")
    if proof.range.count:
        click.echo(
            f"Entries {proof.range.first} to {proof.range.last} lie in that time; "
            f"the signature of entry {proof.covering} covers them."
        )
    if verdict.first is not None and verdict.last is not None:
        click.echo(
            f"The log speaks for {_time(verdict.first.time)} to {_time(verdict.last.time)}, and for nothing else."
        )
    _say(verdict)
