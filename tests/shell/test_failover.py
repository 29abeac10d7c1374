"""Both sites as real processes: heartbeats, false alarms, fencing, mounting, requests."""

import json
import random
import signal
import socket
import stat
import time
from pathlib import Path

import pytest

from engine.shell.heartbeat_link import Heartbeat
from tests.shell.engine_site import MIB, EngineProcess, Site
from tests.tap.nbd_client import FLUSH, TRIM, WRITE

pytestmark = pytest.mark.real

PAGE = 4096
EIO = 5


def both(site: Site) -> tuple[EngineProcess, EngineProcess]:
    """Start both sites and wait until each has found the other."""
    site.make_volume(random.Random(31).randbytes(MIB), size=4 * MIB)
    standby = site.start("standby")
    standby.wait_for("watching")
    primary = site.protect()
    site.await_status("phase", "watching", "standby")
    return primary, standby


def test_a_killed_primary_is_replaced_and_its_disk_handed_over(site: Site) -> None:
    primary, standby = both(site)
    with site.client() as client:
        assert client.ask(WRITE, 2 * MIB, PAGE, b"\x77" * PAGE) == 0
    primary.end(signal.SIGKILL)
    mounted = standby.wait_for("mounted")
    names = [event["event"] for event in standby.events()]
    wanted = ["watching", "suspected", "failure-declared", "fencing", "mounted"]
    assert [name for name in names if name in wanted] == wanted
    assert mounted["size_bytes"] == 4 * MIB
    assert standby.events("failure-declared")[0]["silent_ms"] >= 1000
    assert site.mounted_disk() == site.volume()
    secret = site.folder / "standby" / "db.mount.json"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert site.properties()["metadata"]["mp_owner"] == "standby-1"
    assert site.status("standby")["phase"] == "mounted"


def test_the_old_primary_is_demoted_and_can_change_nothing(site: Site) -> None:
    primary, standby = both(site)
    with site.client() as client:
        assert client.ask(WRITE, 0, PAGE, b"\x01" * PAGE) == 0
        primary.send(signal.SIGSTOP)
        standby.wait_for("mounted")
        before = site.blob()
        etag = site.properties()["etag"]
        primary.send(signal.SIGCONT)
        assert client.ask(WRITE, 0, PAGE, b"\x02" * PAGE) == EIO
        primary.wait_for("demoted")
        for command in (WRITE, TRIM, FLUSH):
            data = b"\x03" * PAGE if command == WRITE else b""
            assert client.ask(command, 0, 0 if command == FLUSH else PAGE, data) == EIO
    assert primary.events("fenced")
    assert site.status()["phase"] == "demoted"
    assert site.status()["protected"] is False
    assert (site.blob(), site.properties()["etag"]) == (before, etag)
    assert primary.end() == 0
    again = site.start("primary")
    again.wait_for("demoted")
    assert "standby-1" in again.events("demoted")[0]["reason"]
    assert site.blob() == before


def test_a_pause_shorter_than_the_time_out_is_a_false_alarm(site: Site) -> None:
    # Suspicion is raised an interval before the time-out: that long the primary has to come back.
    site.write_policy(timeout=12.0, interval=5.0)
    primary, standby = both(site)
    primary.send(signal.SIGSTOP)
    standby.wait_for("suspected")
    primary.send(signal.SIGCONT)
    standby.wait_for("false-alarm")
    site.await_status("phase", "watching", "standby")
    assert standby.events("fencing") == []
    with site.client() as client:
        assert client.ask(WRITE, 0, PAGE, b"\x01" * PAGE) == 0


def test_an_orderly_stop_is_no_failure(site: Site) -> None:
    primary, standby = both(site)
    assert primary.end() == 0
    standby.wait_for("primary-left")
    time.sleep(1.5)
    assert standby.events("failure-declared") == []
    assert site.status("standby")["reason"] == "the primary stopped in order"
    site.protect()
    site.await_status("phase", "watching", "standby")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_standby_ends_in_order(site: Site, number: int) -> None:
    standby = site.start("standby")
    standby.wait_for("watching")
    assert standby.end(number) == 0
    assert standby.events("stopped")
    assert {path.name for path in (site.folder / "standby").iterdir()} == {"lock"}


def test_a_standby_that_never_heard_the_primary_never_fails_over(site: Site) -> None:
    site.make_volume(b"x" * 512)
    site.protect().end(signal.SIGKILL)
    standby = site.start("standby")
    standby.wait_for("watching")
    time.sleep(1.5)
    assert site.status("standby")["phase"] == "waiting"
    assert site.status("standby")["reason"] == "no heartbeat was heard yet"


def test_a_seeding_volume_is_never_failed_over_to(site: Site) -> None:
    site.make_volume(random.Random(32).randbytes(64 * MIB), size=64 * MIB)
    standby = site.start("standby")
    standby.wait_for("watching")
    primary = site.start("primary")
    primary.wait_for("seeding")
    site.await_status("phase", "watching", "standby")
    primary.end(signal.SIGKILL)
    refused = standby.wait_for("refused")
    assert "seeding" in refused["reason"]
    assert not (site.folder / "standby" / "db.mount.json").exists()
    assert site.properties()["metadata"]["mp_owner"] == "primary-1"
    again = site.protect()
    site.await_status("phase", "watching", "standby")
    assert again.events("seeding")
    assert site.disk() == site.volume()


