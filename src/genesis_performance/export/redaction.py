"""The one redaction policy: nothing personal leaves the process in a name or a label value.

Ids (digits, UUIDs, hexadecimal, IP addresses), e-mail addresses and tokens become ``{id}``, ``{email}`` and
``{token}``, literals in single quotes ``'{text}'``; a query string is dropped. Route templates
(``/orders/{order_id}``) and ordinary names (``http2``, ``p95``, ``sha256_hash``) stay as they are. Redacting
twice is the same as redacting once, and the result is never longer than ``MAX_LENGTH``.

It works on the shape of the text: a person's name spelled in letters is not found; do not use one as a label.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_LENGTH = 1024
"""Characters of a label value that Cloud Monitoring takes (https://cloud.google.com/monitoring/quotas)."""

ID, EMAIL, TOKEN = "{id}", "{email}", "{token}"
LITERAL = "'{text}'"

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_LITERAL = re.compile(r"'[^']+'")  # values in an SQL statement; double quotes hold identifiers there
_PLACEHOLDER = re.compile(r"(\{[A-Za-z_]{1,40}(?::[a-z]{1,10})?\})")

# Found in the whole text, because they hold characters that also separate words. First match wins.
_WHOLE = (
    (re.compile(r"(?i)\b(?:bearer|basic)\s+[^\s/,;]+"), TOKEN),
    (re.compile(r"[^\s/@:,;=<>()\[\]{}\"']{1,64}(?:@|%40)[^\s/@:,;=<>()\[\]{}\"']+"), EMAIL),
    (re.compile(r"\beyJ[\w-]{4,}(?:\.[\w-]*){0,4}"), TOKEN),
    (
        re.compile(
            r"\b(?:gh[pousr]_|github_pat_|xox[a-z]-|sk[-_]|pk_|rk_|glpat-|AKIA|AIza|ya29\.)[\w.-]{8,}"
        ),
        TOKEN,
    ),
    (re.compile(r"(?i)(?<![0-9a-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-z])"), ID),
    (re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])"), ID),
    (
        re.compile(r"(?i)(?<![0-9a-z:])(?=[0-9a-f:]*\d|::)(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{1,4}(?![0-9a-z:])"),
        ID,
    ),
)
_SECRET = re.compile(
    r"(?i)\b(token|password|passwd|pwd|secret|api_?key|access_?key|auth|signature|session|sid)(=\s?)[^\s/&;,{]+"
)
_RUN = re.compile(r"[A-Za-z0-9+=_~-]{20,}")  # where an unpadded or URL-safe base64 text may be
_WORD = re.compile(r"\w+")
_PART = re.compile(r"[^\W_]+")
_JOINED = re.compile(r"\{id\}(?:[-._:+,~]{1,2}\{id\})+")

_PLAIN = re.compile(r"[^\W\d]*")  # letters only
# http2, p95, sha256, i18n, oauth2client; and 5xx, 2fa, 3d
_NAMED_NUMBER = re.compile(r"[^\W\d]+\d{1,3}[^\W\d]*|\d[^\W\d]{1,3}")
_HEX = re.compile(r"(?i)(?=.*\d)[0-9a-f]{6,}")
_LONG = 64  # characters of one word: no name is so long
_TOKEN_LENGTH = 20

_NUMBER_VALUE = re.compile(r"\d{1,3}|v?\d{1,4}(?:\.\d{1,4}){1,2}")


@lru_cache(maxsize=4096)
def redact(text: str) -> str:
    """The text without ids, e-mail addresses, tokens and query string."""
    text = _SURROGATE.sub("\ufffd", text[: 2 * MAX_LENGTH])  # the replacement character
    text = _LITERAL.sub(LITERAL, _CONTROL.sub(" ", text)).partition("?")[0]
    # Placeholders are split off, so that no rule reads across them and a second pass changes nothing.
    for _ in range(3):
        redacted = "".join(
            piece if index % 2 else _redact_piece(piece)
            for index, piece in enumerate(_PLACEHOLDER.split(text))
        )
        redacted = _cut(_JOINED.sub(ID, redacted))
        if redacted == text:
            break
        text = redacted
    return text


def redact_value(text: str) -> str:
    """``redact`` for a label value: one short number or version (``200``, ``2.1.3``) is kept, as no id is."""
    return text if _NUMBER_VALUE.fullmatch(text) else redact(text)


def _redact_piece(text: str) -> str:
    if text.isascii() and text.replace("/", "").replace("_", "").isalpha() and len(text) < _TOKEN_LENGTH:
        return text  # nearly every name
    for pattern, placeholder in _WHOLE:
        text = pattern.sub(placeholder, text)
    text = _SECRET.sub(rf"\1\2{TOKEN}", text)
    text = _outside_placeholders(_RUN, _redact_run, text)
    return _outside_placeholders(_PART, _redact_word, text)


def _outside_placeholders(pattern: re.Pattern[str], change: object, text: str) -> str:
    return "".join(
        piece if index % 2 else pattern.sub(change, piece)  # type: ignore[call-overload]
        for index, piece in enumerate(_PLACEHOLDER.split(text))
    )


def _redact_run(match: re.Match[str]) -> str:
    """A long run that is mostly unreadable is one token, whatever separators it happens to hold."""
    run = match.group()
    parts = _PART.findall(run)
    readable = sum(len(part) for part in parts if _is_name(part))
    mixed = any(c.isdigit() for c in run) and any(c.islower() for c in run) and any(c.isupper() for c in run)
    return TOKEN if mixed and readable * 2 < sum(map(len, parts)) else run


def _redact_word(match: re.Match[str]) -> str:
    word = match.group()
    if _is_name(word):
        return word
    if word.isdigit() or (_HEX.fullmatch(word) and len(word) <= _LONG):
        return ID
    return TOKEN if len(word) >= _TOKEN_LENGTH else ID


def _is_name(word: str) -> bool:
    if len(word) >= _LONG:
        return False
    if _PLAIN.fullmatch(word):
        return True
    return bool(_NAMED_NUMBER.fullmatch(word)) and not _HEX.fullmatch(word)


def _cut(text: str) -> str:
    """At most ``MAX_LENGTH`` characters, ending before a word rather than within it."""
    if len(text) <= MAX_LENGTH:
        return text
    cut = text[:MAX_LENGTH]
    ends = [match.start() for match in re.finditer(r"[^\w{}]", cut)]
    return cut[: ends[-1]] if ends else TOKEN
