"""Every command a core machine gives and every event it takes.

A machine is `handle(now_us, event) -> list of commands` (style.md 3.4). Each store command
completes as exactly one of `Done`, `Failed` (certainly not applied) or `Unknown` (may have been
applied, may still be applied later: protocol.md section 2). Payloads are opaque to the core: the
shell carries bytes, the simulator page tokens; the core only slices them by offset and length in
bytes.

Offsets and lengths are bytes and multiples of 512. `id` is unique within one machine incarnation.
Condition fields: `lease` is the lease id sent along, `number` the sequence number that must be
EQual, `if_match` the ETag that must match; None sends no such condition.
"""

from engine.core.messages.answers import (
    BlobState,
    Done,
    Failed,
    LeaseState,
    Refusal,
    StoreAnswer,
    Unknown,
)
from engine.core.messages.events import (
    EINVAL,
    EIO,
    BitsDurable,
    BitsFailed,
    FailoverRequested,
    FlushRequested,
    HeartbeatHeard,
    LeaseReady,
    LocalDone,
    LocalFailed,
    PointRequested,
    ResizeRequested,
    Started,
    StopRequested,
    TimerFired,
    VolumeRead,
    VolumeReadFailed,
    WriteRequested,
    ZeroRequested,
)
from engine.core.messages.site_commands import (
    LocalFlush,
    LocalResize,
    LocalWrite,
    LocalZero,
    MarkClean,
    MarkDirty,
    MountDisk,
    NewLease,
    Note,
    ReadVolume,
    Reply,
    SetTimer,
)
from engine.core.messages.store_commands import (
    Acquire,
    Break,
    Change,
    Clear,
    Create,
    DeleteSnapshot,
    Head,
    ListSnapshots,
    MetadataMap,
    Part,
    Put,
    Raise,
    ReadPage,
    Release,
    Renew,
    Resize,
    SetMetadata,
    Snapshot,
    StoreCommand,
)

Command = (
    StoreCommand | LocalWrite | LocalZero | LocalFlush | ReadVolume | Reply | NewLease | SetTimer
    | MountDisk | Note | LocalResize | MarkDirty | MarkClean
)  # fmt: skip

Event = (
    StoreAnswer | LocalDone | LocalFailed | VolumeRead | VolumeReadFailed | LeaseReady | TimerFired
    | WriteRequested | ZeroRequested | FlushRequested | Started | StopRequested | HeartbeatHeard
    | FailoverRequested | ResizeRequested | PointRequested | BitsDurable | BitsFailed
)  # fmt: skip

__all__ = [
    "EINVAL",
    "EIO",
    "Acquire",
    "BitsDurable",
    "BitsFailed",
    "BlobState",
    "Break",
    "Change",
    "Clear",
    "Command",
    "Create",
    "DeleteSnapshot",
    "Done",
    "Event",
    "Failed",
    "FailoverRequested",
    "FlushRequested",
    "Head",
    "HeartbeatHeard",
    "LeaseReady",
    "LeaseState",
    "ListSnapshots",
    "LocalDone",
    "LocalFailed",
    "LocalFlush",
    "LocalResize",
    "LocalWrite",
    "LocalZero",
    "MarkClean",
    "MarkDirty",
    "MetadataMap",
    "MountDisk",
    "NewLease",
    "Note",
    "Part",
    "PointRequested",
    "Put",
    "Raise",
    "ReadPage",
    "ReadVolume",
    "Refusal",
    "Release",
    "Renew",
    "Reply",
    "Resize",
    "ResizeRequested",
    "SetMetadata",
    "SetTimer",
    "Snapshot",
    "Started",
    "StopRequested",
    "StoreAnswer",
    "StoreCommand",
    "TimerFired",
    "Unknown",
    "VolumeRead",
    "VolumeReadFailed",
    "WriteRequested",
    "ZeroRequested",
]
