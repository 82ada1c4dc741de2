"""Why a bundle is not taken: one error with a stable reason code, and for each code what to do next.

Rules kept here:
1. A reason is never renamed once released: scripts, the audit and bundles/FORMAT.md go by it.
2. Every reason has a next step, worded for where the bundle came from; the sentence names the file or the number that
   is wrong.
"""

from __future__ import annotations

from typing import ClassVar

from appliance.errors import Kind, WeirError

_ANEW = "Ask the publisher for the bundle anew."
_COPY = "Copy the bundle onto the medium again and compare it there with 'weir bundle verify'."
_TELL = "Do not use this medium. Tell the publisher, and show where it came from."

# reason: (what it means, what to do next)
REASONS: dict[str, tuple[str, str]] = {
    # The medium
    "no_bundle": (
        "There is no bundle in that place.",
        "Name the directory, the .bundle.tar or the medium's mount point.",
    ),
    "several_bundles": ("There are several bundles on the medium.", "Name the one that is meant."),
    "not_a_plain_file": ("A link, FIFO, socket, device or file stands in the place of something else.", _TELL),
    "name_twins": ("Two names differ in case only.", _COPY),
    "too_large": ("A file is longer than its limit or than what was signed.", _COPY),
    "too_many_names": ("A directory or tar has more entries than any bundle.", _TELL),
    "bad_tar": ("The tar is not of the plain form.", "Make it with 'weir-sign press' or 'tar --format=ustar'."),
    "medium_gone": (
        "The medium stopped answering.",
        "Plug it in again and run the command again; what was copied stays.",
    ),
    "unreadable": ("A file of the medium cannot be read.", "Check the mount and its permissions."),
    # The mirror
    "mirror_failed": (
        "The mirror did not deliver a file, however often it was asked.",
        "Check the mirror and the way to it, and run the command again; what was copied stays.",
    ),
    "mirror_moved": (
        "The mirror sends to another address, which is not followed.",
        "Set bundles.mirror to the address where the files are, or have the mirror serve them itself.",
    ),
    "mirror_wrong": (
        "The mirror answers as no plain directory does.",
        "Have it serve the directory that 'weir-sign mirror' wrote: as it is, uncompressed, to everybody.",
    ),
    # Trust
    "no_root": ("This node trusts no root yet.", "Name the root that came with the node: '--root FILE'."),
    "state_lost": (
        "One of the two copies of what the node trusts is missing or old.",
        "The next import restores it; after that, import again.",
    ),
    "missing_metadata": ("A metadata file is missing.", _COPY),
    "root_gap": ("The chain of roots has a gap.", "Bring a medium that has every root; the publisher keeps them all."),
    "too_many_roots": ("The bundle has more new roots than are followed at once.", _ANEW),
    "bad_metadata": ("A metadata file is malformed.", _COPY),
    "threshold_missed": ("Too few of the keys that must sign have signed.", _TELL),
    "older_bundle": ("The bundle is older than what this node has accepted.", "Bring the newest bundle."),
    "mixed_metadata": ("The metadata files do not belong to one release.", _COPY),
    "outside_prefix": ("A role signed for a path that is not its own.", _TELL),
    "not_vouched": ("The role that answers for a file did not sign it so.", _ANEW),
    "bad_manifest": ("The manifest is not of the form that this program reads.", _ANEW),
    # Freshness
    "expired": ("Signed metadata has expired.", "Bring a newer bundle."),
    "expired_root": ("The root has expired.", "Bring a bundle with a newer root."),
    "too_old": ("The bundle was signed longer ago than this node allows.", "Bring a newer bundle."),
    "needs_acknowledgement": (
        "The publisher's timestamp has expired, and nobody has acknowledged that.",
        "Run the command again with --acknowledge, or bring a newer bundle.",
    ),
    "issued_too_early": (
        "The bundle was signed before the newest that this node has accepted.",
        "Bring the newest bundle.",
    ),
    # Preflight
    "incomplete": ("The bundle is not complete.", _COPY),
    "no_space": ("The disk has too little room.", "Make room in the state directory; nothing was copied."),
    "wrong_architecture": ("The bundle is for another architecture.", _ANEW),
    "program_too_old": ("The bundle needs a newer program.", "Update the program first."),
    "epoch_below_floor": (
        "The bundle's security epoch is below the one that this node accepted.",
        "Bring the newest bundle.",
    ),
    "id_reused": ("A bundle of the same name but other content was accepted before.", _TELL),
    # Staging
    "damaged_blob": ("A blob is not what was signed.", _COPY),
    "disk_full": ("The disk is full.", "Make room and run the command again; what was copied stays."),
    "store_trouble": ("The store cannot be written.", "Check the state directory, its owner and its disk."),
    "import_in_progress": (
        "Another import is at work.",
        "Wait until it has ended, or end its process: nothing is lost by that.",
    ),
    # Activation
    "damaged_store": (
        "What the store holds is no longer what was signed.",
        "Check the disk, then run the command again: what was damaged is copied anew.",
    ),
    "unusable_content": ("The content of the bundle cannot be used; its policy tests are a part of that.", _ANEW),
    "rehearsal_failed": ("A model or a rule of the bundle does not do what the bundle states.", _ANEW),
    "marked_bad": (
        "This node has tried the bundle, and it failed its health check.",
        "Bring a newer bundle, or run 'weir bundle acknowledge ID' and then apply it again.",
    ),
    "health_failed": (
        "The bundle failed its health check, and the node is back on what it ran before.",
        "Tell the publisher. 'weir bundle list' says what runs now.",
    ),
    "safe_mode": (
        "The bundle failed its health check, and there is none to return to.",
        "Bring a newer bundle. Until then the node serves by policy and cache alone.",
    ),
    "nothing_before": ("There is no earlier generation to return to.", "Apply the bundle that is wanted."),
    "unknown_generation": ("No generation of this name is marked bad.", "'weir bundle list' shows the names."),
}


