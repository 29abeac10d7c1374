"""The lab's own view of the blob service, independent of the system under test: it only reads.

(It also makes the container of a run, and removes it at the end.)
"""

import base64
import contextlib
import hashlib
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, urlsplit

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import BlobSasPermissions, BlobServiceClient, generate_blob_sas

from harness.disk.content import data_extents, pieces
from harness.disk.source import Disk, open_disk
from harness.errors import Inconclusive, UsageError
from harness.redaction import SECRET_LENGTH_MIN, register_secret

__all__ = ["BlobState", "BlobView", "blob_digest", "disk_chunks"]

KEY_BYTES_MIN: Final = 8
SAS_HOURS: Final = 2
"""Longer than any run; a read-only SAS of the lab's own."""

REFUSED: Final = frozenset({400, 401, 403, 404})

_RUN_HEADER: Final = struct.Struct("<QQ")


@dataclass(frozen=True, slots=True)
class BlobState:
    """What one look at a blob's properties shows."""

    length: int
    metadata: dict[str, str]
    etag: str


class BlobView:
    """One container of one service, by connection string."""

    def __init__(self, connection_string: str, container: str = "") -> None:
        """`UsageError` for a connection string that is none. Nothing is sent yet."""
        _require_usable(connection_string)
        register_secret(connection_string)
        self.connection_string = connection_string
        self.container = container or f"mountproof-{secrets.token_hex(6)}"
        try:
            self._service = BlobServiceClient.from_connection_string(
                connection_string, retry_total=0, connection_timeout=5, read_timeout=30
            )
        except ValueError as error:
            raise UsageError(
                "the store's connection string cannot be used; it needs AccountName, AccountKey and"
                " BlobEndpoint (or an Azure account's usual form)"
            ) from error
        credential = self._service.credential
        self._key: str = getattr(credential, "account_key", "") or ""
        if not self._key:
            raise UsageError(
                "the store's connection string has no AccountKey; the lab needs it to hand out"
                " read-only SAS addresses"
            )
        register_secret(self._key)
        self.version = ""

    def create_container(self) -> None:
        """Make the container; also proves that the service is there and lets us in."""
        with _explained(f"creating container {self.container}"):
            self._service.create_container(self.container, raw_response_hook=self._note_server)

    def delete_container(self) -> None:
        """Remove the container with all that is in it; a service that is gone is no error here."""
        with contextlib.suppress(AzureError):
            self._service.delete_container(self.container)

    def list_blobs(self) -> list[str]:
        """Names of all blobs in the container."""
        with _explained(f"listing container {self.container}"):
            names = self._service.get_container_client(self.container).list_blob_names()
            return sorted(names)

    def state(self, blob: str) -> BlobState:
        """Length, metadata and ETag, read in one request. `Inconclusive` if it cannot be read."""
        with _explained(f"asking for blob {blob}"):
            found = self._service.get_blob_client(self.container, blob).get_blob_properties()
            return BlobState(int(found.size), dict(found.metadata), str(found.etag))

    def snapshots(self, blob: str) -> dict[str, dict[str, str]]:
        """Every snapshot of the blob, oldest first, with its metadata."""
        with _explained(f"listing the snapshots of blob {blob}"):
            listed = self._service.get_container_client(self.container).list_blobs(
                name_starts_with=blob, include=["snapshots", "metadata"]
            )
            found = {
                str(entry.snapshot): dict(entry.metadata or {})
                for entry in listed
                if entry.name == blob and entry.snapshot
            }
        return dict(sorted(found.items()))

    def read_url(self, blob: str, snapshot: str = "") -> str:
        """A read-only URL with a SAS, registered as a secret; of a snapshot if one is named."""
        account = self._service.account_name or ""
        sas = generate_blob_sas(
            account,
            self.container,
            blob,
            snapshot=snapshot or None,
            account_key=self._key,
            permission=BlobSasPermissions(read=True),
            start=datetime.now(UTC) - timedelta(minutes=5),
            expiry=datetime.now(UTC) + timedelta(hours=SAS_HOURS),
        )
        for pair in sas.split("&"):
            if pair.startswith("sig="):
                register_secret(pair.removeprefix("sig="))
        chosen = f"snapshot={quote(snapshot)}&" if snapshot else ""
        return f"{self._service.get_blob_client(self.container, blob).url}?{chosen}{sas}"

    def close(self) -> None:
        """Close its connections."""
        self._service.close()

    def _note_server(self, response: object) -> None:
        headers = getattr(getattr(response, "http_response", None), "headers", {})
        self.version = str(headers.get("Server", "")) or self.version


def _require_usable(connection_string: str) -> None:
    """`UsageError` for what can only be a slip; the value itself is never shown."""
    pairs = (part.partition("=") for part in connection_string.split(";"))
    given = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if "usedevelopmentstorage" in given:
        return
    try:
        key = base64.b64decode(given.get("accountkey", ""), validate=True)
    except ValueError:
        raise UsageError("the store's AccountKey is no base64: was it cut or mistyped?") from None
    if given.get("accountkey") is not None and len(key) < KEY_BYTES_MIN:
        raise UsageError(f"the store's AccountKey has {len(key)} bytes: was it cut?")
    if len(connection_string) < SECRET_LENGTH_MIN:
        raise UsageError("the store's connection string is no connection string")
    if not _is_address(given.get("blobendpoint", "http://host")):
        raise UsageError("the store's BlobEndpoint is no http(s) address")


def _is_address(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """The SDK's errors as ours; `from None`, for its texts may hold URLs with signatures."""
    try:
        yield
    except HttpResponseError as error:
        if error.status_code in REFUSED:
            raise UsageError(
                f"{what}: the blob service refused the account or its key (HTTP"
                f" {error.status_code}); check the connection string"
            ) from None
        raise Inconclusive(f"{what}: the blob service answered HTTP {error.status_code}") from None
    except AzureError as error:
        raise Inconclusive(
            f"{what}: the blob service cannot be reached ({type(error).__name__}); is it running?"
        ) from None


def disk_chunks(disk: Disk, size_bytes: int) -> Iterator[tuple[int, bytes]]:
    """(offset, data) of everything written below `size_bytes`, in pieces, ascending."""
    for extent in data_extents(disk, size_bytes):
        yield from pieces(disk.read, extent)


def blob_digest(url: str) -> str:
    """sha256 over length, written ranges and data of the whole blob, footer included.

    Read twice without a write between, it gives the same; the ranges are merged before, so the
    way a service splits them does not matter.
    """
    disk = open_disk(url)
    try:
        digest = hashlib.sha256(_RUN_HEADER.pack(disk.length, 0))
        for extent in disk.extents():
            digest.update(_RUN_HEADER.pack(extent.offset, extent.length))
            for _offset, data in pieces(disk.read, extent):
                digest.update(data)
        return digest.hexdigest()
    finally:
        disk.close()
