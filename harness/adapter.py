"""The black-box interface of a replication system under test: what a vendor implements, one class.

The lab asks for nothing else: protect a volume, give a block device to the workload, say how it
is, suffer kills and pauses, fail over, hand over the disk. Whatever the lab concludes, it concludes
from the disk, the blob service and the kernel; a system's own status only picks the moments.

All times are CLOCK_MONOTONIC seconds of this machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from harness.lab.process import ProcessIo

__all__ = [
    "BlobService",
    "Handover",
    "Identity",
    "ListedPoint",
    "ProtectedVolume",
    "ReplicationSystem",
    "SystemEvent",
    "SystemStatus",
    "VolumeOrder",
    "Wording",
]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is tested; `source_digest` is the sha256 over its source files (names and contents)."""

    name: str
    version: str
    source_digest: str


@dataclass(frozen=True, slots=True)
class BlobService:
    """Where the blob has to be. The connection string is a secret: never on a command line."""

    connection_string: str = field(repr=False)
    container: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeOrder:
    """What to protect and how. `fence` is how the standby takes over: await expiry, or break."""

    name: str
    path: Path
    blob: str
    mode: Literal["sync", "sync-on-flush", "async"]
    order: Literal["strict", "flush"]
    fence: Literal["expiry", "break"]
    failure_timeout_s: float = 3.0
    heartbeat_s: float = 0.5
    lease_s: int = 15
    max_lag_s: float = 5.0
    label: str = ""


@dataclass(frozen=True, slots=True)
class SystemEvent:
    """Something the system said by itself, in the lab's vocabulary.

    `name`: started, seeding, protected, store-trouble, fenced, demoted, refused, stopped of the
    primary; watching, suspected, failure-declared, fencing, mounted, refused, false-alarm of the
    standby.
    """

    at: float
    side: Literal["primary", "standby"]
    name: str
    fields: Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """The system's own word on one volume. None: it does not say."""

    at: float
    phase: str
    protected: bool
    lag_s: float | None
    lag_bytes: int | None
    in_flight: int | None
    """Requests sent to the store and not answered."""
    queued: int | None
    """Operations of the client that are held or not yet in the blob, those in flight included."""
    replicated_bytes: int | None
    refused: int | None
    """Requests that the store refused."""


@dataclass(frozen=True, slots=True)
class Handover:
    """The disk that the system hands over after failover. `url` may hold a SAS: a secret.

    `snapshot` is the recovery point that it is; empty: the live blob.
    """

    at: float
    url: str = field(repr=False)
    size_bytes: int
    snapshot: str = ""


@dataclass(frozen=True, slots=True)
class ListedPoint:
    """A recovery point in the system's own list: a snapshot of the blob, and the volume's size."""

    snapshot: str
    kind: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Wording:
    """What the metadata of a blob, or of a snapshot of it, say in the lab's vocabulary.

    Properties of the volume: `name`, `label`, `unique_id` (hex), `volume_bytes` (-1: not told).
    `unfinished` is what is on its way, so that the live blob may be unfit: seed, resync, interval,
    grow, shrink, or empty; `pinned` is the snapshot that a failover would use meanwhile.
    """

    name: str = ""
    label: str = ""
    unique_id: str = ""
    volume_bytes: int = -1
    unfinished: str = ""
    pinned: str = ""


class ProtectedVolume(Protocol):
    """One volume under protection: the system's running parts. All may raise `Inconclusive`."""

    @property
    def device(self) -> str:
        """NBD server for the workload: `unix:/path` or `host:port`."""
        ...

    @property
    def export(self) -> str:
        """NBD export name."""
        ...

    def events(self) -> Sequence[SystemEvent]:
        """All events so far, oldest first; raises nothing if a part has died."""
        ...

    def status(self) -> SystemStatus | None:
        """Ask the primary; None if it does not answer at once."""
        ...

    def check_running(self) -> None:
        """`Inconclusive`, with its last words, if a part that was not killed has died."""
        ...

    def kill_primary(self) -> float:
        """SIGKILL everything of the system at the primary site; returns the time just before."""
        ...

    def restart_primary(self) -> float:
        """Start it again where it was killed, as its service manager would; returns the time."""
        ...

    def resize(self, size_bytes: int) -> str:
        """Ask for another size of the volume and wait; returns why it was not done, or nothing."""
        ...

    def take_point(self) -> str:
        """Ask for a recovery point and wait; returns why there is none, or nothing."""
        ...

    def points(self) -> Sequence[ListedPoint] | None:
        """The system's list of recovery points, oldest first; None: it does not answer."""
        ...

    def pause_primary(self) -> float:
        """SIGSTOP it."""
        ...

    def resume_primary(self) -> float:
        """SIGCONT it."""
        ...

    def take_primary_away(self) -> Path:
        """Move the primary's volume and state where the system cannot find them; returns where."""
        ...

    def handover(self) -> Handover | None:
        """The disk, once the standby has handed it over."""
        ...

    def processes(self) -> Mapping[str, int]:
        """Pid of each process, `primary` and `standby`."""
        ...

    def io(self) -> Mapping[str, ProcessIo]:
        """Kernel counters of each process, final for those that ended."""
        ...

    def own_files(self) -> Mapping[str, int]:
        """Every file the system made beside the volume, with its size in bytes."""
        ...

    def logs(self) -> Mapping[str, Path]:
        """Log files by name, not yet redacted."""
        ...

    def stop(self) -> None:
        """Stop everything in order; what hangs is killed."""
        ...


class ReplicationSystem(Protocol):
    """A system under test."""

    def identity(self) -> Identity:
        """Name, version and digest of the sources."""
        ...

    def understand(self, metadata: Mapping[str, str]) -> Wording:
        """Translate metadata that the lab has read from the blob or a snapshot itself."""
        ...

    def protect(self, order: VolumeOrder, service: BlobService, site: Path) -> ProtectedVolume:
        """Start protecting; all files belong below the folder `site`."""
        ...
