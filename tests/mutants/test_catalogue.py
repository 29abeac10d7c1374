"""The catalogue: enough bugs for every claim, each described, each gone when not asked for."""

import re
from collections import Counter

import pytest

from engine.core.gate import Gate
from harness.checkers.catalogue import SIMULATED_CLAIMS
from harness.errors import UsageError
from harness.explore.planting import find_bug
from harness.mutants.catalogue import CATALOGUE, THEMES
from harness.mutants.mutant import Mutant, Planting, planted
from harness.sim.disaster import CORE_ERROR

NAMES = sorted(CATALOGUE)


def test_there_are_enough_and_at_least_two_for_every_claim_that_is_checked() -> None:
    assert len(CATALOGUE) >= 30
    counts = Counter(mutant.claim for mutant in CATALOGUE.values())
    assert set(counts) == set(SIMULATED_CLAIMS)
    assert min(counts.values()) >= 2


@pytest.mark.parametrize("name", NAMES)
def test_each_has_a_plain_name_and_says_in_one_sentence_what_is_wrong(name: str) -> None:
    meaning = CATALOGUE[name].meaning
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", name)
    assert re.fullmatch(r"[^.]+\.", meaning), meaning


@pytest.mark.parametrize("name", NAMES)
def test_what_else_it_breaks_are_claims_and_some_stay_that_it_does_not(name: str) -> None:
    claims = CATALOGUE[name].claims
    assert len(claims) == len(set(claims))
    assert set(claims) <= {*SIMULATED_CLAIMS, CORE_ERROR}
    assert len(claims) <= len(SIMULATED_CLAIMS) - 3


def test_many_break_one_claim_alone() -> None:
    assert sum(not mutant.also for mutant in CATALOGUE.values()) >= 15


@pytest.mark.parametrize("name", NAMES)
def test_each_fits_the_core_and_leaves_nothing_behind(name: str) -> None:
    planting = Planting()
    CATALOGUE[name].plant(planting)
    places = [(owner, key, before) for owner, key, before in planting._undo]
    assert places
    changed = [vars(owner)[key] is not before for owner, key, before in places]
    assert all(changed)
    planting.undo()
    assert all(vars(owner)[key] is before for owner, key, before in reversed(places))


def test_everything_is_put_back_also_when_planting_fails_half_way() -> None:
    before = vars(Gate)["lag_bytes"]

    def half(planting: Planting) -> None:
        planting.replace(Gate, "lag_bytes", lambda _self: 0)
        planting.replace(Gate, "no_such_method", None)

    with pytest.raises(KeyError), planted(Mutant("half", "rpo", "", half)):
        pass
    assert vars(Gate)["lag_bytes"] is before


def test_a_name_that_is_not_there_is_answered_with_those_that_are_close() -> None:
    with pytest.raises(UsageError, match="try trim-ignored"):
        find_bug("trim-ignord")


def test_every_theme_adds_some() -> None:
    assert all(theme.__all__ for theme in THEMES)
