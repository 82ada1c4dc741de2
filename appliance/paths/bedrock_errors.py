"""What Bedrock says when it fails, over HTTP or inside a stream, in the contract's words.

Rules kept here:
1. Nothing that it wrote in prose is shown: only names of exceptions, and of those the ones that stand here.
2. The prose is looked at for one thing: a prompt that is too long has no exception of its own.
"""

from __future__ import annotations

import re

from appliance.paths.contract import PathError, PathFault

_TYPES: dict[str, tuple[PathFault, str]] = {
    "AccessDeniedException": ("auth", "The server refused the credentials."),
    "ExpiredTokenException": ("auth", "The credentials have expired."),
    "IncompleteSignatureException": ("auth", "The server refused the signature."),
    "InvalidSignatureException": ("auth", "The server refused the signature."),
    "MissingAuthenticationTokenException": ("auth", "The server wants credentials."),
    "UnrecognizedClientException": ("auth", "The server refused the credentials."),
    "ThrottlingException": ("overloaded", "The server takes no more requests for now."),
    "TooManyRequestsException": ("overloaded", "The server takes no more requests for now."),
    "ServiceQuotaExceededException": ("overloaded", "The account's quota is spent."),
    "ModelNotReadyException": ("overloaded", "The model is not ready yet."),
    "ModelTimeoutException": ("timeout", "The model took too long."),
    "ModelErrorException": ("unavailable", "The model failed."),
    "ModelStreamErrorException": ("unavailable", "The model failed."),
    "InternalServerException": ("unavailable", "The server failed."),
    "InternalFailure": ("unavailable", "The server failed."),
    "ServiceUnavailableException": ("unavailable", "The server failed."),
    "ResourceNotFoundException": ("rejected", "The server does not know this model or address."),
    "ValidationException": ("rejected", "The server says that the request is invalid."),
}
_PLAIN = re.compile(r"[A-Za-z]{1,64}")
_TOO_LONG = re.compile(
    r"(?:input|prompt) is too long|too many (?:input )?tokens|exceeds? (?:the )?(?:model'?s? )?"
    r"(?:maximum )?context|maximum context|context (?:length|limit|window)",
    re.IGNORECASE,
)


def fault_of(kind: str, prose: str, where: str) -> PathError | None:
    """The PathError for an exception by its name, such as 'throttlingException'; None for an unknown one.

    `prose` is only looked at for a prompt that is too long, which has no name of its own.
    """
    name = kind.partition(":")[0].rpartition("#")[2]
    name = name[:1].upper() + name[1:]
    if not _PLAIN.fullmatch(name) or name not in _TYPES:
        return None
    fault, sentence = _TYPES[name]
    if name == "ValidationException" and _TOO_LONG.search(prose[:2000]):
        fault, sentence = "context_too_long", "The prompt is longer than the model takes."
    return PathError(fault, f"{sentence} ({where}: {name})")
