"""Planted bugs: status that promises too much, properties that get lost, waiting without end."""

from typing import Any

from msgspec.structs import replace as altered

from engine.core import protecting
from engine.core.blob_metadata import BlobMetadata, new_metadata
from engine.core.gate import Gate
from engine.core.messages import SetTimer
from engine.core.ownership import Ownership, Step
from engine.core.primary import PrimaryMachine
from engine.core.resizing import ChangeSize
from engine.core.shipping import Shipper
from engine.core.standby import StandbyMachine
from engine.units import SEQUENCE_TERM_SHIFT
from engine.vhd import disk_bytes
from harness.mutants.mutant import Planting, register
from harness.sim import blob_requests

__all__ = ["label_lost", "status_ignores_lag"]


@register("status-says-protected-while-the-lag-grows", "status-honest")
def status_ignores_lag(planting: Planting) -> None:
    """A volume past its bound in time is still called protected."""
    planting.replace(Gate, "is_within_bound", lambda _self, _now_us: True)


@register(
    "status-says-protected-while-copying",
    "status-honest",
    also=("no-acked-loss", "rpo", "resize-faithful", "live"),
)
def status_ignores_phase(planting: Planting) -> None:
    """A volume is called protected while its first copy, or a resync, is under way."""
    status: Any = PrimaryMachine.status

    def changed(self: Any, now_us: int) -> Any:
        said = status(self, now_us)
        copying = said.phase in ("seeding", "resyncing", "sealing")
        return altered(said, protected=True) if copying else said

    planting.replace(PrimaryMachine, "status", changed)


@register("lag-leaves-out-what-is-under-way", "status-honest", also=("rpo",))
def lag_without_unknown(planting: Planting) -> None:
    """What was sent, and has no answer yet, counts as safe (H39)."""

    def changed(self: Any) -> Any:
        return self.unclosed.oldest_us if self._closes else self._queue.oldest_us()

    planting.replace(Gate, "oldest_us", changed)
    planting.replace(Shipper, "unsent_bytes", lambda _self: 0)


@register("label-not-replicated", "metadata-faithful")
def label_lost(planting: Planting) -> None:
    """The volume's label does not reach the blob."""
    declared: Any = BlobMetadata.declared

    def made(settings: Any) -> Any:
        return altered(new_metadata(settings), label="")

    def declares(self: Any, settings: Any) -> Any:
        return altered(declared(self, settings), label="")

    planting.replace(protecting, "new_metadata", made)
    planting.replace(BlobMetadata, "declared", declares)


@register("volume-id-not-replicated", "metadata-faithful")
def id_lost(planting: Planting) -> None:
    """The blob gets a volume id of its own instead of the volume's."""

    def made(settings: Any) -> Any:
        return altered(new_metadata(settings), volume_id=bytes(16).hex())

    planting.replace(protecting, "new_metadata", made)


@register("metadata-not-replicated-after-a-resize", "metadata-faithful", also=("resize-faithful",))
def size_not_recorded(planting: Planting) -> None:
    """After a resize that leaves the disk's size alone the metadata keep the old volume size."""
    next_of: Any = ChangeSize.next

    def changed(self: Any, view: Any) -> Any:
        command = next_of(self, view)
        state = view.state()
        same = disk_bytes(state.volume_bytes) == disk_bytes(self._volume_bytes)
        recorded = type(command).__name__ == "SetMetadata"
        return None if recorded and same and not state.intent else command

    planting.replace(ChangeSize, "next", changed)


@register("stuck-after-a-lost-answer", "live")
def stuck_after_lost_answer(planting: Planting) -> None:
    """After an unknown outcome of a put nothing is sent any more."""
    handle: Any = Shipper.handle

    def changed(self: Any, now_us: int, event: Any) -> Any:
        mine = event.id in self._in_flight
        out = handle(self, now_us, event)
        if mine and type(event).__name__ == "Unknown":
            self._wait_until_us = 1 << 60
        return out

    planting.replace(Shipper, "handle", changed)


@register("heartbeat-timer-not-set-again", "live")
def heartbeat_timer_not_set(planting: Planting) -> None:
    """A heartbeat does not start the standby's wait for the next: silence is never noticed."""
    heard: Any = StandbyMachine._heard

    def changed(self: Any, now_us: int, *, leaving: bool) -> Any:
        out = heard(self, now_us, leaving=leaving)
        return [command for command in out if not isinstance(command, SetTimer)]

    planting.replace(StandbyMachine, "_heard", changed)


@register("number-chosen-without-max", "live")
def number_without_max(planting: Planting) -> None:
    """A new owner takes its first number from the term alone: all it sends is refused (H7)."""
    confirmed: Any = Ownership._confirmed

    def changed(self: Any, now_us: int, event: Any) -> Any:
        out = confirmed(self, now_us, event)
        first = (self._metadata.term << SEQUENCE_TERM_SHIFT) + 1 if self._metadata else 0
        if self.step is not Step.RAISING:
            return out
        self._number = first
        return [altered(command, number=first) for command in out]

    planting.replace(Ownership, "_confirmed", changed)


@register("checksum-computed-after-corruption", "corruption-detected")
def checksum_after_corruption(planting: Planting) -> None:
    """The checksum is that of the damaged bytes, so that the service cannot notice."""
    planting.replace(blob_requests, "DIGEST_WRONG", blob_requests.DIGEST_RIGHT)
