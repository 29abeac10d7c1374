"""Recovery points of a running volume: taken, listed, kept, mounted."""

import json
import random
import signal
import time
from typing import Any

import pytest

from engine.shell.page_blob import PageBlob
from engine.shell.store_account import open_account
from tests.shell.engine_site import MIB, WAIT_SECONDS, Site, fetch
from tests.tap.nbd_client import FLUSH, WRITE

pytestmark = pytest.mark.real

PAGE = 4096


def take_point(site: Site) -> None:
    answer = site.ask("point")
    assert answer == {"volume": "db", "phase": "protected"}


def listed(site: Site, at: str = "primary") -> list[dict[str, Any]]:
    answer = site.ask("points", at)
    found = answer["points"]
    assert isinstance(found, list)
    return found


def disk_of(site: Site, point: str) -> bytes:
    """Read a point through a URL of its own."""
    account = open_account(site.connection_string)
    try:
        url = PageBlob(account, site.container, "db.vhd").read_url(60, point)
    finally:
        account.close()
    return fetch(url)[:-512]


def write(site: Site, seed: int) -> None:
    dice = random.Random(seed)
    with site.client() as client:
        for _ in range(12):
            at = dice.randrange(8 * MIB // PAGE) * PAGE
            assert client.ask(WRITE, at, PAGE, dice.randbytes(PAGE)) == 0
        assert client.ask(FLUSH, 0, 0) == 0


def test_points_on_request_are_listed_kept_by_count_and_mountable(site: Site) -> None:
    site.write_policy(extra="[volume.points]\nkeep = 2\n")
    site.make_volume(random.Random(51).randbytes(MIB))
    primary = site.protect()
    assert listed(site) == []
    images = []
    for seed in range(52, 55):
        write(site, seed)
        take_point(site)
        images.append(site.volume())
    write(site, 55)
    points = listed(site)
    assert [point["kind"] for point in points] == ["request", "request"]
    assert [point["size_bytes"] for point in points] == [8 * MIB, 8 * MIB]
    assert [disk_of(site, point["id"]) for point in points] == images[1:]
    assert site.disk() == site.volume()
    assert primary.end() == 0
    standby = site.start("standby")
    standby.wait_for("watching")
    assert listed(site, "standby") == points


def test_the_commands_of_points(site: Site) -> None:
    site.make_volume(random.Random(50).randbytes(MIB))
    assert site.run("points", "--volume", "db").code == 2
    ended = site.run("point", "--volume", "db")
    assert (ended.code, "no primary process runs" in ended.out) == (2, True)
    site.protect()
    ended = site.run("points", "--volume", "db")
    assert (ended.code, ended.out) == (0, "db has no recovery point\n")
    ended = site.run("point", "--volume", "db", "--json")
    assert (ended.code, json.loads(ended.out)["phase"]) == (0, "protected")
    (point,) = json.loads(site.run("points", "--volume", "db", "--json").out)["points"]
    ended = site.run("points", "--volume", "db")
    assert ended.out == f"{point['id']}  request  8388608 bytes\n"


def test_points_survive_a_resize(site: Site) -> None:
    site.make_volume(random.Random(56).randbytes(MIB))
    site.protect()
    take_point(site)
    before = site.volume()
    for size in (4 * MIB, 12 * MIB):
        assert site.ask("resize", bytes=size)["size_bytes"] == size
    take_point(site)
    sizes = [p["size_bytes"] for p in listed(site) if p["kind"] == "request"]
    assert sizes == [8 * MIB, 12 * MIB]
    assert disk_of(site, listed(site)[0]["id"]) == before


def test_points_come_by_themselves(site: Site) -> None:
    site.write_policy(extra="[volume.points]\ninterval_seconds = 0.5\nkeep = 2\n")
    site.make_volume(random.Random(57).randbytes(MIB))
    site.protect()
    deadline = time.monotonic() + WAIT_SECONDS
    first: list[dict[str, Any]] = []
    while True:
        write(site, int(time.monotonic() * 1000))
        points = listed(site)
        first = first or points
        assert {point["kind"] for point in points} <= {"interval"}
        if first and points[0]["id"] > first[-1]["id"]:
            break
        assert time.monotonic() < deadline, points
    assert 1 <= len(points) <= 3


def test_order_interval_is_recovered_to_its_last_point(site: Site) -> None:
    extra = "max_lag_seconds = 20\n[volume.points]\ninterval_seconds = 0.5\nkeep = 2\n"
    site.write_policy(mode="async", order="interval", extra=extra)
    site.make_volume(random.Random(58).randbytes(MIB))
    standby = site.start("standby")
    standby.wait_for("watching")
    primary = site.protect()
    site.await_status("phase", "watching", "standby")
    write(site, 59)
    site.await_status("lag_bytes", 0)
    content = site.volume()
    primary.end(signal.SIGKILL)
    standby.wait_for("mounted")
    handed = site.handed_over()
    assert handed["snapshot"]
    assert site.mounted_disk() == content
