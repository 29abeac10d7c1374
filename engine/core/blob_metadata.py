"""The blob's metadata: who owns it, whether it is consistent, what it is a copy of.

Read atomically by one HEAD and always written as a whole map built from the map just read (H6).
Keys of others are kept as they are. Names are ASCII (engine.policy). Field meanings: protocol.md
section 3, State.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from engine.core.epochs import Order
from engine.core.messages import MetadataMap
from engine.core.settings import Mode, VolumeSettings
from engine.errors import ProtocolError
from engine.vhd import Footer, build_footer, disk_bytes

_PREFIX = "mp_"
_VERSION = "1"


class Mark(StrEnum):
    """Why the live blob is not a consistent image (protocol.md P10)."""

    NONE = "none"
    SEED = "seed"
    RESYNC = "resync"
    INTERVAL = "interval"
    RESTORE = "restore"


class IntentKind(StrEnum):
    """Which change of size is under way."""

    GROW = "grow"
    SHRINK = "shrink"


@dataclass(frozen=True, slots=True)
class Intent:
    """A change of the disk's size that any owner rolls forward (protocol.md ROLL); in bytes."""

    kind: IntentKind
    old: int
    new: int

    def to_text(self) -> str:
        """As the metadata holds it."""
        return f"{self.kind}:{self.old}:{self.new}"


@dataclass(frozen=True, slots=True)
class BlobMetadata:
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
        ours = {
            "version": _VERSION,
            "term": str(self.term),
            "owner": self.owner,
            "mark": self.mark.value,
            "pin": self.pin,
            "intent": self.intent,
            "state": "mounted" if self.mounted else "",
            "volume_name": self.volume_name,
            "volume_id": self.volume_id,
            "volume_bytes": str(self.volume_bytes),
            "mode": self.mode.value,
            "order": self.order.value,
            "doomed": ",".join(self.doomed),
            "label": self.label,
            "created": str(self.created_unix_s) if self.created_unix_s else "",
        }
        pairs = [(_PREFIX + key, value) for key, value in ours.items() if value]
        return tuple(sorted([*pairs, *self.others]))

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
        size = disk_bytes(self.volume_bytes)
        return build_footer(Footer(size, self.created_unix_s, bytes.fromhex(self.volume_id)))

    def declared(self, settings: VolumeSettings) -> "BlobMetadata":
        """The same state with the properties that the settings give the volume.

        When it was created is said once: footers that were written have that.
        """
        return replace(
            self,
            mode=settings.mode,
            order=settings.order,
            label=settings.label,
            created_unix_s=self.created_unix_s or settings.created_unix_s,
        )


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


@lru_cache(maxsize=256)
def parse_metadata(pairs: MetadataMap) -> BlobMetadata:
    """Read a HEAD's map. Raises ProtocolError naming the key that is missing or wrong."""
    ours = {key[len(_PREFIX) :]: value for key, value in pairs if key.startswith(_PREFIX)}
    others = tuple((key, value) for key, value in pairs if not key.startswith(_PREFIX))
    try:
        if ours["version"] != _VERSION:
            raise ProtocolError(
                f"the blob's metadata is of version {ours['version']!r}, this engine knows"
                f" {_VERSION}: use the engine version that wrote it"
            )
        doomed = ours.get("doomed", "")
        return BlobMetadata(
            term=int(ours["term"]),
            owner=ours["owner"],
            mark=Mark(ours["mark"]),
            pin=ours.get("pin", ""),
            intent=ours.get("intent", ""),
            mounted=ours.get("state", "") == "mounted",
            volume_name=ours["volume_name"],
            volume_id=ours["volume_id"],
            volume_bytes=int(ours["volume_bytes"]),
            mode=Mode(ours["mode"]),
            order=Order(ours["order"]),
            doomed=tuple(doomed.split(",")) if doomed else (),
            label=ours.get("label", ""),
            created_unix_s=int(ours.get("created", "0")),
            others=others,
        )
    except KeyError as missing:
        raise ProtocolError(
            f"the blob has no metadata key {_PREFIX}{missing.args[0]}: it was not made by this"
            " engine, or its metadata was replaced by another program; choose another blob name"
        ) from missing
    except ValueError as wrong:
        raise ProtocolError(f"the blob's metadata cannot be read: {wrong}") from wrong
