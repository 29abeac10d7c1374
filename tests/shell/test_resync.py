"""After a crash of the primary: the bitmap bounds what is sent, a point is there meanwhile."""

import random
import signal
from pathlib import Path

import pytest

from tests.shell.engine_site import MIB, EngineProcess, Site
from tests.tap.nbd_client import TRIM, WRITE

pytestmark = pytest.mark.real

PAGE = 4096


def content(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def write_some(site: Site, seed: int, count: int = 40) -> None:
    """Write pages anywhere in the first 8 MiB; the last writes may still be on their way."""
    dice = random.Random(seed)
    with site.client() as client:
        for _ in range(count):
            at = dice.randrange(8 * MIB // PAGE) * PAGE
            assert client.ask(WRITE, at, PAGE, dice.randbytes(PAGE)) == 0
        assert client.ask(TRIM, dice.randrange(8 * MIB // PAGE) * PAGE, PAGE) == 0


def killed(site: Site, seed: int, mode: str = "async", size: int = 24 * MIB) -> None:
    """Leave a protected volume whose primary was killed right after writing."""
    site.write_policy(mode=mode)
    site.make_volume(content(seed, size), size=size)
    primary = site.protect()
    write_some(site, seed)
    primary.end(signal.SIGKILL)


def bytes_read(process: EngineProcess) -> int:
    """What the process has read from files so far (proc(5), /proc/PID/io)."""
    counters = Path(f"/proc/{process.pid}/io").read_text()
    return int(counters.partition("rchar:")[2].split()[0])


def resynced(site: Site, *arguments: str) -> EngineProcess:
    primary = site.start("primary", *arguments)
    primary.wait_for("resyncing")
    primary.wait_for("protected")
    return primary


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_killed_primary_heals_its_blob_by_itself(site: Site, mode: str) -> None:
    killed(site, 21, mode)
    primary = resynced(site)
    assert site.disk() == site.volume()
    assert site.status()["protected"] is True
    assert site.properties()["metadata"]["mp_mark"] == "none"
    write_some(site, 22)
    assert primary.end() == 0
    assert site.disk() == site.volume()
    assert site.protect().events("resyncing") == []


def test_only_what_was_written_is_sent_again(site: Site) -> None:
    """The volume has 12 regions, the writes touched two: the rest is not even read."""
    killed(site, 23, size=48 * MIB)
    primary = site.start("primary")
    primary.wait_for("started")
    before = bytes_read(primary)
    primary.wait_for("protected")
    assert bytes_read(primary) - before < 32 * MIB
    assert primary.events("resyncing")
    assert site.disk() == site.volume()


def test_a_crash_inside_a_resync_keeps_its_point(site: Site) -> None:
    killed(site, 24, size=32 * MIB)
    (site.folder / "primary" / "db.dirty").unlink()
    first = site.start("primary", "--reseed")
    first.wait_for("resyncing")
    first.end(signal.SIGKILL)
    metadata = site.properties()["metadata"]
    pin = metadata["mp_pin"]
    assert pin
    assert metadata["mp_mark"] == "resync"
    again = site.start("primary", "--reseed")
    again.wait_for("resyncing")
    assert site.properties()["metadata"]["mp_pin"] == pin
    again.wait_for("protected")
    assert site.disk() == site.volume()


@pytest.mark.parametrize("damage", ["missing", "damaged", "foreign"])
def test_without_a_bitmap_to_trust_only_reseed_goes_on(site: Site, damage: str) -> None:
    killed(site, 25, size=8 * MIB)
    bitmap = site.folder / "primary" / "db.dirty"
    if damage == "missing":
        bitmap.unlink()
    elif damage == "damaged":
        bitmap.write_bytes(bitmap.read_bytes()[:-1] + b"!")
    else:
        (site.folder / "db.raw").rename(site.folder / "old.raw")
        (site.folder / "db.raw").write_bytes((site.folder / "old.raw").read_bytes())
    reasons = []
    for _ in range(2 if damage == "missing" else 1):
        refused = site.start("primary")
        ended = refused.wait()
        assert ended.code == 64
        assert "did not stop in order" in ended.err
        assert "--reseed" in ended.err
        reasons += [event["reason"] for event in refused.events("bitmap-made")]
    wanted = {"missing": "none", "damaged": "damaged", "foreign": "another volume"}
    assert len(reasons) == 1
    assert wanted[damage] in reasons[0]
    resynced(site, "--reseed")
    assert site.disk() == site.volume()


def test_a_change_beside_the_tap_after_a_stop_is_remembered_until_it_is_healed(site: Site) -> None:
    path = site.make_volume(content(26, 4 * MIB))
    assert site.protect().end() == 0
    with path.open("r+b") as file:
        file.write(b"somebody else was here")
    for times in (1, 0):
        refused = site.start("primary")
        assert refused.wait().code == 64
        assert len(refused.events("volume-changed")) == times
    resynced(site, "--reseed")
    assert site.disk() == site.volume()


def test_a_volume_that_grew_while_the_primary_was_down_is_grown_and_sent(site: Site) -> None:
    killed(site, 27, size=8 * MIB)
    with (site.folder / "db.raw").open("ab") as file:
        file.write(content(28, 3 * MIB))
    resynced(site)
    assert len(site.disk()) == 11 * MIB
    assert site.disk() == site.volume()


def test_a_failover_during_a_resync_mounts_the_point_before_it(site: Site) -> None:
    size = 64 * MIB
    site.make_volume(content(29, size), size=size)
    before = site.volume()
    assert site.protect().end() == 0
    (site.folder / "db.raw").write_bytes(content(30, size))
    standby = site.start("standby")
    standby.wait_for("watching")
    primary = site.start("primary", "--reseed")
    primary.wait_for("resyncing")
    site.await_status("phase", "watching", "standby")
    assert primary.events("protected") == []
    primary.end(signal.SIGKILL)
    mounted = standby.wait_for("mounted")
    handed = site.handed_over()
    assert handed["snapshot"] == handed["point_time"] != ""
    assert "snapshot=" in handed["url"]
    assert mounted["size_bytes"] == handed["size_bytes"] == size
    assert site.mounted_disk() == before
