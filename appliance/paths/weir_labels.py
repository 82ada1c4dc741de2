"""What goes with a request to another Weir, so that it is no laxer than this one.

Rules kept here:
1. Every label that narrows travels: what this node was told, what its detectors raised, what its tenant's key demands.
2. The other node knows this one as a single tenant. So what it answers to one tenant of this node it may not keep for
   another: where there are tenants, nothing is stored.
3. It is told which nodes a request came through, this one included, and refuses one that it had before.
4. What a caller calls its conversation stays here: the label that the conversation has travels as the request's.
"""

from __future__ import annotations

from appliance.paths.contract import Job
from appliance.records.request import LOCAL

_LEAST_DEADLINE_S = 0.001


def headers_of(job: Job, node: str) -> dict[str, str]:
    """The headers for `job`; `node` is what this one calls itself."""
    labels = job.labels
    out: dict[str, str] = {"X-Weir-Classification": labels.classification}
    if node:
        out["X-Weir-Via"] = ",".join((*labels.via, node))
    for name, value in (
        ("Residency", labels.residency),
        ("Purpose", labels.purpose),
        ("Rights", labels.rights),
        ("Locale", labels.locale),
        ("Variation", labels.variation),
    ):
        if value:
            out[f"X-Weir-{name}"] = value
    if job.deadline_s is not None:
        out["X-Weir-Deadline"] = f"{max(job.deadline_s, _LEAST_DEADLINE_S):.3f}"
    if labels.quality_floor is not None:
        out["X-Weir-Quality-Floor"] = f"{labels.quality_floor:.6f}"
    if labels.cache_score is not None:
        out["X-Weir-Cache-Score"] = f"{labels.cache_score:.6f}"
    if labels.below_floor == "refuse":
        out["X-Weir-Below-Floor"] = "refuse"
    if labels.cache == "no-store" or job.tenant != LOCAL:
        out["Cache-Control"] = "no-store"
    elif labels.cache == "no-cache":
        out["Cache-Control"] = "no-cache"
    elif labels.cache_max_age_s is not None:
        out["Cache-Control"] = f"max-age={labels.cache_max_age_s}"
    return out
