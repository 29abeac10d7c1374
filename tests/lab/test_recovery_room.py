"""Room for recoveries: only as many at once as there are processors, without waiting for ever."""

import threading

import pytest

from harness.lab import recovery_room
from harness.lab.recovery_room import RecoveryRoom
from harness.lab.waiting import Stopped, StopSignal


def test_recoveries_that_do_not_overlap_need_not_wait() -> None:
    room = RecoveryRoom(1)
    assert room.reserve("now", 0.0, 10.0, StopSignal()) < 1.0
    assert room.reserve("later", 20.0, 10.0, StopSignal()) < 1.0


def test_one_too_many_waits_until_another_is_over() -> None:
    room = RecoveryRoom(2)
    for name in ("a", "b"):
        assert room.reserve(name, 0.0, 60.0, StopSignal()) < 1.0
    threading.Timer(0.2, room.release, ["a"]).start()
    assert 0.1 < room.reserve("c", 0.0, 60.0, StopSignal()) < 10.0


def test_a_recovery_that_overstays_its_estimate_still_takes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recovery_room, "WAIT_S_MAX", 0.2)
    room = RecoveryRoom(1)
    room.reserve("slow", 0.0, 0.0, StopSignal())
    assert room.reserve("next", 0.0, 1.0, StopSignal()) >= 0.2  # in vain: but it goes on


def test_a_stop_ends_the_wait() -> None:
    room, stop = RecoveryRoom(1), StopSignal()
    room.reserve("a", 0.0, 60.0, stop)
    threading.Timer(0.1, stop.set).start()
    with pytest.raises(Stopped):
        room.reserve("b", 0.0, 60.0, stop)
