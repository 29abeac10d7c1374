"""Both sites of one volume: nodes, processes, the volume, its blob, heartbeats, hand-over."""

from typing import Any, Final

from engine.core.epochs import Order
from engine.core.messages import FailoverRequested, HeartbeatHeard, MountDisk, Note, Started
from engine.core.primary_status import PrimaryStatus
from engine.core.settings import Fence, Mode, StandbySettings, VolumeSettings
from harness.checkers.observation import BASE, Mounted, RunSetup, StatusSample
from harness.schedule import Schedule
from harness.sim.blob_requests import PAGE_BYTES
from harness.sim.clients import Clients
from harness.sim.local_volume import LocalVolume
from harness.sim.node import Node
from harness.sim.places import base_pages
from harness.sim.process import Process
from harness.sim.service import Service
from harness.sim.system import System
from harness.sim.world import CoreError, World

__all__ = ["LIVE_US", "Site"]

VOLUME_ID: Final = bytes(range(16))
CREATED_UNIX_S: Final = 1_700_000_000
BEAT_US: Final = 1_000_000
SILENCE_US: Final = 3_000_000
BEAT_FLIGHT_US: Final = 2_000
LIVE_US: Final = 150_000_000
"""So long after the calm everything is at rest: several leases, time-outs and back-offs."""

OWNING: Final = frozenset({"seeding", "resyncing", "protected"})
"""Notes that say that the node owns the blob: from then on it sends heartbeats."""


