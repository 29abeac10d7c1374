"""A primary in slow motion: looked at only while it stands, and left standing."""

from types import SimpleNamespace
from typing import cast

import pytest

from harness.lab.slow_motion import stop_primary_when
from harness.lab.stage import Stage
from harness.lab.waiting import StopSignal, TookTooLong


class Primary:
    """Makes one step in each moment that it runs."""

    def __init__(self) -> None:
        self.stands = False
        self.steps = 0

    def pause_primary(self) -> float:
        self.stands = True
        return 0.0

    def resume_primary(self) -> float:
        assert self.stands, "it was never told to run twice"
        self.stands = False
        self.steps += 1
        return 0.0


def stage_of(primary: Primary) -> Stage:
    plan, lab = SimpleNamespace(name="t"), SimpleNamespace(stop=StopSignal())
    return cast("Stage", SimpleNamespace(volume=primary, plan=plan, lab=lab))


def test_it_is_looked_at_after_each_moment_and_left_where_it_was_to_be() -> None:
    primary = Primary()
    looked: list[int] = []

    def reached() -> bool:
        assert primary.stands
        looked.append(primary.steps)
        return primary.steps == 3

    stop_primary_when(stage_of(primary), reached, 60.0, "the third step")
    assert looked == [0, 1, 2, 3]
    assert primary.stands


def test_what_never_comes_is_named() -> None:
    with pytest.raises(TookTooLong, match=r"t: the moon's rise did not happen"):
        stop_primary_when(stage_of(Primary()), lambda: False, 0.02, "the moon's rise")
