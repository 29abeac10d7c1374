"""The kill matrix: bugs are caught under their claims, and under no other name."""

from dataclasses import replace

import pytest

from harness.checkers.catalogue import make_checkers
from harness.explore.planting import system_under_test
from harness.mutants.catalogue import CATALOGUE
from harness.mutants.matrix import run_matrix, shrunk_steps, try_once
from harness.mutants.silence import LOOKED_MAX, LOOKED_MIN, look_without, seeds_to_look_at
from harness.sim.disaster import run_disaster
from harness.sim.drawing import draw_schedule

SOON = {
    "acknowledge-before-put": 60,
    "trim-ignored": 60,
    "footer-checksum-not-recomputed": 5,
    "failover-before-the-lease-is-its-own": 60,
    "stuck-after-a-lost-answer": 60,
    "point-listed-before-its-snapshot-exists": 60,
    "old-footer-left-inside-the-disk": 60,
    "a-copy-kept-in-a-second-object": 5,
}
"""Bugs that every swarm catches within so many disasters, many times over."""


FEW = 25
"""Disasters that are looked at without the claim, besides the one that showed the bug."""


@pytest.mark.parametrize("name", SOON)
def test_a_bug_is_caught_and_is_missed_where_its_claims_are_not_checked(name: str) -> None:
    trial = try_once(name, 0, SOON[name])
    assert 0 < trial.disasters <= SOON[name]
    silence = look_without(name, [trial.seed, *range(FEW)])
    assert silence.unexpected == []
    assert silence.missed
    assert set(silence.also_caught_by) <= set(CATALOGUE[name].also)
    sound = run_disaster(draw_schedule(trial.seed), checkers=make_checkers())
    assert [finding.claim for finding in sound.findings] == []


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_no_bug_shows_itself_under_a_claim_that_is_not_its_own(name: str) -> None:
    """Few disasters for each; `mountproof mutants` looks at hundreds."""
    silence = look_without(name, range(100, 104))
    assert silence.looked == 4
    assert silence.unexpected == []


def test_a_bug_that_breaks_a_claim_that_the_catalogue_does_not_know_of_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = look_without("trim-ignored", range(FEW))
    assert known.missed
    assert known.also_caught_by["status-honest"] > 1
    forgetful = tuple(claim for claim in CATALOGUE["trim-ignored"].also if claim != "status-honest")
    bug = replace(CATALOGUE["trim-ignored"], also=forgetful)
    monkeypatch.setitem(CATALOGUE, "trim-ignored", bug)
    silence = look_without("trim-ignored", range(FEW))
    assert not silence.missed
    assert len(silence.unexpected) == silence.also_caught_by["status-honest"]
    assert all(": status-honest: " in text for text in silence.unexpected)


def test_a_bug_that_breaks_one_claim_is_seen_by_no_other_checker() -> None:
    name = "deleted-before-it-is-doomed"
    assert CATALOGUE[name].also == ()
    trial = try_once(name, 0, 60)
    assert trial.disasters
    assert look_without(name, [trial.seed, *range(FEW)]).also_caught_by == {}


@pytest.mark.parametrize(
    ("median", "looked"), [(1, LOOKED_MIN), (30, 120), (1500, LOOKED_MAX), (10.5, 42)]
)
def test_four_times_as_many_are_looked_at_and_all_that_showed_it(
    median: float, looked: int
) -> None:
    seeds = seeds_to_look_at(1000, median, [1001, 7])
    assert seeds[:2] == [1001, 7]
    assert len(seeds) == len(set(seeds)) == looked + 1
    assert set(range(1000, 1000 + looked)) <= set(seeds)


def test_equal_trials_are_equal_and_others_are_not() -> None:
    first = try_once("drop-a-put-at-an-epochs-end", 0, 60)
    assert first == try_once("drop-a-put-at-an-epochs-end", 0, 60)
    assert first.seed != try_once("drop-a-put-at-an-epochs-end", 1, 60).seed


def test_what_is_shrunk_still_shows_it() -> None:
    trial = try_once("stuck-after-a-lost-answer", 0, 60)
    steps = shrunk_steps(trial)
    assert 1 <= steps < len(draw_schedule(trial.seed).steps)


def test_a_trial_that_runs_out_has_missed() -> None:
    name = "acknowledge-before-put"
    trials = [try_once(name, number, 60) for number in range(8)]
    late = max(trials, key=lambda trial: trial.disasters)
    assert late.disasters > 1
    assert try_once(name, late.number, late.disasters - 1).disasters == 0


def test_the_system_is_sound_again_after_a_trial() -> None:
    with system_under_test(bug="footer-checksum-not-recomputed") as system:
        assert run_disaster(draw_schedule(3), system).findings
    assert run_disaster(draw_schedule(3)).findings == ()


def test_the_matrix_has_a_row_for_each_in_the_order_asked_for() -> None:
    heard: list[str] = []
    rows = run_matrix(
        ["footer-checksum-not-recomputed", "a-copy-kept-in-a-second-object"],
        seeds=2,
        workers=2,
        most=20,
        tell=lambda row, _done, _whole: heard.append(row.name),
    )
    assert [row.name for row in rows] == [
        "footer-checksum-not-recomputed",
        "a-copy-kept-in-a-second-object",
    ]
    assert sorted(heard) == sorted(row.name for row in rows)
    assert all(row.caught and row.caught_by == row.claim and row.disasters < 5 for row in rows)
    assert all(row.missed_without and row.looked >= LOOKED_MIN for row in rows)
    assert [bool(row.also_caught_by) for row in rows] == [True, False]


def test_a_matrix_that_is_stopped_keeps_what_it_has() -> None:
    rows = run_matrix(list(CATALOGUE), seeds=1, workers=1, most=1, stop=lambda: True)
    assert rows == []
