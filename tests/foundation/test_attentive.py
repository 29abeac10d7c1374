"""Waiting for a future in the main thread: its end comes out, and so does a signal's handler."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from harness.attentive import result_of


class Heard(Exception):
    """Raised by the handler."""


@pytest.fixture
def deaf_main_thread() -> Iterator[None]:
    """SIGUSR1 raises `Heard`, but the kernel gives it to another thread and wakes no main one."""

    def handler(_number: int, _frame: object) -> None:
        raise Heard

    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    before = signal.signal(signal.SIGUSR1, handler)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        yield
    finally:
        over.set()
        other.join()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        signal.signal(signal.SIGUSR1, before)


def test_it_returns_or_raises_what_the_future_holds() -> None:
    good: Future[int] = Future()
    good.set_result(7)
    assert result_of(good) == 7
    bad: Future[int] = Future()
    bad.set_exception(TimeoutError("its own"))
    with pytest.raises(TimeoutError, match="its own"):
        result_of(bad)


def test_a_signal_that_does_not_wake_the_main_thread_is_heard(deaf_main_thread: None) -> None:
    never: Future[int] = Future()
    strike = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1))
    with pytest.raises(Heard):  # noqa: PT012 - the signal must not come before
        strike.start()
        result_of(never)
    strike.join()
