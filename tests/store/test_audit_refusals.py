"""Refusals are counted to the last one, and however many there are, few entries are made of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from appliance.store.audit.chain import canonical
from appliance.store.audit.refusals import KINDS, Refusals


def refused(decision: str, **over: Any) -> dict[str, object]:
    facts = {"tenant": "local", "classification": "internal", "residency": "country:JP", "rules": ["residency"]}
    return {"decision": decision, "generation": "g1", **facts, **over}


def test_the_first_is_an_entry_at_once_and_equal_ones_are_one_more() -> None:
    noted: list[Any] = []
    refusals = Refusals(noted.append)
    assert [refusals.add(refused(f"wr_{k}")) for k in range(5)] == [True, False, False, False, False]
    assert noted == [{**refused("wr_0"), "count": 1}]
    refusals.flush()
    assert noted[1:] == [{**refused("wr_4"), "count": 4}]
    refusals.flush()
    assert refusals.add(refused("wr_9"))  # another window
    assert noted[2:] == [{**refused("wr_9"), "count": 1}]


def test_made_up_labels_make_few_entries() -> None:
    noted: list[Any] = []
    refusals = Refusals(noted.append)
    for k in range(5000):
        refusals.add(refused(f"wr_{k}", residency=f"region:{k}"))
    refusals.flush()
    assert len(noted) == KINDS + 2
    assert sum(entry["count"] for entry in noted) == 5000
    assert noted[-1] == {"decision": "wr_4999", "generation": "g1", "others": True, "count": 5000 - KINDS - 1}
    assert all(canonical(entry) for entry in noted)


kinds = st.fixed_dictionaries(
    {"residency": st.sampled_from(["", "node", "country:JP"]), "rules": st.lists(st.sampled_from("ab"), max_size=1)}
)


@given(st.lists(st.one_of(st.none(), kinds), max_size=80))
def test_no_refusal_is_left_out_of_the_counts_of_its_kind(what: list[dict[str, Any] | None]) -> None:
    noted: list[Any] = []
    refusals, asked = Refusals(noted.append), Counter[str]()
    for number, kind in enumerate(what):
        if kind is None:
            refusals.flush()
        else:
            refusals.add(refused(f"wr_{number}", **kind))
            asked[repr((kind["residency"], kind["rules"]))] += 1
    refusals.flush()
    counted = Counter[str]()
    for entry in noted:
        counted[repr((entry["residency"], entry["rules"]))] += entry["count"]
    assert counted == asked
