"""Progress of a certification: a live table on a terminal, one plain line an event elsewhere."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.lab.certification import Progress

__all__ = ["progress_on"]


@contextmanager
def progress_on(stream: TextIO) -> Iterator[Progress]:
    """Yield what the certification tells its progress to."""
    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        yield _plain_lines(stream)
        return
    board = _Board()
    with Live(board, console=console, refresh_per_second=4, transient=True):
        yield board.tell


def _plain_lines(stream: TextIO) -> Progress:
    began = time.monotonic()
    lock = threading.Lock()

    def tell(trial: str, what: str) -> None:
        with lock:
            print(f"{time.monotonic() - began:6.1f} s  {trial:<22} {what}", file=stream, flush=True)

    return tell


class _Board:
    """One row a trial: how long it has been at what it does now."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[float, str, float]] = {}
        self._lock = threading.Lock()

    def tell(self, trial: str, what: str) -> None:
        now = time.monotonic()
        with self._lock:
            began = self._rows.get(trial, (now, "", now))[0]
            self._rows[trial] = (began, what, now)

    def __rich__(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        now = time.monotonic()
        with self._lock:
            for trial, (began, what, at) in self._rows.items():
                over = what == "done" or what.startswith("does not count")
                elapsed = f"{(at if over else now) - began:5.1f} s" if trial else ""
                style = "green" if what == "done" else "yellow" if over else "cyan"
                table.add_row(trial, Text(what, style=style if trial else "dim"), elapsed)
        return table
