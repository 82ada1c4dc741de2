"""The dialects that the data plane speaks; the first is spoken to whoever asks in none of them."""

from __future__ import annotations

from appliance.web.anthropic import ANTHROPIC
from appliance.web.dialect import Dialect
from appliance.web.openai import OPENAI

DIALECTS: tuple[Dialect, ...] = (OPENAI, ANTHROPIC)
