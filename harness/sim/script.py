"""Carries out a schedule's steps, and remembers which of them changed something."""

from collections.abc import Callable
from typing import Any, Final

from engine.core.messages import StopRequested
from harness.schedule import (
    ClockJump,
    Failover,
    Fault,
    Flush,
    Heal,
    Kill,
    Pause,
    Point,
    PowerLoss,
    Resize,
    Schedule,
    Start,
    Step,
    Stop,
    Write,
    Zero,
)
from harness.sim.blob_requests import PAGE_BYTES
from harness.sim.faults import CONDITIONS, Armed
from harness.sim.node import Node
from harness.sim.site import Site

__all__ = ["Script"]

CONDITION_US: Final = 2_000_000
"""How long a condition holds whose step says nothing."""


class Script:
    """The steps of one run. `core`: nodes that are healed for good; None during the storm."""

    __slots__ = ("_actions", "_armed", "_effective", "core", "rotten", "site")

    def __init__(self, schedule: Schedule, site: Site) -> None:
        self.site = site
        self.core: tuple[str, ...] | None = None
        self.rotten: dict[int, None] = {}
        """Pages of the blob that changed at rest."""
        self._effective = 0
        self._armed: list[Armed] = []
        ask = site.clients.ask
        self._actions: dict[type, Callable[[Any], bool]] = {
            Write: ask, Zero: ask, Flush: ask, Resize: ask, Point: ask, Fault: self._fault,
            Heal: self._heal, Kill: self._kill, Start: self._start, Pause: self._pause,
            PowerLoss: self._lose_power, ClockJump: self._jump, Stop: self._stop,
            Failover: self._failover,
        }  # fmt: skip
        site.world.plan(schedule.steps, self._do)

    def dissolve(self) -> None:
        """It refers to itself no more, and does no more."""
        self._actions = {}

    @property
    def effective(self) -> int:
        """Steps that changed something; an armed fault that never struck did not."""
        return self._effective + sum(armed.struck for armed in self._armed)

    def heal_node(self, node: Node) -> None:
        """Its links and disks are sound from here on."""
        node.armed, node.conditions = [], {}
        node.troubled = False
        self.unclog(node)
        if node.process is not None:
            self.site.wake(node.process)
        if node.process is not None:  # what it took in when it woke may have ended it
            node.process.spare()

    def unclog(self, node: Node) -> None:
        """What was held back comes through, in any order."""
        held, node.held_back = node.held_back, []
        world = self.site.world
        for act, first, second in held:
            world.at(world.now_us + 10 + int(node.random() * 5_000), act, first, second)

    def _do(self, step: Step) -> None:
        world = self.site.world
        if world.story:
            world.tell("step", getattr(step, "node", "client"), shown(step))
        if self._actions[type(step)](step):
            self._effective += 1

    def _fault(self, step: Fault) -> bool:
        """Counted when it strikes."""
        node = self.site.nodes[step.node]
        if step.fault == "bit-rot":
            return self._rot(step.page)
        armed = node.arm(step)
        self._armed.append(armed)
        if step.fault in CONDITIONS:
            if node.process is not None:
                node.process.settle_held()
            world = self.site.world
            world.at(
                world.now_us + (step.for_us or CONDITION_US), self._condition_over, node, armed
            )
        return False

    def _condition_over(self, node: Node, armed: Armed) -> None:
        calm_elsewhere = self.core is not None and node.name not in self.core
        if node.conditions.get(armed.fault.fault) is armed and not calm_elsewhere:
            self._end_condition(node, armed.fault.fault)

    def _end_condition(self, node: Node, name: str) -> None:
        node.disarm(name)
        if name == "clogged":
            self.unclog(node)
        if node.process is not None:
            node.process.settle_held()

    def _heal(self, step: Heal) -> bool:
        node = self.site.nodes[step.node]
        armed = [armed for armed in node.armed if armed.fault.fault == step.fault]
        if not armed and step.fault not in node.conditions:
            return False
        self._end_condition(node, step.fault)
        return True

    def _rot(self, page: int) -> bool:
        """One page of data at rest changes; the footer is left alone, for who writes it again?"""
        blob = self.site.service.blob
        if blob is None or page >= blob.length // PAGE_BYTES - 1 or page not in blob.image():
            return False
        value = blob.image()[page]
        blob.store.put(page, (("rotten", value),))
        self.rotten[page] = None
        world = self.site.world
        world.fire("bit-rot", "store")
        for observer in world.watch.damaged:
            observer.damaged(world.now_us, "rest", None, page)
        return True

    def _kill(self, step: Kill) -> bool:
        process = self.site.nodes[step.node].process
        if process is None:
            return False
        if step.after and not process.paused:
            process.kill(step.after)
        else:
            self.site.die(process)
        return True

    def _start(self, step: Start) -> bool:
        return self.site.start(step.node, reseed=step.reseed)

    def _pause(self, step: Pause) -> bool:
        return self.site.pause(step.node, step.for_us)

    def _lose_power(self, step: PowerLoss) -> bool:
        return self.site.lose_power(step.tear)

    def _jump(self, step: ClockJump) -> bool:
        node = self.site.nodes[step.node]
        node.offset_us += step.by_us
        if node.process is None or not step.by_us:
            return False
        self.site.world.fire("clock-jump", step.node)
        node.process.clock_jumped()
        return True

    def _stop(self, _step: Stop) -> bool:
        process = self.site.nodes["primary"].process
        if process is None:
            return False
        self.site.world.fire("stop", "primary")
        process.deliver(StopRequested())
        return True

    def _failover(self, step: Failover) -> bool:
        return self.site.ask_failover(step.node, forced=step.forced)


def shown(step: Step) -> str:
    """A step in a few words."""
    fields = [
        f"{name} {value}"
        for name in step.__struct_fields__
        if name != "at_us" and (value := getattr(step, name)) not in (False, 0)
    ]
    return " ".join([str(step.__struct_config__.tag), *fields])
