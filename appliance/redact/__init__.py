"""Redaction: what detectors find is replaced on the way out, and put back on the way in.

`replace` makes a request without its findings, `restore` puts their values back into an answer, whole or in pieces,
`form` is what a placeholder looks like. All pure.
"""

from appliance.redact.replace import NotRedactable, Redaction, redact
from appliance.redact.restore import Restorer, restored

__all__ = ["NotRedactable", "Redaction", "Restorer", "redact", "restored"]
