"""What a primary may honestly say of itself (protocol.md H39)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PrimaryStatus:
    """Times in microseconds on the primary's monotonic clock; Unknown counts as unsent.

    protected: the blob is a usable image and this node surely owns it; lag_us: age of the oldest
    write that is not known to be in the blob; held: acknowledgements waiting for authority or lag.
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
