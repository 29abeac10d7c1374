"""A primary and a standby around one blob in the virtual world; an oracle watches.

After every change of the blob: where it may be failed over to (no mark), it ends in a valid footer,
its content is admissible, and nothing promised is missing. After the mount: the old primary changes
nothing and acknowledges nothing.
"""

from dataclasses import dataclass

from engine.core.blob_metadata import Mark, parse_metadata
from engine.core.epochs import Order
from engine.core.messages import (
    Clear,
    FlushRequested,
    HeartbeatHeard,
    MountDisk,
    Note,
    PointRequested,
    Put,
    Raise,
    ResizeRequested,
    Snapshot,
    Started,
    StopRequested,
    StoreCommand,
    WriteRequested,
    ZeroRequested,
)
from engine.core.primary import ENDED, Phase, PrimaryMachine
from engine.core.settings import Fence, Mode, StandbySettings, VolumeSettings
from engine.core.standby import Phase as StandbyPhase
from engine.core.standby import StandbyMachine
from engine.units import FOOTER_BYTES, MIB, PAGE_BYTES, SECOND_US
from engine.vhd import disk_bytes
from tests.core.admissible import Entry, History
from tests.core.recovered import Recovered, recovered
from tests.core.world import LocalVolume, Node, World

SIZE = -1
"""The cell of an image that holds the disk's size."""