class Site:
    """Everything of one run but its steps."""

    __slots__ = (
        "_beating", "_protected", "_sampled", "clients", "leases", "mounted", "nodes", "service",
        "setup", "system", "volume", "world",
    )  # fmt: skip

    def __init__(self, schedule: Schedule, system: System, world: World) -> None:
        setup = self.setup = schedule.setup
        self.system = system
        self.world = world
        names = ("primary", "standby", "standby-2")[: setup.standbys + 1]
        self.nodes = {name: Node(name, schedule.seed) for name in names}
        pages = base_pages(setup.volume_bytes, setup.base_pages)
        base = {page: BASE + at for at, page in enumerate(pages)}
        self.volume = LocalVolume(setup.volume_bytes, base, write_through=setup.write_through)
        self.service = Service(world)
        self.clients = Clients(self)
        self.leases = 0
        self.mounted: list[tuple[str, MountDisk]] = []
        self._beating: Process | None = None
        self._sampled: tuple[int, int, Process | None] = (-1, -1, None)
        self._protected = False
        told = RunSetup(
            mode=setup.mode, order=setup.order, volume_bytes=setup.volume_bytes, base=base,
            rpo_us=setup.max_lag_us, rpo_bytes=setup.max_lag_bytes, live_us=LIVE_US,
            volume_id=VOLUME_ID.hex(), label=setup.label,
        )  # fmt: skip
        for observer in world.watch.started:
            observer.started(told)

    def dissolve(self) -> None:
        """Let go of what refers to itself, so that memory is free without a search for it."""
        for node in self.nodes.values():
            if node.process is not None:
                node.process.dissolve()
            node.process = None
            node.held_back = []
        self.service.dissolve()
        del self.clients.site
        self._beating = None
        self._sampled = (-1, -1, None)

    # ── processes ─────────────────────────────────────────────────────────────────────────────

    def start(self, name: str, *, reseed: bool = False) -> bool:
        """A process comes up on its node's disk; False if one runs already."""
        node = self.nodes[name]
        if node.process is not None:
            return False
        if node.starts:
            self.world.fire("restart", name)
        machine: Any = (
            self.system.primary(self._volume_settings())
            if name == "primary"
            else self.system.standby(self._standby_settings(name))
        )
        process = node.process = Process(self, node, machine)
        process.settle_held()
        self._process(name, "started")
        if name == "primary":
            etag, node.stop_etag = node.stop_etag, ""
            dirty = None if node.dirty is None else tuple(sorted(node.dirty))
            node.dirty = node.dirty or {}
            process.deliver(Started(node.last_lease, etag, reseed, dirty))
        else:
            process.deliver(Started(node.last_lease))
        return True

    def come_up(self, name: str, _second: object) -> None:
        """The first process of a node."""
        self.start(name)

    def die(self, process: Process) -> None:
        """A process is killed now."""
        if process.alive:
            self.world.fire("kill", process.node.name)
            process.kill()
            self._process(process.node.name, "killed")

    def process_ended(self, process: Process) -> None:
        """What a process had promised its clients is off."""
        if process.node.name == "primary":
            self.clients.hang_up()

    def _process(self, name: str, what: str) -> None:
        world = self.world
        world.mark(70, self.nodes[name].number, len(what))
        for observer in world.watch.process:
            observer.process(world.now_us, name, what)
        world.tell("process", name, what)

    def pause(self, name: str, for_us: int) -> bool:
        """A process is held; False if none runs."""
        process = self.nodes[name].process
        if process is None or process.paused:
            return False
        process.pause()
        self.world.fire("pause", name)
        self._process(name, "paused")
        self.world.at(self.world.now_us + for_us, self.wake, process)
        return True

    def wake(self, process: Process, _second: object = None) -> None:
        """A pause ends."""
        if process.alive and process.paused:
            self._process(process.node.name, "woken")
            process.wake()

    def lose_power(self, tear: int) -> bool:
        """The primary's machine loses power; False if that changed nothing."""
        process = self.nodes["primary"].process
        if process is not None:
            process.kill()
        lost, survived = self.volume.lose_power(tear)
        if process is None and not lost:
            return False
        self.world.fire("power-loss", "primary")
        if lost and survived:
            self.world.fire("torn-cache", "primary")
        if lost:
            self.nodes["primary"].stop_etag = ""
        for observer in self.world.watch.power_lost:
            observer.power_lost(self.world.now_us, lost)
        if process is not None:
            self._process("primary", "killed")
        return True

    # ── settings ──────────────────────────────────────────────────────────────────────────────

    def _volume_settings(self) -> VolumeSettings:
        setup = self.setup
        return VolumeSettings(
            name="db", node="primary", volume_bytes=self.volume.size_bytes, volume_id=VOLUME_ID,
            created_unix_s=CREATED_UNIX_S, mode=Mode(setup.mode), order=Order(setup.order),
            connections=setup.connections, lease_seconds=setup.lease_seconds,
            max_lag_us=setup.max_lag_us, max_lag_bytes=setup.max_lag_bytes, label=setup.label,
            point_interval_us=setup.point_interval_us, points_keep=setup.points_keep,
        )  # fmt: skip

    def _standby_settings(self, name: str) -> StandbySettings:
        fence = Fence(self.setup.fence)
        return StandbySettings("db", name, self.setup.lease_seconds, BEAT_US, SILENCE_US, fence)

    # ── what machines say ─────────────────────────────────────────────────────────────────────

    def noted(self, process: Process, note: Note) -> None:
        """A machine's note: some have a meaning (docs/simulation.md), all are told."""
        name, world, node = note.name, self.world, process.node
        if world.story:
            shown = ", ".join(f"{key} {value}" for key, value in note.fields)
            world.tell("note", node.name, f"{name} {shown}".rstrip())
        if name == "stored":
            fields = dict(note.fields)
            size, where = int(fields.get("size", 0)), str(fields.get("where", ""))
            for observer in world.watch.stored:
                observer.stored(world.now_us, node.name, where, size)
        elif node.name == "primary":
            if name in OWNING:
                self._start_beating(process)
            elif name == "stopped":
                node.stop_etag = str(dict(note.fields).get("etag", ""))
                world.at(world.now_us, self._leave, process)

    def sample(self, process: Process) -> bool:
        """Ask a primary what it says of itself; whether it says that it protects.

        It says the same until something happens to it: it is asked once for each event.
        """
        world = self.world
        now_us = world.now_us
        asked = (process.handled, now_us, process)
        if self._sampled == asked:
            return self._protected
        self._sampled = asked
        ours, name = process.ours, process.node.name
        their_us = now_us + process.node.offset_us
        if ours is not None:  # the same as below, but the compiler knows what it reads
            told = _read_status(name, ours.status(their_us))
        else:
            told = _read_foreign_status(name, process.machine, their_us)
        protected = self._protected = told.protected
        for observer in world.watch.status:
            observer.status(now_us, told)
        return protected

    # ── heartbeats ────────────────────────────────────────────────────────────────────────────

    def _start_beating(self, process: Process) -> None:
        if self._beating is not process:
            self._beating = process
            self.world.at(self.world.now_us, self._beat, process, 0)

    def _beat(self, process: Process, sequence: int) -> None:
        if not process.alive or self._beating is not process:
            return
        if not process.paused:
            self.sample(process)
            self._send_beat(process, HeartbeatHeard(sequence))
        self.world.at(self.world.now_us + BEAT_US, self._beat, process, sequence + 1)

    def _leave(self, process: Process, _second: object) -> None:
        """After an orderly stop the process says so once, and ends."""
        if process.alive:
            if self._beating is process:
                self._send_beat(process, HeartbeatHeard(1 << 30, leaving=True))
            process.kill()
            self._process("primary", "stopped")

    def _send_beat(self, process: Process, beat: HeartbeatHeard) -> None:
        for node in self.nodes.values():
            if node.name == "primary" or node.process is None:
                continue
            links = [process.node, node]
            if any(link.conditions for link in links) and self._beat_in_trouble(links, beat):
                continue
            self._bring_beat(process.node, node, beat, 1)

    def _beat_in_trouble(self, links: list[Node], beat: HeartbeatHeard) -> bool:
        """Whether it is lost or held back; slow links make it late."""
        sender, receiver = links
        for link in links:
            cut = link.condition("heartbeat-cut")
            if cut is not None:
                cut.struck = True
                self.world.fire("heartbeat-cut", link.name)
                return True
        for link in links:
            clog = link.condition("clogged")
            if clog is not None:
                clog.struck = True
                self.world.fire("clogged", link.name)
                link.held_back.append((self._hear, receiver, beat))
                return True
        for link in links:
            slow = link.condition("slow-link")
            if slow is not None:
                slow.struck = True
                self.world.fire("slow-link", link.name)
                self._bring_beat(sender, receiver, beat, 30)
                return True
        return False

    def _bring_beat(self, sender: Node, node: Node, beat: HeartbeatHeard, slower: int) -> None:
        world = self.world
        flight_us = (100 + int(sender.random() * BEAT_FLIGHT_US)) * slower
        world.at(world.now_us + flight_us, self._hear, node, beat)

    def _hear(self, node: Node, beat: HeartbeatHeard) -> None:
        if node.process is not None:
            node.process.deliver(beat)

    # ── failover ──────────────────────────────────────────────────────────────────────────────

    def ask_failover(self, name: str, *, forced: bool) -> bool:
        """An operator asks a standby to take over; False if it does not run."""
        process = self.nodes[name].process
        if process is None:
            return False
        self.world.fire("forced-failover" if forced else "failover", name)
        process.deliver(FailoverRequested(forced))
        return True

    def mount(self, process: Process, command: MountDisk) -> None:
        """A standby hands the disk over: what a reader would see now."""
        world, blob = self.world, self.service.blob
        name = process.node.name
        if blob is None:
            raise CoreError("mounts-nothing", f"{name}: hands over a blob that does not exist")
        row = blob.addressed(command.snapshot)
        if row is None:
            gone = f"{name}: hands over snapshot {command.snapshot!r}, which is not there"
            raise CoreError("mounts-nothing", gone)
        self.mounted.append((name, command))
        world.mark(80, command.size_bytes, command.term)
        image = dict(blob.image(command.snapshot))
        footer = image.pop(row.length // PAGE_BYTES - 1, b"")
        told = Mounted(
            name, command.term, command.size_bytes, command.snapshot, image,
            footer if isinstance(footer, bytes) else b"",
        )  # fmt: skip
        for observer in world.watch.mounted:
            observer.mounted(world.now_us, told)
        world.tell("mount", name, f"term {command.term} {command.snapshot or 'live blob'}")


def _read_status(name: str, said: PrimaryStatus) -> StatusSample:
    return StatusSample("primary", name, said.phase, said.protected, said.lag_us, said.lag_bytes)


def _read_foreign_status(name: str, machine: Any, now_us: int) -> StatusSample:  # noqa: ANN401  # it has a `status`, or not
    try:
        said = machine.status(now_us)
        protected = bool(said.protected)
        return StatusSample("primary", name, said.phase, protected, said.lag_us, said.lag_bytes)
    except (AttributeError, TypeError, ValueError) as error:
        raise CoreError("status", f"{name}: its status cannot be read: {error}") from error
