"""Pairs: the order of runs, the median of ratios, and a side's spread against itself."""

import pytest

from harness.bench.pairs import Measurements, interleave, spread


def test_sides_take_turns_in_the_same_order() -> None:
    ran: list[str] = []
    rounds: list[int] = []

    def side(name: str, value: float) -> float:
        ran.append(name)
        return value

    found = interleave({"a": lambda: side("a", 1.0), "b": lambda: side("b", 2.0)}, 3, rounds.append)
    assert ran == ["a", "b", "a", "b", "a", "b"]
    assert found == {"a": [1.0] * 3, "b": [2.0] * 3}
    assert rounds == [1, 2, 3]


def test_a_ratio_is_the_median_of_the_pairs_and_not_the_ratio_of_medians() -> None:
    found = Measurements()
    # A machine that became ten times slower in the last pair touches both sides of it.
    found.add_ratio("r", [1.0, 1.0, 10.0], [2.0, 2.0, 20.0])
    assert found.ratios["r"] == 0.5
    found.add_ratio("s", [1.0, 6.0, 2.0], [1.0, 2.0, 4.0])  # ratios 1, 3, 0.5; of medians: 2/2
    assert found.ratios["s"] == 1.0


def test_one_wild_pair_of_nine_changes_nothing() -> None:
    found = Measurements()
    found.add_ratio("r", [1.0] * 8 + [1000.0], [2.0] * 9)
    assert found.ratios["r"] == 0.5


def test_sides_of_different_length_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Measurements().add_ratio("r", [1.0, 1.0], [1.0])


def test_the_spread_is_the_larger_side_s_and_leaves_out_the_extremes() -> None:
    steady = [10.0] * 9
    shaky = [8.0, 9.0, 9.5, 10.0, 10.0, 10.0, 10.5, 11.0, 12.0]
    assert spread(steady) == 0.0
    assert spread(shaky) == pytest.approx((11.2 - 8.8) / 10)
    found = Measurements()
    found.add_ratio("r", steady, shaky)
    assert found.ratios["r_spread"] == found.spreads()["r"] == pytest.approx(0.24)
    assert found.spreads().keys() == {"r"}


def test_one_value_has_no_spread() -> None:
    assert spread([3.0]) == 0.0


def test_figures_are_medians_of_four_digits_and_whole_numbers_stay_whole() -> None:
    found = Measurements()
    found.add_figure("x_seconds", [0.123456, 9.0, 0.1])
    found.add_figure("x_bytes", [536_870_912.0, 536_870_913.0, 536_870_912.0])
    assert found.figures == {"x_seconds": 0.1235, "x_bytes": 536_870_912.0}
