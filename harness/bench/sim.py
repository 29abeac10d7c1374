"""bench sim: whole disasters a second, every claim checked, against an empty state machine's run.

A disaster is drawn, run and judged by all checkers, in a process of its own that runs the compiled
simulator (harness.compiled), as a swarm does after `make setup`; beside it the same interpreted.
It is compiled first where that was not done yet, and the figure `compiled` says 0 where it cannot
be. The rival is what Hypothesis needs to run a `RuleBasedStateMachine` whose one rule does
nothing, for as many steps as a disaster has: the least that a property-based test of a protocol
costs before it does anything.

Two cores are given the same lots as one, from one queue, as a swarm hands them out. How much more a
loop that only counts gets done on both at once stands beside it: what is sold as two processors may
be two threads of one, or share it with another machine's.
"""

import gc
import json
import queue
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from harness.bench.pairs import Measurements, interleave
from harness.bench.scene import Scene
from harness.compiled.launch import launch_command
from harness.compiled.modules import find_build
from harness.errors import MountproofError
from harness.provision import simulator_parts
from harness.provision.places import places

__all__ = ["run"]

LOOP: Final = "harness.bench.disaster_loop"
DISASTERS: Final = 400
DISASTERS_QUICK: Final = 40
EMPTY_RUNS: Final = 40
WARM_UP: Final = 40
LOT: Final = 20
CORES: Final = 2
SPINS: Final = 4_000_000
SPIN_LOT: Final = 100_000
TOLD: Final = ("steps_mean", "store_requests_mean", "events_mean", "faults_fired_mean",
               "claims_checked", "findings")  # fmt: skip


def run(scene: Scene) -> Measurements:
    """Figures of the same disasters again and again, pair for pair with the rival's."""
    count = DISASTERS_QUICK if scene.order.quick else DISASTERS
    found = Measurements()
    if find_build() is None and not scene.order.quick:
        with redirect_stdout(sys.stderr):  # the other is for the figures
            simulator_parts.ensure(places())
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
    told = loops[0].ask(f"run 0 {count}")
    for name in TOLD:
        found.add_figure(name, [told[name]])
    steps = round(told["steps_mean"])
    scene.say(f"{scene.order.pairs} pairs with an empty state machine of {steps} steps")
    disasters = [f"run {first} {LOT}" for first in range(0, count, LOT)]
    counting = [f"spin {SPIN_LOT}"] * (SPINS // SPIN_LOT)
    rates = interleave(
        {
            "disasters": lambda: count * _turns(loops[:1], disasters),
            "all": lambda: count * _turns(loops, disasters),
            "empty": lambda: EMPTY_RUNS / _empty_seconds(EMPTY_RUNS, steps),
            "interpreted": lambda: count * _turns([interpreted], disasters),
            "counting": lambda: _turns(loops[:1], counting),
            "counting on all": lambda: _turns(loops, counting),
        },
        scene.order.pairs,
    )
    found.add_figure("disasters_per_s", rates["disasters"])
    found.add_figure("disasters_interpreted_per_s", rates["interpreted"])
    found.add_figure("counting_millions_per_s", [SPINS / 1e6 * rate for rate in rates["counting"]])
    found.add_figure("empty_hypothesis_runs_per_s", rates["empty"])
    found.add_ratio("vs_empty_hypothesis", rates["disasters"], rates["empty"])
    found.add_ratio("scaling_2_cores", rates["all"], rates["disasters"])
    found.add_ratio("counting_scaling_2_cores", rates["counting on all"], rates["counting"])


def _turns(loops: Sequence["_Loop"], orders: Sequence[str]) -> float:
    """How often a second all orders are carried out, when each loop adds as many to one queue."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for order in [*orders] * len(loops):
        waiting.put(order)
    began = time.perf_counter()
    with ThreadPoolExecutor(len(loops)) as pool:
        list(pool.map(lambda loop: _work_off(loop, waiting), loops))
    return len(loops) / (time.perf_counter() - began)


def _work_off(loop: "_Loop", waiting: queue.SimpleQueue[str]) -> None:
    while True:
        try:
            order = waiting.get_nowait()
        except queue.Empty:
            return
        loop.ask(order)


# ── processes that run disasters ──────────────────────────────────────────────────────────────


class _Loop:
    """One of them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, order: str) -> dict[str, float]:
        """Have it carry out an order; what it tells of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise MountproofError(f"{LOOP} ended with {self._process.wait()}")
        told: dict[str, float] = json.loads(line)
        return told


@contextmanager
def _loop(build: Path | None) -> Iterator[_Loop]:
    """A warm process, gone at the end."""
    with subprocess.Popen(
        [sys.executable, *launch_command(LOOP, build)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        loop = _Loop(process)
        loop.ask(f"run 0 {WARM_UP}")
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
