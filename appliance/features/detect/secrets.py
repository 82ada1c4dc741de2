"""Detectors of secrets: keys and tokens of known forms, private keys, passwords that are assigned.

Rules kept here:
1. Every pattern is bounded and tried only where a literal of it stands in the text.
2. A value counts where it is no word, no placeholder and no reference to where the secret lies.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator

import orjson

from appliance.features.detect.pattern import Detector, Match, Verdict

_LEAST_BITS = 2.5  # Shannon entropy a character: English words have 2 to 3 at this length, random text over 3.5
_PLACEHOLDER = re.compile(
    r"^[<{$%*\[(]|\$[{(]|\{\{|\*{3}|x{4,}|your|example|changeme|change_me|placeholder|redacted|secret$|none$|null$|true$|false$"
    r"|os\.|env\.|process\.|config\.|settings\.|self\.|getenv|vault:|https?://|\.{3}",
    re.IGNORECASE,
)
_KEYS = (
    r"sk-(?:proj-|ant-(?:api\d\d-|admin\d\d-)?|svcacct-|or-v1-)?[A-Za-z0-9_-]{20,200}+",
    r"gh[pousr]_[A-Za-z0-9]{30,255}+",
    r"github_pat_[A-Za-z0-9_]{22,255}+",
    r"gl(?:pat|dt|rt|ptt|cbt)-[A-Za-z0-9_-]{20,255}+",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,255}+",
    r"xapp-\d-[A-Za-z0-9-]{20,255}+",
    r"AIza[A-Za-z0-9_-]{35}",
    r"ya29\.[A-Za-z0-9_-]{20,1024}+",
    r"GOCSPX-[A-Za-z0-9_-]{20,64}+",
    r"hf_[A-Za-z0-9]{30,64}+",
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_-]{50,512}+",
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,255}+",
    r"whsec_[A-Za-z0-9+/]{24,128}+",
    r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}+",
    r"do[opr]_v1_[a-f0-9]{64}",
    r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
    r"hv[sbr]\.[A-Za-z0-9_-]{24,255}+",
    r"AGE-SECRET-KEY-1[A-Z0-9]{58}",
    r"dapi[a-f0-9]{32}",
    r"nvapi-[A-Za-z0-9_-]{40,128}+",
    r"gsk_[A-Za-z0-9]{40,128}+",
    r"https://hooks\.slack\.com/services/T[A-Z0-9]{6,16}/B[A-Z0-9]{6,16}/[A-Za-z0-9]{16,32}",
)
_KEY_NEEDS = (
    "sk-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "xox",
    "xapp-", "aiza", "ya29.", "gocspx-", "hf_", "npm_", "pypi-", "_live_", "_test_", "whsec_", "sg.", "_v1_", "shpat_",
    "shpca_", "shppa_", "shpss_", "hvs.", "hvb.", "hvr.", "age-secret-key-", "dapi", "nvapi-", "gsk_",
    "hooks.slack.com",
)  # fmt: skip
# What a value is assigned to; in lower case, as the text is when it is looked for.
_NAMES = (
    r"pass(?:word|wd|phrase|wort)|pwd|kennwort|wachtwoord|mot[ _]de[ _]passe|contrase(?:ñ|n)a|clave|parola d|token"
    r"|secret|api[_ -]?key|access[_-]?key|accountkey|auth[_-]key|private[_-]key|client[_-]key|credential"
)
_NAME_NEEDS = (
    "pass", "pwd", "kennwort", "wachtwoord", "contrase", "clave", "parola d", "token", "secret", "key", "credential",
)  # fmt: skip
# Between a name and its value: a sign in code and settings, a verb in prose.
_SIGN = r"""["'`]?\s{0,3}(?:=>|:=|==?|:)\s{0,3}"""
_VERB = r"\s{1,3}(?:is|was|ist|lautet|est|es|è|wordt)\s{0,2}:?\s{1,3}"
_VALUE = r"""["'`„“«]?([^\s"'`“”»,;<>]{6,256}+)"""
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}-----")
_KEY_BODY = re.compile(r"[A-Za-z0-9+/=\r\n\\]*")
_KEY_MOST = 8192  # characters of a key that are looked through for its closing line


def bits(value: str) -> float:
    """Shannon entropy of a value's characters, in bits a character."""
    length = len(value)
    return -sum(n / length * math.log2(n / length) for n in map(value.count, set(value)))


