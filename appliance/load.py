"""What a server says of its own load, and how that reads: vLLM's and TGI's figures, as Prometheus has them.

Names as vLLM (docs.vllm.ai, usage/metrics) and TGI (huggingface.co/docs, reference/metrics) have them. It asks nobody;
`loads` does.
"""

from __future__ import annotations

import re
from contextlib import suppress

from appliance.records.value import value

FRESH_S = 15.0  # older figures are as good as none
_LINE = re.compile(rb"^([a-z_:]+)(?:\{[^\n]*\})? ([0-9.eE+-]+)(?: [0-9]+)?\r?$", re.MULTILINE)
# Running, waiting, and the share of the KV cache that is used, under all the names that these had.
_NAMES: dict[str, tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...]]] = {
    "vllm": (
        (b"vllm:num_requests_running",),
        (b"vllm:num_requests_waiting",),
        (b"vllm:kv_cache_usage_perc", b"vllm:gpu_cache_usage_perc"),
    ),
    "tgi": ((b"tgi_batch_current_size",), (b"tgi_queue_size",), ()),
}


@value(slots=True)
class Load:
    """Requests that a server works on and that wait there; the share of its KV cache in use, None where not said."""

    running: int
    waiting: int
    cache_usage: float | None = None


def read_load(kind: str, raw: bytes) -> Load | None:
    """From a page of metrics; of several engines on one server the sum. None where the figures are not there."""
    names = _NAMES[kind]
    found: list[list[float]] = [[], [], []]
    for match in _LINE.finditer(raw):
        for index, known in enumerate(names):
            if match[1] in known:
                with suppress(ValueError):
                    found[index].append(float(match[2]))
    running, waiting, usage = found
    if not running or not waiting or not all(0 <= figure < 1e9 for figure in running + waiting):
        return None
    return Load(int(sum(running)), int(sum(waiting)), max(usage) if usage else None)
