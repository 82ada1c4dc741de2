"""Named strategies: content that says in which order paths are tried, or of how many calls an answer is made.

Rules kept here:
1. A strategy chooses among what policy and all else left. It brings no path back.
2. A caller chooses among strategies that the content has and that his tenant may use; he makes none.
3. A path is named by its card's id; 'auto' stands for all others, best utility first.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, model_validator

from appliance.records.card import Frozen, Probability
from appliance.records.features import Features

Path = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$")]
Paths = Annotated[tuple[Path, ...], Field(min_length=1, max_length=16)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Share = Annotated[float, Field(gt=0, le=1e6)]
Tokens = Annotated[int, Field(ge=16, le=1_000_000)]
ANY: tuple[Path, ...] = ("auto",)


class _Stated(Frozen):
    description: Annotated[str, Field(max_length=200)] = ""

    @property
    def named(self) -> frozenset[Path]:
        """All paths that it may lead to."""
        return frozenset(getattr(self, "paths", ()))


class Fallback(_Stated):
    """The first path, and where it fails the next: primary with fallback."""

    kind: Literal["fallback"]
    paths: Paths


class Gradient(_Stated):
    """The cheapest first; what its gate sends back goes to the next in price."""

    kind: Literal["gradient"]
    paths: Paths = ANY


class Latency(_Stated):
    """Whoever is done first by expectation: live figures, queues and what is held of the prompt count."""

    kind: Literal["latency"]
    paths: Paths = ANY
    by: Literal["p50", "p95"] = "p50"


class Tasks(_Stated):
    """By what is asked: for a cell of the taxonomy ('task/difficulty') or a task, the paths in their order.

    `certain`: a cell of less probability counts for nothing, and `otherwise` holds.
    """

    kind: Literal["tasks"]
    cells: Annotated[dict[str, Paths], Field(min_length=1)]
    otherwise: Paths = ANY
    certain: Probability = 0.5

    def cell(self, features: Features) -> str:
        """The row of the table that holds; '' where none does."""
        cell, p = features.cells[0] if features.cells else ("", 0.0)
        if p < self.certain:
            return ""
        task = cell.partition("/")[0]
        return cell if cell in self.cells else task if task in self.cells else ""

    def row(self, features: Features) -> tuple[Path, ...]:
        """The paths for what is asked, in their order."""
        return self.cells.get(self.cell(features), self.otherwise)

    @property
    def named(self) -> frozenset[Path]:
        """All paths that it may lead to."""
        return frozenset(self.otherwise).union(*self.cells.values())


class Split(_Stated):
    """Each path gets its share of requests, by a draw that stands in the record."""

    kind: Literal["split"]
    shares: Annotated[dict[Path, Share], Field(min_length=1, max_length=16)]

    @property
    def named(self) -> frozenset[Path]:
        """All paths that it may lead to."""
        return frozenset(self.shares)


class Sticky(_Stated):
    """A conversation stays with one path; where paths come and go, only their own conversations move."""

    kind: Literal["sticky"]
    paths: Paths = ANY


class Ensemble(_Stated):
    """Several paths answer, and `quorum` of them must say the same; else the arbiter writes the answer, where there is
    one. `by` 'arbiter': he always does. A path that is named twice is asked twice.
    """

    kind: Literal["ensemble"]
    members: Annotated[tuple[Path, ...], Field(min_length=2, max_length=8)]
    quorum: Annotated[int, Field(ge=1, le=8)] = 2
    arbiter: tuple[Path, ...] = ()
    by: Literal["vote", "arbiter"] = "vote"

    @model_validator(mode="after")
    def _can_be_met(self) -> Ensemble:
        if self.quorum > len(self.members):
            raise ValueError("the quorum is larger than the number of members")
        if self.by == "vote" and self.quorum < 2:
            raise ValueError("a vote needs a quorum of 2 at least")
        if self.by == "arbiter" and not self.arbiter:
            raise ValueError("no arbiter is named")
        if "auto" in self.members:
            raise ValueError("a member is named by its id")
        return self

    @property
    def named(self) -> frozenset[Path]:
        """All paths that it may lead to."""
        return frozenset((*self.members, *self.arbiter))


class Chain(_Stated):
    """One path drafts, one reviews the draft, and one writes the answer from both. Of each list the first that may."""

    kind: Literal["chain"]
    draft: Paths
    critique: Paths
    polish: Paths

    @property
    def named(self) -> frozenset[Path]:
        """All paths that it may lead to."""
        return frozenset((*self.draft, *self.critique, *self.polish))


class Partition(_Stated):
    """A text that fits no path is read in parts, and one answer made of theirs. `always`: also where it would fit.

    `part_tokens` of the text are in one part, `overlap_tokens` of them in the one before as well; `note_tokens` is the
    longest answer to one part. What makes more than `most_parts` is refused.
    """

    kind: Literal["partition"]
    paths: Paths = ANY
    synthesis: Paths = ANY
    part_tokens: Tokens = 2000
    overlap_tokens: Annotated[int, Field(ge=0, le=100_000)] = 100
    note_tokens: Tokens = 400
    most_parts: Annotated[int, Field(ge=2, le=64)] = 16
    always: bool = False

    @model_validator(mode="after")
    def _goes_on(self) -> Partition:
        if self.overlap_tokens * 2 > self.part_tokens:
            raise ValueError("the overlap is more than half of a part")
        return self

    @property
    def named(self) -> frozenset[Path]:
        """All paths that it may lead to."""
        return frozenset((*self.paths, *self.synthesis))


Composed = Ensemble | Chain | Partition
Ordering = Fallback | Gradient | Latency | Tasks | Split | Sticky
Strategy = Annotated[Ordering | Composed, Field(discriminator="kind")]


class Strategies(Frozen):
    """`default` holds where neither the request nor its tenant names one; '' is none."""

    default: str = ""
    strategies: dict[Name, Strategy] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _default_is_there(self) -> Strategies:
        if self.default and self.default not in self.strategies:
            raise ValueError(f"default: there is no strategy '{self.default}'")
        return self

    @cached_property
    def sticky(self) -> bool:
        """Whether any asks which conversation it is."""
        return any(isinstance(one, Sticky) for one in self.strategies.values())

    @cached_property
    def in_parts(self) -> bool:
        """Whether any reads a text in parts."""
        return any(isinstance(one, Partition) for one in self.strategies.values())

    def strangers(self, known: set[str]) -> list[str]:
        """What is wrong with the paths that are named, in words."""
        return [
            f"strategy '{name}' names '{path}', which is no path"
            for name, one in self.strategies.items()
            for path in sorted(one.named - known - {"auto"})
        ]
