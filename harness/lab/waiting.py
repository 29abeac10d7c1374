"""Waiting in the lab: each wait has a deadline and a name, and ends when the run is stopped."""

import threading
import time
from collections.abc import Callable
from typing import Final

from harness.errors import Inconclusive

__all__ = ["StopSignal", "Stopped", "TookTooLong"]

POLL_S: Final = 0.02
"""How often a condition is looked at; coarse enough to cost no CPU beside the system under test."""


class Stopped(Inconclusive):
    """The run was interrupted: what was started is being stopped, partial evidence is kept."""


class TookTooLong(Inconclusive):
    """Something in the lab did not happen before its deadline; the message says what."""


class StopSignal:
    """Set once when the run has to end; shared by all threads of one run."""

    def __init__(self) -> None:
        self._set = threading.Event()

    def set(self) -> None:
        """Ask every waiting thread to stop."""
        self._set.set()

    @property
    def is_set(self) -> bool:
        """Whether the run has to end."""
        return self._set.is_set()

    def check(self) -> None:
        """Raise `Stopped` if the run has to end."""
        if self._set.is_set():
            raise Stopped("interrupted: the run was stopped before it was complete")

    def sleep(self, seconds: float) -> None:
        """Sleep, or raise `Stopped` as soon as the run has to end."""
        self._set.wait(max(0.0, seconds))
        self.check()

    def until(
        self, condition: Callable[[], bool], timeout_s: float, what: str, poll_s: float = POLL_S
    ) -> None:
        """Wait until the condition is true.

        `TookTooLong` names `what` after `timeout_s`; an exception of the condition ends the wait.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() >= deadline:
                raise TookTooLong(f"{what} did not happen within {timeout_s:g} s")
            self.sleep(poll_s)
