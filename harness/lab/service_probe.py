"""The lab's own question to the blob service, all the while: how long did it leave one unanswered?

An asynchronous system owes its bound as long as the service answers. A service that stalls (on a
machine that is overloaded, say) breaks the premise, and no system could keep the promise; the
system's own word on that is worth nothing here. What the probe cannot tell is who made the service
stall: a trial that it rules out is staged again, and speaks neither for nor against.
"""

import time
from collections.abc import Callable

from harness.errors import MountproofError

__all__ = ["ServiceProbe"]


class ServiceProbe:
    """Asks by `ask`, one question after another; `clock` tells monotonic seconds."""

    def __init__(
        self, ask: Callable[[], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._silences: list[tuple[float, float]] = []
        """From the sending of a question to the first answer after it."""
        self._asked_at: float | None = None

    def take(self) -> None:
        """Ask once. A question that fails is one that was not answered."""
        if self._asked_at is None:
            self._asked_at = self._clock()
        try:
            self._ask()
        except MountproofError:
            return
        self._silences.append((self._asked_at, self._clock()))
        self._asked_at = None

    def silence(self, at: float, within_s: float) -> float:
        """Longest time without an answer until `at`, in seconds.

        One that was over `within_s` before `at` left the system time to catch up: not counted.
        """
        open_since = [] if self._asked_at is None else [(self._asked_at, at)]
        lengths = [
            min(until, at) - since
            for since, until in (*self._silences, *open_since)
            if since < at and until >= at - within_s
        ]
        return max(lengths, default=0.0)
