"""What the tests of Google's dialects share: both ways to ask, a card on Vertex AI, and JSON of any shape."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from tests.paths.rig import card_for
from tests.standins.gemini_server import VERTEX, GeminiStandIn

both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
any_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["candidates", "content", "parts", "text", "functionCall", "name", "args", "index", "error",
                         "usageMetadata", "promptTokenCount", "promptFeedback", "blockReason", "finishReason"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


def vertex(server: GeminiStandIn, model: str = "m", **over: Any) -> Any:
    where = {"base_url": server.base_url + VERTEX, "token_url": server.token_url}
    return card_for(server, "gemini_http", model, endpoint={**where, **over})
