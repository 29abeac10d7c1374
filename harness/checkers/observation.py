"""What a checker is told of a run: the interface between who runs a disaster and who judges it.

The runner calls the hooks of `Observer` in the order in which things happen. Positions (`invoked`,
`completed`) are taken from one counter of the run, so "completed before invoked" is exact. Times
are integer microseconds of the run's clock. Page values are opaque and unique: the number of the
operation that wrote them, `BASE + n` for what the volume held before, absent for zeros.

What is made once an event is a plain class: a dataclass's `__init__` is never compiled.

Nothing here imports the engine: requests and answers are those of the page-blob model
(harness.sim.blob_requests), status and metadata are read by their documented names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from harness.sim.blob_requests import Answer, Request
from harness.sim.page_blob import PageBlob

__all__ = ["BASE", "NEVER", "Mounted", "Observer", "Operation", "OperationKind", "RunSetup",
           "StatusSample"]  # fmt: skip

NEVER: Final = 1 << 62
"""Position and time of something that did not happen."""

BASE: Final = 1 << 40
"""Page values of the volume before the run: BASE + n; a write's pages have its operation number."""

OperationKind = Literal["write", "zero", "flush", "resize", "point"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSetup:
    """What was drawn once for a run, as far as a judge needs it.

    base: page index to value, of the volume at the start; rpo_us, rpo_bytes: the bounds that the
    system was told to keep in mode async; live_us: so long after the calm everything is at rest;
    volume_id: 32 hex digits; points_keep: so many points of the user's stay (0: not known).
    """

    mode: Literal["sync", "sync-on-flush", "async"]
    order: Literal["strict", "flush", "interval"]
    volume_bytes: int
    base: dict[int, int]
    rpo_us: int
    rpo_bytes: int
    live_us: int
    volume_name: str = "db"
    volume_id: str = ""
    label: str = ""
    points_keep: int = 0


class Operation:
    """One operation of a client or operator; mutable, completed in place.

    first_page, pages: extent of a write or zero, in pages of 512 bytes; volume_bytes: the size that
    a resize asks for. promised: it was acknowledged without error while the system's own status
    said "protected". session: which start of the primary's process took it.
    """

    __slots__ = (
        "completed", "completed_us", "error", "first_page", "fua", "invoked", "invoked_us", "kind",
        "op", "pages", "promised", "session", "volume_bytes",
    )  # fmt: skip

    def __init__(
        self,
        op: int,
        kind: OperationKind,
        first_page: int = 0,
        pages: int = 0,
        volume_bytes: int = 0,
        fua: bool = False,
    ) -> None:
        self.op = op
        self.kind: OperationKind = kind
        self.first_page = first_page
        self.pages = pages
        self.volume_bytes = volume_bytes
        self.fua = fua
        self.invoked = NEVER
        self.invoked_us = NEVER
        self.completed = NEVER
        self.completed_us = NEVER
        self.error = 0
        self.promised = False
        self.session = 0


class StatusSample:
    """What a node says of itself at a moment, and what a judge may compare it with.

    role: "primary" or "standby"; phase as the node names it; lag in microseconds and bytes.
    """

    __slots__ = ("lag_bytes", "lag_us", "node", "phase", "protected", "role")

    def __init__(
        self, role: str, node: str, phase: str, protected: bool, lag_us: int, lag_bytes: int
    ) -> None:
        self.role = role
        self.node = node
        self.phase = phase
        self.protected = protected
        self.lag_us = lag_us
        self.lag_bytes = lag_bytes


@dataclass(frozen=True, slots=True)
class Mounted:
    """A standby handed the disk over. `image` and `footer` are what a reader would see then."""

    node: str
    term: int
    size_bytes: int
    snapshot: str
    image: dict[int, object]
    footer: bytes


class Observer:
    """Every hook, doing nothing; a checker overrides those it needs.

    An overridden hook is called at every such event of a run; hooks that are not overridden cost
    nothing (the runner looks them up once).
    """

    def started(self, setup: RunSetup) -> None:
        """Before anything else."""

    def invoked(self, now_us: int, operation: Operation) -> None:
        """A client or operator asks."""

    def completed(self, now_us: int, operation: Operation) -> None:
        """It was answered, `operation.error` says how; never called for what gets no answer."""

    def sent(self, now_us: int, node: str, request: Request) -> None:
        """A node sends a request to the store, whatever becomes of it."""

    def applied(
        self, now_us: int, node: str, request: Request, answer: Answer, blob: PageBlob
    ) -> None:
        """The store applied a request that changed the blob or its snapshots (not leases).

        `blob` is as it is now and must not be changed.
        """

    def answered(self, now_us: int, node: str, request: Request, outcome: str) -> None:
        """A node learns what became of its request: "done", "unknown" or why it was refused."""

    def damaged(self, now_us: int, where: str, request: Request | None, page: int) -> None:
        """Bytes were damaged: on the way of `request`, or at rest in `page` of the blob."""

    def local(self, now_us: int, operation: Operation) -> None:
        """An operation took effect in the primary's volume (its cache included)."""

    def power_lost(self, now_us: int, pages: Mapping[int, object | None]) -> None:
        """The primary's volume lost its cache: these pages hold these older values again."""

    def process(self, now_us: int, node: str, what: str) -> None:
        """A process was "started", "killed", "paused", "woken", or "stopped" in order."""

    def fault(self, now_us: int, name: str, node: str) -> None:
        """A fault had a real effect."""

    def status(self, now_us: int, sample: StatusSample) -> None:
        """What a node says of itself, asked now."""

    def stored(self, now_us: int, node: str, where: str, size_bytes: int) -> None:
        """Volume data was kept elsewhere than in the volume and its blob."""

    def mounted(self, now_us: int, mounted: Mounted) -> None:
        """A standby handed the disk over."""

    def calm(self, now_us: int) -> None:
        """The faults are over: a core of the system is healed, the rest stays broken for good."""

    def ended(self, now_us: int, waiting_for: str, blob: PageBlob | None,
              volume: Mapping[int, object] | None) -> None:  # fmt: skip
        """The run is over; `waiting_for` says what never came to rest ("": all did).

        `volume` is the primary's volume where the primary lives and protects it, else None.
        """
