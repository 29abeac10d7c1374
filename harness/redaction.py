"""Removal of secrets from text: the values we know, and whatever looks like a credential.

Two nets. The first holds exact values (`register_secret`), in every spelling a log may use:
plain, URL-encoded once or twice, JSON-escaped. The second holds shapes: SAS signatures, account
keys, Authorization headers, passwords in URLs. Over-redaction is accepted, a leak is not.
Redacting twice changes nothing.

Limits: a secret that is cut in two, compressed or encoded in base64 once more passes both nets.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

__all__ = ["REDACTED", "redact", "redact_value", "register_secret"]

REDACTED: Final = "[redacted]"
SECRET_LENGTH_MIN: Final = 8
"""A shorter value would blank out ordinary words; no credential of this project is that short."""

_EQUALS = r"(?:=|%(?:25)*3D|\\u003d)"
_BEFORE_SIG = r"(?:(?<![a-z0-9])|(?<=%26)|(?<=%3F)|(?<=2526)|(?<=253F)|(?<=\\u0026))"
_OPENING = r"[\"'\\]*"
_VALUE = r"[^\s\"'\\<>;&,]+"
_SHAPES: Final = tuple(
    re.compile(shape, re.IGNORECASE)
    for shape in (
        # a SAS signature in a query, also where the whole URL was encoded again
        rf"({_BEFORE_SIG}sig{_EQUALS})[^\s\"'\\<>;&,)]+",
        rf"(Account_?Key{_OPENING}\s*(?:{_EQUALS}|:)\s*{_OPENING}){_VALUE}",
        rf"(AZURITE_ACCOUNTS{_OPENING}\s*[=:]\s*{_OPENING})[^\s\"'\\]+",
        r"(\bAuthorization[\"'\\]*\s*[:=]\s*[\"'\\]*)[^\r\n\"'\\]+",
        rf"(\bSharedKey(?:Lite)?\s+)[^\s:\"']+:{_VALUE}",
        r"(\bBearer\s+)[a-z0-9._~+/=-]{16,}",
        r"(\b[a-z][a-z0-9+.-]*://[^\s/:@\"']+:)[^\s/@\"']+(?=@)",
    )
)
_SECRET_NAMES: Final = frozenset(
    {"accountkey", "account_key", "authorization", "azurite_accounts", "sig", "password"}
)


class _Known:
    """The exact values of this process, longest first, so that no tail of a longer one remains."""

    def __init__(self) -> None:
        self._spellings: tuple[str, ...] = ()

    def add(self, secret: str) -> None:
        once = quote(secret, safe="")
        new = {
            secret,
            once,
            quote(once, safe=""),
            quote(secret),
            re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), once),
            _escaped(secret),
        }
        merged = new.union(self._spellings)
        self._spellings = tuple(sorted(merged, key=lambda text: (-len(text), text)))

    def remove_from(self, text: str) -> str:
        for spelling in self._spellings:
            text = text.replace(spelling, REDACTED)
        return text


_known: Final = _Known()


def _escaped(secret: str) -> str:
    return json.dumps(secret)[1:-1]


def register_secret(secret: str) -> None:
    """Have `redact` remove this exact value for the rest of the process.

    ValueError if it is too short.
    """
    if len(secret) < SECRET_LENGTH_MIN:
        raise ValueError(
            f"a secret of under {SECRET_LENGTH_MIN} characters cannot be redacted safely"
        )
    _known.add(secret)


def redact(text: str) -> str:
    """Return the text with every known secret and everything that looks like one replaced."""
    text = _known.remove_from(text)
    for shape in _SHAPES:
        text = shape.sub(rf"\1{REDACTED}", text)
    return text


def redact_value(value: object) -> object:
    """Redact every string in a value made of JSON's types, keys too.

    What a telling key names goes whole.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(key)): _redact_member(str(key), member) for key, member in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [redact_value(member) for member in value]
    return value


def _redact_member(key: str, member: object) -> object:
    if key.lower() in _SECRET_NAMES and isinstance(member, str) and member:
        return REDACTED
    return redact_value(member)
