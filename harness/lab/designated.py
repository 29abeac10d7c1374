"""The disk that a consumer would be given now: the live blob, or the snapshot designated for it.

While a system seeds, resynchronises or resizes, the live blob may be unfit for a moment; then it
designates a snapshot of it, and says so in the blob's metadata. The lab reads those itself; what
they mean is told by the adapter.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from harness.adapter import Wording
from harness.disk.findings import ALL_CONSUMERS
from harness.disk.source import open_disk
from harness.disk.validator import validate
from harness.errors import Inconclusive, UsageError
from harness.lab.blob_view import BlobState, BlobView

__all__ = ["DesignatedDisk", "Sizes", "Target", "disk_bytes", "look_at_disk"]

MIB: Final = 1 << 20
TRIES: Final = 20
"""A blob that changed its state during each of so many looks was not looked at."""


def disk_bytes(volume_bytes: int) -> int:
    """Virtual size of the VHD of a volume: whole MiB, as Azure wants it (facts.md 1.6)."""
    return -(-volume_bytes // MIB) * MIB


@dataclass(frozen=True, slots=True)
class Target:
    """Where the designated disk is; `snapshot` is empty for the live blob."""

    url: str
    snapshot: str
    state: BlobState
    wording: Wording


class Sizes:
    """Sizes in bytes that the volume's disk may show; they change while it is resized."""

    def __init__(self, volume_bytes: int) -> None:
        self.volume = volume_bytes
        """The volume's own, the last that was asked for and done."""
        self.possible = frozenset({disk_bytes(volume_bytes)})
        self.had = self.possible

    def asked(self, volume_bytes: int) -> None:
        """Another size was asked for: from now on either may be shown."""
        self.possible |= {disk_bytes(volume_bytes)}
        self.had |= self.possible

    def done(self, volume_bytes: int) -> None:
        """The system said that it is done."""
        self.volume = volume_bytes
        self.possible = frozenset({disk_bytes(volume_bytes)})


class DesignatedDisk:
    """Finds the designated disk of one blob, and looks at it."""

    def __init__(
        self, view: BlobView, blob: str, understand: Callable[[Mapping[str, str]], Wording]
    ) -> None:
        self._view = view
        self._blob = blob
        self._understand = understand
        self._urls: dict[str, str] = {}

    def now(self) -> Target:
        """By the metadata of this moment."""
        state = self._view.state(self._blob)
        wording = self._understand(state.metadata)
        snapshot = wording.pinned if wording.unfinished else ""
        return Target(self.url(snapshot), snapshot, state, wording)

    def url(self, snapshot: str = "") -> str:
        """A read-only URL of the live blob or of a snapshot."""
        if snapshot not in self._urls:
            self._urls[snapshot] = self._view.read_url(self._blob, snapshot)
        return self._urls[snapshot]

    def look(
        self, look: Callable[[str, Collection[int]], tuple[bool | None, str]], sizes: Sizes
    ) -> tuple[bool | None, str, str]:
        """Look with `look(url, sizes)`; returns its verdict, its reason and the snapshot or "".

        A bad look at a blob that changed its length or state meanwhile is made again: it saw two
        states at once. (Data that changes meanwhile cannot make a look bad.)
        """
        for _ in range(TRIES):
            target, before = self.now(), sizes.possible
            ok, reason = look(target.url, sizes.had if target.snapshot else before | sizes.possible)
            if ok is None and target.snapshot not in {"", *self._view.snapshots(self._blob)}:
                ok, reason = False, "the snapshot that the blob designates does not exist"
            if ok is not False or self._still(target.state):
                return ok, reason, target.snapshot
        return None, "the blob's state changed during every look", ""

    def _still(self, before: BlobState) -> bool:
        now = self._view.state(self._blob)
        return (now.length, now.metadata) == (before.length, before.metadata)


def look_at_disk(url: str, sizes: Collection[int]) -> tuple[bool | None, str]:
    """Tell whether it is a valid VHD of such a size for every consumer; None: could not look."""
    try:
        disk = open_disk(url)
        try:
            layout = validate(disk)
        finally:
            disk.close()
    except (Inconclusive, UsageError) as error:
        return None, str(error)
    if layout.is_bad_for(ALL_CONSUMERS):
        condemned = [f.sentence for f in layout.findings if f.condemns(ALL_CONSUMERS)]
        return False, " ".join(condemned)
    if layout.size_bytes not in sizes:
        told = " or ".join(str(size) for size in sorted(sizes))
        return False, f"the disk has {layout.size_bytes} bytes, the volume's has {told}"
    return True, ""
