"""`python -m harness.bench.disaster_loop`: runs disasters as fast as it can, and says how fast.

A measuring tool, one order a line: `run FIRST COUNT` runs the disasters of so many seeds, drawn and
judged by all checkers, and answers with one JSON line: the seconds, and what the disasters were.
`spin COUNT` counts so far and answers with the seconds: what this processor does with a program
that waits for nothing, not even for memory. The process lives until its input ends, so that
everything is warm, and may run a build of the simulator (harness.compiled.launch).
"""

import json
import sys
import time
from collections.abc import Callable

from harness.sim.disaster import Outcome, run_disaster
from harness.sim.drawing import draw_schedule
from harness.sim.garbage import collect_seldom

__all__ = ["main"]


def main() -> None:
    """Carry out orders until the input ends."""
    collect_seldom()  # as a worker of a swarm does
    for line in sys.stdin:
        verb, *numbers = line.split()
        told = (_run if verb == "run" else _spin)(*map(int, numbers))
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def _run(first: int, count: int) -> dict[str, float]:
    began = time.perf_counter()
    outcomes = [run_disaster(draw_schedule(seed)) for seed in range(first, first + count)]
    return {"seconds": time.perf_counter() - began, **_describe(outcomes)}


def _spin(count: int) -> dict[str, float]:
    began = time.perf_counter()
    for _ in range(count):
        pass
    return {"seconds": time.perf_counter() - began}


def _describe(outcomes: list[Outcome]) -> dict[str, float]:
    def mean(number: Callable[[Outcome], int]) -> float:
        return sum(map(number, outcomes)) / len(outcomes)

    exercised: dict[str, int] = {}
    for outcome in outcomes:
        for claim, times in outcome.exercised.items():
            exercised[claim] = exercised.get(claim, 0) + times
    return {
        "steps_mean": mean(lambda outcome: outcome.steps_effective),
        "store_requests_mean": mean(lambda outcome: outcome.store_requests),
        "events_mean": mean(lambda outcome: outcome.events),
        "faults_fired_mean": mean(lambda outcome: sum(outcome.fired.values())),
        "claims_checked": sum(times > 0 for times in exercised.values()),
        "findings": sum(len(outcome.findings) for outcome in outcomes),
    }


if __name__ == "__main__":
    main()
