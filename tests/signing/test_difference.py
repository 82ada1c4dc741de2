"""The promise to a holder: nothing that a signature covers changes without a line."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from signing.difference import lines

_words = st.text(alphabet="ab.()[]'# ", max_size=4)
_leaves = st.none() | st.booleans() | st.integers(0, 3) | _words
_values = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_words, inner, max_size=3)
        | st.lists(st.fixed_dictionaries({"name": _words, "threshold": st.integers(0, 2)}), max_size=3)
    ),
    max_leaves=8,
)
_signed = st.dictionaries(st.sampled_from(["version", "roles", "targets", "x", "a.b"]), _values, max_size=4)


def _same(one: Any, other: Any) -> bool:
    """As JSON has it: true is not 1."""
    return repr(_ordered(one)) == repr(_ordered(other))


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


@given(_signed, _signed)
def test_what_differs_has_a_line_and_what_does_not_has_none(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert bool(lines(before, after)) is not _same(before, after)


def test_a_first_version_is_shown_whole() -> None:
    assert lines(None, {"version": 1, "roles": {"root": {"threshold": 2}}}) == (
        "+ version: 1",
        "+ roles.root.threshold: 2",
    )
