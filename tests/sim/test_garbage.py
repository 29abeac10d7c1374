"""Runs of disasters are searched for garbage seldom, and what was there before never."""

import gc
from collections.abc import Iterator

import pytest

from harness.sim.garbage import SELDOM, collect_seldom


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """The collector is as before afterwards."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_is_there_is_out_of_the_search_and_the_next_one_is_far() -> None:
    gc.unfreeze()
    collect_seldom()
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold()[0] == SELDOM


def test_garbage_is_still_found() -> None:
    collect_seldom()
    ring: list[object] = []
    ring.append(ring)
    del ring
    assert gc.collect() >= 1
