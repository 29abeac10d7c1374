"""The volume with a volatile cache: what a power loss takes, and what a flush saves from it."""

import pytest

from harness.sim.local_volume import READ_RUNS_MAX, LocalVolume

MIB = 1 << 20


def volume(*, write_through: bool = False) -> LocalVolume:
    return LocalVolume(MIB, {0: 100, 1: 101}, write_through=write_through)


def test_a_power_loss_brings_back_what_was_before_the_unflushed_writes() -> None:
    disk = volume()
    disk.write(0, (7, 7, 7))
    lost, survived = disk.lose_power(0)
    assert lost == {0: 100, 1: 101, 2: None}
    assert survived == 0
    assert disk.pages == {0: 100, 1: 101}


def test_a_completed_flush_saves_what_was_written_before_it_began() -> None:
    disk = volume()
    disk.write(0, (7,))
    covered = disk.begin_flush()
    disk.write(0, (8,))
    disk.write(5, (9,))
    disk.end_flush(covered)
    assert disk.lose_power(0) == ({0: 7, 5: None}, 0)
    assert disk.pages == {0: 7, 1: 101}


def test_a_flush_that_did_not_end_saves_nothing() -> None:
    disk = volume()
    disk.write(0, (7,))
    disk.begin_flush()
    disk.write(0, (8,))
    assert disk.lose_power(0)[0] == {0: 100}


def test_flushes_may_end_in_another_order_than_they_began() -> None:
    disk = volume()
    disk.write(0, (7,))
    first = disk.begin_flush()
    disk.write(0, (8,))
    second = disk.begin_flush()
    disk.end_flush(second)
    disk.end_flush(first)
    assert disk.lose_power(0) == ({}, 0)
    assert disk.pages[0] == 8


def test_a_tear_loses_some_pages_of_one_write() -> None:
    disk = volume()
    disk.write(0, (7, 7, 7))
    lost, survived = disk.lose_power(0b101)
    assert lost == {0: 100, 2: None}
    assert survived == 1
    assert disk.pages == {0: 100, 1: 7}


def test_a_write_through_volume_loses_nothing() -> None:
    disk = volume(write_through=True)
    disk.write(0, (7,))
    disk.zero(1, 2)
    assert disk.lose_power(0) == ({}, 0)
    assert disk.pages == {0: 7}


@pytest.mark.parametrize("end", [3, 2000])
def test_a_trim_comes_back_at_a_power_loss(end: int) -> None:
    disk = volume()
    disk.zero(0, end)
    assert disk.pages == {}
    disk.lose_power(0)
    assert disk.pages == {0: 100, 1: 101}


def test_what_a_shrink_cuts_off_never_comes_back() -> None:
    disk = volume()
    disk.write(5, (7,))
    disk.resize(512)
    disk.resize(MIB)
    disk.lose_power(0)
    assert disk.pages == {0: 100}


def test_a_read_gives_runs_and_where_to_go_on() -> None:
    disk = LocalVolume(MIB, {page: page for page in range(0, 40, 2)}, write_through=False)
    runs, until = disk.read(0, MIB)
    assert [offset // 512 for offset, _, _ in runs] == [0, 2, 4, 6, 8, 10]
    assert len(runs) == READ_RUNS_MAX
    more, end = disk.read(until, MIB)
    assert more[0][0] == until
    assert end == MIB or more


def test_adjacent_pages_are_one_run() -> None:
    disk = volume()
    runs, until = disk.read(0, MIB)
    assert runs == ((0, 1024, (100, 101)),)
    assert until == MIB
