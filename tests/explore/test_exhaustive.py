"""The exhaustive explorer: it strikes the request it means, and each of them."""

from dataclasses import replace
from itertools import count

from harness.explore.exhaustive import CrashPoint, crash_points, requests_of
from harness.explore.exhaustive_pairs import crash_points_again, with_operator
from harness.explore.exhaustive_run import Aim, exhaust
from harness.explore.witness import Witness
from harness.explore.workloads import WORKLOADS
from harness.schedule import (
    Fault,
    Kill,
    Schedule,
    Setup,
    Start,
    Write,
    dump_schedule,
    read_schedule,
)
from harness.sim.disaster import run_disaster
from harness.sim.system import REFERENCE

ONE_WRITE = Schedule(
    seed=1, setup=Setup(volume_bytes=1 << 20, base_pages=1), steps=(Write(at_us=2_000_000, page=0),)
)


def test_each_request_has_three_fates_and_three_endings() -> None:
    sent = requests_of(ONE_WRITE, REFERENCE)
    points = list(crash_points(ONE_WRITE, REFERENCE))
    assert len(sent) >= 10
    assert len(points) == 9 * len(sent)
    assert len({str(point) for point in points}) == len(points)


def test_every_run_has_its_fault() -> None:
    result = exhaust("one write", ONE_WRITE, REFERENCE)
    assert result.runs == 1 + 9 * len(requests_of(ONE_WRITE, REFERENCE))
    assert result.missed == 0
    assert result.fired["request-lost"] == result.fired["answer-lost"] == result.runs // 9 * 3


def test_the_request_struck_is_the_one_that_is_named() -> None:
    """Up to the crash a run is the plain run; the request of that number is the last one sent."""
    plain = [(one.node, one.at_us, one.kind) for one in requests_of(ONE_WRITE, REFERENCE)]
    for point in crash_points(ONE_WRITE, REFERENCE):
        if point.ending == "fails-over" and point.fate == "before" and point.node == "primary":
            died_us = next(one.at_us for one in point.schedule.steps if isinstance(one, Kill))
            struck = [
                (one.node, one.at_us, one.kind)
                for one in requests_of(point.schedule, REFERENCE)
                if one.at_us <= died_us
            ]
            assert struck == plain[: point.request + 1]


def test_a_lost_request_of_a_dead_node_is_never_applied() -> None:
    point = next(
        point for point in crash_points(ONE_WRITE, REFERENCE)
        if (point.kind, point.fate, point.ending) == ("PutPages", "before", "restarts")
        and point.schedule.steps[0].at_us > 1_000_000
    )  # fmt: skip
    assert [type(step) for step in point.schedule.steps] == [Fault, Write, Kill, Start] or [
        type(step) for step in point.schedule.steps
    ] == [Write, Fault, Kill, Start]
    witness = Witness()
    outcome = run_disaster(point.schedule, REFERENCE, story=witness, observers=[witness])
    assert outcome.fired["request-lost"] == 1
    assert outcome.fired["kill"] == 1


def first_crash(ending: str, fate: str = "before", request: int = 3) -> CrashPoint:
    return next(
        point for point in crash_points(ONE_WRITE, REFERENCE)
        if (point.node, point.ending, point.fate, point.request)
        == ("primary", ending, fate, request)
    )  # fmt: skip


def test_a_second_crash_follows_the_first() -> None:
    first = first_crash("restarts")
    seconds = list(crash_points_again(first, REFERENCE))
    assert len(seconds) > 20
    for second in seconds:
        faults = [step for step in second.schedule.steps if isinstance(step, Fault)]
        assert len(faults) == 2
        assert faults[0].at_us < faults[1].at_us
        assert second.ending != "lives"


def test_what_an_operator_did_in_the_calm_is_a_step_where_a_second_crash_follows() -> None:
    """Nobody was ready to take over, so he starts the primary that was to be dead for good."""
    first = first_crash("fails-over")
    plain, acts = with_operator(first.schedule, REFERENCE)
    assert [str(act.__struct_config__.tag) for act in acts] == ["kill", "start"]
    before, now = requests_of(first.schedule, REFERENCE), requests_of(plain, REFERENCE)
    assert now[: len(before)] == before
    assert any(one.node == "primary" and one.at_us > acts[0].at_us for one in before)
    assert with_operator(plain, REFERENCE) == (plain, [])


def test_what_an_operator_did_later_than_a_second_crash_is_left_to_the_calm() -> None:
    first = first_crash("fails-over")
    _, acts = with_operator(first.schedule, REFERENCE)
    for second in crash_points_again(first, REFERENCE):
        kept = [step for step in second.schedule.steps if step in acts]
        assert len(kept) == (0 if second.at_us < acts[0].at_us else len(acts)), str(second)


def test_every_pair_strikes_the_two_requests_that_are_meant() -> None:
    """Also those sent by a primary that an operator started after the first crash."""
    for ending in ("restarts", "fails-over"):
        first = first_crash(ending, "unknown")
        nodes = []
        for second in crash_points_again(first, REFERENCE):
            aim = Aim((first, second))
            run_disaster(second.schedule, REFERENCE, [], observers=[aim])
            assert not aim.missed(), f"{first}, then {second}"
            nodes.append(second.node)
        assert "primary" in nodes


def test_a_crash_at_another_request_than_the_one_meant_is_missed() -> None:
    point = first_crash("restarts")
    later = replace(point, request=point.request + 1)
    dead = replace(point, ending="fails-over", at_us=point.at_us + 1)
    for meant, missed in ((point, False), (later, True), (dead, True)):
        aim = Aim((meant,))
        run_disaster(point.schedule, REFERENCE, [], observers=[aim])
        assert aim.missed() is missed
    aim = Aim((point,))
    run_disaster(ONE_WRITE, REFERENCE, [], observers=[aim])
    assert aim.missed()


def test_a_run_with_pairs_counts_them_and_misses_none() -> None:
    runs = count(1)
    result = exhaust("few", ONE_WRITE, REFERENCE, pairs=True, stop=lambda: next(runs) == 150)
    assert (result.runs, result.interrupted) == (150, True)
    assert result.pairs > 100
    assert result.missed == 0
    assert result.sightings == {}


def test_every_workload_is_a_valid_schedule_and_runs_to_its_rest() -> None:
    for name, schedule in WORKLOADS.items():
        assert read_schedule(dump_schedule(schedule)) == schedule, name
        outcome = run_disaster(schedule, REFERENCE)
        assert outcome.waiting_for == "", name
        assert outcome.findings == (), name
        assert outcome.steps_effective == len(schedule.steps), name


def test_equal_runs_have_equal_digests() -> None:
    digests = {exhaust("one write", ONE_WRITE, REFERENCE).digest for _ in range(2)}
    assert len(digests) == 1
