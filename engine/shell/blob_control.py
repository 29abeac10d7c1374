"""Rare requests (create, resize, metadata, snapshots, leases) by the Azure SDK, without retries.

Every request has a client, and so a connection, of its own: none is ever stale. The SDK is
imported at the first use, because that takes 0.4 s and the data path does not need it.
"""

import logging
import re
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from engine.core.messages import (
    Acquire,
    Break,
    Change,
    Create,
    DeleteSnapshot,
    Done,
    Failed,
    ListSnapshots,
    MetadataMap,
    Refusal,
    Release,
    Resize,
    SetMetadata,
    Snapshot,
    StoreAnswer,
    StoreCommand,
    Unknown,
)
from engine.shell.blob_auth import API_VERSION, SharedKey
from engine.shell.blob_outcome import error_code, failure
from engine.shell.redaction import redact

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient

    from engine.shell.store_account import StoreAccount

_SNAPSHOT_ID: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z")
_SNAPSHOT_SPACING_SECONDS: Final = 0.002
"""Snapshot ids are clock readings; some services count only milliseconds (gotcha 7)."""

# The SDK masks signatures in its own log; the library beneath it logs whole URLs, SAS and all.
logging.getLogger("urllib3").setLevel(logging.WARNING)

_NOT_CONNECTED: Final = frozenset(
    {"NewConnectionError", "ConnectTimeoutError", "NameResolutionError", "SSLCertVerificationError"}
)


class BlobControl:
    """Executes the rare store commands of one blob."""

    def __init__(self, account: "StoreAccount", container: str, blob: str) -> None:
        self._account = account
        self._container = container
        self._blob = blob
        self._snapshots = threading.Lock()

    def preload(self) -> None:
        """Import the SDK."""
        import azure.storage.blob  # noqa: F401

    def execute(self, command: StoreCommand) -> StoreAnswer:
        """Do `command` once; never raises for operating errors."""
        from azure.core.exceptions import AzureError

        if isinstance(command, DeleteSnapshot) and not _SNAPSHOT_ID.fullmatch(command.snapshot):
            # Without a well-formed id the same request would delete the blob itself.
            reason = f"{self._what(command)}: {command.snapshot!r:.40} is no snapshot id"
            return Failed(command.id, Refusal.INVALID, detail=reason)
        client = self._client(getattr(command, "snapshot", None))
        try:
            return self._run(client, command)
        except AzureError as error:
            return self._outcome(command, error)
        finally:
            client.close()

    def _run(self, client: "BlobClient", command: StoreCommand) -> StoreAnswer:
        if isinstance(command, ListSnapshots):
            return self._list_snapshots(command)
        seen: dict[str, str] = {}
        options: dict[str, Any] = {"raw_response_hook": lambda answer: _keep(answer, seen)}
        options |= _conditions(command)
        snapshot = ""
        match command:
            case Create():
                client.create_page_blob(
                    command.length,
                    metadata=dict(command.metadata),
                    sequence_number=command.number,
                    **options,
                )
            case Resize():
                client.resize_blob(command.length, lease=command.lease, **options)
            case SetMetadata():
                client.set_blob_metadata(dict(command.metadata), lease=command.lease, **options)
            case Snapshot():
                snapshot = self._take_snapshot(client, command, options)
            case DeleteSnapshot():
                client.delete_blob(**options)
            case Acquire() | Break() | Release() | Change():
                _lease(client, command, options)
            case _:
                raise TypeError(f"{type(command).__name__} is no rare command")
        return Done(command.id, etag=seen.get("etag", ""), snapshot=snapshot)

    def _take_snapshot(
        self, client: "BlobClient", command: Snapshot, options: dict[str, Any]
    ) -> str:
        with self._snapshots:
            time.sleep(_SNAPSHOT_SPACING_SECONDS)
            answer = client.create_snapshot(dict(command.metadata), lease=command.lease, **options)
            return str(answer["snapshot"])

    def _list_snapshots(self, command: ListSnapshots) -> StoreAnswer:
        from azure.storage.blob import ContainerClient

        client = ContainerClient(
            self._account.url, self._container, credential=self._credential(), **self._options()
        )
        with client:
            found: list[tuple[str, MetadataMap]] = [
                (str(item.snapshot), _metadata(item.metadata))
                for item in client.list_blobs(
                    name_starts_with=self._blob, include=["snapshots", "metadata"]
                )
                if item.name == self._blob and item.snapshot
            ]
        return Done(command.id, snapshots=tuple(sorted(found)))

    def _client(self, snapshot: str | None) -> "BlobClient":
        from azure.storage.blob import BlobClient

        return BlobClient(
            self._account.url,
            self._container,
            self._blob,
            snapshot=snapshot,
            credential=self._credential(),
            **self._options(),
        )

    def _credential(self) -> Any:  # noqa: ANN401 - what the SDK takes
        credential = self._account.credential
        if isinstance(credential, SharedKey):
            return {"account_name": credential.account, "account_key": credential.key_text()}
        return credential.text

    def _options(self) -> dict[str, Any]:
        timeouts = self._account.timeouts
        return {
            "api_version": API_VERSION,
            "retry_total": 0,
            "connection_timeout": timeouts.connect_seconds,
            "read_timeout": timeouts.answer_seconds,
            "permit_redirects": False,  # a redirect would deliver the request a second time
            "use_env_settings": False,  # the data path takes no proxy from the environment either
        }

    def _outcome(self, command: StoreCommand, error: Exception) -> StoreAnswer:
        from azure.core.exceptions import HttpResponseError

        what = self._what(command)
        if isinstance(error, HttpResponseError) and error.response is not None:
            status = error.status_code or 0
            if status >= 300:
                return failure(command, status, error_code(_headers(error.response), b""), what)
        if _never_connected(error):
            return Failed(
                command.id,
                Refusal.UNREACHABLE,
                detail=f"{what}: the blob service cannot be reached: nothing was sent",
            )
        reason = redact(str(error).partition("\n")[0])[:200]
        return Unknown(command.id, f"{what}: no certain answer ({type(error).__name__}: {reason})")

    def _what(self, command: StoreCommand) -> str:
        return f"{type(command).__name__} of {self._container}/{self._blob}"


