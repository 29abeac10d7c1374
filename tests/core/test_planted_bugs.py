"""The virtual world is worth something: rules of the protocol, taken away, are found missing.

Every bug is planted in the engine by replacing one method; the storms must notice within their
seeds. The full catalogue of planted bugs is harness/mutants, for the simulator; here are those that
it does not have.
"""

# ruff: noqa: ANN401  # what replaces a private method takes what that takes
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace as altered

from engine.core.epochs import EpochQueue
from engine.core.messages import Done
from engine.core.ownership import Ownership
from engine.core.points import TakePoint
from engine.core.protecting import Protecting
from engine.core.seeding import Seeding
from engine.core.upkeep import Upkeep
from tests.core.storm import Storm

SEEDS = 1500


def after(method: Callable[..., Any], then: Callable[[Any], None]) -> Callable[..., Any]:
    """The method, and something more at its end."""

    def changed(self: Any, *args: Any, **named: Any) -> Any:
        result = method(self, *args, **named)
        then(self)
        return result

    return changed


def never_capture_at_start(way: Any) -> None:
    way._clients.capturing = False


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


BUGS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "writes before ownership are not captured": lambda patch: patch.setattr(
        Protecting, "start", after(Protecting.start, never_capture_at_start)
    ),
    "captured writes survive into a reseeding": lambda patch: patch.setattr(
        EpochQueue, "clear", lambda _: None
    ),
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
