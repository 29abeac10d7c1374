"""A process: one machine of the system under test, and the little that its shell does.

It crashes between any two commands: the object is dropped with its timers and everything that it
had not heard yet; what it sent is under way. The next process of the node gets a fresh machine and
what the disk holds.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from engine.core.messages import (
    EIO,
    BitsDurable,
    BitsFailed,
    Command,
    Event,
    Head,
    LeaseReady,
    LocalDone,
    LocalFailed,
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
    Raise,
    ReadVolume,
    Reply,
    SetTimer,
    TimerFired,
    VolumeRead,
    VolumeReadFailed,
)
from engine.core.primary import PrimaryMachine
from harness.sim.blob_requests import PAGE_BYTES
from harness.sim.node import Node
from harness.sim.process_calls import Delivery, Timer
from harness.sim.store_wire import KINDS
from harness.sim.system import Machine
from harness.sim.world import CoreError

if TYPE_CHECKING:
    from harness.sim.site import Site

__all__ = ["Process"]

SLOW_EVENT_US: Final = 20_000
LEASE_US: Final = 100
BITMAP_US: Final = 300
FLUSH_US: Final = 6_000
READ_US: Final = 3_000


class Process:
    """Runs until it is killed. `held`: events do not go straight to the machine."""

    __slots__ = (
        "_fuse", "_going", "_handle", "_local_us", "_timers", "_waiting", "alive", "handled",
        "held", "machine", "node", "ours", "paused", "session", "site", "world",
    )  # fmt: skip

    def __init__(self, site: "Site", node: Node, machine: Machine) -> None:
        self.site = site
        self.world = site.world
        self.node = node
        self.machine = machine
        self._handle = machine.handle
        self.ours: PrimaryMachine | None = None
        """The machine, where it is the engine's own primary, and none that is built on it."""
        if isinstance(machine, PrimaryMachine) and type(machine) is PrimaryMachine:
            self.ours = machine
        node.starts += 1
        self.session = node.starts
        self.alive = True
        self.held = False
        self.handled = 0
        """Events that the machine was given."""
        self.paused = False
        self._waiting: list[Event] = []
        self._timers: dict[str, tuple[int, int]] = {}
        self._going = False
        self._local_us = 0
        self._fuse = -1

    def deliver(self, event: Event) -> None:
        """An event reaches the process."""
        if self.held:
            self._hold(event)
            return
        for command in self._decide(event):
            self._carry_out(command)

    def _decide(self, event: Event) -> list[Command]:
        """What the machine wants done about an event."""
        self.handled += 1
        now_us = self.world.now_us + self.node.offset_us
        ours = self.ours
        try:
            if ours is not None:  # the same as below, but the compiler knows whom it calls
                return ours.handle(now_us, event)
            return self._handle(now_us, event)
        except Exception as error:
            raise _raised(self.node.name, event, error) from error

    def _carry_out(self, command: Command) -> None:
        """Do what the machine wants; the frequent commands are told apart first."""
        if isinstance(command, Reply):
            self.site.clients.reply(self, command.op, command.error)
        elif isinstance(command, (Put, Head, Raise)):
            self._ask_store(command)
        elif isinstance(command, SetTimer):
            self._set_timer(command)
        elif isinstance(command, (LocalWrite, LocalZero)):
            self._write(command)
        elif isinstance(command, LocalFlush):
            self._flush(command)
        else:
            ACTIONS.get(type(command), NONSENSE)(self, command)

    # ── pauses, slowness, crashes ─────────────────────────────────────────────────────────────

    def kill(self, after: int = 0) -> None:
        """It is gone, at once or after that many more commands."""
        if after:
            self._fuse, self.held = after, True
            return
        if self.alive:
            self.dissolve()
        self.alive, self.held = False, True
        self._waiting = []
        if self.node.process is self:
            self.node.process = None
        self.site.process_ended(self)

    def dissolve(self) -> None:
        """Nothing will be asked of its machine any more: its memory is free without a search."""
        if self.ours is not None:
            self.ours.dissolve()

    def pause(self) -> None:
        """Nothing reaches the machine until `wake`."""
        self.paused = self.held = True

    def wake(self) -> None:
        """The pause is over: what arrived meanwhile is taken in, timers before or after the rest.

        Event loops poll sockets and timers in either order; answers keep theirs among themselves.
        """
        if not self.alive or not self.paused:
            return
        self.paused = False
        if self.node.random() < 0.5:
            self._waiting.sort(key=lambda event: type(event) is TimerFired)
        self._go_on()

    def spare(self) -> None:
        """A crash that was to come does not come."""
        self._fuse = -1
        self.settle_held()

    def settle_held(self) -> None:
        """Events go straight to the machine if nothing holds them."""
        slow = "slow-process" in self.node.conditions
        held = self.paused or slow or self._waiting or self._fuse >= 0 or not self.alive
        self.held = bool(held)

    def _hold(self, event: Event) -> None:
        """One queue, so that nothing overtakes what came before."""
        if self.alive:
            self._waiting.append(event)
            if not self._going:
                self._go_on()

    def _go_on(self) -> None:
        """Take in what waits: at once, or one event after another if the process is slow."""
        while self._waiting and not self.paused and self.alive:
            slow = self.node.condition("slow-process")
            if slow is not None:
                slow.struck = True
                world = self.world
                world.fire("slow-process", self.node.name)
                self._going = True
                world.at(world.now_us + SLOW_EVENT_US, self._take_one)
                return
            self._going = True
            self._handle_on_fuse(self._waiting.pop(0))
            self._going = False
        self.settle_held()

    def _take_one(self, _first: object, _second: object) -> None:
        self._going = False
        if self._waiting and not self.paused and self.alive:
            self._going = True
            self._handle_on_fuse(self._waiting.pop(0))
            self._going = False
        self._go_on()

    def _handle_on_fuse(self, event: Event) -> None:
        """As `deliver`, and it may die between two commands."""
        for command in self._decide(event):
            self._carry_out(command)
            if self._fuse > 0:
                self._fuse -= 1
                if not self._fuse:
                    self.site.die(self)
                    return

    # ── timers ────────────────────────────────────────────────────────────────────────────────

    def _set_timer(self, command: SetTimer) -> None:
        known = self._timers.get(command.key)
        if known is None or known[0] != command.at_us:
            self._start_timer(command.key, command.at_us)

    def _start_timer(self, key: str, at_us: int) -> None:
        world = self.world
        token = world.next_turn()
        self._timers[key] = (at_us, token)
        due_us = at_us - self.node.offset_us
        world.put(max(due_us, world.now_us), Timer(self, key, token))

    def fire(self, key: str, token: int) -> None:
        """A timer is due."""
        timer = self._timers.get(key)
        if timer is not None and timer[1] == token and self.alive:
            del self._timers[key]
            self.deliver(TimerFired(key))

    def clock_jumped(self) -> None:
        """Timers are due by the node's clock."""
        for key, (at_us, _) in list(self._timers.items()):
            self._start_timer(key, at_us)

    # ── the volume ────────────────────────────────────────────────────────────────────────────

    def _write(self, command: LocalWrite | LocalZero) -> None:
        """Into the cache at once; answered after this burst of events, in order."""
        site = self.site
        volume = site.volume
        first, length = command.offset // PAGE_BYTES, command.length
        spoilt = self.node.armed and self._spoilt("volume-write")
        if spoilt or not volume.fits(command.offset, length):
            self._soon(LocalFailed(command.op, EIO))
            return
        if type(command) is LocalWrite:
            volume.write(first, command.payload)  # type: ignore[arg-type]  # one value a page
        else:
            volume.zero(first, first + length // PAGE_BYTES)
        site.clients.took_effect(command.op)
        self._soon(LocalDone(command.op))

    def _resize(self, command: LocalResize) -> None:
        self.site.volume.resize(command.volume_bytes)
        self.site.clients.took_effect(command.op)
        self._soon(LocalDone(command.op))

    def _soon(self, event: Event) -> None:
        world = self.world
        due_us = world.now_us + int(self.node.random() * 60)
        due_us = max(due_us, self._local_us)
        self._local_us = due_us
        world.put(due_us, Delivery(self, event))

    def _later(self, most_us: int, event: Event) -> None:
        world = self.world
        due_us = world.now_us + 10 + int(self.node.random() * most_us)
        world.put(due_us, Delivery(self, event))

    def _flush(self, command: LocalFlush) -> None:
        if self._spoilt("volume-flush"):
            self._later(FLUSH_US, LocalFailed(command.op, EIO))
            return
        covered = self.site.volume.begin_flush()
        world = self.world
        due_us = world.now_us + 10 + int(self.node.random() * FLUSH_US)
        world.at(due_us, self._flushed, command, covered)

    def _flushed(self, command: LocalFlush, covered: dict[int, object | None]) -> None:
        self.site.volume.end_flush(covered)
        self.deliver(LocalDone(command.op))

    def _read(self, command: ReadVolume) -> None:
        if self._spoilt("volume-read"):
            self._later(READ_US, VolumeReadFailed(command.id, EIO))
            return
        world = self.world
        world.at(world.now_us + int(self.node.random() * READ_US), self._read_now, command)

    def _read_now(self, command: ReadVolume, _second: object) -> None:
        runs, until = self.site.volume.read(command.offset, command.limit)
        self._later(READ_US, VolumeRead(command.id, runs, until))

    def _spoilt(self, kind: str) -> bool:
        if not self.node.armed:
            return False
        armed = self.node.strike(kind)
        if armed is None:
            return False
        armed.struck = True
        self.world.fire(armed.fault.fault, self.node.name)
        return True

    # ── the node's own disk ───────────────────────────────────────────────────────────────────

    def _new_lease(self, command: NewLease) -> None:
        self.site.leases += 1
        lease = f"lease-{self.site.leases}"
        self.node.last_lease = lease
        self._later(LEASE_US, LeaseReady(command.id, lease))

    def _mark_dirty(self, command: MarkDirty) -> None:
        if self._spoilt("bitmap"):
            self._later(BITMAP_US, BitsFailed(command.id, EIO))
            return
        world = self.world
        due_us = world.now_us + 10 + int(self.node.random() * BITMAP_US)
        world.at(due_us, self._bits_durable, command)

    def _bits_durable(self, command: MarkDirty, _second: object) -> None:
        if not self.alive:
            return
        if self.node.dirty is None:
            self.node.dirty = {}
        self.node.dirty.update(dict.fromkeys(command.regions))
        self.deliver(BitsDurable(command.id))

    def _mark_clean(self, command: MarkClean) -> None:
        """At once: the adverse case, for a bit that is cleared too early is lost."""
        for region in command.regions:
            if self.node.dirty:
                self.node.dirty.pop(region, None)

    # ── the rest ──────────────────────────────────────────────────────────────────────────────

    def _note(self, command: Note) -> None:
        self.site.noted(self, command)

    def _mount(self, command: MountDisk) -> None:
        self.site.mount(self, command)

    def _ask_store(self, command: Any) -> None:  # noqa: ANN401  # any store command
        self.site.service.send(self, command)

    @staticmethod
    def actions() -> "dict[type, Action]":
        """What becomes of each command that `_carry_out` does not name."""
        return {
            LocalResize: Process._resize,
            ReadVolume: Process._read,
            NewLease: Process._new_lease,
            MarkDirty: Process._mark_dirty,
            MarkClean: Process._mark_clean,
            MountDisk: Process._mount,
            Note: Process._note,
            **dict.fromkeys(KINDS, Process._ask_store),
        }


Action = Callable[[Process, Any], None]
ACTIONS: Final = Process.actions()
"""A table of the module's, for a compiled class has none of its own methods in its body."""


def _nonsense(process: Process, command: object) -> None:
    kind = type(command).__name__
    text = f"{process.node.name}: {command!r:.80} is no command"
    raise CoreError(f"nonsense-{kind}", text)


NONSENSE: Final = _nonsense


def _raised(name: str, event: Event, error: Exception) -> CoreError:
    kind, event_kind = type(error).__name__, type(event).__name__
    return CoreError(
        f"raised-{kind}", f"{name}: {event_kind} made the machine raise {kind}: {error!s:.200}"
    )
