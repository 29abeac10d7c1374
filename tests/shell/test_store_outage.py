"""The blob service dies in the middle and comes back: nothing acknowledged is lost."""

import random
import signal
import threading
import time

import pytest

from harness.lab.azurite import Azurite
from tests.shell.engine_site import MIB, Site
from tests.tap.nbd_client import FLUSH, WRITE

pytestmark = pytest.mark.real

PAGE = 4096


def port_of(azurite: Azurite) -> int:
    return int(azurite.blob_endpoint.rpartition(":")[2].partition("/")[0])


def test_in_sync_mode_an_outage_delays_writes_and_loses_none(
    own_site: Site, own_azurite: Azurite
) -> None:
    own_site.make_volume(size=4 * MIB)
    primary = own_site.protect()
    port = port_of(own_azurite)
    acknowledged: dict[int, bytes] = {}
    stop = threading.Event()
    errors: list[int] = []

    def write_on() -> None:
        dice = random.Random(21)
        with own_site.client() as client:
            client.sock.settimeout(60)
            while not stop.is_set():
                at, data = dice.randrange(4 * MIB // PAGE) * PAGE, dice.randbytes(PAGE)
                if error := client.ask(WRITE, at, PAGE, data):
                    errors.append(error)
                acknowledged[at] = data

    writer = threading.Thread(target=write_on)
    writer.start()
    own_site_writes(own_site, 20)
    own_azurite.stop()
    before = len(acknowledged)
    time.sleep(1.5)
    assert len(acknowledged) <= before + 1
    assert own_site.status()["puts_in_flight"] + own_site.status()["operations_open"] > 0
    own_azurite.start(port=port)
    own_site_writes(own_site, own_site.status()["puts_done"] + 20)
    stop.set()
    writer.join()
    assert errors == []
    disk = own_site.disk()
    assert [at for at, data in acknowledged.items() if disk[at : at + PAGE] != data] == []
    assert disk == own_site.volume()
    assert primary.end() == 0


def own_site_writes(site: Site, count: int) -> None:
    """Wait until so many puts are done."""
    deadline = time.monotonic() + 120
    while site.status()["puts_done"] < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_in_async_mode_writes_go_on_during_an_outage_and_arrive_after_it(
    own_site: Site, own_azurite: Azurite
) -> None:
    own_site.write_policy(mode="async", extra="max_lag_seconds = 600\n")
    own_site.make_volume(size=4 * MIB)
    primary = own_site.protect()
    port = port_of(own_azurite)
    own_azurite.stop()
    dice = random.Random(22)
    with own_site.client() as client:
        for _ in range(50):
            at = dice.randrange(4 * MIB // PAGE) * PAGE
            assert client.ask(WRITE, at, PAGE, dice.randbytes(PAGE)) == 0
        assert client.ask(FLUSH, 0, 0) == 0
        status = own_site.status()
        assert status["lag_bytes"] >= 30 * PAGE
        own_azurite.start(port=port)
        own_site.await_status("lag_bytes", 0)
    assert own_site.disk() == own_site.volume()
    assert primary.end() == 0


def test_an_outage_during_seeding_only_delays_it(own_site: Site, own_azurite: Azurite) -> None:
    own_site.make_volume(random.Random(23).randbytes(48 * MIB), size=48 * MIB)
    primary = own_site.start("primary")
    primary.wait_for("seeding")
    port = port_of(own_azurite)
    own_azurite.stop()
    primary.wait_for("store-trouble")
    assert own_site.status()["protected"] is False
    own_azurite.start(port=port)
    primary.wait_for("protected", seconds=120)
    assert own_site.disk() == own_site.volume()


def test_a_stop_while_the_store_is_down_is_not_called_orderly(
    own_site: Site, own_azurite: Azurite
) -> None:
    own_site.shorten_stops(1.0)
    own_site.make_volume(b"x" * 512, size=MIB)
    primary = own_site.protect()
    port = port_of(own_azurite)
    own_azurite.stop()
    assert primary.end(signal.SIGTERM) == 2
    assert primary.events("stopped-unclean")[0]["volumes"] == "db"
    assert primary.events("stopped") == []
    own_azurite.start(port=port)
    again = own_site.protect()
    assert own_site.disk() == own_site.volume()
    assert again.events("seeding") == []
