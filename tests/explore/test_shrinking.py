"""Shrinking, on findings whose smallest schedule is known."""

import random

from harness.explore.shrinking import shrink
from harness.explore.simpler import simpler_setups, simpler_steps, simpler_times
from harness.schedule import (
    Fault,
    Flush,
    Kill,
    Resize,
    Schedule,
    Setup,
    Step,
    Write,
    dump_schedule,
    read_schedule,
)  # fmt: skip


def messy_schedule() -> Schedule:
    """Sixty steps, among them the three that matter."""
    random_ = random.Random(7)
    steps: list[Step] = [
        Write(at_us=1_000_003 + at * 70_001, page=random_.randrange(3000), pages=1 + at % 9)
        for at in range(57)
    ]
    steps += [
        Fault(at_us=2_500_777, fault="answer-lost", on="put", skip=3, times=4),
        Kill(at_us=3_111_111),
        Resize(at_us=3_500_000, volume_bytes=6 << 20),
    ]
    steps.sort(key=lambda step: step.at_us)
    setup = Setup(mode="async", connections=7, volume_bytes=4 << 20, standbys=2, base_pages=900)
    return Schedule(seed=99_000_123, setup=setup, steps=tuple(steps))


def has(schedule: Schedule, kind: type[Step]) -> bool:
    return any(isinstance(step, kind) for step in schedule.steps)


def test_three_steps_of_sixty_are_left_and_everything_else_is_plain() -> None:
    asked = 0

    def shows(schedule: Schedule) -> bool:
        nonlocal asked
        asked += 1
        wide = any(isinstance(step, Write) and step.pages >= 4 for step in schedule.steps)
        return (
            wide and has(schedule, Fault) and has(schedule, Kill) and schedule.setup.standbys == 2
        )

    shrunk = shrink(messy_schedule(), shows)
    assert shrunk.schedule.setup == Setup(standbys=2)
    steps = {type(step): step for step in shrunk.schedule.steps}
    assert len(shrunk.schedule.steps) == 3
    write, fault, kill = steps[Write], steps[Fault], steps[Kill]
    assert (write.page, write.pages) == (0, 4)  # type: ignore[union-attr]
    assert fault == Fault(at_us=fault.at_us, fault="answer-lost")
    assert {step.at_us % 1_000_000 for step in (write, fault, kill)} == {0}
    assert shrunk.schedule.seed == 0
    assert shrunk.runs == asked <= 400


def test_steps_that_only_go_together_are_kept_together() -> None:
    """Removing either of the two writes alone hides it; both together may go with the flush."""

    def shows(schedule: Schedule) -> bool:
        writes = sum(isinstance(step, Write) for step in schedule.steps)
        return writes % 2 == 0 and writes >= 2

    schedule = Schedule(
        seed=1, steps=(*(Write(at_us=at, page=at) for at in range(16)), Flush(at_us=16))
    )
    assert len(shrink(schedule, shows).schedule.steps) == 2


def test_what_does_not_show_it_comes_back_unchanged() -> None:
    schedule = messy_schedule()
    shrunk = shrink(schedule, lambda _schedule: False)
    assert (shrunk.schedule, shrunk.runs) == (schedule, 1)


def test_the_budget_of_runs_is_kept_and_the_best_so_far_still_shows_it() -> None:
    runs = 0

    def shows(schedule: Schedule) -> bool:
        nonlocal runs
        runs += 1
        return has(schedule, Kill)

    shrunk = shrink(messy_schedule(), shows, runs_max=3)
    assert runs == shrunk.runs == 3
    assert has(shrunk.schedule, Kill)
    assert len(shrunk.schedule.steps) < 60


def test_equal_input_gives_equal_output() -> None:
    results = [shrink(messy_schedule(), lambda one: has(one, Resize)) for _ in range(2)]
    assert dump_schedule(results[0].schedule) == dump_schedule(results[1].schedule)


def test_every_candidate_is_a_valid_schedule_that_differs() -> None:
    schedule = messy_schedule()
    candidates = [
        one for simpler in (simpler_setups, simpler_steps, simpler_times)
        for one in simpler(schedule)
    ]  # fmt: skip
    assert len(candidates) > 200
    for candidate in candidates:
        assert candidate != schedule
        assert read_schedule(dump_schedule(candidate)) == candidate


def test_an_order_that_needs_its_mode_never_loses_it() -> None:
    """Interval order is valid with async and a point interval only: no candidate breaks that."""
    schedule = Schedule(
        seed=1, setup=Setup(mode="async", order="interval", point_interval_us=3_000_000)
    )
    for candidate in simpler_setups(schedule):
        assert read_schedule(dump_schedule(candidate)) == candidate
