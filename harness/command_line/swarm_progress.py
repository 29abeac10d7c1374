"""Progress of a swarm: a live bar on a terminal, a plain line every few seconds elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from harness.explore.swarm import SwarmOrder, SwarmResult

__all__ = ["SwarmProgress", "progress_on", "say_rate"]

LINE_SECONDS: Final = 5.0


class SwarmProgress(Protocol):
    """Shows how far a swarm is."""

    def show(self, result: SwarmResult) -> None:
        """After every look."""

    def say(self, text: str) -> None:
        """What is done once the disasters are over."""


@contextmanager
def progress_on(stream: TextIO, order: SwarmOrder) -> Iterator[SwarmProgress]:
    """Yield what a swarm is shown on."""
    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        yield _Lines(stream)
        return
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True,
    ) as bars:  # fmt: skip
        yield _Bar(bars, order)


def say_rate(result: SwarmResult) -> str:
    """How many, how fast, with how many findings."""
    rate = result.tally.disasters / result.seconds if result.seconds else 0.0
    causes = len(result.tally.sightings)
    dead = f", {len(result.tally.dead)} killed their worker" if result.tally.dead else ""
    return (
        f"{result.tally.disasters:,} disasters, {rate:,.0f}/s,"
        f" {causes} finding{'' if causes == 1 else 's'}{dead}"
    )


class _Lines:
    """Plain lines, not too many."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next = time.monotonic() + LINE_SECONDS
        self._causes = 0

    def show(self, result: SwarmResult) -> None:
        """A line every few seconds, and at once where there is a new finding."""
        causes = len(result.tally.sightings)
        if time.monotonic() < self._next and causes == self._causes:
            return
        self._next = time.monotonic() + LINE_SECONDS
        self._causes = causes
        self.say(f"{result.seconds:6.1f} s  {say_rate(result)}")

    def say(self, text: str) -> None:
        """One line."""
        print(f"swarm  {text}", file=self._stream, flush=True)


class _Bar:
    """A bar over the budget, be it a count or seconds."""

    def __init__(self, bars: Progress, order: SwarmOrder) -> None:
        self._bars = bars
        self._by_time = order.seconds is not None
        total = order.disasters if order.disasters is not None else order.seconds
        self._task = bars.add_task("swarm", total=total)

    def show(self, result: SwarmResult) -> None:
        """Move the bar."""
        done = int(result.seconds) if self._by_time else result.tally.disasters
        self._bars.update(self._task, completed=done, description=say_rate(result))

    def say(self, text: str) -> None:
        """What is done now."""
        self._bars.update(self._task, description=text)
