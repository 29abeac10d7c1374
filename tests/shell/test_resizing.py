"""Growing and shrinking a protected volume that is in use, as an operator does it."""

import errno
import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.vhd import parse_footer
from tests.shell.engine_site import MIB, WAIT_SECONDS, Site
from tests.tap.nbd_client import FLUSH, READ, TRIM, WRITE, request

pytestmark = pytest.mark.real

PAGE = 4096


@contextmanager
def load(site: Site, span: int) -> Iterator[list[int]]:
    """Write all the while into the first `span` bytes; yields how many writes were answered."""
    stop = threading.Event()
    wrote: list[int] = []

    def work() -> None:
        dice = random.Random(41)
        with site.client() as client:
            while not stop.is_set():
                at = dice.randrange(span // PAGE) * PAGE
                wrote.append(client.ask(WRITE, at, PAGE, dice.randbytes(PAGE)))
            wrote.append(client.ask(FLUSH, 0, 0))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield wrote
    finally:
        stop.set()
        thread.join()


def await_writes(wrote: list[int], count: int) -> None:
    """Wait until so many more writes are answered."""
    wanted = len(wrote) + count
    deadline = time.monotonic() + WAIT_SECONDS
    while len(wrote) < wanted:
        assert time.monotonic() < deadline, "no write is answered any more"
        time.sleep(0.01)


def resize(site: Site, size: int, *, grow: bool = False) -> object:
    """Ask for another size; return the one that the volume has then."""
    answer = site.ask("resize", bytes=size, grow=grow)
    assert "refused" not in answer, answer
    return answer["size_bytes"]


def check_disk(site: Site, size: int) -> None:
    """The blob is a disk of the volume's size, padded to a whole MiB, and equal to it."""
    padded = -(-size // MIB) * MIB
    blob = site.blob()
    assert parse_footer(blob[-512:], len(blob)).size_bytes == padded
    assert blob[:-512] == site.volume() + bytes(padded - size)
    assert len(site.volume()) == size
    metadata = site.properties()["metadata"]
    assert metadata["mp_volume_bytes"] == str(size)
    assert metadata.get("mp_intent", "") == ""


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_volume_in_use_grows_and_shrinks(site: Site, mode: str) -> None:
    site.write_policy(mode=mode)
    site.make_volume(random.Random(42).randbytes(8 * MIB))
    primary = site.protect()
    with load(site, 4 * MIB) as wrote:
        for size in (15 * MIB, 4 * MIB, 6 * MIB + 1536):
            await_writes(wrote, 3)
            assert resize(site, size) == size
        await_writes(wrote, 3)
    assert set(wrote) == {0}
    with site.client() as client:
        assert client.size_bytes == 6 * MIB + 1536
        assert client.read(4 * MIB, MIB) == bytes(MIB)
        assert client.ask(WRITE, 6 * MIB + 1024, 512, b"\x5a" * 512) == 0
        assert client.ask(FLUSH, 0, 0) == 0
    assert site.status()["protected"] is True
    assert primary.end() == 0
    check_disk(site, 6 * MIB + 1536)
    again = site.protect()
    assert again.events("resyncing") == again.events("seeding") == []


def test_a_connected_client_keeps_its_session_and_is_told_where_the_disk_ends(site: Site) -> None:
    site.make_volume(random.Random(43).randbytes(MIB))
    site.protect()
    with site.client() as client:
        resize(site, 4 * MIB)
        assert client.ask(WRITE, 4 * MIB - PAGE, PAGE, b"\x01" * PAGE) == 0
        assert client.ask(WRITE, 4 * MIB - 512, 1024, b"\x02" * 1024) == errno.ENOSPC
        assert client.ask(TRIM, 5 * MIB, PAGE) == errno.ENOSPC
        client.send(request(READ, 5 * MIB, PAGE))
        assert client.reply()[0] == errno.EINVAL
        resize(site, MIB, grow=True)
        assert client.read(4 * MIB, MIB) == bytes(MIB)
    check_disk(site, 5 * MIB)


def test_a_resize_while_seeding_ends_in_the_new_size(site: Site) -> None:
    site.make_volume(random.Random(44).randbytes(48 * MIB), size=48 * MIB)
    primary = site.start("primary")
    primary.wait_for("seeding")
    assert resize(site, 51 * MIB) == 51 * MIB
    primary.wait_for("protected")
    check_disk(site, 51 * MIB)


def test_a_primary_killed_after_a_grow_is_taken_over_with_the_new_size(site: Site) -> None:
    site.make_volume(random.Random(45).randbytes(MIB))
    standby = site.start("standby")
    standby.wait_for("watching")
    primary = site.protect()
    site.await_status("phase", "watching", "standby")
    resize(site, 4 * MIB, grow=True)
    with site.client() as client:
        assert client.ask(WRITE, 11 * MIB, PAGE, b"\x07" * PAGE) == 0
    primary.end(signal.SIGKILL)
    assert standby.wait_for("mounted")["size_bytes"] == 12 * MIB
    assert site.handed_over()["snapshot"] == ""
    assert site.mounted_disk() == site.volume()


def test_a_resize_that_makes_no_sense_is_refused_and_changes_nothing(site: Site) -> None:
    site.make_volume(random.Random(46).randbytes(MIB))
    ended = site.run("resize", "--volume", "db", "--size", "9M")
    assert ended.code == 2
    assert "no primary process runs" in ended.out
    site.protect()
    ended = site.run("resize", "--volume", "db", "--size", "+1M", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["size_bytes"] == 9 * MIB
    etag = site.properties()["etag"]
    for size in (1000, 0, -5, 1 << 63):
        assert "is no size for a volume" in str(site.ask("resize", bytes=size)["error"])
    assert "there is no volume 'log'" in str(site.ask("resize", volume="log")["error"])
    for arguments, said in (
        (("--volume", "db", "--size", "1000"), "is no size for a volume"),
        (("--volume", "db", "--size", "5 MB"), "--size '5 MB': a number of bytes"),
        (("--volume", "other", "--size", "9M"), "there is no volume 'other'"),
    ):
        ended = site.run("resize", *arguments)
        assert ended.code == 64
        assert said in ended.out + ended.err
    assert site.properties()["etag"] == etag
    assert len(site.volume()) == 9 * MIB
