"""A disk under proof, read-only: a local file or device, or a blob behind a URL.

`open_disk` is the one way in. Reading raises `UsageError` when the disk is not there or access is
refused for good, and `Inconclusive` when it could not be read, which says nothing about its
content. No message and no name shows a URL's query, where a SAS keeps its signature.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit, urlunsplit

READ_BYTES_MAX: Final = 4 * 1024 * 1024
"""Largest single read; a service may answer longer ranges badly (facts.md 3.2)."""


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of bytes."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """First byte after it."""
        return self.offset + self.length


class Disk(Protocol):
    """A file or blob, footer included. Thread-safe."""

    @property
    def name(self) -> str:
        """How to call it in a message: a path, or a URL without its query."""
        ...

    @property
    def place(self) -> str | Path:
        """Absolute path, or the whole URL: a secret, never to be shown."""
        ...

    @property
    def length(self) -> int:
        """Bytes of all of it, as found when it was opened."""
        ...

    @property
    def kind(self) -> str:
        """`file`, the blob type that the service names (`PageBlob`), or `http`."""
        ...

    @property
    def is_remote(self) -> bool:
        """Behind a URL, so that a failure of reading may be the service's."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`, at most `READ_BYTES_MAX`."""
        ...

    def extents(self) -> list[Extent]:
        """Where data may be, in order and disjoint; everything else reads zero."""
        ...

    def check_unchanged(self) -> None:
        """Raise `Inconclusive` unless it can still be reached and is as long as when opened."""
        ...

    def qemu_node(self) -> dict[str, object]:
        """Protocol node that lets QEMU open it, read-only, with no copy. Holds the SAS."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def open_disk(place: str) -> Disk:
    """Open a local path, or an http(s) URL with or without a SAS."""
    from harness.disk.local_disk import LocalDisk
    from harness.disk.remote_disk import RemoteDisk

    if is_url(place):
        return RemoteDisk(place)
    return LocalDisk(Path(place))


def is_url(place: str) -> bool:
    """Tell a URL from a path."""
    return place.lower().startswith(("http://", "https://"))


def shown_url(url: str) -> str:
    """Return the URL as it may be shown: neither query nor credentials."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = "..." if parts.query else ""
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def clip(extents: list[Extent], end: int) -> list[Extent]:
    """Return what of `extents` lies below `end`."""
    return [Extent(e.offset, min(e.end, end) - e.offset) for e in extents if e.offset < end]


def merge(extents: list[Extent], gap: int = 0) -> list[Extent]:
    """Join extents, in any order, that overlap or are at most `gap` bytes apart."""
    joined: list[Extent] = []
    for extent in sorted(extents, key=lambda e: e.offset):
        if joined and extent.offset <= joined[-1].end + gap:
            end = max(joined[-1].end, extent.end)
            joined[-1] = Extent(joined[-1].offset, end - joined[-1].offset)
        else:
            joined.append(extent)
    return joined