_PUBLISH_ANEW = "Have the mirror published anew with 'weir-sign mirror', and run the command again."
_DISTRUST = "Take nothing from this mirror. Tell the publisher, and show what it serves."
_PUBLISH_NEWEST = "Have the newest bundle published on the mirror."
_PUBLISH_NEWER = "Have a newer bundle published on the mirror."
# What a reason's next step is instead where the bundle came from a mirror.
AT_A_MIRROR: dict[str, str] = {
    **{reason: _PUBLISH_ANEW for reason, (_, step) in REASONS.items() if step == _COPY},
    **{reason: _DISTRUST for reason, (_, step) in REASONS.items() if step == _TELL},
    **dict.fromkeys(("older_bundle", "issued_too_early", "epoch_below_floor"), _PUBLISH_NEWEST),
    **dict.fromkeys(("expired", "too_old"), _PUBLISH_NEWER),
    "expired_root": "Have a bundle with a newer root published on the mirror.",
    "root_gap": "Have every root published on the mirror; the publisher keeps them all.",
    "needs_acknowledgement": "Run the command again with --acknowledge, or have a newer bundle published there.",
    "medium_gone": "Check the mirror, and run the command again; what was copied stays.",
    "marked_bad": "Have a newer bundle published, or run 'weir bundle acknowledge ID' and then sync again.",
    "safe_mode": "Have a newer bundle published. Until then the node serves by policy and cache alone.",
    "nothing_before": "Sync, or apply the bundle that is wanted.",
}


def next_step(reason: str, *, mirror: bool = False) -> str:
    """What to do about it, as it is said of a medium or of a mirror."""
    return AT_A_MIRROR.get(reason, REASONS[reason][1]) if mirror else REASONS[reason][1]


class BundleRefused(WeirError):
    """A bundle is not taken; nothing changed. `reason` is a key of REASONS, `details` names every finding."""

    code: ClassVar[str] = "bundle_refused"
    status: ClassVar[int] = 422
    kind: ClassVar[Kind] = "policy"

    def __init__(self, reason: str, message: str = "", *, details: tuple[str, ...] = ()) -> None:
        meaning, next_step = REASONS[reason]
        super().__init__(message or meaning, next_step=next_step, details=details)
        self.reason = reason
