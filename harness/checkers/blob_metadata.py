"""The blob's metadata as a judge reads it: by the documented names, without the engine."""

from functools import lru_cache
from typing import Final

from harness.sim.blob_requests import Metadata

__all__ = ["BlobMetadata", "read_metadata"]

_PREFIX: Final = "mp_"
_KNOWN: Final = {
    _PREFIX + name: name
    for name in (
        "version", "term", "owner", "mark", "pin", "intent", "doomed", "state", "volume_name",
        "volume_id", "volume_bytes", "label", "mode", "order", "created", "sequence", "point",
    )
}  # fmt: skip
"""So that these are not cut anew for every map; there may be others."""


class BlobMetadata:
    """What of the map matters; a value that cannot be read is named in `malformed`.

    grow_to, shrink_to: disk bytes that an open intent leads to, else 0; `before`: those it came
    from; `keys`: all of the map, without the prefix of the names.
    """

    __slots__ = (
        "before", "doomed", "grow_to", "keys", "malformed", "mark", "mounted", "owner", "pin",
        "shrink_to", "term",
    )  # fmt: skip

    def __init__(self, keys: dict[str, str]) -> None:
        self.keys = keys
        self.owner = keys.get("owner", "")
        self.mark = keys.get("mark", "none")
        self.pin = keys.get("pin", "")
        self.mounted = keys.get("state", "") == "mounted"
        doomed = keys.get("doomed", "")
        self.doomed = tuple([sid for sid in doomed.split(",") if sid]) if doomed else ()
        self.term = _number(keys.get("term", ""))
        direction, self.before, after = _intent(keys.get("intent", ""))
        self.grow_to = after if direction == "grow" else 0
        self.shrink_to = after if direction == "shrink" else 0
        self.malformed = ""
        for key in ("version", "term", "owner"):
            if not keys.get(key):
                self.malformed = self.malformed or key
        if self.term < 0:
            self.malformed = self.malformed or "term"
        if direction not in ("", "grow", "shrink"):
            self.malformed = self.malformed or "intent"

    @property
    def intent(self) -> bool:
        """Whether a resize is under way."""
        return bool(self.grow_to or self.shrink_to)


@lru_cache(maxsize=32)
def read_metadata(pairs: Metadata) -> BlobMetadata:
    """Read a map."""
    keys: dict[str, str] = {}
    for key, value in pairs:
        known = _KNOWN.get(key)
        if known is not None:
            keys[known] = value
        elif key.startswith(_PREFIX):
            keys[key[len(_PREFIX) :]] = value
    return BlobMetadata(keys)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1


def _intent(text: str) -> tuple[str, int, int]:
    if not text:
        return "", 0, 0
    direction, _, sizes = text.partition(":")
    before, _, after = sizes.partition(":")
    old, new = _number(before), _number(after)
    return (direction, old, new) if min(old, new) > 0 else ("?", 0, 0)
