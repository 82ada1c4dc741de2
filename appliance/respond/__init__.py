"""The wire border outwards: JSON bodies, SSE events, headers and errors in OpenAI's dialect.

`collect` folds chunks into an Answer, `bodies` writes one at once, `streams` piece by piece, `headers` and
`errors` what stands around it; `anthropic` does all of that in Anthropic's dialect. All pure.
"""

from appliance.respond.bodies import chat_body, completion_body, embedding_body, models_body
from appliance.respond.collect import Collector, collect, replay
from appliance.respond.errors import error_body, error_event, error_headers
from appliance.respond.headers import HeaderFacts, weir_headers
from appliance.respond.streams import ChatStream, CompletionStream

__all__ = [
    "ChatStream",
    "Collector",
    "CompletionStream",
    "HeaderFacts",
    "chat_body",
    "collect",
    "completion_body",
    "embedding_body",
    "error_body",
    "error_event",
    "error_headers",
    "models_body",
    "replay",
    "weir_headers",
]
