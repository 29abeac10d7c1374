"""Reading the guest's lines, and refusing lines that are no history."""

import pytest

from harness.oracle.history import NEVER, History, HistoryError, read_history


def history(text: str) -> History:
    lines = [line.strip() for line in text.strip().splitlines()]
    return read_history((float(second), line) for second, line in enumerate(lines))


def test_operations_and_their_positions_are_read() -> None:
    read = history(
        """ready
        inv 1 0 1024
        inv 2 4096 512 fua
        done 2
        flush 1
        step mkfs ms=4
        flushed 1
        inv 3 8192 512 zero
        fail 3 5"""
    )
    first, second, third = read.writes
    assert (first.first_page, first.pages, first.kind, first.completed) == (0, 2, "data", NEVER)
    assert (second.kind, second.invoked, second.completed, second.completed_s) == ("fua", 2, 3, 3.0)
    assert (third.kind, third.failed, third.end_page) == ("zero", True, 17)
    assert (read.flushes[0].invoked, read.flushes[0].completed) == (4, 6)
    assert (read.in_flight(), read.completed()) == (1, 1)
    assert str(first) == "write 1 (2 pages at page 0)"
    assert str(third) == "zeroes 3 (1 page at page 16)"


def test_strict_settles_at_the_completion_and_flush_at_a_covering_flush() -> None:
    read = history(
        """inv 1 0 512
        done 1
        flush 1
        inv 2 512 512
        done 2
        flush 2
        flushed 2
        flushed 1
        inv 3 1024 512 fua
        done 3
        inv 4 2048 512"""
    )
    assert read.settled("strict").tolist() == [1, 4, 9, NEVER]
    # flush 2 ends before flush 1 and covers write 1 as well
    assert read.settled("flush").tolist() == [6, 6, 9, NEVER]


def test_no_operations_are_an_empty_history() -> None:
    assert history("ready").settled("flush").tolist() == []


BAD = [
    ("inv 2 0 512", "write 1 should be next: lines are lost"),
    ("inv 1 0 512\ninv 1 512 512", "write 2 should be next"),
    ("inv 1 0", "not enough values"),
    ("inv 1 0 512 maybe", "expected inv N"),
    ("inv 1 0 512 fua fua", "expected inv N"),
    ("inv 1 100 512", "whole pages"),
    ("inv 1 0 0", "whole pages"),
    ("inv 1 -512 512", "whole pages"),
    ("inv x 0 512", "invalid literal"),
    ("inv 1 0 1024\ninv 2 512 512", "their order is open"),
    ("inv 1 0 512\nfail 1 5\ninv 2 0 512", "their order is open"),
    ("done 1", "not in flight"),
    ("inv 1 0 512\ndone 1\ndone 1", "not in flight"),
    ("inv 1 0 512\nfail 1 5\ndone 1", "not in flight"),
    ("done", "out of range"),
    ("flush 2", "flush 1 should be next"),
    ("flushed 1", "never invoked"),
    ("flush 1\nflushed 1\nflushed 1", "completed twice"),
]


@pytest.mark.parametrize(("text", "why"), BAD)
def test_lines_that_are_no_history_are_refused(text: str, why: str) -> None:
    with pytest.raises(HistoryError, match=r"^line \d+") as refused:
        history(text)
    assert why in str(refused.value)
