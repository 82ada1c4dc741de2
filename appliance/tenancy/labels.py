"""The labels of a request after its tenant's: the tighter of the two, both, or a refusal.

Rules kept here:
1. What comes out is at least as tight as the tenant's labels and as the caller's.
2. Of two residencies both are demanded, unless the policy's own places say that one lies in the other.
3. A purpose or locale other than the tenant's is refused: neither is tighter than the other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from appliance.errors import LabelConflict
from appliance.policy import Policy
from appliance.records.request import CLASSIFICATIONS, RIGHTS, Labels
from appliance.records.tenant import Tenant

T = TypeVar("T", bound=str)


def tightened(tenant: Tenant, labels: Labels, policy: Policy) -> Labels:
    """The labels that a request of this tenant carries. Raises LabelConflict naming the label."""
    floor = tenant.quality_floor
    stated = labels.quality_floor
    return replace(
        labels,
        classification=max(tenant.classification, labels.classification, key=CLASSIFICATIONS.index),
        residency=policy.together(tenant.residency, labels.residency),
        rights=max(tenant.rights, labels.rights, key=RIGHTS.index),
        purpose=_either("purpose", tenant.purpose, labels.purpose),
        locale=_either("locale", tenant.locale, labels.locale),
        quality_floor=stated if floor is None else max(floor, stated or 0.0),
    )


def _either(label: str, held: T, wanted: T) -> T:
    if held and wanted and held != wanted:
        raise LabelConflict(
            f"The key holds its requests to {label} '{held}', and this one states another.",
            param=f"x-weir-{label}",
            next_step="Leave the label out, or use a key of another tenant.",
        )
    return held or wanted
