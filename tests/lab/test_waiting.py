"""Waits of the lab: deadlines with names, and a stop that is heard at once."""

import threading

import pytest

from harness.lab.waiting import Stopped, StopSignal, TookTooLong


def test_a_condition_that_comes_true_ends_the_wait() -> None:
    answers = iter([False, False, True])
    StopSignal().until(lambda: next(answers), 5.0, "the third answer")
    assert next(answers, "asked no more than needed") == "asked no more than needed"


def test_a_deadline_names_what_did_not_happen() -> None:
    with pytest.raises(TookTooLong, match=r"the moon's rise did not happen within 0\.05 s"):
        StopSignal().until(lambda: False, 0.05, "the moon's rise")


def test_a_stop_ends_a_long_wait_at_once() -> None:
    stop = StopSignal()
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(Stopped, match="interrupted"):
        stop.until(lambda: False, 7200.0, "nothing", poll_s=3600.0)


def test_nothing_waits_after_a_stop() -> None:
    stop = StopSignal()
    stop.set()
    with pytest.raises(Stopped):
        stop.sleep(60.0)
    with pytest.raises(Stopped):
        stop.check()
