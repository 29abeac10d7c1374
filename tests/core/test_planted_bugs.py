"""The virtual world is worth something: each rule of the protocol, taken away, is found missing.

Every bug is planted in the engine by replacing one method; the storms must notice within their
seeds.
"""

# ruff: noqa: ANN401  # what replaces a private method takes what that takes
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as altered

from engine.core import epochs, points, standby
from engine.core.blob_metadata import Mark
from engine.core.clients import Clients
from engine.core.epochs import EpochQueue
from engine.core.lease_keeper import LeaseKeeper
from engine.core.messages import Clear, Done, Put
from engine.core.operations import REMOTE
from engine.core.ownership import Ownership
from engine.core.points import MarkInconsistent, Seal, TakePoint
from engine.core.protecting import Protecting
from engine.core.recovering import Recovering
from engine.core.resizing import ChangeSize
from engine.core.seeding import Seeding
from engine.core.sent_pages import SentPages
from engine.core.shipping import Shipper
from engine.core.upkeep import Upkeep
from tests.core.storm import Storm
from tests.core.test_ownership import SETTINGS

SEEDS = 1500


def after(method: Callable[..., Any], then: Callable[[Any], None]) -> Callable[..., Any]:
    """The method, and something more at its end."""

    def changed(self: Any, *args: Any, **named: Any) -> Any:
        result = method(self, *args, **named)
        then(self)
        return result

    return changed


def chain_without_condition(self: Any, extent: Any) -> Any:
    command = original_send(self, extent)
    assert isinstance(command, Put | Clear)
    return altered(command, if_match=None)


original_send = Shipper._send


def flush_without_end(self: Any, op: int) -> Any:
    seal, self._queue.seal = self._queue.seal, lambda: None
    out = original_flush(self, op)
    self._queue.seal = seal
    return out


original_flush = Clients.flush


def never_capture_at_start(way: Any) -> None:
    way._clients.capturing = False


def acknowledge_before_the_blob(self: Any, now_us: int, operation: Any, payload: object) -> None:
    epoch = self._queue.write(
        now_us, operation.offset, operation.length, payload, barrier=operation.fua
    )
    operation.epoch = epoch
    operation.waits &= ~REMOTE


def mount_the_live_blob(self: Any) -> Any:
    self.metadata = replace(self.metadata, mark=Mark.NONE)
    return original_recovery(self)


original_recovery = Recovering.start


def mark_without_keeping_the_pin(self: Any, view: Any) -> Any:
    state = view.state()
    taken = self._point.next(view)
    if taken is not None:
        return taken
    target = replace(state, mark=Mark.RESYNC, pin=self._point.snapshot(view))
    return view.set_metadata(target) if target != state else None


def resize_without_an_intent(self: Any, view: Any) -> Any:
    return self._marked(view, view.state()) or Seal(SETTINGS, None).next(view)


def doom_everything(view: Any, _pin: str, _keep: int) -> tuple[str, ...]:
    return tuple(sid for sid, _ in view.snapshots or ())


def drain_nothing(self: Any) -> None:
    original_drain(self)
    self._barrier = None
    self._clients._queue.clear()


original_drain = Upkeep._drain


def leave_the_pin(self: Any, view: Any) -> Any:
    return self.point.next(view)


def believe_nobody_else_took_over(self: Any, now_us: int, event: Any) -> Any:
    self._failed = None
    if isinstance(event, Done) and event.state is not None:
        pairs = tuple(pair for pair in event.state.metadata if pair[0] != "mp_state")
        event = altered(event, state=altered(event.state, metadata=pairs))
    return original_look(self, now_us, event)


original_look = Ownership._looked


def lose_the_rest_of_a_region(self: Any, now_us: int, event: Any) -> Any:
    out = original_volume_read(self, now_us, event)
    if not self._first_pass:
        self._regions.clear()
    return out


original_volume_read = Seeding.volume_read


def ignore_dirt(self: Any, offset: int, length: int) -> None:
    del self, offset, length


BUGS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "P1: older requests on a page may be alive": lambda patch: patch.setattr(
        SentPages, "touches", lambda *_: False
    ),
    "P3: a chain without If-Match": lambda patch: patch.setattr(
        Shipper, "_send", chain_without_condition
    ),
    "H11: acknowledging without sure authority": lambda patch: patch.setattr(
        LeaseKeeper, "holds", lambda *_: True
    ),
    "H11: no wait after a break": lambda patch: patch.setattr(
        standby, "surely_over_us", lambda _: 0
    ),
    "writes before ownership are not captured": lambda patch: patch.setattr(
        Protecting, "start", after(Protecting.start, never_capture_at_start)
    ),
    "captured writes survive into a reseeding": lambda patch: patch.setattr(
        EpochQueue, "clear", lambda _: None
    ),
    "H19: epochs are merged whatever they hold": lambda patch: patch.setattr(
        epochs, "_may_join", lambda *_: True
    ),
    "P7: a flush ends no epoch": lambda patch: patch.setattr(Clients, "flush", flush_without_end),
    "sync acknowledges before the blob has it": lambda patch: patch.setattr(
        Clients, "_capture", acknowledge_before_the_blob
    ),
    "P10: a failover mounts the live blob whatever its mark": lambda patch: patch.setattr(
        Recovering, "start", mount_the_live_blob
    ),
    "H30: a second crash in a resync pins a new point": lambda patch: patch.setattr(
        MarkInconsistent, "next", mark_without_keeping_the_pin
    ),
    "H24: sizes change without an intent": lambda patch: patch.setattr(
        ChangeSize, "next", resize_without_an_intent
    ),
    "H25: the tail is not cleared": lambda patch: patch.setattr(
        ChangeSize, "_tail", lambda *_: None
    ),
    "H33: the pin is doomed": lambda patch: patch.setattr(points, "to_doom", doom_everything),
    "a shrink drops what is queued": lambda patch: patch.setattr(Upkeep, "_drain", drain_nothing),
    "writes go past a smaller size": lambda patch: patch.setattr(
        Upkeep, "_limit_writes", lambda _: None
    ),
    "order interval: the pin is left where it was": lambda patch: patch.setattr(
        TakePoint, "next", leave_the_pin
    ),
    "H10: a standby takes over whoever owns": lambda patch: patch.setattr(
        Ownership, "_looked", believe_nobody_else_took_over
    ),
    "seeding forgets the rest of a region": lambda patch: patch.setattr(
        Seeding, "volume_read", lose_the_rest_of_a_region
    ),
    "seeding does not see writes behind it": lambda patch: patch.setattr(
        Seeding, "_mark", ignore_dirt
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[bug](monkeypatch)
    for seed in range(SEEDS):
        try:
            Storm(seed).run()
        except (AttributeError, NameError, TypeError):
            raise  # what was planted no longer fits what it replaces: nothing is shown
        except Exception:  # noqa: BLE001  # a broken engine may also crash
            return
    pytest.fail(f"{SEEDS} storms did not notice: {bug}")
