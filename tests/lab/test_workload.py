"""The workload's progress, from the lines of a guest."""

import queue
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.errors import Inconclusive
from harness.lab import workload as workload_module
from harness.lab.waiting import StopSignal
from harness.lab.workload import Amount, LedgerProgress, RawProgress, Workload


@dataclass
class Line:
    """A line of the port."""

    at: float
    text: str


class ScriptedGuest:
    """Says what it is given; ends at None."""

    evidence = "qemu ..."

    def __init__(self, *texts: str) -> None:
        self.lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
        for number, text in enumerate(texts):
            self.lines.put(Line(float(number), text))

    def next_line(self, timeout_s: float) -> Line | None:
        try:
            return self.lines.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError from None

    def say(self, text: str) -> None:
        self.lines.put(Line(9.0, f"resized {text}"))

    def follow_size(self, size_bytes: int) -> None:
        self.lines.put(Line(9.0, f"disk {size_bytes}"))

    def kill(self) -> float:
        self.lines.put(None)
        return 0.0


def test_an_answer_to_a_command_is_found_behind_what_was_said_before() -> None:
    guest = ScriptedGuest("resized grow 1 filesystem=1", "ready workload 3")
    workload = Workload(guest, LedgerProgress(1))
    workload.wait_ready(StopSignal(), 10.0)
    mark = len(workload.lines)
    assert workload.said_since(mark, "resized") is None
    workload.guest.say("grow 2")
    StopSignal().until(lambda: len(workload.lines) > mark, 10.0, "the answer")
    assert workload.said_since(mark, "resized") == "resized grow 2"
    guest.kill()
    workload.drain()


def test_an_entry_is_in_flight_between_its_begin_and_its_acknowledgement() -> None:
    progress = LedgerProgress(seed=1)
    progress.take(1.0, "beg 1")
    assert progress.in_flight == 1
    progress.take(2.0, "ack 1 " + "a" * 64)
    assert progress.in_flight == 0
    progress.take(3.0, "beg 2")
    assert (progress.in_flight, progress.acknowledged) == (1, 1)
    assert progress.acks == [(2.0, 1, "a" * 64)]


def test_raw_writes_are_counted_with_their_bytes_and_cache_pages() -> None:
    progress = RawProgress()
    for text in ("inv 1 512 512", "inv 2 4096 8192 fua", "done 1", "inv 3 3584 1024", "fail 3 5"):
        progress.take(0.0, text)
    assert (progress.invoked, progress.acknowledged, progress.failed) == (3, 1, 1)
    assert progress.in_flight == 1
    assert progress.done == Amount(512, 4096)
    assert progress.pending(4) == [Amount(8192, 8192)], "a failed write is neither"
    progress.take(0.0, "inv 4 3584 1024")
    assert progress.pending(1) == [Amount(8192, 8192)]
    progress.take(0.0, "done 4")
    assert progress.done == Amount(512 + 1024, 4096 + 8192), "the last lay across a page's border"


def test_lines_sent_before_the_kill_are_read_after_it(tmp_path: Path) -> None:
    guest = ScriptedGuest("ready workload 5", "beg 1", "ack 1 ff", "beg 2")
    workload = Workload(guest, LedgerProgress(seed=1))
    workload.wait_ready(StopSignal(), 5.0)
    workload.kill()
    workload.drain()
    assert workload.ended
    assert workload.progress.acknowledged == 1
    assert workload.progress.in_flight == 1
    workload.save(tmp_path / "port")
    assert (tmp_path / "port").read_text().splitlines()[-1] == "3.000000 beg 2"


def test_a_guest_that_ends_before_it_is_ready_is_inconclusive_with_its_words() -> None:
    guest = ScriptedGuest("error mount errno=5")
    guest.kill()
    workload = Workload(guest, LedgerProgress(seed=1))
    workload.drain()
    with pytest.raises(Inconclusive, match="error mount errno=5"):
        workload.wait_ready(StopSignal(), 5.0)


def test_a_port_that_is_not_read_to_its_end_makes_the_trial_inconclusive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workload_module, "DRAIN_S", 0.01)
    guest = ScriptedGuest("ready workload 5")
    workload = Workload(guest, LedgerProgress(seed=1))
    with pytest.raises(Inconclusive, match="not read to its end"):
        workload.drain()
    guest.kill()


def test_a_strike_falls_while_a_write_is_in_flight_and_once_only() -> None:
    guest = ScriptedGuest("ready workload 5")
    workload = Workload(guest, LedgerProgress(seed=1))
    seen: list[int] = []
    workload.strike_in_flight(0.0, lambda: seen.append(workload.progress.in_flight))
    for number, text in enumerate(("beg 1", "ack 1 ff", "beg 2")):
        guest.lines.put(Line(float(number), text))
    guest.kill()
    workload.drain()
    assert seen == [1]
