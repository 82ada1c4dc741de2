"""The tables of parameters are complete, and no name means two things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_type_hints

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsBase as ChatParams
from openai.types.completion_create_params import CompletionCreateParamsBase as CompletionParams
from openai.types.embedding_create_params import EmbeddingCreateParams

from appliance.intake.parameters import CHAT, COMPLETION, EMBEDDING, Take


@pytest.mark.parametrize(
    ("params", "table"),
    [(ChatParams, CHAT), (CompletionParams, COMPLETION), (EmbeddingCreateParams, EMBEDDING)],
)
def test_every_parameter_that_openai_documents_has_a_place_in_the_table(
    params: type, table: Mapping[str, Take]
) -> None:
    named = set(get_type_hints(params)) - {"stream"}
    assert named - set(table) == set()
