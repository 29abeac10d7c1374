"""The virtual world is worth something: each rule of the protocol, taken away, is found missing.

Every bug is planted in the engine by replacing one method; the storms must notice within their
seeds.
"""

# ruff: noqa: ANN401  # what replaces a private method takes what that takes
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.core import epochs, standby
from engine.core.clients import Clients
from engine.core.epochs import EpochQueue
from engine.core.lease_keeper import LeaseKeeper
from engine.core.messages import Clear, Done, Put
from engine.core.operations import REMOTE
from engine.core.protecting import Protecting
from engine.core.section import Section, Step
from engine.core.seeding import Seeding
from engine.core.sent_pages import SentPages
from engine.core.shipping import Shipper
from tests.core.storm import Storm

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
    return replace(command, if_match=None)


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


def footer_goes_first(self: Any, now_us: int, event: Done) -> Any:
    state = event.state
    assert state is not None
    if self._footer is None and self.step is Step.READING:
        # Then the metadata is never marked: a blob without footer stays usable.
        return [self._set_footer(state.etag)]
    return original_read(self, now_us, event)


original_read = Section._read


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
    "the footer goes before the mark comes": lambda patch: patch.setattr(
        Section, "_read", footer_goes_first
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
