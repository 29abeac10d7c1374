"""Two standbys of one primary: both watch, one takes over, the other stands down."""

import json
import random
import signal
import time

import pytest

from harness.lab.ports import free_udp_port
from tests.shell.engine_site import MIB, WAIT_SECONDS, Site

pytestmark = pytest.mark.real

NODES = ("standby-1", "standby-2")
FOLDERS = ("standby", "far")


def add_standby(site: Site) -> None:
    """Make the policy's standby one of two."""
    text = site.policy.read_text().replace("[standby]", "[[standby]]")
    second = (
        f'[[standby]]\nstate = "far"\nnode = "standby-2"\nfence = "break"\n'
        f'listen = "127.0.0.1:{free_udp_port()}"\n'
    )
    site.policy.write_text(text.replace("[[volume]]", second + "[[volume]]", 1))


def test_one_of_two_standbys_takes_over(site: Site) -> None:
    add_standby(site)
    site.make_volume(random.Random(61).randbytes(MIB))
    standbys = [site.start("standby", "--node", node) for node in NODES]
    for standby in standbys:
        standby.wait_for("watching")
    primary = site.protect()
    for folder in FOLDERS:
        site.await_status("phase", "watching", folder)
    told = json.loads(site.run("status", "--json").out)
    assert list(told) == ["primary", "standby", "standby standby-2"]
    assert told["standby standby-2"]["node"] == "standby-2"
    primary.end(signal.SIGKILL)
    deadline = time.monotonic() + WAIT_SECONDS
    while sum(bool(standby.events("mounted")) for standby in standbys) == 0:
        assert time.monotonic() < deadline, [standby.said() for standby in standbys]
        time.sleep(0.05)
    time.sleep(3)
    winners = [index for index, standby in enumerate(standbys) if standby.events("mounted")]
    assert len(winners) == 1
    winner = winners[0]
    assert site.properties()["metadata"]["mp_owner"] == NODES[winner]
    assert site.status(FOLDERS[1 - winner])["phase"] != "mounted"
    assert not (site.folder / FOLDERS[1 - winner] / "db.mount.json").exists()
    assert site.mounted_disk(FOLDERS[winner]) == site.volume()


def test_a_failover_is_asked_of_the_standby_that_is_named(site: Site) -> None:
    add_standby(site)
    site.make_volume(random.Random(62).randbytes(MIB))
    site.protect().end(signal.SIGKILL)
    far = site.start("standby", "--node", "standby-2")
    far.wait_for("watching")
    assert site.run("failover", "--volume", "db").code == 2
    ended = site.run("failover", "--volume", "db", "--node", "standby-3")
    assert ended.code == 64
    assert "there is no standby 'standby-3'; there are: standby-1, standby-2" in ended.err
    assert site.run("failover", "--volume", "db", "--node", "standby-2").code == 0
    far.wait_for("mounted")
    assert site.mounted_disk("far") == site.volume()
