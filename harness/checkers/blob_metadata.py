"""The blob's metadata as a judge reads it: by the documented names, without the engine."""

from harness.sim.blob_requests import Metadata

__all__ = ["BlobMetadata", "read_metadata"]


class BlobMetadata:
    """What of the map matters; a value that cannot be read is named in `malformed`.

    grow_to, shrink_to: disk bytes that an open intent leads to, else 0; `before`: those it came
    from; `keys`: all of the map.
    """

    __slots__ = (
        "before", "doomed", "grow_to", "keys", "malformed", "mark", "mounted", "owner", "pin",
        "shrink_to", "term",
    )  # fmt: skip

    def __init__(self, keys: dict[str, str]) -> None:
        self.keys = keys
        self.owner = keys.get("mp_owner", "")
        self.mark = keys.get("mp_mark", "none")
        self.pin = keys.get("mp_pin", "")
        self.mounted = keys.get("mp_state", "") == "mounted"
        doomed = keys.get("mp_doomed", "")
        self.doomed = tuple([sid for sid in doomed.split(",") if sid]) if doomed else ()
        self.term = _number(keys.get("mp_term", ""))
        direction, self.before, after = _intent(keys.get("mp_intent", ""))
        self.grow_to = after if direction == "grow" else 0
        self.shrink_to = after if direction == "shrink" else 0
        self.malformed = ""
        if not keys.get("mp_version"):
            self.malformed = "version"
        elif self.term < 0:
            self.malformed = "term"
        elif not self.owner:
            self.malformed = "owner"
        elif direction not in ("", "grow", "shrink"):
            self.malformed = "intent"

    @property
    def intent(self) -> bool:
        """Whether a resize is under way."""
        return bool(self.grow_to or self.shrink_to)


def read_metadata(pairs: Metadata) -> BlobMetadata:
    """Read a map."""
    return BlobMetadata(dict(pairs))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1


def _intent(text: str) -> tuple[str, int, int]:
    if not text:
        return "", 0, 0
    direction, _, sizes = text.partition(":")
    before, _, after = sizes.partition(":")
    old, new = _number(before), _number(after)
    return (direction, old, new) if min(old, new) > 0 else ("?", 0, 0)
