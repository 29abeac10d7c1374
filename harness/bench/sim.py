"""bench sim: whole disasters a second, every claim checked, against an empty state machine's run.

A disaster is drawn, run and judged by all checkers. The rival is what Hypothesis needs to run a
`RuleBasedStateMachine` whose one rule does nothing, for as many steps as a disaster has: the least
that a property-based test of a protocol costs before it does anything.
"""

import gc
import multiprocessing
import time
from collections.abc import Callable
from typing import Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from harness.bench.pairs import Measurements, interleave
from harness.bench.scene import Scene
from harness.sim.disaster import Outcome, run_disaster
from harness.sim.drawing import draw_schedule

__all__ = ["run"]

DISASTERS: Final = 400
DISASTERS_QUICK: Final = 40
EMPTY_RUNS: Final = 40
WARM_UP: Final = 30
CORES: Final = 2


def run(scene: Scene) -> Measurements:
    """Figures of the same disasters again and again, pair for pair with the rival's."""
    count = DISASTERS_QUICK if scene.order.quick else DISASTERS
    found = Measurements()
    scene.say(f"{count} disasters: what they are")
    _seconds(WARM_UP)
    outcomes = [run_disaster(draw_schedule(seed)) for seed in range(count)]
    _describe(found, outcomes)
    steps = round(sum(outcome.steps_effective for outcome in outcomes) / count)
    scene.say(f"{scene.order.pairs} pairs with an empty state machine of {steps} steps")
    rates = interleave(
        {
            "disasters": lambda: count / _seconds(count),
            "empty": lambda: EMPTY_RUNS / _empty_seconds(EMPTY_RUNS, steps),
        },
        scene.order.pairs,
    )
    found.add_figure("disasters_per_s", rates["disasters"])
    found.add_figure("empty_hypothesis_runs_per_s", rates["empty"])
    found.add_ratio("vs_empty_hypothesis", rates["disasters"], rates["empty"])
    scene.say(f"{CORES} cores against one")
    _scale(scene, found, count)
    return found


def _describe(found: Measurements, outcomes: list[Outcome]) -> None:
    def mean(name: str, number: Callable[[Outcome], int]) -> None:
        found.add_figure(name, [sum(map(number, outcomes)) / len(outcomes)])

    mean("steps_mean", lambda outcome: outcome.steps_effective)
    mean("store_requests_mean", lambda outcome: outcome.store_requests)
    mean("events_mean", lambda outcome: outcome.events)
    mean("faults_fired_mean", lambda outcome: sum(outcome.fired.values()))
    exercised: dict[str, int] = {}
    for outcome in outcomes:
        for claim, times in outcome.exercised.items():
            exercised[claim] = exercised.get(claim, 0) + times
    found.add_figure("claims_checked", [sum(times > 0 for times in exercised.values())])
    found.add_figure("findings", [sum(len(outcome.findings) for outcome in outcomes)])


def _seconds(count: int, first: int = 0) -> float:
    """How long so many disasters take."""
    gc.collect()
    began = time.perf_counter()
    for seed in range(first, first + count):
        run_disaster(draw_schedule(seed))
    return time.perf_counter() - began


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


def _scale(scene: Scene, found: Measurements, count: int) -> None:
    """The same number of disasters in each of as many processes as in one alone."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(CORES) as pool:
        pool.map(_seconds, [WARM_UP] * CORES, chunksize=1)

        def one() -> float:
            return count / pool.apply(_seconds, (count,))

        def all_cores() -> float:
            spans = pool.map(_seconds, [count] * CORES, chunksize=1)
            return CORES * count / max(spans)

        rates = interleave({"all": all_cores, "one": one}, scene.order.pairs)
    found.add_ratio("scaling_2_cores", rates["all"], rates["one"])
