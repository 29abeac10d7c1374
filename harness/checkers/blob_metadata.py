"""The blob's metadata as a judge reads it: by the documented names, without the engine."""

from dataclasses import dataclass
from functools import lru_cache

from harness.sim.blob_requests import Metadata

__all__ = ["BlobMetadata", "read_metadata"]

_PREFIX = "mp_"


@dataclass(frozen=True, slots=True)
class BlobMetadata:
    """What of the map matters; a value that cannot be read is named in `malformed`.

    grow_to, shrink_to: disk bytes that an open intent leads to, else 0; `before`: those it came
    from.
    """

    term: int
    owner: str
    mark: str
    pin: str
    before: int
    grow_to: int
    shrink_to: int
    doomed: tuple[str, ...]
    mounted: bool
    keys: dict[str, str]
    malformed: str

    @property
    def intent(self) -> bool:
        """Whether a resize is under way."""
        return bool(self.grow_to or self.shrink_to)


@lru_cache(maxsize=4096)
def read_metadata(pairs: Metadata) -> BlobMetadata:
    """Read a map."""
    keys = {key[len(_PREFIX) :]: value for key, value in pairs if key.startswith(_PREFIX)}
    malformed = next((key for key in ("version", "term", "owner") if not keys.get(key)), "")
    term = _number(keys.get("term", ""))
    direction, before, after = _intent(keys.get("intent", ""))
    if term < 0:
        malformed = malformed or "term"
    if direction not in ("", "grow", "shrink"):
        malformed = malformed or "intent"
    return BlobMetadata(
        term=term,
        owner=keys.get("owner", ""),
        mark=keys.get("mark", "none"),
        pin=keys.get("pin", ""),
        before=before,
        grow_to=after if direction == "grow" else 0,
        shrink_to=after if direction == "shrink" else 0,
        doomed=tuple(sid for sid in keys.get("doomed", "").split(",") if sid),
        mounted=keys.get("state", "") == "mounted",
        keys=keys,
        malformed=malformed,
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1


def _intent(text: str) -> tuple[str, int, int]:
    if not text:
        return "", 0, 0
    direction, _, sizes = text.partition(":")
    before, _, after = sizes.partition(":")
    old, new = _number(before), _number(after)
    return (direction, old, new) if min(old, new) > 0 else ("?", 0, 0)
