"""The kill matrix: which planted bugs a swarm catches, and how many disasters that takes.

Every bug gets so many trials, each a swarm of its own that ends with the first finding under the
claim that the bug breaks; what other claims say does not count, for only that claim's checker is
there. A bug is caught if more than half of its trials are. The schedule that was found soonest is
shrunk. Then a swarm without that checker looks at the same disasters (silence.py). All of it
depends on seeds and counts alone, so equal input gives equal output; but for the time it took.
"""

import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from statistics import median
from typing import Final

import msgspec

from harness.checkers.catalogue import SIMULATED_CLAIMS
from harness.explore.chunk import SEEDS_PER_SWARM, run_seed
from harness.explore.harvest import shrink_finding
from harness.explore.planting import find_bug, system_under_test
from harness.mutants.silence import look_without, seeds_to_look_at
from harness.sim.drawing import draw_schedule

__all__ = ["MOST", "Row", "Trial", "run_matrix", "shrunk_steps", "try_once"]

MOST: Final = 1500
"""A trial that saw so many disasters and no finding has missed the bug."""
SHRINK_RUNS: Final = 400
SHRINK_SECONDS: Final = 300.0
"""A safety net: so many runs take a few seconds."""
LOOK_SECONDS: Final = 0.25


class Trial(msgspec.Struct, frozen=True):
    """One swarm against one bug: `disasters` until it was caught, 0 if it was not."""

    name: str
    number: int
    disasters: int
    seed: int
    cause: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One bug of the matrix.

    caught_by: the claim, "" if it was missed; disasters: median of the trials, one that missed
    counts with all its disasters; seconds: median processor time of the trials; steps: of the
    shrunk schedule, 0 if there is none.
    missed_without: with the checkers of `claim` and `also` off, a swarm of `looked` disasters found
    nothing; also_caught_by: in so many of them, by other claims, with that of `claim` alone off.
    """

    name: str
    claim: str
    meaning: str
    caught: bool
    caught_by: str
    cause: str
    disasters: float
    seconds: float
    steps: int
    trials: list[int]
    also: list[str]
    missed_without: bool
    looked: int
    also_caught_by: dict[str, int]
    unexpected: list[str]


def others(claim: str) -> tuple[str, ...]:
    """Every simulated claim but this one."""
    return tuple(other for other in SIMULATED_CLAIMS if other != claim)


def try_once(name: str, number: int, most: int = MOST) -> Trial:
    """Run disasters against a bug, with its claim's checker alone, until one is found."""
    mutant = find_bug(name)
    off = others(mutant.claim)
    first = (number + 1) * SEEDS_PER_SWARM
    with system_under_test(bug=name) as system:
        for seed in range(first, first + most):
            findings = run_seed(seed, system, off).findings
            own = [finding for finding in findings if finding.claim == mutant.claim]
            if own:
                return Trial(name, number, seed - first + 1, seed, own[0].cause)
    return Trial(name, number, 0, 0, "")


def shrunk_steps(trial: Trial) -> int:
    """How many steps the smallest schedule has that shows what the trial found."""
    claim = find_bug(trial.name).claim
    with system_under_test(bug=trial.name) as system:
        found = shrink_finding(
            draw_schedule(trial.seed), system, claim, trial.cause, others(claim),
            runs_max=SHRINK_RUNS, seconds_max=SHRINK_SECONDS,
        )  # fmt: skip
    return len(found.schedule.steps)


def run_matrix(
    names: Sequence[str],
    *,
    seeds: int,
    workers: int,
    most: int = MOST,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[Row, int, int], None] = lambda _row, _done, _whole: None,
) -> list[Row]:
    """Every named bug with `seeds` trials; `tell` hears of each row; ends early where `stop`."""
    rows: dict[str, Row] = {}
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, _ignore_interrupt) as pool:
        under_way = {pool.submit(_row, name, seeds, most): name for name in names}
        while under_way and not stop():
            done: set[Future[Row]]
            done, _ = wait(under_way, LOOK_SECONDS, FIRST_COMPLETED)
            for future in done:
                row = future.result()
                rows[under_way.pop(future)] = row
                tell(row, len(rows), len(names))
        if under_way:
            _end(pool)
    return [rows[name] for name in names if name in rows]


def _row(name: str, seeds: int, most: int) -> Row:
    """In a worker: all trials of one bug."""
    mutant = find_bug(name)
    trials, times = [], []
    for number in range(seeds):
        began = time.process_time()
        trials.append(try_once(name, number, most))
        times.append(time.process_time() - began)
    caught = [trial for trial in trials if trial.disasters]
    is_caught = 2 * len(caught) > seeds
    soonest = min(caught, key=lambda trial: (trial.disasters, trial.number), default=None)
    middle = median(trial.disasters or most for trial in trials)
    showed = [trial.seed for trial in caught]
    silence = look_without(name, seeds_to_look_at(SEEDS_PER_SWARM, middle, showed))
    return Row(
        name=name,
        claim=mutant.claim,
        meaning=mutant.meaning,
        caught=is_caught,
        caught_by=mutant.claim if is_caught else "",
        cause=soonest.cause if soonest else "",
        disasters=middle,
        seconds=round(median(times), 3),
        steps=shrunk_steps(soonest) if soonest else 0,
        trials=[trial.disasters for trial in trials],
        also=list(mutant.also),
        missed_without=silence.missed,
        looked=silence.looked,
        also_caught_by=silence.also_caught_by,
        unexpected=silence.unexpected,
    )


def _ignore_interrupt() -> None:
    """Ctrl-C is for the one who started the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(pool: ProcessPoolExecutor) -> None:
    """Do not wait for trials under way."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
