"""The chunks that a path yields, under the name by which the lower layers know them.

`respond` may not import `paths` (imports point down only). Until the definitions move here from
`appliance.paths.contract`, this file is the only place of the wire border that points up.
"""

from appliance.paths.contract import (
    Chunk,
    Done,
    FinishReason,
    Signals,
    Text,
    TokenLogprob,
    ToolCall,
    Usage,
    Vector,
)

__all__ = [
    "Chunk",
    "Done",
    "FinishReason",
    "Signals",
    "Text",
    "TokenLogprob",
    "ToolCall",
    "Usage",
    "Vector",
]
