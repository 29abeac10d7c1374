"""The plan of a certification: enough trials, repeatable, each with dice of its own."""

from collections import Counter
from dataclasses import replace

from harness.judge.facts import Mode
from harness.lab.plan import MIB, MODES, plan_for_profile, plan_trials
from harness.profile import (
    BootsBounds,
    NoAckedLossBounds,
    PointsHonestBounds,
    Profile,
    load_profile,
)

ONE: dict[Mode, int] = dict.fromkeys(MODES, 1)


def test_profile_first_kills_three_times_in_each_mode() -> None:
    plans = plan_for_profile(load_profile("first"), seed=1)
    assert Counter(plan.mode for plan in plans if plan.kind == "kill") == {
        "sync": 3,
        "sync-on-flush": 3,
        "async": 3,
    }
    assert {plan.order for plan in plans if plan.kind == "raw"} == {"strict", "flush"}
    assert sum(plan.kind == "fence" for plan in plans) == 1
    assert all(plan.acknowledgements_min == 100 for plan in plans)


def test_bounds_of_a_profile_decide_how_much_is_done() -> None:
    demands = {"no-acked-loss": NoAckedLossBounds(trials=5, acknowledged=250)}
    profile = Profile(name="more", title="More", demands=dict(demands))
    plans = plan_for_profile(profile, seed=1)
    assert sum(plan.kind == "kill" and plan.mode == "sync" for plan in plans) == 5
    assert all(plan.acknowledgements_min == 250 for plan in plans)
    assert not any(plan.kind in ("raw", "fence") or plan.mode == "async" for plan in plans)


def test_what_is_not_demanded_is_not_staged() -> None:
    profile = Profile(name="one", title="One", demands={"boots": BootsBounds(trials=1)})
    (plan,) = plan_for_profile(profile, seed=1)
    assert (plan.kind, plan.mode) == ("kill", "sync")


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    profile = load_profile("first")
    assert plan_for_profile(profile, 7) == plan_for_profile(profile, 7)
    assert plan_for_profile(profile, 7) != plan_for_profile(profile, 8)


def test_one_more_trial_shifts_no_other() -> None:
    few = plan_trials(7, kills=ONE, raws=1, fences=1, least=100)
    many = plan_trials(7, kills=dict.fromkeys(MODES, 4), raws=1, fences=1, least=100)
    assert {plan.name: plan for plan in few}.items() <= {plan.name: plan for plan in many}.items()


def test_names_are_unique_and_those_that_wait_are_spread() -> None:
    plans = plan_trials(7, kills=dict.fromkeys(MODES, 2), raws=2, fences=2, least=100)
    assert len({plan.name for plan in plans}) == len(plans)
    assert plans[-1].fence == "break"
    runs = "".join("w" if plan.fence == "expiry" else "-" for plan in plans).split("-")
    assert max(map(len, runs)) <= 4


def test_direct_write_is_measured_with_raw_pages_with_and_without_waiting_for_the_store() -> None:
    measured = [
        plan
        for plan in plan_trials(7, kills=ONE, raws=1, fences=1, least=100)
        if plan.measures_direct_write
    ]
    assert {(plan.kind, plan.mode) for plan in measured} == {("raw", "sync"), ("raw", "async")}
    assert max(plan.prefill_bytes for plan in measured) > 64 << 20
    assert not replace(measured[0], order="flush").measures_direct_write


def test_profile_quick_resizes_and_crashes_besides_what_first_does() -> None:
    plans = plan_for_profile(load_profile("quick"), seed=1)
    ends = [plan for plan in plans if plan.kind in ("kill", "resize", "crash") and not plan.cut]
    assert Counter(plan.mode for plan in ends) == dict.fromkeys(MODES, 3)
    assert Counter(plan.kind for plan in plans)["raw"] == 3
    assert Counter(plan.kind for plan in plans)["fence"] == 1
    changes = [(plan.kind, plan.cut) for plan in plans if plan.kind in ("resize", "crash")]
    assert sorted(changes) == [
        ("crash", ""),
        ("crash", "resync"),
        ("resize", ""),
        ("resize", "grow"),
    ]


def test_sizes_grow_and_shrink_and_leave_padding() -> None:
    plans = [plan for plan in plan_for_profile(load_profile("standard"), 3) if plan.grown_bytes]
    assert len({plan.grown_bytes for plan in plans}) == len(plans) == 7
    for plan in plans:
        assert plan.shrunk_bytes < plan.volume_bytes < plan.grown_bytes
        assert plan.grown_bytes % 512 == plan.shrunk_bytes % 512 == 0
    assert any(plan.grown_bytes % MIB for plan in plans)


def test_a_crashed_replicator_is_not_taken_for_a_dead_site() -> None:
    plans = [plan for plan in plan_for_profile(load_profile("quick"), 1) if plan.kind == "crash"]
    assert {(plan.keeps_its_guest, plan.fence) for plan in plans} == {(True, "expiry")}
    assert min(plan.failure_timeout_s for plan in plans) >= 10
    assert [plan.writes_raw_pages for plan in plans] == [plan.order == "strict" for plan in plans]


def test_many_points_are_demanded_of_many_volumes() -> None:
    profile = Profile(name="p", title="P", demands={"points-honest": PointsHonestBounds(trials=3)})
    plans = plan_for_profile(profile, seed=1)
    assert [plan.kind for plan in plans] == ["resize"] * 3
    assert {plan.mode for plan in plans} == set(MODES)
