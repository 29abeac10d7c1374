"""A primary in slow motion: it runs for a moment, stands still while the lab looks, and so on.

A resize takes a few requests of some milliseconds each, and a look as long as one of them: a kill
that is aimed at full speed comes too late whenever the machine is busy. Between two moments the
primary is stopped (SIGSTOP), so that no request of it is sent; one that was sent is still carried
out by the service. What the blob goes through is what it goes through at full speed.
"""

import time
from collections.abc import Callable
from typing import Final

from harness.lab.stage import Stage

__all__ = ["stop_primary_when"]

MOMENT_S: Final = 0.002
"""Less than a request takes: no two steps that wait for each other's answer fit in."""


def stop_primary_when(
    stage: Stage, reached: Callable[[], bool], timeout_s: float, what: str
) -> None:
    """Run the primary until `reached`, asked only while it stands; it is left standing.

    `TookTooLong` names `what` after `timeout_s`.
    """
    volume = stage.volume
    volume.pause_primary()

    def stepped() -> bool:
        if reached():
            return True
        volume.resume_primary()
        time.sleep(MOMENT_S)
        volume.pause_primary()
        return False

    stage.lab.stop.until(stepped, timeout_s, f"{stage.plan.name}: {what}", poll_s=0.0)
