"""The host's own configuration: `weir.yaml`, read once into frozen values.

Rules kept here:
1. The host's file can only narrow: what may leave and what runs is signed content, not configuration. The exception,
   `paths.unconfined_workers`, is named after what it is. `bundles.mirror` is a place that is connected to; nothing of a
   request goes there.
2. Everything has a default; a node needs no file, and then serves loopback and lets nothing out.
3. Unknown keys are refused; all findings come at once, each with file, line, column, path and likely meaning.
4. A secret is a reference (`env:NAME`, `file:/path`, `credential:NAME`); a value put there is never echoed.
5. Environment variables set nothing; they are read only where a reference to a secret names one.

It does not watch the file, does not write it (`cli/init.py` does) and does not look at the network.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.config_places import FILE_NAME, HOST, PORT, absolute, default_state_dir, state_dir_of, url_of
from appliance.config_read import Tree, parse_yaml
from appliance.config_values import (
    REFERENCE,
    Address,
    Country,
    DefaultText,
    HostName,
    HostPath,
    MirrorUrl,
    Money,
    Seconds,
    SecretReference,
    Size,
)
from appliance.config_words import explain, sections
from appliance.errors import ConfigInvalid
from appliance.records.file_fault import FileFault, Mark

MAX_FILE_BYTES = 1 << 20
_MAX_SECRET_BYTES = 16 * 1024


class Section(BaseModel):
    """Base of every section: frozen, strict about types, closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Listen(Section):
    """Where applications reach the node."""

    host: Address = Field(
        default=HOST,
        description="IP address of the data plane. Without a tenant only this host is served, whatever it says.",
    )
    port: int = Field(default=PORT, ge=0, le=65535, description="TCP port of the data plane; 0 takes any free one.")
    names: tuple[HostName, ...] = Field(
        default=(),
        description="Names besides 127.0.0.1, [::1] and localhost by which this host's programs, or a proxy on it, "
        "address the node. On another address than loopback's every name will do.",
    )

    @property
    def loopback(self) -> bool:
        """Whether only this host can reach it."""
        return ipaddress.ip_address(self.host).is_loopback


class PlaceOfHost(Section):
    """Where this host stands, as its operator states it; empty means 'not stated'. Never guessed."""

    site: str = Field(default="", max_length=64, description="Name of the site.")
    country: Country = Field(default="", description="ISO 3166 code, in capitals.")
    region: str = Field(default="", max_length=64, description="Name of the region, such as EU.")


class Limits(Section):
    """What one request, and all of them together, may ask of the node."""

    body_bytes: Size = Field(default=16 << 20, ge=1024, description="Largest request body.")
    messages: int = Field(default=4096, ge=1, description="Most messages in one request.")
    text_chars: int = Field(default=4_000_000, ge=1, description="Most characters of text in one request.")
    header_timeout_s: Seconds = Field(default=10.0, description="Time for a client to send its headers.")
    body_timeout_s: Seconds = Field(default=60.0, description="Time for a client to send its body.")
    concurrent_requests: int = Field(default=256, ge=1, le=65536, description="Requests in work at once; more get 503.")


class Egress(Section):
    """The door outwards. Destinations are signed content; the host can only close the door."""

    deny_all: bool = Field(
        default=True, description="Refuse every connection outside loopback, whatever content allows."
    )


class Paths(Section):
    """How the models of this host run."""

    unconfined_workers: bool = Field(
        default=False,
        description="Run local models, and read media, also where the kernel offers no seccomp filter to keep them off "
        "the network; doctor and status warn of it.",
    )


class Hardware(Section):
    """What of this host the node may use."""

    threads: int = Field(default=0, ge=0, le=1024, description="CPU threads for models; 0 means all cores.")
    memory_limit: Size = Field(
        default=0, description="Memory that models may need in all; doctor fails above it. 0 means what the host has."
    )


class Records(Section):
    """What is kept of past requests (never their text). Oldest go first."""

    keep_days: int = Field(default=30, ge=0, le=3650, description="Days that a record is kept.")
    max_bytes: Size = Field(default=1 << 30, ge=1 << 20, description="Largest size of telemetry.db.")


class Cache(Section):
    """Answers kept for reuse."""

    enabled: bool = Field(default=True, description="Whether answers are kept and reused at all.")
    max_bytes: Size = Field(default=1 << 30, ge=1 << 20, description="Largest size of cache.db.")
    ttl_s: Seconds = Field(
        default=30 * 86_400.0, description="Age at which no answer is reused; by its question it may be less."
    )
    similar: bool = Field(default=True, description="Whether answers to questions that mean the same are reused.")
    max_wrong: Annotated[float | None, DefaultText("as the content says")] = Field(
        default=None, ge=0, le=1, description="Wrong answers to similar questions, of all look-ups, at most."
    )
    answered_anew: float = Field(
        default=0.02, ge=0, le=1, description="Share of such answers that is made anew and compared with the stored."
    )
    judge: Annotated[str | None, DefaultText("none")] = Field(
        default=None, description="Id of a model of this host that compares answers in free text."
    )


