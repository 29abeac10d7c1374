"""A disaster as plain data: what is set up, what is done when, what goes wrong (versioned JSON).

    {"schedule": 1, "seed": 7, "setup": {"mode": "sync"}, "steps": [
        {"do": "write", "at_us": 3000000, "page": 0, "pages": 2},
        {"do": "fault", "at_us": 3000000, "fault": "answer-lost", "node": "primary", "on": "put"},
        {"do": "kill", "at_us": 3500000, "node": "primary"}]}

Faults are data too. One that strikes a request is armed by a step and strikes the next `times`
requests of its node that match `on`, after `skip` of them; one that is a condition holds for
`for_us`, or until it is healed. So a step can be left out without moving the others.

What a fault means is told in docs/faults.md. Who reads a file of somebody else gets a UsageError
that names the place of whatever is wrong with it.
"""

from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import msgspec

from harness.errors import UsageError

__all__ = [
    "FAULT_NAMES", "STEPS_MAX", "VERSION", "ClockJump", "Failover", "Fault", "FaultName", "Flush",
    "Heal", "Kill", "NodeName", "Pause", "Point", "PowerLoss", "RequestKind", "Resize", "Schedule",
    "Setup", "Start", "Step", "Stop", "Write", "Zero", "dump_schedule", "load_schedule",
    "read_schedule",
]  # fmt: skip

VERSION: Final = 1
STEPS_MAX: Final = 10_000
FILE_BYTES_MAX: Final = 4 << 20
PAGE_BYTES: Final = 512

Micros = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
Page = Annotated[int, msgspec.Meta(ge=0, le=1 << 34)]
Pages = Annotated[int, msgspec.Meta(ge=1, le=1 << 16)]
VolumeBytes = Annotated[int, msgspec.Meta(ge=PAGE_BYTES, le=8 << 40, multiple_of=PAGE_BYTES)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]

NodeName = Literal["primary", "standby", "standby-2"]
RequestKind = Literal[
    "any", "put", "clear", "raise", "head", "read", "create", "metadata", "resize", "snapshot",
    "delete", "list", "acquire", "renew", "break", "release", "change", "volume-write",
    "volume-read", "volume-flush", "bitmap",
]  # fmt: skip
FaultName = Literal[
    "request-lost", "answer-lost", "server-error", "zombie", "doubled", "late-duplicate",
    "slow-request", "throttled", "unreachable", "corrupt-request", "corrupt-read",
    "snapshot-limit", "media-error", "store-cut", "store-deaf", "store-mute", "heartbeat-cut",
    "slow-link", "clogged", "slow-process", "bit-rot",
]  # fmt: skip
FAULT_NAMES: Final[tuple[str, ...]] = get_args(FaultName)


class _Timed(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="do",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """Every step has a time, in microseconds from the start of the run."""

    at_us: Micros


class Write(_Timed, frozen=True, kw_only=True, tag="write"):
    """A client writes a value of its own to `pages` pages from `page`."""

    page: Page
    pages: Pages = 1
    fua: bool = False


class Zero(_Timed, frozen=True, kw_only=True, tag="zero"):
    """A client trims, or writes zeroes."""

    page: Page
    pages: Pages = 1
    fua: bool = False


class Flush(_Timed, frozen=True, kw_only=True, tag="flush"):
    """A client flushes."""


class Resize(_Timed, frozen=True, kw_only=True, tag="resize"):
    """An operator gives the volume another size."""

    volume_bytes: VolumeBytes


class Point(_Timed, frozen=True, kw_only=True, tag="point"):
    """An operator asks for a recovery point."""


class Fault(_Timed, frozen=True, kw_only=True, tag="fault"):
    """Something goes wrong: see docs/faults.md for what each name means.

    for_us: how long a condition holds, or a request is late; page: where bits rot.
    """

    fault: FaultName
    node: NodeName = "primary"
    on: RequestKind = "any"
    skip: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    times: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1
    for_us: Micros = 0
    page: Page = 0


class Heal(_Timed, frozen=True, kw_only=True, tag="heal"):
    """A condition ends before its time, and what is armed of that name strikes no more."""

    fault: FaultName
    node: NodeName = "primary"


class Kill(_Timed, frozen=True, kw_only=True, tag="kill"):
    """A process is gone, with all that it had in memory; its disk and its requests stay.

    after: so many more of its commands are carried out first, so that it dies in between two.
    """

    node: NodeName = "primary"
    after: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0


class Start(_Timed, frozen=True, kw_only=True, tag="start"):
    """A process is started on its disk, if it does not run."""

    node: NodeName = "primary"
    reseed: bool = False


class Pause(_Timed, frozen=True, kw_only=True, tag="pause"):
    """A process does nothing for a while, then takes in all that arrived meanwhile."""

    node: NodeName = "primary"
    for_us: Micros


class PowerLoss(_Timed, frozen=True, kw_only=True, tag="power-loss"):
    """The primary's machine loses power: the process, and what its volume had not flushed.

    tear: 0 loses all of it; else it decides page by page what reached the medium.
    """

    tear: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)] = 0


