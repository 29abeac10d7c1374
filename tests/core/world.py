"""A deterministic virtual world: one volume, its clients, a store with faults, two sites.

Everything happens in one heap of callbacks at integer microseconds; one random.Random decides all.
A node is a machine plus the little that its shell does: timers, local I/O, requests to the store.
What the store is asked may be lost, answered late or not at all, applied late, applied twice.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Protocol

from engine.core.messages import (
    BitsDurable,
    Command,
    Create,
    Event,
    Failed,
    FailoverRequested,
    LeaseReady,
    LocalDone,
    LocalFlush,
    LocalResize,
    LocalWrite,
    LocalZero,
    MarkClean,
    MarkDirty,
    MountDisk,
    NewLease,
    Note,
    Put,
    ReadVolume,
    Refusal,
    Reply,
    SetTimer,
    StoreAnswer,
    StoreCommand,
    TimerFired,
    Unknown,
    VolumeRead,
)
from engine.core.settings import REGION_BYTES
from engine.units import PAGE_BYTES, SECOND_US
from tests.core.blob_model import BlobModel

READ_RUNS_MAX = 6
"""So few runs are answered to one ReadVolume, so that walking a volume takes several."""


class Machine(Protocol):
    """What a node runs."""

    def handle(self, now_us: int, event: Event) -> list[Command]:
        """Take one event, return what is to be done."""


@dataclass
class Faults:
    """How often which thing goes wrong with a request, out of 1; all zero: a healthy store."""

    lost: float = 0.0
    answer_lost: float = 0.0
    zombie: float = 0.0
    duplicate: float = 0.0
    doubled: float = 0.0
    busy: float = 0.0
    unreachable: float = 0.0
    checksum: float = 0.0

    def draw(self, random: Random) -> str:
        """The fate of one request."""
        point = random.random()
        for name, chance in vars(self).items():
            point -= chance
            if point < 0:
                return str(name)
        return ""


HEALTHY = Faults()


class World:
    """The heap, the clock, the blob. `applied` is called after every change of the blob."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now_us = 0
        self.turn = 0
        self.blob = BlobModel()
        self.faults = HEALTHY
        self.applied: Callable[[Node, StoreCommand], None] = lambda _node, _command: None
        self.trace: list[str] = []
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._leases = count(1)

    def at(self, when_us: int, act: Callable[[], None]) -> None:
        """Do something at a time."""
        heapq.heappush(self._heap, (when_us, next(self._order), act))

    def later(self, wait_us: int, act: Callable[[], None]) -> None:
        """Do something after a wait."""
        self.at(self.now_us + wait_us, act)

    def run(self, until_us: int, done: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass until then, or until `done`; says whether `done`."""
        while self._heap and self._heap[0][0] <= until_us:
            self.now_us, _, act = heapq.heappop(self._heap)
            self.turn += 1
            act()
            if done():
                return True
        self.now_us = max(self.now_us, until_us)
        return done()

    def request(self, node: "Node", command: StoreCommand) -> None:
        """A request leaves a node; its fate is drawn."""
        random = self.random
        fate = "unreachable" if node.cut and random.random() < 0.5 else self.faults.draw(random)
        if node.cut and fate != "unreachable":
            fate = "lost"
        there, back = random.randint(200, 4000), random.randint(200, 4000)
        give_up = random.randint(5_000, random.choice((30_000, 3 * SECOND_US)))
        much_later = random.randint(1_000, random.choice((30_000, 300_000, 40 * SECOND_US)))
        if fate == "checksum" and not isinstance(command, Put):
            fate = ""
        if fate == "busy" and isinstance(command, Create):
            fate = ""
        match fate:
            case "lost":
                self.later(give_up, lambda: node.answered(Unknown(command.id, "no answer")))
            case "answer_lost":
                self.later(there, lambda: self._arrive(node, command))
                self.later(give_up, lambda: node.answered(Unknown(command.id, "no answer")))
            case "zombie":
                self.later(give_up, lambda: node.answered(Unknown(command.id, "no answer")))
                self.later(give_up + much_later, lambda: self._arrive(node, command))
            case "busy" | "unreachable" | "checksum":
                failed = Failed(command.id, Refusal(fate), 0, "", fate)
                self.later(there + back, lambda: node.answered(failed))
            case _:
                if fate == "doubled":
                    self.later(there, lambda: self._arrive(node, command))
                if fate == "duplicate":
                    self.later(there + much_later, lambda: self._arrive(node, command))
                twice = random.randint(1, 3000) if fate == "doubled" else 0
                self.later(there + twice, lambda: self._serve(node, command, back))

    def new_lease(self) -> str:
        """A lease id that was never used."""
        return f"lease-{next(self._leases)}"

    def _serve(self, node: "Node", command: StoreCommand, back: int) -> None:
        answer = self._apply(node, command)
        self.later(back, lambda: node.answered(answer))

    def _arrive(self, node: "Node", command: StoreCommand) -> None:
        """It reaches the service, and nobody hears the answer."""
        self._apply(node, command)

    def _apply(self, node: "Node", command: StoreCommand) -> StoreAnswer:
        before = self.blob.changes
        answer = self.blob.apply(self.now_us, command)
        if self.blob.changes != before:
            self.applied(node, command)
        return answer


@dataclass
class LocalVolume:
    """The protected volume; `at_once`: a write takes effect when asked, not when done.

    `bits`: the durable write-intent bitmap beside it; `cached`: pages that no flush covers yet and
    what a power loss would bring back (None: zeros), with the count of writes then.
    """

    size_bytes: int
    at_once: bool
    pages: dict[int, object] = field(default_factory=dict)
    bits: set[int] = field(default_factory=set)
    cached: dict[int, tuple[object | None, int]] = field(default_factory=dict)
    writes: int = 0

    def write(self, command: LocalWrite | LocalZero) -> None:
        """Change it."""
        assert command.offset + command.length <= self.size_bytes, "written past the end"
        first = command.offset // PAGE_BYTES
        self.writes += 1
        for index in range(command.length // PAGE_BYTES):
            before = self.pages.pop(first + index, None)
            self.cached[first + index] = (self.cached.get(first + index, (before,))[0], self.writes)
            if isinstance(command, LocalWrite):
                assert isinstance(command.payload, tuple)
                self.pages[first + index] = command.payload[index]

    def resize(self, size_bytes: int) -> None:
        """Another size: what is cut off is gone, what is added reads zero."""
        self.size_bytes = size_bytes
        end = size_bytes // PAGE_BYTES
        self.pages = {page: value for page, value in self.pages.items() if page < end}
        self.cached = {page: old for page, old in self.cached.items() if page < end}

    def flush(self, writes: int) -> None:
        """Everything up to that count of writes survives a power loss."""
        self.cached = {page: old for page, old in self.cached.items() if old[1] > writes}

    def lose_power(self, random: Random) -> dict[int, object | None]:
        """Any of what was not flushed is gone; returns what is there instead."""
        lost = {page: old for page, (old, _) in self.cached.items() if random.random() < 0.5}
        self.cached.clear()
        for page, old in lost.items():
            self.pages.pop(page, None)
            if old is not None:
                self.pages[page] = old
        return lost

    def read(self, command: ReadVolume) -> VolumeRead:
        """Some of what is written in the span, in runs."""
        first, end = command.offset // PAGE_BYTES, command.limit // PAGE_BYTES
        runs: list[tuple[int, int, object]] = []
        at = first
        for page in sorted(page for page in self.pages if first <= page < end):
            if len(runs) == READ_RUNS_MAX:
                return VolumeRead(command.id, tuple(runs), at * PAGE_BYTES)
            runs.append((page * PAGE_BYTES, PAGE_BYTES, (self.pages[page],)))
            at = page + 1
        return VolumeRead(command.id, tuple(runs), command.limit)


class Node:
    """One machine and its shell."""

    def __init__(self, world: World, name: str, machine: Machine) -> None:
        self.world = world
        self.name = name
        self.machine = machine
        self.volume: LocalVolume | None = None
        self.replied: Callable[[int, int], None] = lambda _op, _error: None
        self.noted: Callable[[Note], None] = lambda _note: None
        self.mounted: Callable[[MountDisk], None] = lambda _disk: None
        self.last_lease = ""
        self.cut = False
        self.dead = False
        self.paused = False
        self._waiting: list[Event] = []
        self._timers: dict[str, int] = {}
        self._timer_ids = count(1)
        self._local_free_us = 0
        self._bits_free_us = 0

    def deliver(self, event: Event) -> None:
        """An event reaches the machine, now or when the node wakes."""
        if self.dead:
            return
        if self.paused:
            self._waiting.append(event)
            return
        for command in self.machine.handle(self.world.now_us, event):
            self._execute(command)

    def answered(self, answer: StoreAnswer) -> None:
        """The store's answer, or what the transport makes of its absence, arrives."""
        self.deliver(answer)

    def wake(self) -> None:
        """The pause ends: everything that arrived meanwhile is delivered in some order."""
        self.paused = False
        waiting, self._waiting = self._waiting, []
        if self.world.random.random() < 0.5:
            # Loops poll sockets and timers in any order; answers keep theirs among themselves.
            waiting.sort(key=lambda event: isinstance(event, TimerFired))
        for event in waiting:
            self.deliver(event)

    def _execute(self, command: Command) -> None:  # noqa: C901  # one case a command
        world = self.world
        match command:
            case Reply():
                self.replied(command.op, command.error)
            case SetTimer():
                self._set_timer(command)
            case Note():
                self.noted(command)
            case NewLease():
                self.last_lease = lease = world.new_lease()
                self.deliver_later(100, LeaseReady(command.id, lease))
            case MountDisk():
                self.mounted(command)
            case LocalWrite() | LocalZero():
                self._write_locally(command)
            case LocalResize():
                self._resize_locally(command)
            case LocalFlush():
                self._flush_locally(command)
            case ReadVolume():
                self._read_volume(command)
            case MarkDirty():
                self._mark_dirty(command)
            case MarkClean():
                assert self.volume is not None
                self.volume.bits.difference_update(command.regions)
            case _:
                world.request(self, command)

    def deliver_later(self, wait_us: int, event: Event) -> None:
        """Deliver after a wait."""
        self.world.later(wait_us, lambda: self.deliver(event))

    def _write_locally(self, command: LocalWrite | LocalZero) -> None:
        volume, world = self.volume, self.world
        assert volume is not None
        touched = range(
            command.offset // REGION_BYTES, -(-(command.offset + command.length) // REGION_BYTES)
        )
        assert volume.bits.issuperset(touched), f"P5: {command} before its bits are durable"
        if volume.at_once:
            volume.write(command)
            self.deliver_later(0, LocalDone(command.op))
            return
        wait = world.random.randint(10, 8000)
        self._local_free_us = max(self._local_free_us, world.now_us + wait)

        def finish() -> None:
            if not self.dead:
                volume.write(command)
                self.deliver(LocalDone(command.op))

        world.at(self._local_free_us, finish)

    def _resize_locally(self, command: LocalResize) -> None:
        volume, world = self.volume, self.world
        assert volume is not None

        def finish() -> None:
            if not self.dead:
                volume.resize(command.volume_bytes)
                self.deliver(LocalDone(command.op))

        world.later(world.random.randint(10, 9000), finish)

    def _flush_locally(self, command: LocalFlush) -> None:
        volume, world = self.volume, self.world
        assert volume is not None
        covered = volume.writes

        def finish() -> None:
            if not self.dead:
                volume.flush(covered)
                self.deliver(LocalDone(command.op))

        world.later(world.random.randint(10, 9000), finish)

    def _mark_dirty(self, command: MarkDirty) -> None:
        """One at a time and in their order, as the shell's bitmap file is written."""
        volume, world = self.volume, self.world
        assert volume is not None
        self._bits_free_us = max(self._bits_free_us, world.now_us) + world.random.randint(10, 3000)

        def finish() -> None:
            if not self.dead:
                volume.bits.update(command.regions)
                self.deliver(BitsDurable(command.id))

        world.at(self._bits_free_us, finish)

    def _read_volume(self, command: ReadVolume) -> None:
        volume, random = self.volume, self.world.random
        assert volume is not None

        def read() -> None:
            part = volume.read(command)
            self.deliver_later(random.randint(1, 5000), part)

        self.world.later(random.randint(1, 5000), read)

    def _set_timer(self, command: SetTimer) -> None:
        mine = self._timers[command.key] = next(self._timer_ids)

        def fire() -> None:
            if self._timers.get(command.key) == mine:
                self.deliver(TimerFired(command.key))

        self.world.at(max(command.at_us, self.world.now_us), fire)


def ask_failover(node: Node, *, forced: bool) -> None:
    """An operator asks a standby to fail over."""
    node.deliver(FailoverRequested(forced))