def test_a_primary_that_comes_back_only_to_be_refused_does_not_look_alive(site: Site) -> None:
    """It crashed; its supervisor starts it again at once; the standby must still take over."""
    site.write_policy(timeout=6.0)
    primary, standby = both(site)
    primary.end(signal.SIGKILL)
    (site.folder / "primary" / "db.dirty").unlink()
    restarted = time.monotonic()
    assert site.run("primary").code == 64
    over = time.monotonic()
    assert site.status("standby")["silent_us"] >= (over - restarted) * 1e6, "it was heard"
    standby.wait_for("mounted")


def test_a_primary_that_comes_back_in_time_goes_on_and_nobody_takes_over(site: Site) -> None:
    site.write_policy(timeout=60.0)
    primary, standby = both(site)
    primary.end(signal.SIGKILL)
    site.protect()
    site.await_status("phase", "watching", "standby")
    assert standby.events("fencing") == []
    assert site.disk() == site.volume()


def test_failover_of_a_live_primary_needs_force(site: Site) -> None:
    primary, standby = both(site)
    ended = site.run("failover", "--volume", "db")
    assert "--force" in standby.wait_for("failover-ignored")["reason"]
    assert site.status("standby")["phase"] == "watching"
    assert ended.code == 2
    assert "failover of db is refused: the primary is alive; --force" in ended.out
    assert site.run("failover", "--volume", "db", "--force").code == 0
    standby.wait_for("mounted")
    primary.wait_for("demoted")
    assert site.mounted_disk() == site.volume()


def test_failover_on_request_after_the_primary_died_unheard(site: Site) -> None:
    site.make_volume(b"x" * 512)
    site.protect().end(signal.SIGKILL)
    standby = site.start("standby")
    standby.wait_for("watching")
    assert site.run("failover", "--volume", "db").code == 0
    standby.wait_for("mounted")
    assert site.mounted_disk() == site.volume()


def test_failover_of_what_was_never_replicated_is_refused(site: Site) -> None:
    standby = site.start("standby")
    standby.wait_for("watching")
    ended = site.run("failover", "--volume", "db", "--force")
    assert ended.code == 2
    assert "failover of db is refused: there is no such blob" in ended.out
    assert "no such blob" in standby.wait_for("refused")["reason"]


def test_a_failover_that_cannot_be_asked_for(site: Site) -> None:
    ended = site.run("failover", "--volume", "db")
    assert ended.code == 2
    assert "no standby process runs" in ended.out
    ended = site.run("failover", "--volume", "other")
    assert ended.code == 64
    assert "there is no volume 'other'; there are: db" in ended.err


def test_status_tells_of_both_sites_and_of_none(site: Site) -> None:
    ended = site.run("status")
    assert ended.code == 2
    assert ended.out.splitlines() == [
        "primary: no process runs here",
        "standby: no process runs here",
    ]
    both(site)
    ended = site.run("status")
    assert ended.code == 0
    assert "primary: node primary-1" in ended.out
    assert "phase protected" in ended.out
    assert "protected yes" in ended.out
    assert "standby: node standby-1" in ended.out
    answer = json.loads(site.run("status", "--json").out)
    assert answer["primary"]["volumes"]["db"]["protected"] is True
    assert answer["standby"]["volumes"]["db"]["phase"] == "watching"


def test_heartbeat_garbage_and_strangers_keep_nobody_alive(site: Site) -> None:
    primary, standby = both(site)
    primary.end(signal.SIGKILL)
    dice = random.Random(33)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while not standby.events("mounted"):
            assert standby.running
            for datagram in (
                b"",
                dice.randbytes(300),
                b"[" * 60_000,
                b'{"node": "primary-1"}',
                b'{"node": "primary-1", "sequence": "5", "leaving": false}',
                b'{"node": 7, "sequence": 5, "leaving": false}',
                Heartbeat("somebody-else", 5).encode(),
                Heartbeat("standby-1", 5).encode(),
            ):
                sender.sendto(datagram, ("127.0.0.1", site.port))
            time.sleep(0.05)
            assert time.monotonic() < standby.events()[0]["t"] + 120


@pytest.mark.parametrize("side", ["primary", "standby"])
def test_control_garbage_harms_nobody(site: Site, side: str) -> None:
    primary, standby = both(site)
    path = str(site.folder / side / "control.sock")
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    for line, wanted in (
        (b"nonsense\n", "one line of JSON"),
        (b"\xff\xfe\x00\n", "one line of JSON"),
        (b"[" * 30_000 + b"\n", "one line of JSON"),
        (b"[]\n", "a JSON object"),
        (b"7\n", "a JSON object"),
        (b"{}\n", "answers the request"),
        (b'{"request": "explode"}\n', "answers the request"),
        (b'{"request": ["status"]}\n', "answers the request"),
    ):
        assert wanted in exchange(path, line)["error"]
    for unanswered in (b"x" * 200_000, b"half a line", b""):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(120)
            client.connect(path)
            try:
                client.sendall(unanswered)
            except BrokenPipeError:
                continue
    assert exchange(path, b'{"request": "status"}\n')["site"] == side
    assert primary.running
    assert standby.running


def test_only_a_true_force_is_force(site: Site) -> None:
    _, standby = both(site)
    path = str(site.folder / "standby" / "control.sock")
    for forced in ('"false"', '"yes"', "1", "null"):
        line = f'{{"request": "failover", "volume": "db", "forced": {forced}}}\n'
        exchange(path, line.encode())
    assert len(standby.events("failover-ignored")) == 4
    assert site.status("standby")["phase"] == "watching"


def exchange(path: str, line: bytes) -> dict[str, str]:
    """Send one line to a control socket; return the answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(120)
        client.connect(path)
        client.sendall(line)
        with client.makefile("rb") as answers:
            answer: dict[str, str] = json.loads(answers.readline())
            return answer
