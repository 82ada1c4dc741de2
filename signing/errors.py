"""What the bench says when it will not or cannot: a code from one table, a sentence, and what to do next.

Rules kept here:
1. Every code stands in `CODES` with its meaning; docs/publishing.md shows the same table, and a test compares them.
2. A sentence never contains a passphrase or a private key.
"""

from __future__ import annotations

from typing import Final

CODES: Final = {
    "key_missing": "A key file, or a holder's public key, is not where it was said to be.",
    "key_exists": "A key of that name is there already; keys are never overwritten.",
    "key_exposed": "A key file can be read by others, or is no regular file of its owner's.",
    "key_unprotected": "A private key without a passphrase.",
    "key_unusable": "Not a key that the bench takes: ed25519 in an encrypted PKCS#8 PEM, or P-256 on a token.",
    "key_counted_twice": "One key under two names, or one name twice in a role.",
    "passphrase_missing": "There is neither a terminal nor a file descriptor to take the passphrase from.",
    "passphrase_short": "A new passphrase is shorter than is allowed.",
    "passphrase_wrong": "The passphrase does not open the key.",
    "token_failed": "The PKCS#11 module or its token cannot be used.",
    "station_invalid": "A directory is not a publishing station, or a file in it is damaged.",
    "station_busy": "Another command is at work in the station.",
    "clock_behind": "The clock is behind the last time of issue; nodes would refuse what is signed now.",
    "roles_invalid": "roles.yaml does not say what it must.",
    "threshold_low": "A role would need fewer signatures than the format demands.",
    "draft_missing": "There is no draft of that role.",
    "draft_stale": "A draft was made against something else than what is published now.",
    "draft_differs": "A copy that came back is not the draft that was handed out.",
    "already_signed": "This holder has signed this draft before, and counts once.",
    "not_a_holder": "The key does not belong to the role.",
    "signature_invalid": "A signature does not fit the draft.",
    "threshold_missed": "Not enough holders have signed.",
    "expired": "Metadata has expired and must be renewed before anything is pressed on top of it.",
    "not_evaluation": "Something that only evaluation keys may do was asked of a real station.",
    "recipe_invalid": "A recipe or a content directory cannot be pressed.",
    "content_refused": "A node would refuse the content; each finding is named.",
    "not_checked": "The node's program, which must judge the content, could not be asked.",
    "gguf_invalid": "A file is not a GGUF, its header is damaged, or it was cut off.",
    "bundle_exists": "A bundle of that name is there already; a new one takes the next number.",
    "bundle_invalid": "A bundle is incomplete, or does not verify.",
    "mirror_behind": "The mirror holds something newer, or of another publisher; it is never taken back.",
    "mirror_gap": "Publishing would leave clients waiting between a new root and what it accepts.",
    "write_failed": "A file could not be written.",
}


class BenchError(Exception):
    """Base of everything that the bench raises on purpose."""

    def __init__(self, code: str, message: str, *, next_step: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.next_step = next_step
        self.details = details
