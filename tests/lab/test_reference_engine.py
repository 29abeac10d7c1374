"""The adapter of the reference engine, against a fake engine that keeps the same contract."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.adapter import BlobService, ListedPoint, ProtectedVolume, VolumeOrder, Wording
from harness.adapters.engine_events import EventLines
from harness.adapters.reference_engine import ReferenceEngine, source_digest
from harness.errors import Inconclusive
from harness.redaction import redact

FAKE = Path(__file__).with_name("fake_engine.py")
SECRET = "DefaultEndpointsProtocol=http;AccountName=acc;AccountKey=dGhlLXNlY3JldC1rZXk=;"


def protect(site: Path, name: str = "db") -> ProtectedVolume:
    (site / "primary").mkdir(parents=True)
    volume = site / "primary" / "volume.img"
    volume.write_bytes(bytes(1 << 20))
    order = VolumeOrder(
        name=name,
        path=volume,
        blob="db.vhd",
        mode="sync",
        order="flush",
        fence="break",
        failure_timeout_s=0.4,
        heartbeat_s=0.05,
        label="mine",
    )
    engine = ReferenceEngine([sys.executable, str(FAKE)])
    return engine.protect(order, BlobService(SECRET, "box"), site)


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[ProtectedVolume]:
    protected = protect(tmp_path / "s")
    yield protected
    protected.stop()


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def names(volume: ProtectedVolume, side: str) -> list[str]:
    return [event.name for event in volume.events() if event.side == side]


def test_a_failover_from_protection_to_handover(volume: ProtectedVolume, tmp_path: Path) -> None:
    until(lambda: "protected" in names(volume, "primary"), "protected")
    status = volume.status()
    assert status is not None
    assert (status.protected, status.lag_s, status.in_flight, status.queued) == (True, 1.5, 2, 3)
    assert volume.handover() is None
    volume.check_running()
    until(lambda: "watching" in names(volume, "standby"), "watching")
    at = volume.kill_primary()
    vault = volume.take_primary_away()
    until(lambda: volume.handover() is not None, "handover")
    handover = volume.handover()
    assert handover is not None
    assert handover.at > at + 0.3
    assert handover.size_bytes == 1 << 20
    assert names(volume, "standby") == ["watching", "failure-declared", "mounted"]
    volume.check_running()  # the killed primary is missed by nobody
    assert volume.status() is None
    assert not (tmp_path / "s" / "primary").exists()
    assert vault.stat().st_mode & 0o777 == 0


def test_the_url_handed_over_becomes_a_known_secret(volume: ProtectedVolume) -> None:
    until(lambda: "protected" in names(volume, "primary"), "protected")
    until(lambda: "watching" in names(volume, "standby"), "watching")
    volume.kill_primary()
    until(lambda: volume.handover() is not None, "handover")
    assert "c2VjcmV0LXNpZw" not in redact("leaked: c2VjcmV0LXNpZw")


def test_no_file_and_no_command_line_holds_the_connection_string(
    volume: ProtectedVolume, tmp_path: Path
) -> None:
    until(lambda: "protected" in names(volume, "primary"), "protected")
    for file in (tmp_path / "s").rglob("*"):
        if file.is_file():
            assert b"dGhlLXNlY3JldC1rZXk" not in file.read_bytes(), file
    for pid in volume.processes().values():
        assert b"dGhlLXNlY3JldC1rZXk" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_an_operator_is_answered_done_or_why_not(volume: ProtectedVolume) -> None:
    until(lambda: "protected" in names(volume, "primary"), "protected")
    assert volume.resize(1 << 21) == ""
    assert volume.resize(512) == "not now"
    assert volume.take_point() == ""
    assert volume.points() == [ListedPoint("2026", "request", 1 << 20)]
    volume.kill_primary()
    assert volume.points() is None  # this fake standby does not list them
    assert volume.take_point() == "the primary did not answer"


def test_a_replicator_that_crashed_comes_back_and_its_words_go_on(volume: ProtectedVolume) -> None:
    until(lambda: "protected" in names(volume, "primary"), "protected")
    before = volume.processes()["primary"]
    at = volume.kill_primary()
    assert volume.restart_primary() > at
    until(lambda: names(volume, "primary").count("protected") == 2, "protected again")
    assert volume.processes()["primary"] != before
    assert volume.status() is not None
    volume.check_running()


def test_metadata_are_understood_in_the_labs_words() -> None:
    engine = ReferenceEngine()
    resync = {"mp_mark": "resync", "mp_pin": "2026", "mp_volume_bytes": "512", "other": "x"}
    assert engine.understand(resync) == Wording(
        volume_bytes=512, unfinished="resync", pinned="2026"
    )
    growing = {"mp_mark": "none", "mp_intent": "grow:512:1024", "mp_label": "l", "mp_pin": "p"}
    assert engine.understand(growing) == Wording(label="l", unfinished="grow", pinned="p")
    named = {"mp_volume_name": "db", "mp_volume_id": "ab", "mp_mark": "none"}
    assert engine.understand(named) == Wording(name="db", unique_id="ab")
    assert engine.understand({}) == Wording()


def test_a_part_that_dies_by_itself_is_told_with_its_last_words(tmp_path: Path) -> None:
    protected = protect(tmp_path / "s", name="broken")
    try:
        primary = Path(f"/proc/{protected.processes()['primary']}/stat")
        until(lambda: ") Z" in primary.read_text(), "the primary's end")
        with pytest.raises(Inconclusive, match="no such container"):
            protected.check_running()
    finally:
        protected.stop()


def test_what_the_system_wrote_is_listed_apart_from_the_volume(volume: ProtectedVolume) -> None:
    until(lambda: "protected" in names(volume, "primary"), "protected")
    files = volume.own_files()
    assert "logs/primary.out" in files
    assert not any("volume.img" in name for name in files)


def test_event_lines_are_read_as_they_come_and_nonsense_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_text(
        '{"event": "started", "t": 1.5, "volume": "db", "deep": {"x": 1}}\nnonsense\n[1]\n'
    )
    lines = EventLines("primary", path)
    (event,) = lines.read()
    assert (event.name, event.at, dict(event.fields)) == ("started", 1.5, {"volume": "db"})
    assert lines.malformed == 2
    with path.open("a") as file:
        file.write('{"event": "prot')
    assert len(lines.read()) == 1
    with path.open("a") as file:
        file.write('ected", "t": 2}\n')
    assert [e.name for e in lines.read()] == ["started", "protected"]


def test_the_digest_of_the_sources_moves_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_system"
    package.mkdir()
    (package / "__init__.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = source_digest("some_system")
    assert before == source_digest("some_system")
    (package / "__init__.py").write_text("x = 2\n")
    assert source_digest("some_system") != before
    with pytest.raises(Inconclusive, match="not installed"):
        source_digest("no_such_system")
