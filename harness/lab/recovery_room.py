"""Keeps recoveries from crowding each other: all trials share the processors of one machine.

In the world, a recovery has a site of its own; here two guests on two processors are as much as can
boot without slowing each other down, and the time to recover is one of the claims. So a disaster is
staged only when there will be room for its recovery; until then the load goes on.
"""

import threading
import time
from typing import Final

from harness.lab.waiting import StopSignal, TookTooLong

__all__ = ["RecoveryRoom"]

WAIT_S_MAX: Final = 60.0
"""After that the disaster comes anyway: estimates may be wrong, and the run has to end."""

OVERDUE_S: Final = 2.0


class RecoveryRoom:
    """Reservations of the machine's processors. Times are CLOCK_MONOTONIC seconds."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._reserved: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def reserve(self, name: str, ahead_s: float, duration_s: float, stop: StopSignal) -> float:
        """Wait until a recovery that begins in `ahead_s` has room; returns the seconds waited."""
        began = time.monotonic()
        try:
            stop.until(
                lambda: self._try(name, ahead_s, duration_s), WAIT_S_MAX, "room", poll_s=0.05
            )
        except TookTooLong:
            self._put(name, ahead_s, duration_s)
        return time.monotonic() - began

    def release(self, name: str) -> None:
        """The recovery is over, or will not come."""
        with self._lock:
            self._reserved.pop(name, None)

    def _try(self, name: str, ahead_s: float, duration_s: float) -> bool:
        now = time.monotonic()
        begin, end = now + ahead_s, now + ahead_s + duration_s
        with self._lock:
            others = [
                1
                for other_begin, other_end in self._reserved.values()
                if other_begin < end and max(other_end, now + OVERDUE_S) > begin
            ]
            if len(others) >= self._at_once:
                return False
            self._reserved[name] = (begin, end)
            return True

    def _put(self, name: str, ahead_s: float, duration_s: float) -> None:
        now = time.monotonic()
        with self._lock:
            self._reserved[name] = (now + ahead_s, now + ahead_s + duration_s)
