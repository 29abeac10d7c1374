"""The blob's metadata: who owns it, whether it is consistent, what it is a copy of.

Read atomically by one HEAD and always written as a whole map built from the map just read (H6).
Keys of others are kept as they are. Names are ASCII (engine.policy). Field meanings: protocol.md
section 3, State.
"""

from enum import StrEnum
from functools import lru_cache
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from engine.core.epochs import Order
from engine.core.messages import MetadataMap
from engine.core.settings import Mode, VolumeSettings
from engine.errors import ProtocolError
from engine.vhd import Footer, build_footer, disk_bytes

_PREFIX = "mp_"
_VERSION = "1"
_OURS = frozenset(
    _PREFIX + key
    for key in (
        "created", "doomed", "intent", "label", "mark", "mode", "order", "owner", "pin", "point",
        "sequence", "state", "taken", "term", "version", "volume_bytes", "volume_id", "volume_name",
    )
)  # fmt: skip
"""Also those of a recovery point (points.py)."""


class Mark(StrEnum):
    """Why the live blob is not a consistent image (protocol.md P10)."""

    NONE = "none"
    SEED = "seed"
    RESYNC = "resync"
    INTERVAL = "interval"
    RESTORE = "restore"


# Named once, for to look up a member of an enum costs more than a call.
UNMARKED: Final = Mark.NONE
SEED: Final = Mark.SEED


class IntentKind(StrEnum):
    """Which change of size is under way."""

    GROW = "grow"
    SHRINK = "shrink"


class Intent(Struct, frozen=True, gc=False):
    """A change of the disk's size that any owner rolls forward (protocol.md ROLL); in bytes."""

    kind: IntentKind
    old: int
    new: int

    def to_text(self) -> str:
        """As the metadata holds it."""
        return f"{self.kind}:{self.old}:{self.new}"


class BlobMetadata(Struct, frozen=True, gc=False):
    """One blob's replication state. `others`: keys that are not ours, untouched.

    volume_bytes: the volume's size, under an intent the size that it will have; doomed: snapshots
    that are being deleted and must not be used (H3); label, created_unix_s: the volume's own.
    """

    term: int
    owner: str
    mark: Mark
    pin: str
    intent: str
    mounted: bool
    volume_name: str
    volume_id: str
    volume_bytes: int
    mode: Mode
    order: Order
    doomed: tuple[str, ...] = ()
    label: str = ""
    created_unix_s: int = 0
    others: MetadataMap = ()

    def to_map(self) -> MetadataMap:
        """The whole map, sorted, ready to be sent."""
        ours = (
            ("mp_created", str(self.created_unix_s) if self.created_unix_s else ""),
            ("mp_doomed", ",".join(self.doomed)),
            ("mp_intent", self.intent),
            ("mp_label", self.label),
            ("mp_mark", str(self.mark)),
            ("mp_mode", str(self.mode)),
            ("mp_order", str(self.order)),
            ("mp_owner", self.owner),
            ("mp_pin", self.pin),
            ("mp_state", "mounted" if self.mounted else ""),
            ("mp_term", str(self.term)),
            ("mp_version", _VERSION),
            ("mp_volume_bytes", str(self.volume_bytes)),
            ("mp_volume_id", self.volume_id),
            ("mp_volume_name", self.volume_name),
        )
        pairs = [pair for pair in ours if pair[1]]
        return tuple(sorted([*pairs, *self.others]) if self.others else pairs)

    def acks_need_store(self) -> bool:
        """Whether its owner acknowledges nothing without an answer of the store (H11, H18)."""
        return self.mode is Mode.SYNC and self.mark in (Mark.NONE, Mark.INTERVAL)

    def taken_by(self, owner: str) -> "BlobMetadata":
        """The same state under a new owner, one term later."""
        return replace(self, owner=owner, term=self.term + 1)

    def parsed_intent(self) -> Intent | None:
        """The change of size under way. Raises ProtocolError if it is none that we know."""
        if not self.intent:
            return None
        try:
            kind, old, new = self.intent.split(":")
            return Intent(IntentKind(kind), int(old), int(new))
        except ValueError as unknown:
            raise ProtocolError(f"the blob's intent {self.intent!r} is not known") from unknown

    def footer(self) -> bytes:
        """The footer of the disk that holds the volume."""
        return _footer(self.volume_bytes, self.created_unix_s, self.volume_id)

    def declared(self, settings: VolumeSettings) -> "BlobMetadata":
        """The same state with the properties that the settings give the volume.

        When it was created is said once: footers that were written have that.
        """
        created_unix_s = self.created_unix_s or settings.created_unix_s
        if (
            self.mode is settings.mode
            and self.order is settings.order
            and self.label == settings.label
            and self.created_unix_s == created_unix_s
        ):
            return self
        return replace(
            self,
            mode=settings.mode,
            order=settings.order,
            label=settings.label,
            created_unix_s=created_unix_s,
        )


