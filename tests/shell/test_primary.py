"""The primary as a real process: seeding, writing, trimming, stopping, starting again."""

import random
import signal

import pytest

from tests.shell.engine_site import MIB, Site
from tests.tap.nbd_client import FLUSH, FUA, TRIM, WRITE, ZEROES

pytestmark = pytest.mark.real

PAGE = 4096


def content(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def test_seeding_copies_what_is_written_and_never_a_hole(site: Site) -> None:
    path = site.make_volume(content(1, 64 * 1024), size=64 * MIB)
    with path.open("r+b") as file:
        file.seek(40 * MIB)
        file.write(content(2, 3 * PAGE))
    site.protect()
    assert site.disk() == site.volume()
    assert site.ranges() == [
        (0, 64 * 1024),
        (40 * MIB, 40 * MIB + 3 * PAGE),
        (64 * MIB, 64 * MIB + 512),
    ]


def test_written_zeros_count_as_a_hole(site: Site) -> None:
    site.make_volume(bytes(4 * MIB) + content(3, PAGE))
    site.protect()
    assert site.disk() == site.volume()
    assert site.ranges() == [(4 * MIB, 4 * MIB + PAGE), (8 * MIB, 8 * MIB + 512)]


def test_a_sync_write_is_in_the_blob_when_it_is_acknowledged(site: Site) -> None:
    site.make_volume(content(4, MIB))
    site.protect()
    with site.client() as client:
        for step in range(10):
            data = content(50 + step, PAGE)
            at = step * 700 * 1024 // 512 * 512
            assert client.ask(WRITE, at, PAGE, data) == 0
            assert site.disk()[at : at + PAGE] == data
    assert site.disk() == site.volume()


@pytest.mark.parametrize(("command", "flags"), [(TRIM, 0), (ZEROES, 0), (ZEROES, FUA)])
def test_a_trimmed_range_reads_zero_on_both_sides(site: Site, command: int, flags: int) -> None:
    before = content(5, 2 * MIB)
    site.make_volume(before)
    site.protect()
    with site.client() as client:
        assert client.ask(command, 512 * 3, 512 * 600, flags=flags) == 0
        assert client.ask(FLUSH, 0, 0) == 0
        assert client.read(512 * 3, 512 * 600) == bytes(512 * 600)
    expected = bytearray(before)
    expected[512 * 3 : 512 * 603] = bytes(512 * 600)
    assert site.disk()[: 2 * MIB] == bytes(expected)
    assert site.disk() == site.volume()


def test_an_orderly_stop_drains_and_the_next_start_does_not_seed_again(site: Site) -> None:
    site.write_policy(mode="async", extra="max_lag_seconds = 60\n")
    site.make_volume(content(6, 2 * MIB))
    for number in (signal.SIGTERM, signal.SIGINT):
        primary = site.protect()
        with site.client() as client:
            for step in range(64):
                data = content(number * 100 + step, PAGE)
                assert client.ask(WRITE, step * 9 * PAGE, PAGE, data) == 0
        assert primary.end(number) == 0
        assert primary.events("stopped")[0]["reason"] == "stopped in order"
        assert site.disk() == site.volume()
        assert site.properties()["lease"]["state"] == "available"
        assert not (site.folder / "db.sock").exists()
        assert not (site.folder / "primary" / "control.sock").exists()
    third = site.protect()
    assert third.events("seeding") == []
    assert site.status()["puts_done"] == 0


def test_a_volume_that_was_changed_while_the_engine_was_stopped_is_not_trusted(site: Site) -> None:
    path = site.make_volume(content(7, MIB))
    assert site.protect().end() == 0
    with path.open("r+b") as file:
        file.write(b"somebody else was here")
    ended = site.run("primary")
    assert ended.code == 64
    assert "--reseed" in ended.err


def test_a_volume_of_odd_size_is_padded_to_a_whole_mebibyte(site: Site) -> None:
    size = 5 * MIB + 3 * 512
    site.make_volume(content(10, size), size=size)
    site.protect()
    with site.client() as client:
        assert client.size_bytes == size
        assert client.ask(WRITE, size - 512, 512, b"\x5a" * 512) == 0
    assert site.disk() == site.volume() + bytes(MIB - 3 * 512)
    assert site.blob()[-512:-504] == b"conectix"


def test_writes_during_seeding_arrive(site: Site) -> None:
    site.make_volume(content(11, 24 * MIB), size=24 * MIB)
    primary = site.start("primary")
    primary.wait_for("started")
    dice = random.Random(12)
    wrote = 0
    with site.client() as client:
        while not primary.events("protected"):
            at = dice.randrange(24 * MIB // PAGE) * PAGE
            assert client.ask(WRITE, at, PAGE, dice.randbytes(PAGE)) == 0
            wrote += 1
        assert client.ask(FLUSH, 0, 0) == 0
    assert wrote > 0
    assert site.disk() == site.volume()


def test_a_stop_during_seeding_is_honest_and_the_next_start_goes_on(site: Site) -> None:
    site.make_volume(content(13, 48 * MIB), size=48 * MIB)
    primary = site.start("primary")
    primary.wait_for("seeding")
    assert primary.end() == 0
    assert "stopped while seeding" in primary.events("stopped")[0]["reason"]
    again = site.protect()
    assert again.events("seeding")
    assert site.disk() == site.volume()


def test_two_volumes_are_protected_by_one_process(site: Site) -> None:
    site.write_policy("db", "log")
    site.make_volume(content(14, MIB))
    site.make_volume(content(15, MIB), size=3 * MIB, name="log")
    primary = site.start("primary")
    primary.wait_for("protected", count=2)
    with site.client("log") as client:
        assert client.ask(WRITE, 0, PAGE, content(16, PAGE)) == 0
    assert primary.end() == 0
    for name in ("db", "log"):
        assert site.disk(name) == site.volume(name)


def test_the_state_folder_holds_no_volume_data(site: Site) -> None:
    site.make_volume(content(17, 4 * MIB))
    site.protect().end()
    sizes = {p.name: p.stat().st_size for p in (site.folder / "primary").iterdir()}
    assert set(sizes) == {"lock", "db.lease", "db.identity", "db.stopped", "db.dirty"}
    assert sizes.pop("db.dirty") == 1024
    assert sum(sizes.values()) < 1024
