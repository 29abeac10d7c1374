"""Small workloads for the exhaustive explorer: plain days, to which it adds every crash there is.

Times leave room for seeding first and let each thing end before the next one starts, except where
it says otherwise.
"""

from typing import Final

from harness.errors import UsageError
from harness.schedule import (
    Failover,
    Flush,
    Kill,
    Point,
    Resize,
    Schedule,
    Setup,
    Start,
    Stop,
    Write,
    Zero,
)  # fmt: skip

__all__ = ["SMALL", "WORKLOADS", "find_workload"]

MIB: Final = 1 << 20
SMALL: Final = "pair"
"""The workload whose pairs of crash points are all tried."""

WORKLOADS: Final[dict[str, Schedule]] = {
    # Two ordered writes to one page and its neighbour: seeding, one epoch after the other.
    "pair": Schedule(
        seed=1, setup=Setup(volume_bytes=MIB, base_pages=1),
        steps=(Write(at_us=3_000_000, page=0), Write(at_us=3_200_000, page=0, pages=2)),
    ),
    "writes": Schedule(
        seed=2, setup=Setup(mode="sync-on-flush", order="flush", volume_bytes=5 * MIB),
        steps=(
            Write(at_us=3_000_000, page=0, pages=3), Write(at_us=3_000_100, page=8191, pages=2),
            Write(at_us=3_001_000, page=0), Flush(at_us=3_100_000),
            Zero(at_us=3_200_000, page=1, pages=2), Write(at_us=3_300_000, page=2, fua=True),
            Write(at_us=3_300_050, page=10239), Flush(at_us=3_400_000),
        ),
    ),
    "lag": Schedule(
        seed=3, setup=Setup(mode="async", volume_bytes=2 * MIB, standbys=2),
        steps=tuple(Write(at_us=3_000_000 + 2_000 * at, page=at % 3) for at in range(8)),
    ),
    "grow": Schedule(
        seed=4, setup=Setup(volume_bytes=MIB),
        steps=(
            Write(at_us=3_000_000, page=2047), Resize(at_us=3_100_000, volume_bytes=2 * MIB),
            Write(at_us=3_100_200, page=5), Write(at_us=4_000_000, page=2048, pages=2),
        ),
    ),
    "shrink": Schedule(
        seed=5, setup=Setup(volume_bytes=3 * MIB),
        steps=(
            Write(at_us=3_000_000, page=2047, pages=4),
            Resize(at_us=3_100_000, volume_bytes=MIB + 512 * 3), Write(at_us=3_100_200, page=5),
            Resize(at_us=4_000_000, volume_bytes=3 * MIB), Write(at_us=5_000_000, page=2049),
        ),
    ),
    "points": Schedule(
        seed=6, setup=Setup(mode="async", volume_bytes=MIB, points_keep=1),
        steps=(
            Write(at_us=3_000_000, page=0), Point(at_us=3_010_000), Write(at_us=3_010_100, page=1),
            Point(at_us=4_000_000), Write(at_us=4_500_000, page=0), Point(at_us=5_000_000),
        ),
    ),
    "interval": Schedule(
        seed=7, setup=Setup(mode="async", order="interval", volume_bytes=MIB,
                            point_interval_us=2_000_000),
        steps=tuple(Write(at_us=3_000_000 + 400_000 * at, page=at % 4) for at in range(8)),
    ),
    # A crash and the resync after it, with writes meanwhile: every request of the resync too.
    "resync": Schedule(
        seed=8, setup=Setup(mode="async", volume_bytes=2 * MIB),
        steps=(
            Write(at_us=3_000_000, page=0, pages=2), Write(at_us=3_000_500, page=9),
            Kill(at_us=3_001_000), Start(at_us=3_500_000), Write(at_us=3_600_000, page=0),
            Write(at_us=4_600_000, page=1),
        ),
    ),
    "failover": Schedule(
        seed=9, setup=Setup(volume_bytes=MIB, standbys=2),
        steps=(Write(at_us=3_000_000, page=0, pages=2), Kill(at_us=3_200_000)),
    ),
    "forced": Schedule(
        seed=10, setup=Setup(mode="async", volume_bytes=MIB),
        steps=(
            Write(at_us=3_000_000, page=0), Failover(at_us=3_050_000, forced=True),
            Write(at_us=3_050_500, page=0), Write(at_us=3_400_000, page=1),
        ),
    ),
    "stop": Schedule(
        seed=11, setup=Setup(mode="async", volume_bytes=MIB),
        steps=(
            Write(at_us=3_000_000, page=0), Write(at_us=3_000_500, page=1), Stop(at_us=3_001_000),
            Start(at_us=5_000_000), Write(at_us=6_000_000, page=0),
        ),
    ),
}  # fmt: skip


def find_workload(name: str) -> Schedule:
    """The workload of this name; `UsageError` lists the names there are."""
    try:
        return WORKLOADS[name]
    except KeyError:
        known = ", ".join(WORKLOADS)
        raise UsageError(f"--workload {name!r}: is neither a file nor one of {known}") from None
