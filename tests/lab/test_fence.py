"""A fencing trial counts only where the woken primary tried something."""

import pytest

from harness.lab.fence import why_it_shows_nothing
from tests.claims import trial_facts as good


@pytest.mark.parametrize("tried", ["refused_after_resume", "applied_after_resume"])
def test_what_was_refused_or_applied_after_the_failover_counts(tried: str) -> None:
    nothing = {"refused_after_resume": 0, "applied_after_resume": 0}
    assert why_it_shows_nothing(good.fence(**{**nothing, tried: 1})) == ""


def test_an_acknowledgement_after_the_failover_counts() -> None:
    outcome = good.fence(refused_after_resume=0, acked_after_failover=1)
    assert why_it_shows_nothing(outcome) == ""


def test_where_nothing_was_left_to_refuse_the_trial_is_staged_again() -> None:
    assert "nothing was left to refuse" in why_it_shows_nothing(good.fence(refused_after_resume=0))
