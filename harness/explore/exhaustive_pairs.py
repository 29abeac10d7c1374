"""The second round: every second crash that can follow a first one.

The run with the first crash is the plain run of this round, and its requests are those that a
second crash can strike. But part of them are there only because an operator acted during the calm:
started a primary that stays away, or told a standby to take over. A second crash makes the storm
longer and so the calm later, and then nobody would have acted. Therefore whatever the operator did
is written into the schedule as steps, until he has nothing left to do; such a run does the same,
with or without a calm, and every request of it can be struck.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import msgspec

from harness.checkers.observation import NEVER, Observer
from harness.explore.exhaustive import CrashPoint, Sent, crash_points, with_crash
from harness.schedule import Failover, Kill, NodeName, Schedule, Start, Step
from harness.sim.disaster import run_disaster
from harness.sim.system import System

__all__ = ["crash_points_again", "with_operator"]

ROUNDS_MAX: Final = 20
"""An operator who acted so often in vain would act for ever."""


def crash_points_again(first: CrashPoint, system: System) -> Iterator[CrashPoint]:
    """Every second crash that can follow a first one."""
    plain, acts = with_operator(first.schedule, system)
    struck = False

    def follows(request: Sent) -> bool:
        """Sent later, or at the same time by a node that is not about to die."""
        nonlocal struck
        other = request.node != first.node
        if request.at_us == first.at_us and not other:
            struck = True
        return request.at_us > first.at_us or (request.at_us == first.at_us and other and struck)

    for second in crash_points(plain, system, follows=follows, crashes_only=True):
        undone = [act for act in acts if act.at_us > second.at_us]
        steps = tuple(
            step for step in second.schedule.steps if not any(step is act for act in undone)
        )
        schedule = msgspec.structs.replace(second.schedule, steps=steps)
        yield replace(second, schedule=schedule)


def with_operator(schedule: Schedule, system: System) -> tuple[Schedule, list[Step]]:
    """The schedule with what an operator did in the calm as steps, and these steps."""
    acts: list[Step] = []
    for _ in range(ROUNDS_MAX):
        operator = _Operator()
        run_disaster(schedule, system, [], observers=[operator])
        if not operator.acts:
            break
        acts += operator.acts
        schedule = with_crash(schedule, tuple(operator.acts))
    return schedule, acts


class _Operator(Observer):
    """Notes, as steps, what is done in the calm."""

    def __init__(self) -> None:
        self.acts: list[Step] = []
        self._calm_us = NEVER

    def calm(self, now_us: int) -> None:
        """From now on whatever is started, or told to take over, is the operator's doing."""
        self._calm_us = now_us

    def process(self, now_us: int, node: str, what: str) -> None:
        """He starts a process, in the place of one that had ended its work if there was one."""
        if now_us >= self._calm_us and what == "started":
            name = msgspec.convert(node, NodeName)
            self.acts += [Kill(at_us=now_us, node=name), Start(at_us=now_us, node=name)]

    def fault(self, now_us: int, name: str, node: str) -> None:
        """He tells a standby to take over."""
        if now_us >= self._calm_us and name in ("failover", "forced-failover"):
            heir = msgspec.convert(node, NodeName)
            forced = name == "forced-failover"
            self.acts.append(Failover(at_us=now_us, node=heir, forced=forced))
