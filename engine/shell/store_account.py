"""Opens a storage account from a connection string or a SAS URL, and shows neither's secret.

Nothing here knows whether Azure or an emulator answers: only the endpoint's URL differs.
"""

import ipaddress
import re
import time
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

from engine.errors import ConfigurationError
from engine.shell.blob_auth import API_VERSION, SasToken, SharedKey, encode_query
from engine.shell.blob_http import Buffer, ConnectionPool, Endpoint, Response, Timeouts
from engine.shell.put_checksum import PutChecksum

_CONTAINER: Final = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*|\$root")
_ACCOUNT: Final = re.compile(r"[a-z0-9][a-z0-9-]{2,62}")
_BLOB_NAME_CHARS_MAX: Final = 1024
_DEFAULT_TIMEOUTS: Final = Timeouts()
_PATH_SAFE: Final = "/()$=',~"
"""Left as they are in a path; the service signs the path as it arrives, so any choice is right."""

_KNOWN_SETTINGS: Final = frozenset({
    "defaultendpointsprotocol", "accountname", "accountkey", "endpointsuffix", "blobendpoint",
    "sharedaccesssignature", "queueendpoint", "tableendpoint", "fileendpoint",
    "blobsecondaryendpoint", "queuesecondaryendpoint", "tablesecondaryendpoint",
    "filesecondaryendpoint",
})  # fmt: skip


class StoreAccount:
    """One account of a blob service, how to reach it and how to be let in.

    `container` and `blob` are set when a SAS URL allows no other container or blob.
    """

    def __init__(
        self, name: str, url: str, credential: SharedKey | SasToken, timeouts: Timeouts,
        container: str | None = None, blob: str | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.url = url.rstrip("/")
        self.credential = credential
        self.timeouts = timeouts
        self.container = container
        self.blob = blob
        self.put_checksum = PutChecksum()
        parts = urlsplit(self.url)
        self._path = parts.path
        self._pool = ConnectionPool(_endpoint(parts), timeouts)

    def __repr__(self) -> str:
        return f"StoreAccount(name={self.name!r}, url={self.url!r}, {self.credential!r})"

    def blob_path(self, container: str, blob: str) -> str:
        """Path of `blob` within the endpoint, percent-encoded; ConfigurationError for bad names."""
        self._check_names(container, blob)
        return f"{self._path}/{container}/{quote(blob, safe=_PATH_SAFE)}"

    def request(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str],
        body: Sequence[Buffer] = (),
    ) -> Response:  # fmt: skip
        """Send one authorised request, once; NotSent or NoAnswer where no whole answer came."""
        signed = {"x-ms-version": API_VERSION, **headers}
        target = self.credential.authorize(method, path, query, signed)
        return self._pool.exchange(method, target, signed, body)

    def read_url(self, container: str, blob: str, ttl_seconds: float, snapshot: str = "") -> str:
        """URL from which anybody can read the blob for `ttl_seconds`: it is a secret.

        With a key it carries a SAS that allows nothing but reading this blob. With only a SAS of
        somebody else's it carries that one, whatever else that allows and however long it lives.
        """
        base = f"{self.url}{self.blob_path(container, blob)[len(self._path) :]}"
        if isinstance(self.credential, SharedKey):
            expiry = time.time() + ttl_seconds
            token = self.credential.read_token(container, blob, expiry, snapshot)
        else:
            if self.credential.permissions and "r" not in self.credential.permissions:
                raise ConfigurationError(
                    f"The SAS for container {container!r} does not allow reading, so no disk can "
                    "be mounted through it. Issue one whose permissions include r (read)."
                )
            token = self.credential.text
        own = {"snapshot": snapshot} if snapshot else {}
        return f"{base}?{encode_query(own)}&{token}" if own else f"{base}?{token}"

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def _check_names(self, container: str, blob: str) -> None:
        if not _CONTAINER.fullmatch(container):
            raise ConfigurationError(
                f"{container!r} is no container name: 3 to 63 lower-case letters, digits and "
                "single hyphens, beginning and ending in a letter or digit."
            )
        if not 0 < len(blob) <= _BLOB_NAME_CHARS_MAX or blob[-1] in "./" or blob[0] == "/":
            raise ConfigurationError(
                f"{blob!r} is no blob name: 1 to {_BLOB_NAME_CHARS_MAX} characters, neither "
                "beginning with a slash nor ending in a dot or a slash."
            )
        for what, allowed, asked in (
            ("container", self.container, container),
            ("blob", self.blob, blob),
        ):
            if allowed is not None and allowed != asked:
                raise ConfigurationError(
                    f"The SAS URL is for {what} {allowed!r}, but the policy names {asked!r}. Name "
                    f"that {what} in the policy, or use a SAS URL for {asked!r}."
                )


