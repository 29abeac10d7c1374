"""Hypothesis strategies for schedules: whole disasters, in the same vocabulary as the swarm's.

They draw fewer things at once than a swarm and know its boundaries by heart (first page, last page,
the page before the footer, a MiB's end), for here every choice is shrunk and guided.
"""

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


@st.composite
def setups(draw: st.DrawFn) -> Setup:
    """A stage: mode, order and sizes that go together."""
    mode = draw(st.sampled_from(("sync", "sync-on-flush", "async")))
    orders = ("strict", "flush", "interval") if mode == "async" else ("strict", "flush")
    order = draw(st.sampled_from(orders))
    interval = draw(st.sampled_from((2_000_000, 5_000_000))) if order == "interval" else 0
    return msgspec.convert(
        {
            "mode": mode,
            "order": order,
            "fence": draw(st.sampled_from(("expiry", "break"))),
            "volume_bytes": draw(st.sampled_from(SIZES)),
            "connections": draw(st.integers(1, 8)),
            "standbys": draw(st.sampled_from((1, 2))),
            "base_pages": draw(st.integers(0, 6)),
            "point_interval_us": interval,
            "write_through": draw(st.booleans()),
        },
        Setup,
    )


def steps_for(setup: Setup, at_us: int) -> st.SearchStrategy[Step]:
    """One step at a moment; clients' steps come more often than disasters."""
    nodes: tuple[NodeName, ...] = ("primary", "standby", "standby-2")
    node = st.sampled_from(nodes[: setup.standbys + 1])
    client = st.one_of(_writes(setup, at_us), _writes(setup, at_us), st.just(Flush(at_us=at_us)))
    operator = st.one_of(
        st.sampled_from(SIZES).map(lambda size: Resize(at_us=at_us, volume_bytes=size)),
        st.just(Point(at_us=at_us)),
        st.just(Stop(at_us=at_us)),
        st.booleans().map(lambda forced: Failover(at_us=at_us, forced=forced)),
    )
    process = st.one_of(
        node.map(lambda name: Kill(at_us=at_us, node=name)),
        node.map(lambda name: Start(at_us=at_us, node=name)),
        st.builds(Pause, at_us=st.just(at_us), node=node, for_us=st.sampled_from(GAPS_US)),
        st.builds(ClockJump, at_us=st.just(at_us), node=node, by_us=st.sampled_from(GAPS_US)),
        st.integers(0, 3).map(lambda tear: PowerLoss(at_us=at_us, tear=tear)),
    )
    return st.one_of(client, client, operator, process, _faults(node, at_us))


@st.composite
def schedules(draw: st.DrawFn, *, steps_max: int = 40) -> Schedule:
    """A whole disaster."""
    setup = draw(setups())
    at_us = QUIET_US
    steps: list[Step] = []
    for _ in range(draw(st.integers(0, steps_max))):
        at_us += draw(st.sampled_from(GAPS_US))
        steps.append(draw(steps_for(setup, at_us)))
    return Schedule(seed=draw(st.integers(0, 1 << 16)), setup=setup, steps=tuple(steps))


def _writes(setup: Setup, at_us: int) -> st.SearchStrategy[Step]:
    """Writes and trims where things go wrong: at edges, and over each other."""
    last = setup.volume_bytes // PAGE - 1
    edges = (0, 1, 2, 7, 2047, 2048, 8191, 8192, last - 1, last)
    page = st.sampled_from([edge for edge in edges if 0 <= edge <= last])
    extent = {"at_us": st.just(at_us), "page": page, "pages": st.integers(1, 3)}
    kinds = [st.builds(kind, fua=st.booleans(), **extent) for kind in (Write, Write, Zero)]
    return st.one_of(*kinds)


def _faults(node: st.SearchStrategy[NodeName], at_us: int) -> st.SearchStrategy[Step]:
    on_requests = st.builds(
        Fault, at_us=st.just(at_us), fault=st.sampled_from(ON_REQUESTS), node=node,
        on=st.sampled_from(KINDS), skip=st.integers(0, 2), times=st.integers(1, 3),
        for_us=st.sampled_from(GAPS_US),
    )  # fmt: skip
    on_links = st.builds(
        Fault, at_us=st.just(at_us), fault=st.sampled_from(ON_LINKS), node=node,
        for_us=st.sampled_from(GAPS_US),
    )  # fmt: skip
    return st.one_of(on_requests, on_links)
