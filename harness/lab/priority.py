"""Processor priority of the calling thread, and of what it starts: recoveries go first.

In the world a recovery has a site of its own; in the lab it shares processors with the primary
sites of other trials, and with whatever else the machine does.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Final

__all__ = ["going_first"]

RECOVERY_NICE: Final = -10
"""Seen by the scheduler as some ten times the weight of an ordinary process (sched(7))."""


@contextlib.contextmanager
def going_first() -> Iterator[bool]:
    """Raise the calling thread's priority; threads and processes that it starts inherit it.

    Yields whether that was allowed (it needs root or CAP_SYS_NICE); without, nothing changes.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    allowed = True
    try:
        os.setpriority(os.PRIO_PROCESS, 0, min(before, RECOVERY_NICE))
    except PermissionError:
        allowed = False
    try:
        yield allowed
    finally:
        if allowed:
            os.setpriority(os.PRIO_PROCESS, 0, before)
