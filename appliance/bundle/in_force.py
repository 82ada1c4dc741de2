"""What a node runs on and whom it trusts, as its state directory says. Reads, and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from appliance.bundle import generations, trust
from appliance.bundle.refusal import BundleRefused
from appliance.store import floors, slots
from appliance.store.floors import Lost, TrustState


@dataclass(frozen=True)
class Root:
    """The newest root that the node trusts."""

    version: int
    name: str
    evaluation: bool

    @property
    def words(self) -> str:
        """The root as people are told of it."""
        return f"root {self.version}, {self.name}" + (", FOR EVALUATION ONLY" if self.evaluation else "")


@dataclass(frozen=True)
class InForce:
    """`id` and `folder` are of the good generation, or in safe mode of the one that failed; '' and None: none."""

    id: str = ""
    folder: Path | None = None
    safe: bool = False
    root: Root | None = None


def in_force(state_dir: Path) -> InForce:
    """What is in force now. Raises StateInvalid."""
    kept = slots.read(state_dir) or slots.Slots()
    id = kept.good or kept.fallen
    return InForce(id, generations.place(state_dir, id) if id else None, bool(id) and not kept.good, root_of(state_dir))


def root_of(state_dir: Path) -> Root | None:
    """The root that the node trusts, also where a copy of it was lost. Raises StateInvalid."""
    return root_in(floors.read(state_dir))


def root_in(found: TrustState | Lost | None) -> Root | None:
    """The root in what `floors.read` returned."""
    state = found.state if isinstance(found, Lost) else found
    if state is None:
        return None
    return _root(state.roots[max(state.roots)])


@lru_cache(maxsize=4)
def _root(data: bytes) -> Root | None:
    try:
        return Root(*trust.root_facts(data))
    except BundleRefused:
        return None
