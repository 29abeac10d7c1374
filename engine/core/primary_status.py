"""Where a primary is in its life, and what it may honestly say of itself (protocol.md H39)."""

from enum import StrEnum
from typing import Final

from msgspec import Struct


class Phase(StrEnum):
    """Where the primary is in its life."""

    OFF = "off"
    CREATING = "creating"
    OWNING = "owning"
    SEEDING = "seeding"
    RESYNCING = "resyncing"
    SEALING = "sealing"
    RUNNING = "protected"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DEMOTED = "demoted"
    REFUSED = "refused"
    HALTED = "halted"


# Named once, for to look up a member of an enum costs more than a call.
OWNING: Final = Phase.OWNING
SEALING: Final = Phase.SEALING
RUNNING: Final = Phase.RUNNING
STOPPING: Final = Phase.STOPPING

ENDED = (Phase.STOPPED, Phase.DEMOTED, Phase.REFUSED, Phase.HALTED)
"""Phases that only a new process leaves: every client operation fails, nothing is sent."""

PROMISING = (RUNNING, STOPPING)
"""Phases in which an acknowledgement carries the promise of the mode (H18)."""

ACKNOWLEDGING = (*PROMISING, Phase.RESYNCING)
"""Phases in which a guarded operation may be acknowledged; a resync promises its point only."""


COPYING = (Phase.SEEDING, Phase.RESYNCING)
"""Phases in which the volume, or what of it the blob lacks, is copied without order."""


class Standing:
    """The phase and its reason, shared by the parts of one primary; `ended`: the phase is final."""

    __slots__ = ("ended", "phase", "reason")

    def __init__(self) -> None:
        self.phase = Phase.OFF
        self.reason = ""
        self.ended = False


class PrimaryStatus(Struct, frozen=True, gc=False):
    """Times in microseconds on the primary's monotonic clock; Unknown counts as unsent.

    protected: the blob is a usable image and this node surely owns it; in order `interval`: its
    last closing point is. recoverable: what a failover would use now, "nothing", the "live" blob,
    or a "point", of which kind and taken when; lag_us: age of the oldest write that is not known to
    be in that; held: acknowledgements waiting for authority or lag; resizing: the volume is being
    given another size; errands: points and sizes that were asked for and are not done.
    """

    phase: str
    reason: str
    protected: bool
    authority_left_us: int
    lag_us: int
    lag_bytes: int
    puts_in_flight: int
    operations_open: int
    operations_held: int
    acknowledged: int
    puts_done: int
    bytes_done: int
    puts_refused: int
    puts_unknown: int
    seeded_bytes: int
    seed_bytes: int
    volume_bytes: int
    recoverable: str
    point_kind: str
    point_taken_us: int
    resizing: bool
    errands: int
