"""Priorities of the lab's guests: a session of its own gets its nice value, and its group too."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from harness.lab.priority import (
    PRIMARY_GUEST_NICE,
    RECOVERY_NICE,
    guest_goes_first,
    may_go_first,
    set_nice,
)


def autogroup_of(pid: int) -> int | None:
    place = Path(f"/proc/{pid}/autogroup")
    return int(place.read_text().split()[-1]) if place.exists() else None


def test_a_session_yields_with_all_that_is_in_it() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as session:
        assert set_nice(session.pid, PRIMARY_GUEST_NICE)
        assert os.getpriority(os.PRIO_PROCESS, session.pid) == PRIMARY_GUEST_NICE
        assert autogroup_of(session.pid) in (None, PRIMARY_GUEST_NICE)
        session.kill()
    assert not set_nice(session.pid, PRIMARY_GUEST_NICE)


def test_only_the_guest_that_is_meant_goes_first() -> None:
    words = "sleep 600.125"
    with (
        guest_goes_first(words),
        subprocess.Popen(["sleep", "600.5"], start_new_session=True) as other,
        subprocess.Popen(words.split(), start_new_session=True) as meant,
    ):
        own = os.getpriority(os.PRIO_PROCESS, 0)
        expected = RECOVERY_NICE if may_go_first() else own
        try:
            deadline = time.monotonic() + 120
            while os.getpriority(os.PRIO_PROCESS, meant.pid) != expected:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert os.getpriority(os.PRIO_PROCESS, other.pid) == own
        finally:
            for process in (other, meant):
                process.kill()
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_without_the_permission_nothing_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_arguments: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)
    assert not may_go_first()
    assert not set_nice(os.getpid(), RECOVERY_NICE)