@lru_cache(maxsize=64)
def _footer(volume_bytes: int, created_unix_s: int, volume_id: str) -> bytes:
    size = disk_bytes(volume_bytes)
    return build_footer(Footer(size, created_unix_s, bytes.fromhex(volume_id)))


def new_metadata(settings: VolumeSettings) -> BlobMetadata:
    """Metadata of a blob that is created now: term 1, marked as seeding (H8)."""
    return BlobMetadata(
        term=1,
        owner=settings.node,
        mark=Mark.SEED,
        pin="",
        intent="",
        mounted=False,
        volume_name=settings.name,
        volume_id=settings.volume_id.hex(),
        volume_bytes=settings.volume_bytes,
        mode=settings.mode,
        order=settings.order,
        label=settings.label,
        created_unix_s=settings.created_unix_s,
    )


class MetadataReader:
    """Reads maps, and one that comes again only once."""

    __slots__ = ("_pairs", "_read")

    def __init__(self) -> None:
        self._pairs: MetadataMap = ()
        self._read: BlobMetadata | None = None

    def read(self, pairs: MetadataMap) -> BlobMetadata:
        """As `parse_metadata`."""
        known = self._read
        if known is None or pairs != self._pairs:
            known = self._read = parse_metadata(pairs)
            self._pairs = pairs
        return known


_MARKS: Final = {str(mark): mark for mark in Mark}
_MODES: Final = {str(mode): mode for mode in Mode}
_ORDERS: Final = {str(order): order for order in Order}
"""To call an enum with a value is ten times as slow."""


def parse_metadata(pairs: MetadataMap) -> BlobMetadata:
    """Read a HEAD's map. Raises ProtocolError naming the key that is missing or wrong."""
    keys: dict[str, str] = {}
    foreign = False
    for key, value in pairs:
        keys[key] = value
        if key not in _OURS:
            foreign = True
    try:
        if keys["mp_version"] != _VERSION:
            raise ProtocolError(
                f"the blob's metadata is of version {keys['mp_version']!r}, this engine knows"
                f" {_VERSION}: use the engine version that wrote it"
            )
        doomed = keys.get("mp_doomed", "")
        return BlobMetadata(
            int(keys["mp_term"]),
            keys["mp_owner"],
            _MARKS.get(keys["mp_mark"]) or Mark(keys["mp_mark"]),
            keys.get("mp_pin", ""),
            keys.get("mp_intent", ""),
            keys.get("mp_state", "") == "mounted",
            keys["mp_volume_name"],
            keys["mp_volume_id"],
            int(keys["mp_volume_bytes"]),
            _MODES.get(keys["mp_mode"]) or Mode(keys["mp_mode"]),
            _ORDERS.get(keys["mp_order"]) or Order(keys["mp_order"]),
            tuple(doomed.split(",")) if doomed else (),
            keys.get("mp_label", ""),
            int(keys.get("mp_created", "0")),
            tuple([p for p in pairs if p[0][:3] != _PREFIX]) if foreign else (),
        )
    except KeyError as missing:
        raise ProtocolError(
            f"the blob has no metadata key {missing.args[0]}: it was not made by this"
            " engine, or its metadata was replaced by another program; choose another blob name"
        ) from missing
    except ValueError as wrong:
        raise ProtocolError(f"the blob's metadata cannot be read: {wrong}") from wrong
