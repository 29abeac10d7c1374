"""Recoveries go first: threads and processes started meanwhile inherit the priority."""

import os
import subprocess
import threading

import pytest

from harness.lab.priority import RECOVERY_NICE, going_first


def nice_of_a_child() -> int:
    done = subprocess.run(["nice"], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_what_is_started_inside_inherits_it_and_afterwards_all_is_as_before() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    seen: list[int] = []
    with going_first() as allowed:
        thread = threading.Thread(target=lambda: seen.append(nice_of_a_child()))
        thread.start()
        thread.join()
    assert seen == [RECOVERY_NICE if allowed else before]
    assert nice_of_a_child() == before


def test_without_the_permission_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_arguments: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)
    with going_first() as allowed:
        assert not allowed
