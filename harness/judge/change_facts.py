"""Facts about a volume that changes: sizes, a replicator that crashes, points, properties.

Rules of harness.judge.facts hold here too.
"""

from typing import Literal

import msgspec

__all__ = [
    "CrashOutcome",
    "PointCheck",
    "PointsOutcome",
    "PropertiesOutcome",
    "PropertyCheck",
    "ResizeOutcome",
    "ResizeStep",
]


class _Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Root of the records here: immutable, keyword arguments only, strict when read back."""


class ResizeStep(_Fact, frozen=True, kw_only=True):
    """One grow or shrink of the volume while the guest went on writing. Sizes are the volume's."""

    kind: Literal["grow", "shrink"]
    from_bytes: int
    to_bytes: int
    refused: str = ""
    """Why the system did not do it; empty if it said that it is done."""
    seconds: float = 0.0
    entries_during: int = 0
    """Entries acknowledged to the guest while it was on its way."""
    disk_bytes: int | None = None
    """Virtual size of the blob right after; None: no valid VHD, see `reason`."""
    reason: str = ""
    spare_zero: bool | None = None
    """All that the volume gained, and the padding after it, reads zero in the blob; None: not
    looked at."""
    guest_bytes: int | None = None
    """Size of the guest's file system after it had followed."""


class ResizeOutcome(_Fact, frozen=True, kw_only=True):
    """All sizes that the volume was given, and the disk that came out of it after the kill."""

    steps: list[ResizeStep]
    cut: bool = False
    """The site died in the midst of the last step."""
    unfinished_at_kill: str = ""
    """What the blob's metadata said to be unfinished right after the kill: `grow`, `shrink`."""
    recovered_bytes: int
    possible_bytes: list[int]
    """Virtual sizes that the recovered disk may have: with a cut, before and after it."""
    evidence: str = ""


class CrashOutcome(_Fact, frozen=True, kw_only=True):
    """The replicator alone died and came back."""

    acked_before_crash: int
    in_flight_at_crash: int
    """Writes of the guest, begun and not acknowledged."""
    restarted_after_s: float
    resync_seen: bool
    """The blob's metadata, or the system's events, showed a resynchronisation."""
    protected_after_s: float | None = None
    """From the crash to the system's word that it protects again; None: the site died before."""
    cut: bool = False
    """The site died in the midst of the resynchronisation."""
    unfinished_at_kill: str = ""
    """What the blob's metadata said to be unfinished right after the kill."""
    pinned: str = ""
    """The recovery point that they designated."""
    mounted: str = ""
    """The snapshot that the failover handed over; empty: the live blob."""
    evidence: str = ""


class PointCheck(_Fact, frozen=True, kw_only=True):
    """One recovery point of the system's own list, opened by its URL."""

    snapshot: str
    kind: str
    told_bytes: int
    """The volume's size by the list."""
    disk_bytes: int | None = None
    """Virtual size found; None: no valid VHD of a size that the volume ever had, see `reason`."""
    ok: bool | None = None
    """Opens as a valid VHD, and its content is what the point promises; None: could not look."""
    reason: str = ""
    owed_entries: int | None = None
    """Entries acknowledged before the point was asked for; None: not known."""
    begun_entries: int | None = None
    """Entries begun when the answer came: no more can be in it; None: not known."""
    entries: int | None = None
    """Entries found in it by a VM that mounted it; None: no VM did."""
    judged_pages: int | None = None
    """Pages that the oracle judged; None: no raw pages."""
    evidence: str = ""


class PointsOutcome(_Fact, frozen=True, kw_only=True):
    """Recovery points: asked for, listed, opened."""

    asked: int
    refused: list[str] = []
    """Answers to requests for a point that were refused."""
    listed: bool
    """The system gave a list after the disaster."""
    missing: list[str] = []
    """Points that were taken on request and are not in the list, though within the retention."""
    points: list[PointCheck] = []


class PropertyCheck(_Fact, frozen=True, kw_only=True):
    """One property of the volume, read from the blob by the lab itself."""

    what: str
    """For example `label in the metadata`, `unique id in the footer`."""
    moment: str
    """For example `protected`, `after grow`, `handed over`."""
    expected: str
    found: str
    changed: bool = False
    """The property had changed since protection began, so that it had to be carried over."""


class PropertiesOutcome(_Fact, frozen=True, kw_only=True):
    """The volume's properties in blob and footer, at several moments."""

    checks: list[PropertyCheck]
    evidence: str = ""
