"""Policy: which path may answer which request, and what may be kept, shown and exported. The first and last word.

Rules kept here:
1. Denied unless a rule permits; any rule that forbids wins; an error in a rule forbids.
2. A caller's labels can only narrow. Nothing in here reads prices, quality or load.
3. Every verdict names the rules that made it.

The rules are Cedar, and content of a bundle: see docs/policy.md.
"""

from appliance.policy.engine import Policy, Rule, Verdict
from appliance.policy.facts import Administer, Asking, Export, Reuse, Store, Use
from appliance.policy.load import read_policy, read_tests
from appliance.policy.source import MAX_BYTES
from appliance.policy.trial import run_tests, untested

__all__ = [
    "MAX_BYTES",
    "Administer",
    "Asking",
    "Export",
    "Policy",
    "Reuse",
    "Rule",
    "Store",
    "Use",
    "Verdict",
    "read_policy",
    "read_tests",
    "run_tests",
    "untested",
]
