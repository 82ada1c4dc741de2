"""The wire border inwards: parse the body and headers of a request, enforce every limit, yield a Request.

See `parse` for the entry points, `parameters` for what is known, `limits` for how much is taken.
"""

from appliance.intake.limits import Limits
from appliance.intake.parse import parse_chat, parse_completion, parse_embedding
from appliance.intake.route import parse_route

__all__ = ["Limits", "parse_chat", "parse_completion", "parse_embedding", "parse_route"]
