"""Planted bugs: grow and shrink that are wrong at the end or in between; wrong footers."""

from typing import Any, Final

from msgspec.structs import replace as altered

from engine.core import resizing
from engine.core.blob_metadata import BlobMetadata, Mark
from engine.core.messages import Put, SetMetadata
from engine.core.resizing import ChangeSize, Roll
from engine.core.section import BlobView
from engine.units import PAGE_BYTES
from engine.vhd import disk_bytes
from harness.mutants.mutant import Planting, register

__all__ = ["no_footer_after_grow", "resize_without_condition"]

CHECKSUM_AT = 64
CREATOR_AT = 28

TAIL_LOST: Final = (
    "metadata-faithful", "crash-consistent", "points-honest", "status-honest", "consumable",
    "ordered-once", "live",
)  # fmt: skip
"""What else is broken where the disk is smaller than the volume says."""

FOOTERLESS: Final = ("consumable", "points-honest", "resize-faithful", "live")
"""What else is broken where readers refuse the footer, or find none: points do not open, nor does
what a shrink leaves, and whoever takes over refuses it as well."""

STALE_TAIL: Final = ("crash-consistent", "points-honest", "status-honest", "live")
"""What else is broken where a grown disk shows what was cut off before."""

INTENT_LOST: Final = (
    "consumable", "crash-consistent", "points-honest", "status-honest", "live", "core-error",
)  # fmt: skip
"""What else is broken where a blob is left half resized: it lacks pages, or the core gives up."""


@register("resize-without-if-match", "resize-faithful", also=(*FOOTERLESS, "core-error"))
def resize_without_condition(planting: Planting) -> None:
    """A resize does not demand that nothing else changed the blob: a late one undoes a later."""
    resize: Any = BlobView.resize

    def changed(self: Any, disk: int) -> Any:
        return altered(resize(self, disk), if_match=None)

    planting.replace(BlobView, "resize", changed)


@register("footer-before-resize-on-grow", "live")
def footer_before_resize(planting: Planting) -> None:
    """The new footer is put where the blob has no room yet: refused for ever."""
    grow: Any = resizing._grow

    def changed(view: Any, state: Any, intent: Any) -> Any:
        command = grow(view, state, intent)
        if type(command).__name__ == "Resize":
            return view.put(intent.new, 0, state.footer())
        return command

    planting.replace(resizing, "_grow", changed)


@register("no-footer-after-grow", "consumable", also=FOOTERLESS)
def no_footer_after_grow(planting: Planting) -> None:
    """A grown blob gets room, and no footer at its new end."""
    grow: Any = resizing._grow

    def changed(view: Any, state: Any, intent: Any) -> Any:
        command = grow(view, state, intent)
        return None if isinstance(command, Put) else command

    planting.replace(resizing, "_grow", changed)


@register("old-footer-left-inside-the-disk", "resize-faithful", also=FOOTERLESS)
def old_footer_left(planting: Planting) -> None:
    """After a grow the old footer is a page of the disk."""
    grow: Any = resizing._grow

    def changed(view: Any, state: Any, intent: Any) -> Any:
        command = grow(view, state, intent)
        kind = type(command).__name__
        if kind == "Clear" or (kind == "Put" and command.length > PAGE_BYTES):
            return view.put(intent.new, 0, state.footer())
        return command

    planting.replace(resizing, "_grow", changed)


@register("grow-without-an-intent", "resize-faithful", also=FOOTERLESS)
def grow_without_intent(planting: Planting) -> None:
    """The blob grows without a word in its metadata: who finds it half done cannot know."""
    next_of: Any = ChangeSize.next

    def changed(self: Any, view: Any) -> Any:
        command = next_of(self, view)
        state = view.state()
        grows = isinstance(command, SetMetadata) and state.mark is Mark.NONE and not state.intent
        intent = dict(command.metadata).get("mp_intent", "") if grows else ""
        if not intent.startswith("grow"):
            return command
        new = disk_bytes(self._volume_bytes)
        if view.length != new + PAGE_BYTES:
            return view.resize(new)
        if view.page(new) is None or view.page(new) == bytes(PAGE_BYTES):
            footer = altered(state, volume_bytes=self._volume_bytes).footer()
            old = disk_bytes(state.volume_bytes)
            return view.put(old, new - old, footer)
        return view.set_metadata(altered(state, volume_bytes=self._volume_bytes))

    planting.replace(ChangeSize, "next", changed)


