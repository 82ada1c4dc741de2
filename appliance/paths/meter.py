"""What a call has used so far, written by its path while it reads, so that one that breaks off is charged for as well.

Rules kept here:
1. What the provider states wins over what was counted, but for tokens that came after it.
2. `exact` is said only where the provider's statement covers all that was read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from appliance.records.chunks import Usage


@dataclass(slots=True)
class Meter:
    """`stated` is the newest that the provider said of the call's usage, all zero in what it left out. `text_tokens`
    counts what was read of the answer, thinking and tool calls among it, also after nobody listened any more. `cut`: it
    broke off inside of a piece that nobody could read, which counts as a token. `below_floor`: whoever answers says
    that it is no answer of the quality that was asked for. `sent` is False while the path knows that nothing has left,
    None where it does not say.
    """

    stated: Usage | None = None
    text_tokens: int = 0
    exact: bool = False
    cut: bool = False
    below_floor: bool = False
    sent: bool | None = None

    def used(self, prompt_tokens: int, heard: int = 0) -> Usage:
        """The usage as far as it is known: `prompt_tokens` where the provider did not say, at least `heard` out."""
        stated = self.stated or Usage()
        out = stated.completion_tokens if self.exact else max(stated.completion_tokens, self.text_tokens, heard)
        out += self.cut
        return replace(stated, prompt_tokens=stated.prompt_tokens or prompt_tokens, completion_tokens=out)