def open_account(text: str, timeouts: Timeouts = _DEFAULT_TIMEOUTS) -> StoreAccount:
    """Open the account of a connection string, or of a container's or blob's SAS URL.

    Sends nothing. Raises ConfigurationError that names the setting, never its value.
    """
    text = text.strip()
    if re.match(r"https?://", text, re.IGNORECASE):
        return _from_sas_url(text, timeouts)
    return _from_connection_string(text, timeouts)


def _from_connection_string(text: str, timeouts: Timeouts) -> StoreAccount:
    settings = _settings(text)
    name = settings.get("accountname", "")
    url = settings.get("blobendpoint", "")
    if not url:
        if not name:
            raise ConfigurationError(
                "The connection string has neither AccountName nor BlobEndpoint: it does not say "
                "which account. Copy the whole string from the account's access keys."
            )
        protocol = settings.get("defaultendpointsprotocol", "https")
        url = f"{protocol}://{name}.blob.{settings.get('endpointsuffix', 'core.windows.net')}"
    parts = _split_endpoint(url, "BlobEndpoint")
    if parts.query or parts.fragment:
        raise ConfigurationError(
            "BlobEndpoint in the connection string has a query. Put the SAS into "
            "SharedAccessSignature, or give a SAS URL instead of a connection string."
        )
    name = name or _account_name(parts)
    if not _ACCOUNT.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no account name: lower-case letters, digits and hyphens. Check "
            "AccountName in the connection string."
        )
    if "sharedaccesssignature" in settings:
        return StoreAccount(name, url, SasToken(settings["sharedaccesssignature"]), timeouts)
    if "accountkey" not in settings:
        raise ConfigurationError(
            f"The connection string of account {name!r} has neither AccountKey nor "
            "SharedAccessSignature: nothing lets us in. Copy the whole string again."
        )
    return StoreAccount(name, url, SharedKey(name, settings["accountkey"]), timeouts)


def _settings(text: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    for number, item in enumerate(filter(None, text.split(";")), start=1):
        name, equals, value = item.partition("=")
        key = name.strip().lower()
        if not equals or not value or key not in _KNOWN_SETTINGS:
            # The item may be a piece of the key, so it is counted, not shown.
            raise ConfigurationError(
                f"Part {number} of the connection string is no known NAME=VALUE setting. It must "
                "look like AccountName=...;AccountKey=...;BlobEndpoint=... or be a SAS URL."
            )
        if key in settings:
            raise ConfigurationError(f"The connection string gives {name.strip()} twice.")
        settings[key] = value.strip()
    if not settings:
        raise ConfigurationError(
            "The connection string is empty. Check the environment variable or file that the "
            "policy names for it."
        )
    return settings


def _from_sas_url(text: str, timeouts: Timeouts) -> StoreAccount:
    parts = _split_endpoint(text, "the SAS URL")
    segments = [unquote(segment) for segment in parts.path.split("/") if segment]
    account = [segments.pop(0)] if _is_path_style(parts) and segments else []
    if not segments:
        raise ConfigurationError(
            "The SAS URL names no container: it must look like "
            "https://ACCOUNT.blob.core.windows.net/CONTAINER?sv=...&sig=..."
        )
    container, blob = segments[0], "/".join(segments[1:]) or None
    path = f"/{account[0]}" if account else ""
    url = f"{parts.scheme}://{parts.netloc}{path}"
    name = account[0] if account else _account_name(parts)
    return StoreAccount(name, url, SasToken(parts.query), timeouts, container, blob)


def _split_endpoint(url: str, what: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port != 0
    except ValueError:
        port_is_valid = False
    if not port_is_valid or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"{what} is no http or https URL with a host: check its spelling.")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{what} holds a user name or password: blob services take none.")
    return parts


def _endpoint(parts: SplitResult) -> Endpoint:
    tls = parts.scheme == "https"
    return Endpoint(parts.hostname or "", parts.port or (443 if tls else 80), tls)


def _is_path_style(parts: SplitResult) -> bool:
    """Emulators at an address carry the account in the path; services with names in the host."""
    host = parts.hostname or ""
    if host == "localhost" or "." not in host:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _account_name(parts: SplitResult) -> str:
    if _is_path_style(parts):
        return parts.path.strip("/").partition("/")[0]
    return (parts.hostname or "").partition(".")[0]
