"""Keeps account keys and SAS signatures out of everything that is written or shown.

Two nets: secrets that were registered when they were read, in every spelling they may take, and the
patterns in which Azure storage shows secrets, for those that nobody registered.
"""

import re
import threading
from typing import Final
from urllib.parse import quote, quote_plus, unquote

MASK: Final = "REDACTED"

_SECRET_CHARS_MIN: Final = 8
"""Shorter texts are not replaced: they would mask ordinary words and are no real secrets."""

_PATTERNS: Final = (
    re.compile(r"(\bsig=)[^&\s\"'<>;,\\)\]}]+", re.IGNORECASE),
    re.compile(r"(\bAccountKey=)[^;\s\"'<>]+", re.IGNORECASE),
    re.compile(r"(\bSharedKey(?:Lite)? [A-Za-z0-9-]+:)[A-Za-z0-9+/=]+"),
)

_registered: set[str] = set()
_lock = threading.Lock()


def register_secret(secret: str) -> None:
    """From now on `redact` masks `secret`, also percent-encoded or decoded."""
    spellings = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), unquote(secret)}
    with _lock:
        _registered.update(text for text in spellings if len(text) >= _SECRET_CHARS_MIN)


def redact(text: str) -> str:
    """`text` with every registered secret and every storage-secret pattern masked."""
    with _lock:
        secrets = sorted(_registered, key=len, reverse=True)
    for secret in secrets:
        text = text.replace(secret, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text
