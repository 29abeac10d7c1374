"""Shrinking with a foreign core, in a process of its own: such a core may take its process along.

What cannot be shrunk so stays as long as it was; the swarm's summary is not lost.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Final

import msgspec

from harness.explore.harvest import Sighting, shrink_finding
from harness.explore.planting import system_under_test
from harness.explore.shrinking import SECONDS_MAX, Shrunk
from harness.schedule import Schedule

__all__ = ["isolated_shrinker"]

PATIENCE_SECONDS: Final = 2 * SECONDS_MAX + 30


class Task(msgspec.Struct, frozen=True):
    """What to shrink, and with which core."""

    core: str
    schedule: Schedule
    claim: str
    cause: str


def isolated_shrinker(core: str) -> Callable[[Schedule, Sighting], Shrunk]:
    """How a harvest shrinks findings of this core."""

    def shrinker(schedule: Schedule, sighting: Sighting) -> Shrunk:
        task = Task(core, schedule, sighting.claim, sighting.cause)
        return _in_a_process(task) or Shrunk(schedule, 0, 0.0)

    return shrinker


def _in_a_process(task: Task) -> Shrunk | None:
    """None if the process died or hung."""
    path = os.pathsep.join(part or "." for part in sys.path)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "harness.explore.isolated_shrinking"],
            input=msgspec.json.encode(task), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS, check=True, env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )  # fmt: skip
        return msgspec.json.decode(ended.stdout, type=Shrunk)
    except (subprocess.SubprocessError, msgspec.DecodeError):
        return None


def _serve() -> None:
    """Shrink what comes in; whatever the core prints goes elsewhere than the answer."""
    private = os.dup(1)
    os.dup2(2, 1)
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    with system_under_test(task.core) as system:
        shrunk = shrink_finding(task.schedule, system, task.claim, task.cause)
    with os.fdopen(private, "wb") as answer:
        answer.write(msgspec.json.encode(shrunk))


if __name__ == "__main__":
    _serve()
