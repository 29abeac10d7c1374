"""Waiting in the main thread so that an interrupt is always heard.

Python's own handler of a signal only notes it; the handler of the program runs when the main thread
wakes. A signal wakes a thread that sleeps. One that strikes while the thread is on its way to
sleep, with the look at the notes behind it, does not; nor does one that the kernel gives to another
thread. An endless wait would then hear of Ctrl-C when it is over.
"""

from concurrent.futures import Future, wait
from typing import Final, TypeVar

__all__ = ["result_of"]

WAKE_S: Final = 0.2

_Value = TypeVar("_Value")


def result_of(future: "Future[_Value]") -> _Value:
    """Return the future's result, or raise what it raised, or what a signal's handler raises."""
    while not wait((future,), WAKE_S).done:
        pass
    return future.result()
