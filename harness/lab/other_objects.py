"""What was written to the blob service besides the trials' own blobs, in any container."""

from collections.abc import Set as AbstractSet
from typing import Final

from harness.lab.blob_view import BlobView
from harness.lab.store_log import StoreLog, StoreRequest

__all__ = ["strangers", "writes_to"]

_CONTAINER_MADE: Final = "the making of the run's container"


def strangers(view: BlobView, log: StoreLog | None, blobs: AbstractSet[str]) -> list[str]:
    """Objects that are neither the run's container nor a blob that one of its trials protects to.

    By the request log: whatever a write was meant for, in any container. Without one: what the
    container holds. Other trials run beside this one, so their blobs (`blobs`) are known.
    """
    if log is None:
        return [name for name in view.list_blobs() if name not in blobs]
    written = {_made_by(request, view.container) for request in log.requests() if request.writes}
    known = {_CONTAINER_MADE, *(f"{view.container}/{name}" for name in frozenset(blobs))}
    return sorted(written - known)


def writes_to(view: BlobView, log: StoreLog | None, blob: str) -> int:
    """Write requests for one blob of the run, as logged; 0 without a log."""
    if log is None:
        return 0
    own = f"{view.container}/{blob}"
    return sum(1 for request in log.requests() if request.writes and request.target == own)


def _made_by(request: StoreRequest, container: str) -> str:
    """What a write request was meant for; the making of the run's container has a name of its own.

    Any other change of a container (its metadata, its access policy) stands for the container.
    """
    if (request.method, request.target, request.component) == ("PUT", container, ""):
        return _CONTAINER_MADE
    return request.target or "(the account)"
