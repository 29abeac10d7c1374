"""bench sim: whole disasters a second, every claim checked, against an empty state machine's run.

A disaster is drawn, run and judged by all checkers, in a process of its own that runs the compiled
simulator where a build of it is here (harness.compiled), as a swarm does; beside it the same
interpreted. The rival is what Hypothesis needs to run a `RuleBasedStateMachine` whose one rule does
nothing, for as many steps as a disaster has: the least that a property-based test of a protocol
costs before it does anything.
"""

import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from harness.bench.pairs import Measurements, interleave
from harness.bench.scene import Scene
from harness.compiled.launch import launch_command
from harness.compiled.modules import find_build
from harness.errors import MountproofError

__all__ = ["run"]

LOOP: Final = "harness.bench.disaster_loop"
DISASTERS: Final = 400
DISASTERS_QUICK: Final = 40
EMPTY_RUNS: Final = 40
WARM_UP: Final = 40
CORES: Final = 2
TOLD: Final = ("steps_mean", "store_requests_mean", "events_mean", "faults_fired_mean",
               "claims_checked", "findings")  # fmt: skip


def run(scene: Scene) -> Measurements:
    """Figures of the same disasters again and again, pair for pair with the rival's."""
    count = DISASTERS_QUICK if scene.order.quick else DISASTERS
    found = Measurements()
    build = find_build()
    scene.say(f"the simulator is {'compiled' if build else 'interpreted'}")
    found.add_figure("compiled", [float(build is not None)])
    with ExitStack() as stack:
        loops = [stack.enter_context(_loop(build)) for _ in range(CORES)]
        interpreted = stack.enter_context(_loop(None))
        _measure(scene, found, loops, interpreted, count)
    return found


def _measure(
    scene: Scene, found: Measurements, loops: Sequence["_Loop"], interpreted: "_Loop", count: int
) -> None:
    told = loops[0].ask(count)
    for name in TOLD:
        found.add_figure(name, [told[name]])
    steps = round(told["steps_mean"])
    scene.say(f"{scene.order.pairs} pairs with an empty state machine of {steps} steps")
    rates = interleave(
        {
            "disasters": lambda: count / loops[0].ask(count)["seconds"],
            "empty": lambda: EMPTY_RUNS / _empty_seconds(EMPTY_RUNS, steps),
            "interpreted": lambda: count / interpreted.ask(count)["seconds"],
            "all": lambda: _together(loops, count),
        },
        scene.order.pairs,
    )
    found.add_figure("disasters_per_s", rates["disasters"])
    found.add_figure("disasters_interpreted_per_s", rates["interpreted"])
    found.add_figure("empty_hypothesis_runs_per_s", rates["empty"])
    found.add_ratio("vs_empty_hypothesis", rates["disasters"], rates["empty"])
    found.add_ratio("scaling_2_cores", rates["all"], rates["disasters"])


def _together(loops: Sequence["_Loop"], count: int) -> float:
    """Disasters a second of all loops at once, each with as many as one has alone."""
    for loop in loops:
        loop.send(count)
    return len(loops) * count / max(loop.receive()["seconds"] for loop in loops)


# ── processes that run disasters ──────────────────────────────────────────────────────────────


class _Loop:
    """One of them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def send(self, count: int) -> None:
        """Have it run so many."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()

    def receive(self) -> dict[str, float]:
        """What it tells of them."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise MountproofError(f"{LOOP} ended with {self._process.wait()}")
        told: dict[str, float] = json.loads(line)
        return told

    def ask(self, count: int) -> dict[str, float]:
        """Both."""
        self.send(count)
        return self.receive()


@contextmanager
def _loop(build: Path | None) -> Iterator[_Loop]:
    """A warm process, gone at the end."""
    with subprocess.Popen(
        [sys.executable, *launch_command(LOOP, build)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        loop = _Loop(process)
        loop.ask(WARM_UP)
        yield loop


# ── the rival ─────────────────────────────────────────────────────────────────────────────────


class _Empty(RuleBasedStateMachine):
    """Does nothing, and counts how often."""

    made = 0

    @rule()
    def step(self) -> None:
        """Nothing."""
        _Empty.made += 1


def _empty_seconds(runs: int, steps: int) -> float:
    """How long Hypothesis takes for so many runs, of as many steps, of a machine that does nothing.

    It ends some runs early; the time is scaled to the steps that were to be made.
    """
    wanted = settings(
        max_examples=runs,
        stateful_step_count=steps,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    gc.collect()
    _Empty.made = 0
    began = time.perf_counter()
    run_state_machine_as_test(_Empty, settings=wanted)
    return (time.perf_counter() - began) * runs * steps / _Empty.made
