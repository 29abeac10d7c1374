"""What a volume's machines are told once, at their start: names, sizes, modes, bounds."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.core.epochs import Order
from engine.units import MIB, SECOND_US


class Mode(StrEnum):
    """When a write is acknowledged (protocol.md P6)."""

    SYNC = "sync"
    SYNC_ON_FLUSH = "sync-on-flush"
    ASYNC = "async"


# Named once, for to look up a member of an enum costs more than a call.
SYNC: Final = Mode.SYNC
SYNC_ON_FLUSH: Final = Mode.SYNC_ON_FLUSH
ASYNC: Final = Mode.ASYNC


class Fence(StrEnum):
    """How a standby takes the lease from a primary that it declared failed (protocol.md H10).

    BREAK is for mode sync only: in the others the time that a break must be followed by (H11) is
    never shorter than what is left of the lease, so a standby waits for the expiry all the same.
    """

    EXPIRY = "expiry"
    BREAK = "break"


REGION_BYTES = 4 * MIB
"""What one bit of the write-intent bitmap stands for: one request sends a region."""

CLOCK_DRIFT = 100
"""Clocks may run 1/100 apart (protocol.md H11: D*(1-drift))."""

AUTHORITY_MARGIN_US = SECOND_US // 2
"""Taken off a lease's time before an asynchronous acknowledgement relies on it (H11)."""


def authority_us(sent_us: int, lease_seconds: int) -> int:
    """Until when a lease acquired or renewed by a request sent at `sent_us` surely holds."""
    span = lease_seconds * SECOND_US
    return sent_us + span - span // CLOCK_DRIFT - AUTHORITY_MARGIN_US


def surely_over_us(lease_seconds: int) -> int:
    """How long after a break every authority granted before it has surely ended (H11)."""
    span = lease_seconds * SECOND_US
    return span + span // CLOCK_DRIFT


@dataclass(frozen=True, slots=True)
class VolumeSettings:
    """One protected volume, as its primary or standby machine needs it.

    node: this node's name; volume_bytes: the volume's size, a multiple of 512; volume_id: 16 bytes,
    the VHD's unique id; created_unix_s: for the footer; connections: requests in flight at once;
    max_lag_us, max_lag_bytes: past them asynchronous acknowledgements wait; label: free text of the
    operator (ASCII); point_interval_us: a recovery point is taken so often, 0: on
    request only (order `interval` needs one); points_keep: so many recovery points of the user's
    are kept.
    """

    name: str
    node: str
    volume_bytes: int
    volume_id: bytes
    created_unix_s: int
    mode: Mode
    order: Order
    connections: int
    lease_seconds: int
    max_lag_us: int
    max_lag_bytes: int
    label: str = ""
    point_interval_us: int = 0
    points_keep: int = 4

    def linger_us(self) -> int:
        """How long asynchronous writes may gather: a twentieth of the bound, at most 0.2 s."""
        return min(SECOND_US // 5, self.max_lag_us // 20) if self.mode is Mode.ASYNC else 0


@dataclass(frozen=True, slots=True)
class StandbySettings:
    """What a standby machine is told: who it is, how long silence means failure, how it fences."""

    name: str
    node: str
    lease_seconds: int
    interval_us: int
    timeout_us: int
    fence: Fence
