"""Planted bugs: two writers, or an old one that goes on; requests that nothing fences."""

from typing import Any, Final

from msgspec.structs import replace as altered

from engine.core import standby
from engine.core.blob_metadata import parse_metadata
from engine.core.messages import Acquire, Clear, MountDisk, Put
from engine.core.ownership import Ending
from engine.core.shipping import Shipper
from engine.core.standby import StandbyMachine
from engine.core.standby_phase import Phase
from engine.units import FOOTER_BYTES
from harness.mutants.mutant import Planting, register

__all__ = ["failover_without_fencing", "two_standbys_promote"]

TWO_WRITERS: Final = ("crash-consistent", "consumable", "resize-faithful", "live")
"""What else is broken where a disk is mounted that its primary still changes, in mid-resize too."""


@register("failover-without-breaking-the-lease", "fenced", also=TWO_WRITERS)
def failover_without_fencing(planting: Planting) -> None:
    """The standby mounts as soon as it has declared the failure; the primary keeps its lease."""

    def changed(self: Any, now_us: int, state: Any) -> Any:
        del now_us
        return [_mount(self, state, parse_metadata(state.metadata).term + 1)]

    planting.replace(StandbyMachine, "_fence", changed)


@register("failover-before-the-lease-is-its-own", "fenced", also=TWO_WRITERS)
def failover_before_the_lease(planting: Planting) -> None:
    """The standby mounts when it asks for the lease, before it knows that it has it."""
    after: Any = StandbyMachine._after_owning

    def changed(self: Any, now_us: int, commands: Any) -> Any:
        out = after(self, now_us, commands)
        asks = any(isinstance(command, Acquire) for command in out)
        if not asks or self._is_mounted:
            return out
        metadata = self._ownership._metadata
        return [*out, _mount(self, self._ownership._state, metadata.term + 1)]

    planting.replace(StandbyMachine, "_after_owning", changed)


@register("two-standbys-promote", "fenced", also=TWO_WRITERS)
def two_standbys_promote(planting: Planting) -> None:
    """A standby that finds that another one was faster mounts all the same."""
    after: Any = StandbyMachine._after_owning

    def changed(self: Any, now_us: int, commands: Any) -> Any:
        ending = self._ownership.ending
        out = after(self, now_us, commands)
        if ending is not Ending.FOREIGN or self._is_mounted:
            return out
        state = self._ownership._state
        return [*out, _mount(self, state, self._ownership._metadata.term)]

    planting.replace(StandbyMachine, "_after_owning", changed)


@register("no-wait-after-a-break", "fenced", also=TWO_WRITERS)
def no_wait_after_a_break(planting: Planting) -> None:
    """A standby that broke the lease mounts while the old primary may still acknowledge (H11)."""
    planting.replace(standby, "surely_over_us", lambda _lease_seconds: 0)


@register("put-without-the-lease", "live")
def put_without_the_lease(planting: Planting) -> None:
    """Data is put without a lease id: the service refuses it for ever, and nobody is told."""
    send: Any = Shipper._send

    def changed(self: Any, extent: Any) -> Any:
        command = send(self, extent)
        assert isinstance(command, Put | Clear)
        return altered(command, lease=None)  # the bug

    planting.replace(Shipper, "_send", changed)


def _mount(machine: Any, state: Any, term: int) -> MountDisk:
    machine.phase = Phase.MOUNTED
    machine._is_mounted = True
    return MountDisk(state.length - FOOTER_BYTES, term)
