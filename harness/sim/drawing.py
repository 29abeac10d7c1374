"""Draws disasters: from one seed a whole schedule, always the same one.

Swarm options come first (Groce and others, "Swarm testing", ISSTA 2012): which faults and which
operations can occur at all in this disaster, and how often; so that what one fault would hide is
seen in the disasters without it. Then the clients' operations, in bursts around a few hot pages,
then the faults, among them in time.
"""

from random import Random
from typing import Final, Literal, TypeVar

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
)
from harness.sim.places import hot_pages

__all__ = ["draw_schedule"]

T = TypeVar("T")
Mode = Literal["sync", "sync-on-flush", "async"]
Order = Literal["strict", "flush", "interval"]

MODES: Final[tuple[Mode, ...]] = ("sync", "sync-on-flush", "async")
BOTH_SITES: Final[tuple[NodeName, ...]] = ("primary", "standby")

PAGE: Final = 512
MIB: Final = 1 << 20
MS: Final = 1_000
SECOND: Final = 1_000_000

SIZES: Final = (5 * MIB, 8 * MIB, 8 * MIB + 4096, 6 * MIB - PAGE, 4 * MIB, 9 * MIB + 3 * PAGE)
SPANS_US: Final = (
    150 * MS, 400 * MS, 400 * MS, SECOND, SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND, 22 * SECOND,
)  # fmt: skip
GAPS_US: Final = (0, 0, 0, 40, 300, 300, 2 * MS, 5 * MS, 15 * MS)
STEPS_OF_SIZE: Final = (PAGE, 8 * PAGE, 200 * PAGE, MIB - PAGE, MIB + 8 * PAGE, 5 * MIB)
PUTS: Final[tuple[RequestKind, ...]] = ("put", "put", "put", "clear")
PUT_AGAIN: Final[FaultName] = "late-duplicate"
LATE_PUTS: Final[tuple[tuple[FaultName, int], ...]] = (
    (PUT_AGAIN, 450 * MS), ("zombie", 900 * MS), ("zombie", 2500 * MS),
)  # fmt: skip
SIZE_MIN: Final = MIB
SIZE_MAX: Final = 24 * MIB

REQUEST_FAULTS: Final[tuple[FaultName, ...]] = (
    "request-lost", "answer-lost", "server-error", "zombie", "doubled", "late-duplicate",
    "slow-request", "throttled", "unreachable", "corrupt-request", "corrupt-read",
    "snapshot-limit", "media-error",
)  # fmt: skip
LINK_FAULTS: Final[tuple[FaultName, ...]] = (
    "store-cut", "store-mute", "store-deaf", "heartbeat-cut", "slow-link", "clogged",
    "slow-process",
)  # fmt: skip
TARGETS: Final[tuple[RequestKind, ...]] = (
    "any", "any", "put", "put", "put", "clear", "raise", "raise", "head", "metadata", "resize",
    "snapshot", "delete", "list", "acquire", "renew", "read", "create",
)  # fmt: skip
LOCAL: Final[tuple[RequestKind, ...]] = ("volume-write", "volume-read", "volume-flush", "bitmap")
PROCESS_FAULTS: Final = (
    "kill", "kill", "power-loss", "pause", "clock-jump", "stop", "failover", "forced-failover",
)  # fmt: skip


def draw_schedule(seed: int) -> Schedule:
    """The disaster of that seed."""
    return _Drawing(seed).draw()


