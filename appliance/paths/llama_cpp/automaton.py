"""A deterministic automaton, written as a grammar that is never in two minds.

llama.cpp follows every way in which a text can be read, all at once: of `(a|a)*(a|a)*...` there are so many that one
token takes minutes, in which the worker answers nobody. Of an automaton with one state at a time there is one.

Rules kept here:
1. Each text is read in one way: of a state's alternatives at most one begins with a given character.
2. Time and size are bounded (`Effort`, `MOST_STATES`): some expressions have no small automaton.

Construction: Thompson, "Regular expression search algorithm" (1968), then subsets (Rabin and Scott, 1959).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from appliance.paths.contract import PathError

MOST_STATES = 2100
Ranges = list[tuple[int, int]]  # of characters, first and last


class Effort:
    """What may be spent on one form, in steps of some half a microsecond each."""

    def __init__(self, steps: int = 1_000_000) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Raises PathError('unsupported') where that is not left."""
        self._left -= steps
        if self._left < 0:
            raise too_large()


def too_large() -> PathError:
    return PathError(
        "unsupported", "This path cannot hold an answer to a regular expression so large or ambiguous; simplify it."
    )


class Automaton:
    """States by number, made by whoever calls `state`, `step` and `skip`; 0 is the first."""

    def __init__(self, effort: Effort) -> None:
        self._effort = effort
        self._steps: list[list[tuple[int, int, int]]] = []  # first and last character, where to
        self._skips: list[list[int]] = []
        self._ranks: dict[int, list[tuple[tuple[int, int], int]]] = {}  # of states in copies: which, and in which copy
        self.state()

    @property
    def size(self) -> int:
        return len(self._steps)

    def state(self) -> int:
        self._effort.spend(10)
        self._steps.append([])
        self._skips.append([])
        return len(self._steps) - 1

    def step(self, source: int, ranges: Ranges, target: int) -> None:
        """One of these characters leads from one state to another."""
        self._effort.spend(len(ranges))
        self._steps[source] += [(low, high, target) for low, high in ranges]

    def skip(self, source: int, target: int) -> None:
        """Nothing has to stand between."""
        self._skips[source].append(target)

    def narrowing(self, copies: list[range]) -> None:
        """These states are made alike, and what leads to the end from one of a later copy does from the same of an
        earlier one: who is in the earlier one need not be in the later one as well.
        """
        for rank, copy in enumerate(copies):
            self._effort.spend(len(copy))
            for at, state in enumerate(copy):
                self._ranks.setdefault(state, []).append(((copies[0].start, at), rank))

    def rules(
        self, end: int, prefix: str, write: Callable[[Ranges], str], *, sink: int | None = None
    ) -> dict[str, str]:
        """GBNF rules by name, the first of them that of state 0, for the texts that lead to `end`.

        `write` writes a class of characters. `sink`: a state from which all that is wanted may follow; who has reached
        it is in no other.
        """
        rows, ends = self._determined(end, sink)
        reached = [0] * len(rows)
        for row in rows:
            for target in row:
                reached[target] += 1

        def goes_on(at: int) -> bool:
            """Whether a state needs no rule: there is one way into it and one out."""
            return at != 0 and reached[at] == 1 and len(rows[at]) == 1 and at not in ends

        def written(ranges: Ranges, at: int) -> str:
            words = [write(ranges)]
            while goes_on(at):
                ((at, ranges),) = rows[at].items()
                words.append(write(ranges))
            if rows[at]:
                words.append(f"{prefix}{at}")
            return " ".join(words)

        out = {}
        for at, row in enumerate(rows):
            if at == 0 or (row and not goes_on(at)):
                ways = [written(ranges, target) for target, ranges in row.items()]
                out[f"{prefix}{at}"] = " | ".join(ways + ['""'] * (at in ends))
        return out

    def _determined(self, end: int, sink: int | None) -> tuple[list[dict[int, Ranges]], set[int]]:
        """By state: where which characters lead. And the states in which a text may end."""
        first = self._closed({0}, sink)
        numbers, waiting = {first: 0}, [first]
        rows: list[dict[int, Ranges]] = []
        for together in waiting:  # it grows
            row: dict[int, Ranges] = {}
            for low, high, targets in self._parted(together):
                following = self._closed(targets, sink)
                if following not in numbers:
                    if len(numbers) >= MOST_STATES:
                        raise too_large()
                    numbers[following] = len(waiting)
                    waiting.append(following)
                row.setdefault(numbers[following], []).append((low, high))
            rows.append(row)
        return rows, {number for together, number in numbers.items() if end in together}

    def _closed(self, states: Iterable[int], sink: int | None) -> frozenset[int]:
        """These states and all that nothing separates from them."""
        found = set(states)
        waiting = list(found)
        while waiting:
            for target in self._skips[waiting.pop()]:
                if target not in found:
                    found.add(target)
                    waiting.append(target)
        self._effort.spend(len(found))
        return self._closed({sink}, None) if sink is not None and sink in found else self._narrowed(found)

    def _narrowed(self, found: set[int]) -> frozenset[int]:
        """Without those that lead nowhere that others of them do not, as `narrowing` has it."""
        ranked = [(state, which, rank) for state in found for which, rank in self._ranks.get(state, ())]
        self._effort.spend(len(ranked))
        least: dict[tuple[int, int], int] = {}
        for _, which, rank in ranked:
            least[which] = min(rank, least.get(which, rank))
        return frozenset(found.difference(state for state, which, rank in ranked if rank > least[which]))

    def _parted(self, together: frozenset[int]) -> list[tuple[int, int, set[int]]]:
        """The characters that lead on from any of these states, cut where their targets change."""
        steps = sorted(step for state in together for step in self._steps[state])
        edges = sorted({low for low, _, _ in steps} | {high + 1 for _, high, _ in steps})
        self._effort.spend(len(steps) + len(edges))
        begins = {edge: at for at, edge in enumerate(edges)}
        targets: list[set[int]] = [set() for _ in edges]
        for low, high, target in steps:
            span = range(begins[low], begins[high + 1])
            self._effort.spend(len(span))
            for at in span:
                targets[at].add(target)
        return [(low, edges[at + 1] - 1, targets[at]) for at, low in enumerate(edges) if targets[at]]