class Routing(Section):
    """How the node weighs quality, cost and delay among the paths that policy permits."""

    business_value: Annotated[Money | None, DefaultText("as the content says")] = Field(
        default=None, description="What a good answer is worth, in the currency of the cards."
    )
    latency_weight: Annotated[Money | None, DefaultText("as the content says")] = Field(
        default=None, description="What one second of waiting costs, in the same currency."
    )
    quality_floor: Annotated[float | None, DefaultText("as the content says")] = Field(
        default=None, ge=0, le=1, description="Probability of a good answer that a plan must reach."
    )
    preference: Literal["balanced", "cheap", "fast", "best"] = Field(
        default="balanced", description="What 'auto' means when the caller adds no suffix."
    )
    below_floor: Literal["serve", "refuse"] = Field(
        default="serve", description="When no permitted path reaches the floor: answer and say so, or refuse."
    )


class Bundles(Section):
    """Where signed bundles come from, and how old one may be that this node takes."""

    mirror: MirrorUrl = Field(
        default="",
        description="Address of the mirror that 'weir sync' fetches from; empty for none. With `egress.deny_all` it "
        "must be on this host.",
    )
    freshness: Literal["strict", "airgap"] = Field(
        default="airgap",
        description="'strict': nothing that has expired. 'airgap': a late timestamp or snapshot may be acknowledged.",
    )
    clock_trusted: bool = Field(
        default=False, description="Whether this host's clock counts when expiry is judged; else signed times alone do."
    )
    max_age_days: int = Field(
        default=180, ge=1, le=3650, description="Days since the signing after which 'airgap' takes no bundle."
    )
    media: tuple[HostPath, ...] = Field(
        default=(),
        description="Directories below which media are mounted, such as /media: what is plugged in there is examined "
        "and announced, never taken. Empty: nothing is looked at.",
    )
    ask_servers: bool = Field(
        default=False,
        description="Whether an import also asks golden prompts of paths that are servers, through the door: a process "
        "of its own has the network for that; what reads the medium has none. With `egress.deny_all` only servers on "
        "this host are asked.",
    )


class Logging(Section):
    """The log of the node, on stderr. It never holds prompt or answer text."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level written."
    )
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="'auto' is text on a terminal and JSON lines elsewhere."
    )


class Config(Section):
    """All of `weir.yaml`."""

    state_dir: Annotated[HostPath, DefaultText("`/var/lib/weir` as root, else `~/.local/state/weir`")] = Field(
        default_factory=default_state_dir, description="Where the node keeps what it writes."
    )
    listen: Listen = Listen()
    place: PlaceOfHost = PlaceOfHost()
    limits: Limits = Limits()
    egress: Egress = Egress()
    paths: Paths = Paths()
    hardware: Hardware = Hardware()
    records: Records = Records()
    cache: Cache = Cache()
    routing: Routing = Routing()
    bundles: Bundles = Bundles()
    logging: Logging = Logging()
    secrets: dict[str, SecretReference] = Field(
        default_factory=dict,
        description="Names for secrets: each `env:NAME`, `file:/path` or `credential:NAME`, never a value.",
    )

    @property
    def url(self) -> str:
        """Where this host's own commands reach the node: loopback when it listens on every address."""
        return url_of(self.listen.host, self.listen.port)


_SECTIONS = {path[0] for path, _ in sections(Config) if path} | {"secrets"}


@dataclass(frozen=True)
class Loaded:
    """A configuration with its origin: `marks` has the place in `file` of every key that the file states."""

    config: Config
    file: Path | None
    marks: Mapping[tuple[str, ...], Mark]


def load(state: Path | None = None, *, file: Path | None = None) -> Config:
    """The configuration for `--state state` and `--config file`.

    Raises ConfigInvalid with all findings, and StateInvalid where a home directory is meant that nobody has.
    """
    return load_with_origin(state, file=file).config


