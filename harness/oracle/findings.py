"""A finding: why no crash of the volume could have left this image, as a story of a few lines."""

from dataclasses import dataclass
from typing import Literal

from harness.oracle.history import NEVER, History, Order, Write
from harness.oracle.pages import FOREIGN, PAGE_BYTES, TORN, UNWRITTEN

__all__ = ["Finding", "FindingKind", "provenance_finding", "size_finding", "stale_finding"]

FindingKind = Literal["size", "torn", "foreign", "invented", "stale", "lost"]
"""`stale`: order is broken. `lost`: something that must not be lost is missing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One page that shows what it cannot show; the first one found, others may exist."""

    kind: FindingKind
    page: int
    expected: str
    found: str
    story: tuple[str, ...]


def size_finding(pages: int, write: Write) -> Finding:
    """Report an image too short for a write of the history."""
    return Finding(
        kind="size",
        page=pages,
        expected=f"a disk that holds {write}",
        found=f"a disk of {pages} pages",
        story=(f"{write} ends at page {write.end_page}.", f"The image ends at page {pages}."),
    )


def provenance_finding(page: int, shown: int, history: History) -> Finding:
    """Report a page whose content no write of the history put there."""
    place = f"page {page} (byte {page * PAGE_BYTES})"
    expected = "zeroes, or a whole page of a write to this place"
    if shown == TORN:
        found = "neither zeroes nor a whole page: torn, damaged or invented"
        return Finding("torn", page, expected, found, (f"{place} holds {found}.",))
    if shown == FOREIGN:
        found = "a whole page of another place or another volume"
        return Finding("foreign", page, expected, found, (f"{place} holds {found}.",))
    write = history.writes[shown - 1]
    return Finding(
        kind="invented",
        page=page,
        expected=expected,
        found=f"a page of write {shown}",
        story=(f"{place} shows write {shown}.", f"{write} put no such page there."),
    )


def stale_finding(
    page: int, shown: int, demanded: Write, witness: Write | None, history: History, order: Order
) -> Finding:
    """Report a page that is older than `demanded`.

    `witness` is the later write whose presence demands it; None: the loss rule demands it.
    """
    older = "zeroes" if shown == UNWRITTEN else f"write {shown}"
    story = [_acknowledged(demanded)]
    if witness is None:
        story.append("The mode of the engine promises that it is not lost.")
    else:
        story += _ordering(demanded, witness, history, order)
        story.append(f"The image shows {witness}, which was invoked after that.")
    story.append(f"But page {page} (byte {page * PAGE_BYTES}) shows {older}, which is older.")
    return Finding(
        kind="lost" if witness is None else "stale",
        page=page,
        expected=f"write {demanded.number} or newer",
        found=older,
        story=tuple(story),
    )


def _acknowledged(write: Write) -> str:
    if write.completed == NEVER:
        return f"{write} is demanded."
    return f"{write} was acknowledged at {write.completed_s:.3f} s."


def _ordering(demanded: Write, witness: Write, history: History, order: Order) -> list[str]:
    if order == "strict" or demanded.kind == "fua":
        return []
    for flush in history.flushes:
        if demanded.completed < flush.invoked and flush.completed < witness.invoked:
            return [f"Flush {flush.number} after it completed at {flush.completed_s:.3f} s."]
    return []