class _Drawing:
    """One disaster in the making; `size` is what the volume's size would be if all went well."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed * 8).random
        self.steps: list[Step] = []
        self.setup = self._draw_setup()
        self.size = self.setup.volume_bytes
        self.start_us = self.pick((2 * MS, 30 * MS, 120 * MS, 120 * MS, 200 * MS))
        self.span_us = self.pick(SPANS_US)

    def draw(self) -> Schedule:
        """Everything, in the order of time."""
        self._draw_operations()
        self._draw_request_faults()
        self._draw_link_faults()
        self._draw_process_faults()
        if self.chance(0.06):
            self._rot()
        if self.chance(0.08):
            self._isolate()
        if self.chance(0.07):
            self._repeat_a_resize()
        if self.chance(0.2):
            self._repeat_puts()
        if self.chance(0.12):
            self._interrupt_a_resync()
        if self.chance(0.3 if self.setup.order == "interval" else 0.03):
            self._cut_a_batch()
        self.steps.sort(key=_when)
        return Schedule(seed=self.seed, setup=self.setup, steps=tuple(self.steps))

    # ── dice ──────────────────────────────────────────────────────────────────────────────────

    def chance(self, of_one: float) -> bool:
        """True so often."""
        return self.random() < of_one

    def pick(self, choices: tuple[T, ...]) -> T:
        """One of them, all alike."""
        return choices[int(self.random() * len(choices))]

    def upto(self, most: int) -> int:
        """0 to `most`, `most` excluded."""
        return int(self.random() * most)

    def some(self, choices: tuple[T, ...], often: float) -> tuple[T, ...]:
        """A subset: each of them so often."""
        return tuple([choice for choice in choices if self.random() < often])

    def moment(self) -> int:
        """A time in the storm; now and then from its very start."""
        if self.chance(0.1):
            return self.upto(self.start_us + 60 * MS)
        return self.start_us + self.upto(self.span_us)

    # ── set-up ────────────────────────────────────────────────────────────────────────────────

    def _draw_setup(self) -> Setup:
        mode: Mode = self.pick(MODES)
        order: Order = "strict"
        interval_us = self.pick((0, 0, 0, 700 * MS, 2 * SECOND))
        if self.chance(0.35):
            order = "flush"
        if mode == "async" and self.chance(0.35):
            order = "interval"
            interval_us = self.pick((300 * MS, SECOND, 2 * SECOND))
        return Setup(
            mode=mode,
            order=order,
            fence=self.pick(("expiry", "break")),
            volume_bytes=self.pick(SIZES),
            connections=self.pick((1, 2, 3, 4)),
            standbys=2 if self.chance(0.3) else 1,
            base_pages=self.upto(9),
            max_lag_us=self.pick((500 * MS, 2 * SECOND, 5 * SECOND)),
            max_lag_bytes=self.pick((16 * PAGE, 128 * PAGE, MIB)),
            point_interval_us=interval_us,
            points_keep=self.pick((1, 2, 4)),
            write_through=self.chance(0.3),
            label=self.pick(("", "orders", "ledger 7")),
        )

    # ── operations ────────────────────────────────────────────────────────────────────────────

    def _draw_operations(self) -> None:
        """Bursts; within one, operations are in flight together or close upon another."""
        resizes, points = self.chance(0.45), self.chance(0.35)
        zeroes, flushes = self.pick((0.0, 0.1, 0.25)), self.pick((0.05, 0.15, 0.3))
        fua = self.pick((0.0, 0.1, 0.3))
        count = 26 + self.upto(17)
        bursts = 3 + self.upto(5)
        begins = sorted(self.start_us + self.upto(self.span_us) for _ in range(bursts))
        self._use_hot_pages()
        for begin in begins:
            at_us = begin
            for _ in range(count // bursts + 1):
                at_us += self.pick(GAPS_US)
                dice = self.random()
                if dice < zeroes:
                    page, pages = self._extent(12)
                    self.steps.append(Zero(at_us=at_us, page=page, pages=pages))
                elif dice < zeroes + flushes:
                    self.steps.append(Flush(at_us=at_us))
                else:
                    page, pages = self._extent(4)
                    wants_fua = fua > 0 and self.random() < fua
                    self.steps.append(Write(at_us=at_us, page=page, pages=pages, fua=wants_fua))
            if resizes and self.chance(0.5):
                self._resize(begin + self.upto(at_us - begin + 10 * MS))
            if points and self.chance(0.45):
                self.steps.append(Point(at_us=begin + self.upto(at_us - begin + 10 * MS)))

    def _use_hot_pages(self) -> None:
        pages = hot_pages(self.size)
        self.hot = [self.pick(pages) for _ in range(3 + self.upto(5))]

    def _extent(self, most: int) -> tuple[int, int]:
        page = self.hot[int(self.random() * len(self.hot))]
        pages = 1 + int(self.random() * most)
        if self.random() < 0.015:
            pages = 16 + self.upto(48)
        return page, max(1, min(pages, self.size // PAGE - page))

    def _resize(self, at_us: int, steps: tuple[int, ...] = STEPS_OF_SIZE) -> None:
        """Grow or shrink, aligned to a MiB or not; later writes keep to the new size."""
        by = self.pick(steps)
        grown = self.size + by if self.chance(0.5) else self.size - by
        if self.chance(0.2):
            grown = grown // MIB * MIB
        self.size = min(max(grown, SIZE_MIN), SIZE_MAX)
        self.steps.append(Resize(at_us=at_us, volume_bytes=self.size))
        self._use_hot_pages()

    # ── faults ────────────────────────────────────────────────────────────────────────────────

    def _draw_request_faults(self) -> None:
        often = self.pick((0.0, 0.12, 0.25, 0.5))
        for fault in self.some(REQUEST_FAULTS, often):
            for _ in range(1 + self.upto(3)):
                on = self.pick(LOCAL if fault == "media-error" else TARGETS)
                if fault in ("corrupt-request", "corrupt-read", "snapshot-limit"):
                    on = "any"
                at_us = self.moment()
                self.steps.append(
                    Fault(
                        at_us=at_us,
                        fault=fault,
                        node=self._node(0.6 if fault == "corrupt-read" else 0.12),
                        on=on,
                        skip=self.pick((0, 0, 0, 1, 2, 5)),
                        times=self.pick((1, 1, 1, 2, 4)),
                        for_us=self.pick((0, 0, 3 * MS, 30 * MS, 300 * MS)),
                    )
                )

    def _node(self, standby_often: float) -> NodeName:
        if self.chance(standby_often):
            return "standby-2" if self.setup.standbys == 2 and self.chance(0.5) else "standby"
        return "primary"

    def _draw_link_faults(self) -> None:
        often = self.pick((0.0, 0.0, 0.15, 0.3))
        for fault in self.some(LINK_FAULTS, often):
            for _ in range(1 + self.upto(2)):
                self._hold(fault, self._node(0.4 if fault == "heartbeat-cut" else 0.2))
        if self.chance(0.04):
            for node in BOTH_SITES:
                self._hold("clogged", node)

    def _hold(self, fault: FaultName, node: NodeName) -> None:
        long_us = self.pick((30 * MS, 300 * MS, 2 * SECOND, 6 * SECOND, 17 * SECOND))
        for_us = 1 + self.upto(long_us)
        self.steps.append(Fault(at_us=self.moment(), fault=fault, node=node, for_us=for_us))

    def _draw_process_faults(self) -> None:
        often = self.pick((0.0, 0.1, 0.2, 0.3))
        kinds = self.some(PROCESS_FAULTS, often)
        for kind in kinds:
            for _ in range(1 + self.upto(2)):
                self._strike_process(kind, self.moment(), forced="forced-failover" in kinds)

    def _strike_process(self, kind: str, at_us: int, *, forced: bool) -> None:
        steps = self.steps
        node = self._node(0.15)
        if kind == "kill":
            steps.append(Kill(at_us=at_us, node=node, after=self.pick((0, 0, 1, 2, 3, 7))))
            self._start_again(at_us, node)
        elif kind == "power-loss":
            steps.append(PowerLoss(at_us=at_us, tear=self.upto(1 << 16)))
            self._start_again(at_us, "primary")
        elif kind == "pause":
            for_us = self.upto(self.pick((100 * MS, 2 * SECOND, 20 * SECOND)))
            steps.append(Pause(at_us=at_us, node=node, for_us=for_us))
        elif kind == "clock-jump":
            # A standby that takes over by force relies on its clock to wait for the lease (H11).
            who: NodeName = "primary" if forced else node
            by_us = self.pick((10 * MS, 3 * SECOND, 20 * SECOND))
            steps.append(ClockJump(at_us=at_us, node=who, by_us=by_us))
        elif kind == "stop":
            steps.append(Stop(at_us=at_us))
            self._start_again(at_us, "primary")
        else:
            to: NodeName = (
                "standby-2" if self.setup.standbys == 2 and self.chance(0.5) else "standby"
            )
            steps.append(Failover(at_us=at_us, node=to, forced=kind == "forced-failover"))

    def _start_again(self, at_us: int, node: NodeName) -> None:
        if self.chance(0.85):
            later_us = self.upto(self.pick((MS, 20 * MS, 200 * MS, SECOND)))
            self.steps.append(Start(at_us=at_us + later_us, node=node, reseed=self.chance(0.05)))

    def _isolate(self) -> None:
        """The primary is cut off or held for longer than its lease, and its clients go on."""
        at_us = self.moment()
        if self.chance(0.3):
            self.steps.append(Pause(at_us=at_us, for_us=21 * SECOND))
        else:
            self.steps.append(Fault(at_us=at_us, fault="store-cut", for_us=34 * SECOND))
            self.steps.append(
                Fault(at_us=at_us, fault="heartbeat-cut", node="primary", for_us=34 * SECOND)
            )
        for _ in range(6):
            page, pages = self._extent(3)
            later_us = at_us + 12 * SECOND + self.upto(18 * SECOND)
            self.steps.append(Write(at_us=later_us, page=page, pages=pages))

    def _repeat_a_resize(self) -> None:
        """A copy of a resize's request arrives after the next resize; the disk's size changes."""
        at_us = self.moment()
        late = self.pick((60 * MS, 150 * MS, 400 * MS))
        self.steps.append(Fault(at_us=at_us, fault="late-duplicate", on="resize", for_us=late))
        self._resize(at_us, STEPS_OF_SIZE[-2:])
        self._resize(at_us + late // 2, STEPS_OF_SIZE[-2:])

    def _repeat_puts(self) -> None:
        """For a while puts arrive once more; or late ones, when their pages were put anew.

        Pages far apart that are written at one time go in one wide batch, whose requests have no
        If-Match; what is late has to arrive after its page was written again.
        """
        at_us, on = self.moment(), self.pick(PUTS)
        if self.chance(0.4):
            fault, late_us = PUT_AGAIN, self.pick((3 * MS, 30 * MS, 150 * MS))
            times = self.pick((4, 12, 40))
        else:
            (fault, late_us), on, times = self.pick(LATE_PUTS), "put", self.pick((2, 4, 8))
            for page in self.hot:
                self.steps.append(Write(at_us=at_us, page=page))
                for _ in range(2):
                    later_us = at_us + 160 * MS + self.upto(late_us)
                    self.steps.append(Write(at_us=later_us, page=page))
        self.steps.append(Fault(at_us=at_us, fault=fault, on=on, times=times, for_us=late_us))

    def _interrupt_a_resync(self) -> None:
        """A crash after an outage of the store, and another one while the blob catches up.

        A resync begins 40 to 60 ms after the start and takes as long; then a standby may follow.
        """
        at_us, cut_us = self.moment(), self.pick((400 * MS, 3400 * MS))
        self.steps.append(Fault(at_us=at_us, fault="store-cut", for_us=cut_us))
        for page in self.hot:
            for _ in range(2):
                self.steps.append(Write(at_us=at_us + self.upto(200 * MS), page=page))
        again_us = cut_us + 35 * MS + self.upto(75 * MS)
        for later_us in (cut_us, again_us):
            if self.chance(0.3):
                self.steps.append(PowerLoss(at_us=at_us + later_us, tear=self.upto(1 << 16)))
            else:
                self.steps.append(Kill(at_us=at_us + later_us))
            if later_us == cut_us or self.chance(0.5):
                self.steps.append(Start(at_us=at_us + later_us + self.upto(5 * MS)))
            elif self.chance(0.6):
                self.steps.append(Failover(at_us=at_us + later_us + 16 * SECOND))

    def _cut_a_batch(self) -> None:
        """A crash while writes that had gathered are on their way, for good: a standby follows.

        In order interval the live blob is then no image of the volume, and a point has to serve.
        """
        at_us = self.moment()
        for number, page in enumerate(self.hot):
            self.steps.append(Write(at_us=at_us + number * 3 * MS, page=page))
        gathers_us = min(self.setup.max_lag_us // 20, 200 * MS) if self.setup.mode == "async" else 0
        died_us = at_us + gathers_us + self.upto(12 * MS)
        self.steps.append(Kill(at_us=died_us))
        self.steps.append(Failover(at_us=died_us + 16 * SECOND))

    def _rot(self) -> None:
        self.steps.append(
            Fault(at_us=self.moment(), fault="bit-rot", page=self.pick(tuple(self.hot)))
        )


def _when(step: Step) -> int:
    return step.at_us
