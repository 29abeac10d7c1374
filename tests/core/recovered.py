"""What a failover would recover now (protocol.md), read from a blob as it is."""

from dataclasses import dataclass

from engine.core.blob_metadata import IntentKind, Mark, parse_metadata
from engine.units import FOOTER_BYTES, PAGE_BYTES
from engine.vhd import disk_bytes, parse_footer
from tests.core.blob_model import BlobModel


@dataclass(frozen=True)
class Recovered:
    """A disk: its pages, its size, and the point that it is, "" for the live blob."""

    pages: dict[int, object]
    size_bytes: int
    snapshot: str = ""


def recovered(blob: BlobModel) -> Recovered | None:
    """The disk, None if there is nothing to recover. Raises AssertionError if it cannot be."""
    if not blob.exists:
        return None
    state = parse_metadata(blob.metadata)
    assert state.pin not in state.doomed or not state.pin, f"the pin {state.pin} is doomed"
    if state.mark is not Mark.NONE:
        if not state.pin:
            assert state.mark is Mark.SEED, f"marked {state.mark} without a point"
            return None
        assert state.pin in blob.snapshots, f"the pin {state.pin} does not exist"
        kept = blob.snapshots[state.pin]
        own = parse_metadata(kept.metadata)
        assert own.mark is Mark.NONE
        disk = _disk(kept.pages, kept.length)
        assert disk.size_bytes == disk_bytes(own.volume_bytes)
        return Recovered(disk.pages, disk.size_bytes, state.pin)
    intent = state.parsed_intent()
    if intent is None:
        disk = _disk(blob.pages, blob.length)
        assert disk.size_bytes == disk_bytes(state.volume_bytes), "the size recorded is another"
        return disk
    size = min(intent.old, intent.new)
    if intent.kind is IntentKind.GROW and blob.length == intent.new + FOOTER_BYTES:
        last = blob.pages.get(intent.new // PAGE_BYTES)
        if isinstance(last, bytes):
            return _disk(blob.pages, blob.length)
    return Recovered(_below(blob.pages, size), intent.new)


def _below(pages: dict[int, object], size_bytes: int) -> dict[int, object]:
    end = size_bytes // PAGE_BYTES
    return {page: value for page, value in pages.items() if page < end}


def _disk(pages: dict[int, object], length: int) -> Recovered:
    """A blob as any reader opens it: the footer at its very end, and none inside."""
    last = (length - FOOTER_BYTES) // PAGE_BYTES
    raw = pages.get(last)
    assert isinstance(raw, bytes), "no footer at the end"
    size = parse_footer(raw, length).size_bytes
    inside = {page: value for page, value in pages.items() if page != last}
    assert not any(isinstance(value, bytes) for value in inside.values()), "a footer inside"
    return Recovered(inside, size)
