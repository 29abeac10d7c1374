"""Hypothesis over the runner: the true engine holds, planted bugs do not.

The profile is that of `MOUNTPROOF_HYPOTHESIS` (ci, nightly); see docs/exploring.md.
"""

import pytest
from hypothesis import given, settings
from hypothesis.stateful import run_state_machine_as_test

from harness.explore.extremes import Extremes
from harness.explore.planting import system_under_test
from harness.explore.property_based import (
    PROFILES,
    DisasterMachine,
    Violated,
    profile,
    require_held,
)  # fmt: skip
from harness.explore.strategies import schedules
from harness.explore.workloads import WORKLOADS
from harness.schedule import Schedule, dump_schedule, read_schedule
from harness.sim.disaster import run_disaster


@profile()
@given(schedule=schedules())
def test_every_claim_holds_in_every_disaster(schedule: Schedule) -> None:
    require_held(schedule)


def test_every_claim_holds_however_a_disaster_is_put_together() -> None:
    some = settings(profile(), max_examples=profile().max_examples // 4)
    run_state_machine_as_test(DisasterMachine, settings=some)


@settings(PROFILES["ci"], max_examples=50)
@given(schedule=schedules())
def test_what_is_drawn_is_a_schedule(schedule: Schedule) -> None:
    assert read_schedule(dump_schedule(schedule)) == schedule


def test_a_planted_bug_is_found_and_shrunk() -> None:
    with system_under_test(bug="acknowledge-before-put") as system:

        @settings(PROFILES["ci"], max_examples=200)
        @given(schedule=schedules())
        def hold(schedule: Schedule) -> None:
            require_held(schedule, system)

        with pytest.raises(Violated) as caught:
            hold()
    assert caught.value.finding.claim == "no-acked-loss"
    assert len(caught.value.schedule.steps) <= 2
    text = str(caught.value)
    assert read_schedule(text[text.index("{") :].encode()) == caught.value.schedule


def test_a_planted_bug_is_found_by_the_state_machine_too() -> None:
    with system_under_test(bug="acknowledge-before-put") as bugged:

        class Bugged(DisasterMachine):
            system = bugged

        with pytest.raises(Violated):
            run_state_machine_as_test(Bugged, settings=PROFILES["ci"])


def test_extremes_are_those_of_the_run() -> None:
    calm, growing = Extremes(), Extremes()
    run_disaster(WORKLOADS["pair"], observers=[calm])
    run_disaster(WORKLOADS["grow"], observers=[growing])
    assert calm.unmountable_us == 0
    assert 0 < growing.unmountable_us < 1_000_000
    lagging = Extremes()
    run_disaster(WORKLOADS["lag"], observers=[lagging])
    assert lagging.lag_us > 0
