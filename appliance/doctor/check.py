"""What a check is, what it looks at, what it says, and how many of them run at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from appliance.bundle import generations
from appliance.bundle.in_force import InForce, in_force
from appliance.config import Config, listening_on, load
from appliance.config_places import state_dir_of
from appliance.doctor.shelf import CardFile, read_cards
from appliance.errors import ConfigInvalid

State = Literal["pass", "warn", "fail", "skip"]
PARALLEL = 4


@dataclass(frozen=True)
class CheckOutcome:
    """What a check came to: `seen` is the evidence in a sentence, `fix` what to do, `more` the figures."""

    state: State
    seen: str
    fix: str = ""
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What a check came to, with its name."""

    name: str
    state: State
    seen: str
    fix: str
    more: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "state": self.state, "seen": self.seen, "fix": self.fix, "more": self.more}


@dataclass(frozen=True)
class Verdict:
    """All results in one word, and the exit code that says it: 0 pass, 1 warn, 2 fail."""

    word: Literal["pass", "warn", "fail"]
    exit_code: int


@dataclass(frozen=True)
class Subject:
    """What is examined. With an invalid configuration `config` holds the defaults and `invalid` the error."""

    config: Config
    invalid: ConfigInvalid | None = None

    @classmethod
    def of(
        cls, state: Path | None, config_file: Path | None = None, host: str | None = None, port: int | None = None
    ) -> Subject:
        """From the options of the command line."""
        try:
            return cls(listening_on(load(state, file=config_file), host, port))
        except ConfigInvalid as error:
            return cls(Config(state_dir=state_dir_of(state)), error)

    @cached_property
    def shelf(self) -> tuple[tuple[CardFile, ...], tuple[str, ...]]:
        """The cards of the generation in force, and what is wrong with those that are not here."""
        return read_cards(self.content)

    @cached_property
    def in_force(self) -> InForce:
        """What the node runs on and whom it trusts. Raises StateInvalid."""
        return in_force(self.config.state_dir)

    @property
    def content(self) -> Path:
        """The folder of the generation in force; where it would be, while there is none."""
        return self.in_force.folder or self.config.state_dir / generations.CURRENT


@dataclass(frozen=True)
class Check:
    """A named question. `run` may raise: that is a failure of the check, said as such."""

    name: str
    about: str
    run: Callable[[Subject], CheckOutcome]


def passed(seen: str, **more: Any) -> CheckOutcome:
    return CheckOutcome("pass", seen, "", more)


def warned(seen: str, fix: str, **more: Any) -> CheckOutcome:
    return CheckOutcome("warn", seen, fix, more)


def failed(seen: str, fix: str, **more: Any) -> CheckOutcome:
    return CheckOutcome("fail", seen, fix, more)


def skipped(reason: str, **more: Any) -> CheckOutcome:
    return CheckOutcome("skip", reason, "", more)


def examine_all(
    checks: Sequence[Check], subject: Subject, told: Callable[[Result], object] = lambda _: None
) -> list[Result]:
    """Every check once, a few at a time; results in the order given. `told` has each as soon as its check has ended."""
    with ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="doctor") as pool:
        begun = [pool.submit(_one, check, subject) for check in checks]
        for ended in as_completed(begun):
            told(ended.result())
        return [each.result() for each in begun]


def verdict(results: Sequence[Result]) -> Verdict:
    """The worst of them; skipped checks do not count."""
    states = {result.state for result in results}
    if "fail" in states:
        return Verdict("fail", 2)
    return Verdict("warn", 1) if "warn" in states else Verdict("pass", 0)


def _one(check: Check, subject: Subject) -> Result:
    try:
        found = check.run(subject)
    except Exception as error:  # noqa: BLE001  rule 3 of the package: the other checks still report
        what = f"the check itself broke: {type(error).__name__}: {error}"
        found = failed(what, "Report this with the output of 'weir doctor --json'.")
    return Result(check.name, found.state, found.seen, found.fix, found.more)
