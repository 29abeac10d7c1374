"""Hypothesis strategies for schedules: whole disasters, in the same vocabulary as the swarm's.

They draw fewer things at once than a swarm and know its boundaries by heart (first page, last page,
the page before the footer, a MiB's end), for here every choice is shrunk and guided.
"""

from functools import lru_cache
from typing import Final

import msgspec
from hypothesis import strategies as st

from harness.schedule import (
    ClockJump,
    Failover,
    Fault,
    FaultName,
    Flush,
    Kill,
    NodeName,
    Pause,
    Point,
    PowerLoss,
    RequestKind,
    Resize,
    Schedule,
    Setup,
    Start,
    Step,
    Stop,
    Write,
    Zero,
)  # fmt: skip

__all__ = ["QUIET_US", "schedules", "setups", "steps_for"]

MIB: Final = 1 << 20
PAGE: Final = 512
NOW: Final = st.just(0)
INTERVAL_US: Final = 2_000_000
QUIET_US: Final = 2_000_000
"""Seeding has room before the first step; shrinking does not need to know."""
GAPS_US: Final = (1, 100, 1_000, 20_000, 300_000, 2_000_000, 20_000_000)
SIZES: Final = (MIB, 2 * MIB, 3 * MIB + PAGE, 4 * MIB - PAGE, 5 * MIB)
KINDS: Final[tuple[RequestKind, ...]] = (
    "any", "put", "raise", "head", "metadata", "resize", "snapshot", "acquire", "renew",
)  # fmt: skip
ON_REQUESTS: Final[tuple[FaultName, ...]] = (
    "request-lost", "answer-lost", "server-error", "zombie", "doubled", "late-duplicate",
    "slow-request", "throttled", "corrupt-request",
)  # fmt: skip
ON_LINKS: Final[tuple[FaultName, ...]] = (
    "store-cut", "store-deaf", "store-mute", "heartbeat-cut", "slow-link", "clogged",
)  # fmt: skip


MODES: Final = (
    ("sync", "strict"), ("sync", "flush"), ("sync-on-flush", "strict"), ("sync-on-flush", "flush"),
    ("async", "strict"), ("async", "flush"), ("async", "interval"),
)  # fmt: skip


def setups() -> st.SearchStrategy[Setup]:
    """A stage: mode, order and sizes that go together."""
    return st.builds(
        _setup,
        st.sampled_from(MODES),
        fence=st.sampled_from(("expiry", "break")),
        volume_bytes=st.sampled_from(SIZES),
        connections=st.integers(1, 8),
        standbys=st.sampled_from((1, 2)),
        base_pages=st.integers(0, 6),
        write_through=st.booleans(),
    )


def _setup(mode_and_order: tuple[str, str], **options: object) -> Setup:
    mode, order = mode_and_order
    interval_us = INTERVAL_US if order == "interval" else 0
    plain = {"mode": mode, "order": order, "point_interval_us": interval_us, **options}
    return msgspec.convert(plain, Setup)


def schedules(*, steps_max: int = 40) -> st.SearchStrategy[Schedule]:
    """A whole disaster."""
    return setups().flatmap(lambda setup: _schedules_on(setup, steps_max))


def _schedules_on(setup: Setup, steps_max: int) -> st.SearchStrategy[Schedule]:
    gaps = st.sampled_from(GAPS_US)
    timed = st.lists(st.tuples(gaps, steps_for(setup)), max_size=steps_max)
    return st.builds(_put_together, st.just(setup), st.integers(0, 1 << 16), timed)


def _put_together(setup: Setup, seed: int, timed: list[tuple[int, Step]]) -> Schedule:
    at_us = QUIET_US
    steps = []
    for gap_us, step in timed:
        at_us += gap_us
        steps.append(msgspec.structs.replace(step, at_us=at_us))
    return Schedule(seed=seed, setup=setup, steps=tuple(steps))


def steps_for(setup: Setup) -> st.SearchStrategy[Step]:
    """One step, at time 0; clients' steps come more often than disasters."""
    return _steps(setup.volume_bytes, setup.standbys)


@lru_cache(maxsize=32)
def _steps(volume_bytes: int, standbys: int) -> st.SearchStrategy[Step]:
    """Strategies are costly to make, so each is made once."""
    nodes: tuple[NodeName, ...] = ("primary", "standby", "standby-2")
    node = st.sampled_from(nodes[: standbys + 1])
    client = _clients(volume_bytes)
    return st.one_of(client, client, _operator(), _processes(node), _faults(node))


def _clients(volume_bytes: int) -> st.SearchStrategy[Step]:
    """Writes and trims where things go wrong: at edges, and over each other."""
    last = volume_bytes // PAGE - 1
    edges = (0, 1, 2, 7, 2047, 2048, 8191, 8192, last - 1, last)
    page = st.sampled_from([edge for edge in edges if 0 <= edge <= last])
    kinds: tuple[type[Write | Zero], ...] = (Write, Write, Zero)
    extents = [
        st.builds(kind, at_us=NOW, page=page, pages=st.integers(1, 3), fua=st.booleans())
        for kind in kinds
    ]
    return st.one_of(*extents, st.just(Flush(at_us=0)))


def _operator() -> st.SearchStrategy[Step]:
    return st.one_of(
        st.builds(Resize, at_us=NOW, volume_bytes=st.sampled_from(SIZES)),
        st.just(Point(at_us=0)),
        st.just(Stop(at_us=0)),
        st.builds(Failover, at_us=NOW, forced=st.booleans()),
    )


def _processes(node: st.SearchStrategy[NodeName]) -> st.SearchStrategy[Step]:
    gap = st.sampled_from(GAPS_US)
    return st.one_of(
        st.builds(Kill, at_us=NOW, node=node),
        st.builds(Start, at_us=NOW, node=node),
        st.builds(Pause, at_us=NOW, node=node, for_us=gap),
        st.builds(ClockJump, at_us=NOW, node=node, by_us=gap),
        st.builds(PowerLoss, at_us=NOW, tear=st.integers(0, 3)),
    )


def _faults(node: st.SearchStrategy[NodeName]) -> st.SearchStrategy[Step]:
    gap = st.sampled_from(GAPS_US)
    on_requests = st.builds(
        Fault, at_us=NOW, fault=st.sampled_from(ON_REQUESTS), node=node, on=st.sampled_from(KINDS),
        skip=st.integers(0, 2), times=st.integers(1, 3), for_us=gap,
    )  # fmt: skip
    on_links = st.builds(Fault, at_us=NOW, fault=st.sampled_from(ON_LINKS), node=node, for_us=gap)
    return st.one_of(on_requests, on_links)