def _classes(value: str) -> int:
    return (
        any(c.islower() for c in value)
        + any(c.isupper() for c in value)
        + any(c.isdigit() for c in value)
        + any(not c.isalnum() for c in value)
    )


def _random(value: str, *, least: int) -> bool:
    """Whether this may be a secret: no word, number, placeholder or reference."""
    if len(value) < least or _PLACEHOLDER.search(value) or value.endswith(("(", "()")):
        return False
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return (mixed or _classes(value) >= 3) and bits(value) >= _LEAST_BITS


def _private_key(text: str, match: Match) -> Verdict:
    """From the opening line to the closing one, or as far as lines of base64 go."""
    start, opened = match.span()
    closing = _KEY_END.search(text, opened, opened + _KEY_MOST)
    if closing is None:
        closing = _KEY_BODY.match(text, opened, opened + _KEY_MOST)
    return start, (closing.end() if closing is not None else opened)


def _key(text: str, match: Match) -> Verdict:
    del text
    value = match[0]
    words = value.startswith("sk-") and not any(c.isdigit() for c in value)  # 'sk-learn-and-other-names'
    return None if words or bits(value) < 3.0 else False


def _jwt(text: str, match: Match) -> Verdict:
    """A token whose header is JSON with an algorithm."""
    del text
    head = match[1]
    try:
        header = orjson.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, binascii.Error):
        return None
    return True if isinstance(header, dict) and ("alg" in header or "enc" in header) else None


def _bearer(text: str, match: Match) -> Verdict:
    del text
    return False if _random(match[1], least=16) else None


def _basic(text: str, match: Match) -> Verdict:
    del text
    try:
        plain = base64.b64decode(match[1], validate=True)
    except (ValueError, binascii.Error):
        return None
    return False if b":" in plain[1:] else None


def _found(text: str, match: Match) -> Verdict:
    del text, match
    return False


def _aws_secret(text: str, match: Match) -> Verdict:
    del text
    return False if _classes(match[1]) >= 3 and bits(match[1]) >= 3.5 else None


def _assigned(text: str, match: Match) -> Verdict:
    value = text[match.start(1) : match.end(1)].rstrip(".!?)}]")
    return False if _random(value, least=8) else None


def _in_address(text: str, match: Match) -> Verdict:
    del text
    return None if _PLACEHOLDER.match(match[1]) else False


def detectors() -> Iterator[Detector]:
    """In the order in which one finding goes before another that overlaps it."""
    yield Detector(
        "private-key",
        re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d: "),
        _private_key,
        ("private key", "putty-user-key-file-"),
    )
    yield Detector(
        "aws-key", re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Za-z0-9])"), _found, ("akia", "asia")
    )
    yield Detector(
        "aws-key",
        re.compile(
            r"(?i:aws|secret[_ ]?access[_ ]?key)(?:[\w. ]|-){0,24}?"
            + _SIGN
            + r"[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
        ),
        _aws_secret,
        ("aws", "secret"),
    )
    yield Detector(
        "jwt",
        re.compile(r"(?<![\w.-])(eyJ[\w-]{8,1024}+)\.[\w-]{2,3072}+(?:\.[\w-]{0,1024}+){1,3}", re.ASCII),
        _jwt,
        ("eyj",),
    )
    yield Detector(
        "api-key", re.compile(r"(?<![A-Za-z0-9_])(?:" + "|".join(_KEYS) + r")(?![A-Za-z0-9])"), _key, _KEY_NEEDS
    )
    yield Detector(
        "bearer-token",
        re.compile(r"(?i:\bbearer)\s{1,3}([A-Za-z0-9._~+/-]{16,2048}+)=*+"),
        _bearer,
        ("bearer",),
    )
    yield Detector(
        "bearer-token",
        re.compile(r"(?i:authorization)[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?i:basic)\s{1,3}([A-Za-z0-9+/]{8,512}+={0,2}+)"),
        _basic,
        ("basic",),
    )
    yield Detector("password", re.compile(r"://[^\s/:@\"'<>]{1,64}+:([^\s/@\"'<>]{3,128}+)@"), _in_address, ("://",))
    yield Detector(
        "password",
        re.compile(rf"(?:{_NAMES})[\w\-]{{0,24}}?(?:{_SIGN}|{_VERB}){_VALUE}"),
        _assigned,
        _NAME_NEEDS,
        lowered=True,
    )
