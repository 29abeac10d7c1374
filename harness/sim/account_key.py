"""Shared Key: signs the requests with which a test drives a storage account.

Source: Azure REST, "Authorize with Shared Key". Written apart from the engine's own signing, so
that neither can hide a fault of the other.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from email.utils import formatdate
from typing import Final
from urllib.parse import urlsplit

from harness.errors import UsageError
from harness.redaction import register_secret

_STANDARD: Final = (
    "Content-Encoding", "Content-Language", "Content-Length", "Content-MD5", "Content-Type",
    "Date", "If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range",
)  # fmt: skip


class AccountKey:
    """An account's name, endpoint and key; the key is in no repr."""

    def __init__(self, connection_string: str) -> None:
        """Raise UsageError if name, key or endpoint is missing."""
        parts = dict(
            part.split("=", 1) for part in connection_string.strip(";").split(";") if "=" in part
        )
        name, key = parts.get("AccountName", ""), parts.get("AccountKey", "")
        if not name or not key:
            raise UsageError(
                "the connection string of the test account has no AccountName or no AccountKey;"
                " copy it again, whole and in quotes (a SAS is not enough here)"
            )
        register_secret(key)
        self.name = name
        try:
            self._key = base64.b64decode(key, validate=True)
        except binascii.Error:
            raise UsageError(
                f"the key of the test account {name!r} is not base64 text: it was cut or mistyped"
            ) from None
        suffix = parts.get("EndpointSuffix", "core.windows.net")
        protocol = parts.get("DefaultEndpointsProtocol", "https")
        endpoint = parts.get("BlobEndpoint") or f"{protocol}://{name}.blob.{suffix}"
        self.endpoint = urlsplit(endpoint.rstrip("/"))

    def __repr__(self) -> str:
        return f"AccountKey({self.name!r})"

    def sign(
        self, method: str, path: str, query: Mapping[str, str], headers: dict[str, str]
    ) -> None:
        """Add `x-ms-date` and `Authorization`; the request must stay as it is afterwards."""
        headers["x-ms-date"] = formatdate(usegmt=True)
        standard = [headers.get(name, "") for name in _STANDARD]
        standard[2] = "" if standard[2] == "0" else standard[2]
        own = sorted((name.lower(), value) for name, value in headers.items())
        lines = [method, *standard]
        lines += [f"{name}:{value}" for name, value in own if name.startswith("x-ms-")]
        lines.append(f"/{self.name}{path}")
        lines += [f"{name}:{query[name]}" for name in sorted(query)]
        digest = hmac.new(self._key, "\n".join(lines).encode(), hashlib.sha256).digest()
        signature = base64.b64encode(digest).decode("ascii")
        headers["Authorization"] = f"SharedKey {self.name}:{signature}"
