"""Authorises data-path requests: Shared Key, SAS tokens, and the read-only SAS of a mount.

Source: Azure REST, "Authorize with Shared Key" and "Create a service SAS". The canonical resource
is the account's name before the whole URL path, so a path-style endpoint (the account is the first
path segment, Azurite) and a host-style one (Azure) come out right by the same rule.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Final, Protocol
from urllib.parse import parse_qsl, quote

from engine.errors import ConfigurationError
from engine.shell.redaction import register_secret

API_VERSION: Final = "2025-11-05"
"""x-ms-version of every request and of the SAS we sign; Azurite 3.35 and 3.37 know it [ran]."""

_SIGNED_HEADERS: Final = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


class Credential(Protocol):
    """What turns a request into one that the service accepts."""

    def authorize(
        self, method: str, path: str, query: Mapping[str, str], headers: dict[str, str]
    ) -> str:
        """Add what is needed to `headers` (names in lower case); return the request target."""
        ...


def encode_query(query: Mapping[str, str]) -> str:
    """`query` as it stands after the question mark."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())


class SharedKey:
    """Signs with the account's key, which no repr or message of this class shows."""

    def __init__(self, account: str, key: str) -> None:
        """Raise ConfigurationError if `key` is no base64 text."""
        try:
            self._key = base64.b64decode(key, validate=True)
        except binascii.Error:
            self._key = b""
        if not self._key:
            raise ConfigurationError(
                f"The key of storage account {account!r} is not base64 text: it was cut or "
                "mistyped. Copy the connection string again."
            )
        register_secret(key)
        self.account = account

    def __repr__(self) -> str:
        return f"SharedKey(account={self.account!r})"

    def key_text(self) -> str:
        """Return the secret itself, for the SDK; never to be shown or kept."""
        return base64.b64encode(self._key).decode("ascii")

    def authorize(
        self, method: str, path: str, query: Mapping[str, str], headers: dict[str, str]
    ) -> str:
        """Sign the request as it stands; later changes to it would make the signature wrong."""
        headers["x-ms-date"] = formatdate(usegmt=True)
        text = string_to_sign(self.account, method, path, query, headers)
        headers["authorization"] = f"SharedKey {self.account}:{self._sign(text)}"
        return f"{path}?{encode_query(query)}" if query else path

    def read_token(self, container: str, blob: str, expires_at: float, snapshot: str = "") -> str:
        """Return a SAS that allows reading one blob or snapshot until `expires_at` (Unix s)."""
        expiry = datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        resource = "bs" if snapshot else "b"
        canonical = f"/blob/{self.account}/{container}/{blob}"
        # permission, start, expiry, resource, identifier, ip, protocol, version, kind, snapshot,
        # encryption scope, then five answer headers: the form of versions from 2020-12-06 on.
        fields = ["r", "", expiry, canonical, "", "", "", API_VERSION, resource, snapshot, ""]
        signature = self._sign("\n".join([*fields, "", "", "", "", ""]))
        register_secret(signature)
        token = {"sp": "r", "se": expiry, "sv": API_VERSION, "sr": resource, "sig": signature}
        return encode_query(token)

    def _sign(self, text: str) -> str:
        digest = hmac.digest(self._key, text.encode(), "sha256")
        return base64.b64encode(digest).decode("ascii")


def string_to_sign(
    account: str, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> str:
    """Return the text that Shared Key signs; an empty body's length is signed as an empty line."""
    lines = [method]
    for name in _SIGNED_HEADERS:
        value = headers.get(name, "")
        lines.append("" if name == "content-length" and value == "0" else value)
    own = sorted(name for name in headers if name.startswith("x-ms-"))
    lines += [f"{name}:{headers[name]}" for name in own]
    lines.append(f"/{account}{path}")
    lines += [f"{name}:{query[name]}" for name in sorted(query)]
    return "\n".join(lines)


class SasToken:
    """A shared access signature somebody gave us: used as it is, never renewed."""

    def __init__(self, token: str) -> None:
        """Raise ConfigurationError if `token` carries no signature."""
        self.text = token.removeprefix("?")
        fields = dict(parse_qsl(self.text))
        if not fields.get("sig"):
            raise ConfigurationError(
                "The shared access signature has no `sig` field: it was cut. Copy the whole SAS "
                "URL again, in quotes, because of the & signs in it."
            )
        register_secret(fields["sig"])
        self.permissions = fields.get("sp", "")
        """Letters of the `sp` field; empty when a stored access policy holds them."""

    def __repr__(self) -> str:
        return f"SasToken(permissions={self.permissions!r})"

    def authorize(
        self,
        method: str,  # noqa: ARG002 - a SAS signs no single request
        path: str,
        query: Mapping[str, str],
        headers: dict[str, str],  # noqa: ARG002
    ) -> str:
        """Append the token to the query."""
        own = encode_query(query)
        return f"{path}?{own}&{self.text}" if own else f"{path}?{self.text}"
