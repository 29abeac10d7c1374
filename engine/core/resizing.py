"""Grow and shrink of the blob: at every single request it, or what it says, can be recovered.

Unmarked blob: an intent in the metadata, with the old size's point pinned, says what any owner has
to finish (ROLL). Grow: Resize -> page S cleared -> footer at N, which commits (H23). Shrink: footer
at S -> Resize, which commits (H24). Marked blob: a failover uses the pin, so the steps may come in
any order, and the footer is written when the mark goes. Sizes inside one MiB: only the tail is
cleared, so that a later grow reads zeros there (H25).
"""

from msgspec.structs import replace

from engine.core.blob_metadata import UNMARKED, BlobMetadata, Intent, IntentKind
from engine.core.points import Point
from engine.core.section import Asked, BlobView
from engine.units import BLOB_BYTES_MAX, FOOTER_BYTES, PAGE_BYTES, PUT_BYTES_MAX
from engine.vhd import disk_bytes


def is_size(volume_bytes: int) -> bool:
    """Whether a volume may have this size."""
    if volume_bytes <= 0 or volume_bytes % PAGE_BYTES:
        return False
    return disk_bytes(volume_bytes) + FOOTER_BYTES <= BLOB_BYTES_MAX


class Roll:
    """Goal: an intent that is found is carried out; an owner needs nothing else to do so."""

    def next(self, view: BlobView) -> Asked | None:
        """The next request of the change under way, None if there is none."""
        state = view.state()
        intent = state.parsed_intent()
        if intent is None or state.mark is not UNMARKED:
            return None
        if intent.kind is IntentKind.GROW:
            return _grow(view, state, intent) or _drop_intent(view, state)
        return _shrink(view, state, intent) or _drop_intent(view, state)


class ChangeSize:
    """Goal: the blob holds a volume of this size. `before`: the point that keeps the old one."""

    def __init__(self, volume_bytes: int, before: Point) -> None:
        self._volume_bytes = volume_bytes
        self._before = before
        self._roll = Roll()

    def next(self, view: BlobView) -> Asked | None:
        """What was begun is finished first, whatever its size."""
        state = view.state()
        if state.mark is not UNMARKED:
            return self._marked(view, state)
        command = self._roll.next(view)
        if command is not None or state.volume_bytes == self._volume_bytes:
            return command
        old, new = disk_bytes(state.volume_bytes), disk_bytes(self._volume_bytes)
        if old == new:
            return self._tail(view, state) or self._record(view, state)
        command = self._before.next(view)
        if command is not None:
            return command
        intent = Intent(IntentKind.GROW if new > old else IntentKind.SHRINK, old, new)
        pinned = replace(state, intent=intent.to_text(), pin=self._before.snapshot(view))
        return self._record(view, pinned)

    def _marked(self, view: BlobView, state: BlobMetadata) -> Asked | None:
        if state.volume_bytes == self._volume_bytes and not state.intent:
            return None
        old, new = disk_bytes(state.volume_bytes), disk_bytes(self._volume_bytes)
        if view.length != new + FOOTER_BYTES:
            return view.resize(new)
        if new > old and not view.is_cleared(old, old + FOOTER_BYTES):
            # The old footer lies inside the disk now.
            return view.clear(old, old + FOOTER_BYTES)
        return self._tail(view, state) or self._record(view, replace(state, intent=""))

    def _tail(self, view: BlobView, state: BlobMetadata) -> Asked | None:
        """What the volume does not have any more, up to the disk's end, reads zero (H25)."""
        start, end = self._volume_bytes, min(disk_bytes(self._volume_bytes), state.volume_bytes)
        if start >= end or view.is_cleared(start, end):
            return None
        return view.clear(start, end)

    def _record(self, view: BlobView, state: BlobMetadata) -> Asked:
        return view.set_metadata(replace(state, volume_bytes=self._volume_bytes))


def _grow(view: BlobView, state: BlobMetadata, intent: Intent) -> Asked | None:
    """Resize -> Clear(S) -> footer(N), both in one request where that can hold them -> Raise."""
    old, new, footer = intent.old, intent.new, state.footer()
    if view.length != new + FOOTER_BYTES:
        return view.resize(new)
    last = view.page(new)
    if last is None:
        return view.read(new)
    if last == footer:
        return None if view.raised else view.raise_number()
    if new - old + FOOTER_BYTES <= PUT_BYTES_MAX:
        return view.put(old, new - old, footer)
    if not view.is_cleared(old, old + FOOTER_BYTES):
        return view.clear(old, old + FOOTER_BYTES)
    return view.put(new, 0, footer)


def _shrink(view: BlobView, state: BlobMetadata, intent: Intent) -> Asked | None:
    """Tail cleared and footer(S), in one request -> Raise -> Resize."""
    new, footer = intent.new, state.footer()
    if view.length == new + FOOTER_BYTES:
        return None
    if view.page(new) != footer:
        tail = new - min(state.volume_bytes, new)
        return view.put(new - tail, tail, footer)
    return view.resize(new) if view.raised else view.raise_number()


def _drop_intent(view: BlobView, state: BlobMetadata) -> Asked:
    return view.set_metadata(replace(state, intent="", pin=""))
