"""The one request of the core that is not for a blob but for its container."""

from harness.sim.blob_requests import Request

__all__ = ["ListRequest"]


class ListRequest(Request, frozen=True, kw_only=True):
    """List Blobs with snapshots and metadata, of this blob alone."""