def _conditions(command: StoreCommand) -> dict[str, Any]:
    from azure.core import MatchConditions

    if isinstance(command, Create):
        return {"match_condition": MatchConditions.IfMissing}
    etag = getattr(command, "if_match", None)
    if etag is None:
        return {}
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


def _lease(client: "BlobClient", command: StoreCommand, options: dict[str, Any]) -> None:
    from azure.storage.blob import BlobLeaseClient

    match command:
        case Acquire():
            lease = BlobLeaseClient(client, lease_id=command.lease)
            lease.acquire(lease_duration=command.seconds, **options)
        case Break():
            # The period must be given: without it a finite lease lets its holder go on writing.
            BlobLeaseClient(client).break_lease(lease_break_period=0, **options)
        case Release():
            BlobLeaseClient(client, lease_id=command.lease).release(**options)
        case Change():
            BlobLeaseClient(client, lease_id=command.lease).change(command.proposed, **options)


def _headers(response: Any) -> dict[str, str]:  # noqa: ANN401 - the SDK does not type it
    return {name.lower(): text for name, text in response.headers.items()}


def _keep(answer: Any, seen: dict[str, str]) -> None:  # noqa: ANN401 - likewise
    seen["etag"] = answer.http_response.headers.get("etag", "")


def _metadata(metadata: dict[str, str] | None) -> MetadataMap:
    return tuple(sorted((name.lower(), text) for name, text in (metadata or {}).items()))


def _never_connected(error: BaseException) -> bool:
    """Whether some error beneath `error` says that no connection was made."""
    pending: list[object] = [error]
    visited: set[int] = set()
    while pending:
        current = pending.pop()
        if not isinstance(current, BaseException) or id(current) in visited:
            continue
        if type(current).__name__ in _NOT_CONNECTED:
            return True
        visited.add(id(current))
        pending += [current.__cause__, current.__context__, getattr(current, "reason", None)]
        pending += [getattr(current, "inner_exception", None), *current.args]
    return False
