"""Redaction: what detectors find is replaced on the way out, and put back on the way in.

`out` makes a request without its findings, `back` restores an answer, whole or in pieces, `form` is what a placeholder
looks like. All pure.
"""

from appliance.redact.back import Restorer, restored
from appliance.redact.out import NotRedactable, Redaction, redact

__all__ = ["NotRedactable", "Redaction", "Restorer", "redact", "restored"]