INTERVAL_US = SECOND_US // 2
PROMISING = (Phase.RUNNING, Phase.STOPPING)
CLUSTERS = (0, MIB // PAGE_BYTES - 3, 5 * MIB // PAGE_BYTES)
"""Few pages, so that writes collide; three places, one of them across two MiB."""


@dataclass(frozen=True)
class Plan:
    """What is drawn once for a run."""

    mode: Mode = Mode.SYNC
    order: Order = Order.STRICT
    fence: Fence = Fence.EXPIRY
    volume_bytes: int = 8 * MIB
    connections: int = 3
    at_once: bool = True
    base_pages: int = 5
    max_lag_us: int = 5 * SECOND_US
    max_lag_bytes: int = MIB
    point_interval_us: int = 0
    points_keep: int = 2
    standbys: int = 1


class SitePair:
    """Everything of one run. A broken promise raises AssertionError at the moment it is broken."""

    def __init__(self, seed: int, plan: Plan) -> None:
        self.plan = plan
        self.world = World(seed)
        self.world.applied = self._check_blob
        self.volume = LocalVolume(plan.volume_bytes, plan.at_once)
        for index in range(plan.base_pages):
            self.volume.pages[self._some_page()] = ("base", index)
        self.history = History(dict(self.volume.pages) | {SIZE: disk_bytes(plan.volume_bytes)})
        self.entries: dict[int, Entry] = {}
        self.mounted: MountDisk | None = None
        self.stopped_etag = ""
        self.heartbeats_lost = False
        self.was_protected = False
        self.acknowledged = 0
        self._op = 0
        self.primary = self._new_primary()
        self.mounted_by: Node | None = None
        names = [f"standby-{index + 1}" for index in range(plan.standbys)]
        self.standbys = [self._new_standby(name) for name in names]
        self.standby = self.standbys[0]
        self.world.later(1000, lambda: self._beat(0))

    # ── the sites ─────────────────────────────────────────────────────────────────────────────

    def _new_standby(self, name: str) -> Node:
        fence = self.plan.fence
        settings = StandbySettings("db", name, 15, INTERVAL_US, 3 * SECOND_US, fence)
        node = Node(self.world, name, StandbyMachine(settings))
        node.mounted = lambda disk: self._on_mount(node, disk)
        node.deliver(Started())
        return node

    def restart_standby(self, index: int) -> None:
        """A standby's process dies wherever it is; a new one knows nothing but its settings."""
        old = self.standbys[index]
        old.dead = True
        new = self._new_standby(old.name)
        self.standbys[index] = new
        self.standby = self.standbys[0]
        if old is self.mounted_by:
            self.mounted_by = new

    @property
    def standby_machine(self) -> StandbyMachine:
        """The machine of the first standby."""
        machine = self.standby.machine
        assert isinstance(machine, StandbyMachine)
        return machine

    def _new_primary(self) -> Node:
        plan = self.plan
        settings = VolumeSettings(
            "db", "primary-1", self.volume.size_bytes, b"i" * 16, 1_700_000_000, plan.mode,
            plan.order, plan.connections, 15, plan.max_lag_us, plan.max_lag_bytes,
            point_interval_us=plan.point_interval_us, points_keep=plan.points_keep,
        )  # fmt: skip
        self.machine = PrimaryMachine(settings)
        node = Node(self.world, "primary", self.machine)
        node.volume = self.volume
        node.replied = lambda op, error: self._on_reply(node, op, error)
        node.noted = self._on_note
        return node

    def start(self, started: Started | None = None) -> None:
        """The primary's process comes up."""
        self.primary.deliver(started or Started())

    def restart(self, *, reseed: bool = False, bitmap: bool = True) -> None:
        """A new process on the same volume, after the end of the one before.

        Without a bitmap an operator has to ask for a reseeding.
        """
        previous, self.primary.dead = self.primary.last_lease, True
        self.primary = self._new_primary()
        etag, self.stopped_etag = self.stopped_etag, ""
        self.primary.last_lease = previous
        dirty = None if reseed or not bitmap else tuple(sorted(self.volume.bits))
        self.start(Started(previous, etag, reseed, dirty))

    def crash(self, *, power: bool) -> None:
        """The primary's process is gone; what it had not answered never will be.

        power: so is what its volume had not flushed, as if one more write had brought it back.
        """
        self.primary.dead = True
        for op in self.unanswered():
            self.entries[op].completed, self.entries[op].error = 1 << 60, 5
        if power:
            lost = self.volume.lose_power(self.world.random)
            op = self._begin(dict(lost))
            self.entries[op].completed, self.entries[op].error = 1 << 60, 5

    def write_behind(self, page: int) -> None:
        """Another program writes to the volume while nobody protects it."""
        op = self._begin({page: self._op + 1})
        self.volume.pages[page] = op
        self.entries[op].completed, self.entries[op].error = 1 << 60, 5

    def _beat(self, sequence: int) -> None:
        node = self.primary
        quiet = node.dead or node.paused or node.cut or self.heartbeats_lost
        if not quiet:
            leaving = self.machine.phase is Phase.STOPPED
            wait = self.world.random.randint(100, 2000)
            for standby in self.standbys:
                standby.deliver_later(wait, HeartbeatHeard(sequence, leaving))
        self.world.later(INTERVAL_US, lambda: self._beat(sequence + 1))

    # ── clients ───────────────────────────────────────────────────────────────────────────────

    def _some_page(self) -> int:
        return self.world.random.choice(CLUSTERS) + self.world.random.randint(0, 3)

    def write(self, page: int = -1, pages: int = 0, *, fua: bool = False) -> int:
        """A client writes a value of its own to some pages."""
        first = self._some_page() if page < 0 else page
        length = pages or self.world.random.randint(1, 3)
        op = self._begin({first + index: self._op + 1 for index in range(length)}, fua=fua)
        payload = (op,) * length
        event = WriteRequested(op, first * PAGE_BYTES, length * PAGE_BYTES, payload, fua)
        self.primary.deliver(event)
        return op

    def zero(self, *, fua: bool = False) -> int:
        """A client trims some pages."""
        first, length = self._some_page(), self.world.random.randint(1, 6)
        op = self._begin(dict.fromkeys(range(first, first + length)), fua=fua)
        self.primary.deliver(ZeroRequested(op, first * PAGE_BYTES, length * PAGE_BYTES, fua))
        return op

    def flush(self) -> int:
        """A client flushes."""
        op = self._begin({}, flush=True)
        self.primary.deliver(FlushRequested(op))
        return op

    def resize(self, volume_bytes: int) -> int:
        """An operator asks for another size."""
        known = {page for entry in self.history.entries for page in entry.pages}
        cut = {p for p in known | set(self.history.base) if p * PAGE_BYTES >= volume_bytes}
        size = {SIZE: disk_bytes(volume_bytes)}
        op = self._begin({**dict.fromkeys(sorted(cut)), **size})
        self.primary.deliver(ResizeRequested(op, volume_bytes))
        return op

    def point(self) -> int:
        """An operator asks for a recovery point."""
        op = self._begin({})
        self.primary.deliver(PointRequested(op))
        return op

    def _begin(
        self, pages: dict[int, object | None], *, fua: bool = False, flush: bool = False
    ) -> int:
        self._op += 1
        entry = Entry(self._op, pages, self._turn(), fua=fua, flush=flush)
        self.entries[self._op] = entry
        self.history.entries.append(entry)
        return self._op

    def unanswered(self) -> list[int]:
        """Operations without a reply."""
        return [op for op, entry in self.entries.items() if entry.completed is None]

    def _turn(self) -> int:
        self.world.turn += 1
        return self.world.turn

    def _on_reply(self, node: Node, op: int, error: int) -> None:
        entry = self.entries[op]
        assert entry.completed is None, f"operation {op} was answered twice"
        entry.completed, entry.error = self._turn(), error
        if error:
            return
        self.acknowledged += 1
        assert node is self.primary
        # Mode sync needs no clock: what the blob already holds may be acknowledged after a break,
        # and the judgement below sees to it that it is held.
        broken = any(
            isinstance(node.machine, StandbyMachine) and node.machine.broke_a_lease()
            for node in self.standbys
        )
        if not (broken and self.plan.mode is Mode.SYNC):
            assert self.mounted is None, f"operation {op} was acknowledged after the mount"
        entry.promised = self.machine.phase in PROMISING
        if entry.promised and self.plan.mode is not Mode.ASYNC:
            self._judge(f"after the acknowledgement of operation {op}")

    # ── the oracle ────────────────────────────────────────────────────────────────────────────

    def _on_note(self, note: Note) -> None:
        if note.name == "protected":
            self.was_protected = True
        if note.name == Phase.STOPPED:
            self.stopped_etag = str(dict(note.fields).get("etag", ""))

    def _on_mount(self, node: Node, disk: MountDisk) -> None:
        assert self.mounted_by in (None, node), "mounted twice"
        self.mounted_by = node
        self.mounted = disk
        now = self._judge("at the mount")
        assert (disk.size_bytes, disk.snapshot) == (now.size_bytes, now.snapshot)

    def _check_blob(self, node: Node, command: StoreCommand) -> None:
        if node is not self.mounted_by:
            assert self.mounted is None, f"{command} changed the blob after the mount"
        marked = parse_metadata(self.world.blob.metadata).mark is not Mark.NONE
        if isinstance(command, Raise | Snapshot) or (marked and isinstance(command, Put | Clear)):
            return
        if recovered(self.world.blob) is not None:
            self._judge(f"after {type(command).__name__}")

    def image(self) -> dict[int, object]:
        """The content of the blob below its footer."""
        blob = self.world.blob
        last = (blob.length - FOOTER_BYTES) // PAGE_BYTES
        return {page: value for page, value in blob.pages.items() if page != last}

    def _judge(self, when: str) -> Recovered:
        plan = self.plan
        disk = recovered(self.world.blob)
        assert disk is not None, f"protected, but nothing can be recovered, {when}"
        floor: dict[int, int] = {}
        if plan.mode is not Mode.ASYNC:
            flushed_only = plan.mode is Mode.SYNC_ON_FLUSH
            floor = self.history.must_hold(flushed_only=flushed_only)
        shown = {**disk.pages, SIZE: disk.size_bytes}
        complaint = self.history.complaint(shown, floor, strict=plan.order is not Order.FLUSH)
        assert not complaint, f"{when}: {complaint}"
        return disk

    # ── ways to wait ──────────────────────────────────────────────────────────────────────────

    def run_until_protected(self) -> None:
        """Let a healthy world come to protection."""
        assert self.world.run(
            self.world.now_us + 60 * SECOND_US, lambda: self.machine.phase is Phase.RUNNING
        ), f"not protected: {self.machine.phase} {self.machine.reason}"

    def settled(self) -> bool:
        """Whether everything has come to rest as it should."""
        if self.unanswered():
            return False
        if self.mounted is not None:
            return self.primary.dead or self.machine.phase in ENDED
        if self.primary.dead:
            refused = self.standby_machine.phase is StandbyPhase.REFUSED
            return not self.was_protected or refused
        if self.machine.phase in ENDED:
            return True
        if self.machine.phase is not Phase.RUNNING:
            return False
        state = parse_metadata(self.world.blob.metadata)
        return self.image() == self.volume.pages and state.volume_bytes == self.volume.size_bytes

    def stop(self) -> None:
        """Ask for an orderly stop."""
        self.primary.deliver(StopRequested())