@register("shrink-before-the-new-footer", "resize-faithful", also=FOOTERLESS)
def shrink_before_footer(planting: Planting) -> None:
    """A blob is made smaller first, and gets its footer afterwards."""

    def changed(view: Any, state: Any, intent: Any) -> Any:
        if view.length != intent.new + PAGE_BYTES:
            return view.resize(intent.new)
        if view.page(intent.new) is None:
            return view.read(intent.new)
        if view.page(intent.new) != state.footer():
            return view.put(intent.new, 0, state.footer())
        return None

    planting.replace(resizing, "_shrink", changed)


@register(
    "tail-lost-on-shrink-to-an-unaligned-size",
    "resize-faithful",
    also=TAIL_LOST,
)
def tail_lost(planting: Planting) -> None:
    """The disk's size is the volume's rounded down to a MiB when it changes, not up."""
    create: Any = ChangeSize.__init__

    def changed(self: Any, volume_bytes: int, before: Any) -> None:
        whole = volume_bytes >> 20 << 20
        create(self, whole or volume_bytes, before)

    planting.replace(ChangeSize, "__init__", changed)


@register("grown-space-not-zero", "resize-faithful", also=STALE_TAIL)
def grown_space_not_zero(planting: Planting) -> None:
    """What a shrink inside one MiB cuts off stays there, and a later grow shows it again (H25)."""
    planting.replace(ChangeSize, "_tail", lambda _self, _view, _state: None)


@register("an-intent-is-forgotten", "resize-faithful", also=INTENT_LOST)
def intent_forgotten(planting: Planting) -> None:
    """Whoever finds a resize half done takes the intent away and does nothing else."""

    def changed(_self: Any, view: Any) -> Any:
        state = view.state()
        if not state.intent or state.mark is not Mark.NONE:
            return None
        return view.set_metadata(altered(state, intent="", pin=""))

    planting.replace(Roll, "next", changed)


@register("footer-checksum-not-recomputed", "consumable", also=FOOTERLESS)
def checksum_stale(planting: Planting) -> None:
    """The footer's checksum is that of another footer."""
    _change_footer(planting, CHECKSUM_AT, b"\0\0\0\1")


@register("chs-only-creator", "consumable", also=FOOTERLESS)
def chs_creator(planting: Planting) -> None:
    """The creator application is one with which readers take the size from the geometry."""
    _change_footer(planting, CREATOR_AT, b"vpc ")


@register("current-size-stale", "consumable", also=FOOTERLESS)
def current_size_stale(planting: Planting) -> None:
    """After a grow the footer says the size of before."""
    grow: Any = resizing._grow

    def changed(view: Any, state: Any, intent: Any) -> Any:
        return grow(view, altered(state, volume_bytes=intent.old), intent)

    planting.replace(resizing, "_grow", changed)


def _change_footer(planting: Planting, at: int, value: bytes) -> None:
    footer: Any = BlobMetadata.footer

    def changed(self: Any) -> bytes:
        made = bytearray(footer(self))
        made[at : at + len(value)] = value
        if at != CHECKSUM_AT:
            made[CHECKSUM_AT : CHECKSUM_AT + 4] = bytes(4)
            made[CHECKSUM_AT : CHECKSUM_AT + 4] = (~sum(made) & 0xFFFFFFFF).to_bytes(4, "big")
        return bytes(made)

    planting.replace(BlobMetadata, "footer", changed)