def load_with_origin(state: Path | None = None, *, file: Path | None = None) -> Loaded:
    """Like `load`, and says which line set what. `state` wins over the file's `state_dir`.

    A named file must exist; the file in the state directory may be missing, then the defaults hold.
    """
    source = absolute(file) if file else state_dir_of(state) / FILE_NAME
    # A directory that was named on the command line holds, whatever a copied file says.
    chosen = {"state_dir": state_dir_of(state)} if state else {}
    try:
        with source.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        if file:
            raise ConfigInvalid(f"There is no file {source}.", next_step="Write it with 'weir init'.") from None
        return Loaded(Config(state_dir=state_dir_of(state)), None, {})
    except OSError as error:
        raise ConfigInvalid(f"{source} cannot be read: {error.strerror}.") from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigInvalid(f"{source} is larger than {MAX_FILE_BYTES} bytes.")
    tree = parse_yaml(raw)
    if file is None:
        chosen = chosen or ({} if "state_dir" in tree.value else {"state_dir": state_dir_of(state)})
    findings = list(tree.findings)
    config: Config | None = None
    try:
        # A section whose keys are all commented out reads as null: it says nothing.
        stated = {key: value for key, value in tree.value.items() if value is not None or key not in _SECTIONS}
        read = Config.model_validate(stated, context={"base": source.parent})
        config = read.model_copy(update=chosen)
    except ValidationError as error:
        if not tree.broken:
            findings += _findings(error, tree)
    if findings or config is None:
        raise ConfigInvalid(
            f"{source} is not valid: {len(findings)} {'error' if len(findings) == 1 else 'errors'}.",
            details=tuple(f.at(str(source)) for f in sorted(findings, key=lambda f: (f.mark, f.path))),
            next_step="Correct the lines named and run 'weir config check'.",
        )
    return Loaded(config, source, tree.marks)


def listening_on(config: Config, host: str | None, port: int | None) -> Config:
    """The same with another address, as the command line may say. Raises ConfigInvalid."""
    try:
        listen = Listen(
            host=config.listen.host if host is None else host,
            port=config.listen.port if port is None else port,
            names=config.listen.names,
        )
    except ValidationError as error:
        raise ConfigInvalid(f"--host {explain(error.errors()[0], Listen, host)}.") from None
    return config.model_copy(update={"listen": listen})


def resolve_secret(reference: str) -> str:
    """The secret behind `env:NAME`, `file:/path` or `credential:NAME`, without surrounding blanks.

    A credential is what systemd hands over (LoadCredential=). Raises ConfigInvalid naming the reference only.
    """
    value, lacking = secret_of(reference)
    if lacking:
        named = reference if REFERENCE.match(reference) else "that is stated"  # it may be the secret itself
        raise ConfigInvalid(f"The secret {named} {lacking}.", next_step="Set it on this host.")
    return value


def secret_of(reference: str) -> tuple[str, str]:
    """The secret, or '' and what is wrong with it in words that follow its name and quote nothing of it."""
    kind, _, name = reference.partition(":")
    if kind == "secret":
        return "", "is not among the 'secrets' of weir.yaml"
    if not REFERENCE.match(reference):
        return "", "is not given as env:NAME, file:/path or credential:NAME"
    file = secret_file(reference)
    try:
        if kind == "env":
            value = os.environ[name]
        elif file is None:
            return "", "is no credential: systemd handed none over"
        else:
            with file.open("rb") as opened:
                value = opened.read(_MAX_SECRET_BYTES).decode("utf-8")
    except KeyError:
        return "", "is not set"
    except OSError as error:
        return "", f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        return "", "is no text in UTF-8"
    value = value.strip()
    return value, "" if value else "is empty"


def secret_file(reference: str) -> Path | None:
    """The file in which the secret behind `file:/path` or `credential:NAME` is; None for any other."""
    kind, _, name = reference.partition(":")
    if kind == "file":
        return Path(name)
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(directory, name) if kind == "credential" and directory else None


def named_secret(reference: str, names: Mapping[str, str]) -> str:
    """What a card's `secret:NAME` is in the host's configuration (`Config.secrets`); any other reference as it is."""
    kind, _, name = reference.partition(":")
    return names.get(name, reference) if kind == "secret" else reference


def _findings(error: ValidationError, tree: Tree) -> Iterator[FileFault]:
    for item in error.errors(include_url=False, include_input=False):
        loc = tuple(str(part) for part in item["loc"] if part != "[key]")
        secret = loc[:1] == ("secrets",) or loc == ("bundles", "mirror")  # somebody may write a password into it
        mark = tree.key_marks.get(loc) if item["type"] == "extra_forbidden" else tree.marks.get(loc)
        at: Any = tree.value
        for part in item["loc"]:
            try:
                at = at[part]
            except (KeyError, IndexError, TypeError):
                at = None
                break
        yield FileFault(mark or tree.nearest(loc), ".".join(loc), explain(item, Config, None if secret else at))