class ClockJump(_Timed, frozen=True, kw_only=True, tag="clock-jump"):
    """A node's clock goes forward by `by_us` at once."""

    node: NodeName = "primary"
    by_us: Micros


class Stop(_Timed, frozen=True, kw_only=True, tag="stop"):
    """An operator stops the primary in order."""


class Failover(_Timed, frozen=True, kw_only=True, tag="failover"):
    """An operator asks a standby to take over; `forced` also from a primary that lives."""

    node: NodeName = "standby"
    forced: bool = False


Step = (
    Write | Zero | Flush | Resize | Point | Fault | Heal | Kill | Start | Pause | PowerLoss
    | ClockJump | Stop | Failover
)  # fmt: skip


class Setup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is there before the first step; see the engine's policy for the meaning of each.

    base_pages: so many pages of the volume are written before it is protected; write_through: the
    volume has no volatile cache; standbys: 1 or 2 of them watch.
    """

    mode: Literal["sync", "sync-on-flush", "async"] = "sync"
    order: Literal["strict", "flush", "interval"] = "strict"
    fence: Literal["expiry", "break"] = "expiry"
    volume_bytes: VolumeBytes = 8 << 20
    connections: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    lease_seconds: Annotated[int, msgspec.Meta(ge=15, le=60)] = 15
    standbys: Literal[1, 2] = 1
    base_pages: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 4
    max_lag_us: Micros = 5_000_000
    max_lag_bytes: Annotated[int, msgspec.Meta(ge=PAGE_BYTES, le=1 << 40)] = 1 << 20
    point_interval_us: Micros = 0
    points_keep: Annotated[int, msgspec.Meta(ge=1, le=100)] = 4
    write_through: bool = False
    label: Annotated[str, msgspec.Meta(max_length=64, pattern="^[ -~]*$")] = ""


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One disaster; `schedule` is the version of this format."""

    schedule: int = VERSION
    seed: Seed
    setup: Setup = Setup()
    steps: tuple[Step, ...] = ()


class _Version(msgspec.Struct):
    schedule: int


def load_schedule(path: Path) -> Schedule:
    """Read a schedule file. Raises UsageError, naming the file and the place in it."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return read_schedule(raw)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def read_schedule(raw: bytes) -> Schedule:
    """Parse and check a schedule. Raises UsageError, naming the place."""
    if len(raw) > FILE_BYTES_MAX:
        raise UsageError(
            f"more than {FILE_BYTES_MAX >> 20} MiB: a schedule has at most {STEPS_MAX} steps"
        )
    try:
        version = msgspec.json.decode(raw, type=_Version).schedule
        if version != VERSION:
            raise UsageError(
                f"`$.schedule` is {version}: this mountproof reads version {VERSION} only"
            )
        schedule = msgspec.json.decode(raw, type=Schedule)
    except msgspec.ValidationError as error:
        raise UsageError(f"not a schedule: {error}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"not JSON: {error}") from error
    check_schedule(schedule)
    return schedule


def dump_schedule(schedule: Schedule) -> bytes:
    """The canonical JSON of a schedule: equal schedules, equal bytes."""
    return msgspec.json.format(msgspec.json.encode(schedule, order="deterministic"), indent=1)


def check_schedule(schedule: Schedule) -> None:
    """What the types alone cannot say. Raises UsageError, naming the place."""
    setup = schedule.setup
    if len(schedule.steps) > STEPS_MAX:
        raise UsageError(f"`$.steps` has {len(schedule.steps)} steps; at most {STEPS_MAX}")
    if setup.order == "interval" and (setup.mode != "async" or not setup.point_interval_us):
        raise UsageError(
            "`$.setup.order` is interval: it goes with mode async and a point_interval_us only"
        )
    last_us = 0
    for at, step in enumerate(schedule.steps):
        if step.at_us < last_us:
            raise UsageError(
                f"`$.steps[{at}].at_us` is {step.at_us}, but the step before is at {last_us}:"
                " steps stand in the order of their times"
            )
        last_us = step.at_us
        _check_step(f"`$.steps[{at}]", step, setup)


def _check_step(place: str, step: Step, setup: Setup) -> None:
    node = getattr(step, "node", "primary")
    if node == "standby-2" and setup.standbys < 2:
        raise UsageError(f"{place}.node` is standby-2, but `$.setup.standbys` is 1")
    if isinstance(step, Failover) and node == "primary":
        raise UsageError(f"{place}.node` is primary: only a standby can fail over")
