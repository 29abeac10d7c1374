"""Removal of secrets from text: the values we know, and whatever looks like a credential.

Two nets. The first holds exact values (`register_secret`), in every spelling a log may use:
plain, URL-encoded once or twice, JSON-escaped. The second holds shapes: SAS signatures, account
keys, Authorization headers, passwords in URLs. Over-redaction is accepted, a leak is not.
Redacting twice changes nothing.

Limits: a secret that is cut in two, compressed or encoded in base64 once more passes both nets.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["REDACTED", "KnownSecrets", "redact", "redact_value", "register_secret"]

REDACTED: Final = "[redacted]"
SECRET_LENGTH_MIN: Final = 8
"""A shorter value would blank out ordinary words; no credential of this project is that short."""

_EQUALS = r"(?:=|%(?:25)*3D|\\u003d)"
_BEFORE_SIG = r"(?:(?<![a-z0-9])|(?<=%26)|(?<=%3F)|(?<=2526)|(?<=253F)|(?<=\\u0026))"
_OPENING = r"[\"'\\]*"
_VALUE = r"[^\s\"'\\<>;&,]+"
_SHAPES: Final = tuple(
    re.compile(shape, re.IGNORECASE | re.ASCII)
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
_SIGNS: Final = ("sig", "key", "authorization", "azurite_accounts", "bearer", "://")
"""No shape is found in a text without any of these; most strings of a record have none."""
_SECRET_NAMES: Final = frozenset(
    {"accountkey", "account_key", "authorization", "azurite_accounts", "sig", "password"}
)


class KnownSecrets:
    """Exact values to remove, in every spelling: each character plain, escaped or URL-encoded.

    A character may be encoded any number of times over ("%2B", "%252B", ...), as happens to a SAS
    inside a URL inside a query.
    """

    def __init__(self) -> None:
        self._patterns: dict[str, str] = {}
        self._any: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        """Have `remove_from` remove this value; ValueError if it is too short."""
        if len(secret) < SECRET_LENGTH_MIN:
            raise ValueError(
                f"a secret of under {SECRET_LENGTH_MIN} characters cannot be redacted safely"
            )
        self._patterns[secret] = "".join(_spellings(character) for character in secret)
        # longest first, so that no tail of a longer one remains
        patterns = sorted(self._patterns.values(), key=len, reverse=True)
        self._any = re.compile("|".join(patterns))

    def remove_from(self, text: str) -> str:
        """Return the text with every known value replaced."""
        return text if self._any is None else self._any.sub(REDACTED, text)


def _spellings(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    encoded = "".join(
        f"%(?:25)*(?i:{byte:02x})" for byte in character.encode("utf-8", "surrogatepass")
    )
    # encoded first: "%" begins its own encoding
    return rf"(?:{encoded}|\\u(?i:{ord(character):04x})|\\?{re.escape(character)})"


_known: Final = KnownSecrets()


def register_secret(secret: str) -> None:
    """Have `redact` remove this exact value for the rest of the process.

    ValueError if it is too short.
    """
    _known.add(secret)


def redact(text: str) -> str:
    """Return the text with every known secret and everything that looks like one replaced."""
    text = _known.remove_from(text)
    lowered = text.lower()
    if not any(sign in lowered for sign in _SIGNS):
        return text
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
