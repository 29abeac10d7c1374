"""Hypothesis over the runner: a state machine, settings of two profiles, and what it aims at.

The machine's rules append steps; the disaster is run at the end, with the runner's own calm and
convergence after the last step (a state machine has no natural end of its own). `target()` leads
towards the worst lag and the longest time in which no disk could have been mounted.
"""

import os
from typing import Final

import msgspec
from hypothesis import HealthCheck, Phase, settings, target
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from harness.checkers.finding import Finding
from harness.explore.extremes import Extremes
from harness.explore.harvest import shrink_finding
from harness.explore.strategies import QUIET_US, setups, steps_for
from harness.schedule import Schedule, Setup, Step, dump_schedule
from harness.sim.disaster import Outcome, run_disaster
from harness.sim.system import REFERENCE, System

__all__ = ["PROFILES", "PROFILE_VARIABLE", "DisasterMachine", "Violated", "profile", "require_held"]

PROFILE_VARIABLE: Final = "MOUNTPROOF_HYPOTHESIS"
_SHARED: Final = settings(
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    # Shrinking is ours (shrinking.py): it knows what a schedule is, and takes seconds, not minutes.
    phases=[phase for phase in Phase if phase not in (Phase.shrink, Phase.explain)],
)
PROFILES: Final = {
    # The same disasters at every push, in seconds.
    "ci": settings(
        _SHARED, max_examples=150, stateful_step_count=25, derandomize=True, database=None
    ),
    # Other disasters every night, for as long as it takes; the database remembers failures.
    "nightly": settings(_SHARED, max_examples=20_000, stateful_step_count=60),
}


def profile() -> settings:
    """The settings that the environment asks for; CI's unless it says otherwise."""
    return PROFILES[os.environ.get(PROFILE_VARIABLE, "ci")]


class Violated(AssertionError):
    """A claim was violated; the message holds the shrunk schedule, for `mountproof replay`."""

    def __init__(self, finding: Finding, schedule: Schedule) -> None:
        super().__init__(
            f"{finding.claim} ({finding.cause}): {finding.text}\n"
            f"page {finding.page}: expected {finding.expected}, found {finding.found}\n"
            f"{dump_schedule(schedule).decode()}"
        )
        self.finding = finding
        self.schedule = schedule


def require_held(schedule: Schedule, system: System = REFERENCE) -> Outcome:
    """Run a disaster, aim at worse ones, and raise `Violated` at the first finding."""
    extremes = Extremes()
    outcome = run_disaster(schedule, system, observers=[extremes])
    target(extremes.lag_us / 1e6, label="worst lag, seconds")
    target(extremes.unmountable_us / 1e6, label="longest unmountable window, seconds")
    if outcome.findings:
        finding = outcome.findings[0]
        shrunk = shrink_finding(schedule, system, finding.claim, finding.cause)
        raise Violated(finding, shrunk.schedule)
    return outcome


class DisasterMachine(RuleBasedStateMachine):
    """A disaster put together step by step; subclass it to test another system."""

    system: System = REFERENCE

    def __init__(self) -> None:
        super().__init__()
        self._setup = Setup()
        self._seed = 0
        self._at_us = QUIET_US
        self._steps: list[Step] = []

    @initialize(setup=setups(), seed=st.integers(0, 1 << 16))
    def set_the_stage(self, setup: Setup, seed: int) -> None:
        """Draw what is there before the first step."""
        self._setup, self._seed = setup, seed

    @rule(gap_us=st.sampled_from((1, 1_000, 300_000)))
    def wait_a_little(self, gap_us: int) -> None:
        """Let the system work."""
        self._at_us += gap_us

    @rule(gap_us=st.sampled_from((2_000_000, 20_000_000)))
    def wait_for_timers(self, gap_us: int) -> None:
        """Let leases, heartbeats and back-offs run out."""
        self._at_us += gap_us

    @rule(data=st.data())
    def do(self, data: st.DataObject) -> None:
        """Have a client, an operator or fate do something."""
        step = data.draw(steps_for(self._setup), label="step")
        self._steps.append(msgspec.structs.replace(step, at_us=self._at_us))
        self._at_us += 1

    def teardown(self) -> None:
        """Run it all: the storm, the calm, and the judgement."""
        schedule = Schedule(seed=self._seed, setup=self._setup, steps=tuple(self._steps))
        require_held(schedule, self.system)
