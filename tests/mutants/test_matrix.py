"""The kill matrix: bugs are caught under their claim, and under no other name."""

import pytest

from harness.checkers.catalogue import make_checkers
from harness.explore.planting import system_under_test
from harness.mutants.catalogue import CATALOGUE
from harness.mutants.matrix import run_matrix, shrunk_steps, try_once
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


@pytest.mark.parametrize("name", SOON)
def test_a_bug_is_caught_and_is_missed_where_its_claim_is_not_checked(name: str) -> None:
    trial = try_once(name, 0, SOON[name])
    assert 0 < trial.disasters <= SOON[name]
    without = (CATALOGUE[name].claim,)
    assert try_once(name, 0, trial.disasters, without).disasters == 0
    sound = run_disaster(draw_schedule(trial.seed), checkers=make_checkers())
    assert [finding.claim for finding in sound.findings] == []


def test_equal_trials_are_equal_and_others_are_not() -> None:
    first = try_once("drop-a-put-at-an-epochs-end", 0, 60)
    assert first == try_once("drop-a-put-at-an-epochs-end", 0, 60)
    assert first.seed != try_once("drop-a-put-at-an-epochs-end", 1, 60).seed


def test_what_is_shrunk_still_shows_it() -> None:
    trial = try_once("stuck-after-a-lost-answer", 0, 60)
    steps = shrunk_steps(trial)
    assert 1 <= steps < len(draw_schedule(trial.seed).steps)


def test_a_trial_that_runs_out_has_missed() -> None:
    assert try_once("acknowledge-before-put", 0, 60, without=("no-acked-loss",)).disasters == 0


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


def test_a_matrix_that_is_stopped_keeps_what_it_has() -> None:
    rows = run_matrix(list(CATALOGUE), seeds=1, workers=1, most=1, stop=lambda: True)
    assert rows == []
