"""Azurite in the lab: fresh, listened to, stopped without loss, killed, and without leaks."""

import time
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobServiceClient

from harness.errors import Inconclusive
from harness.lab import azurite as lab
from harness.lab.azurite import Azurite
from harness.lab.store_log import StoreLog
from harness.redaction import redact

pytestmark = pytest.mark.real


def put_page(running: Azurite, name: str, data: bytes) -> None:
    with BlobServiceClient.from_connection_string(running.connection_string) as service:
        if not service.get_container_client("kept").exists():
            service.create_container("kept").close()
        with service.get_blob_client("kept", name) as blob:
            blob.create_page_blob(len(data))
            blob.upload_page(data, 0, len(data))


def read_page(running: Azurite, name: str) -> bytes:
    with BlobClient.from_connection_string(running.connection_string, "kept", name) as blob:
        return blob.download_blob().readall()


def logged_puts(service: Azurite) -> list[tuple[str, str, int]]:
    """Puts of pages in the request log, which is written a moment after the answer."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        requests = StoreLog(service.log).requests()
        puts = [(put.method, put.target, put.status) for put in requests if put.component == "page"]
        if puts:
            return puts
        time.sleep(0.1)
    return []


def test_what_was_acknowledged_survives_a_stop_but_perhaps_not_a_kill(tmp_path: Path) -> None:
    service = Azurite(tmp_path / "azurite")
    with service:
        put_page(service, "one.vhd", b"1" * 512)
        assert logged_puts(service) == [("PUT", "kept/one.vhd", 201)]
    assert not service.process.running
    with service:
        assert read_page(service, "one.vhd") == b"1" * 512
        put_page(service, "two.vhd", b"2" * 512)
        service.kill()  # at once: the table of blobs has not been written again (facts.md 3.1)
        assert service.process.exit_status == -9
        service.start()
        with pytest.raises(ResourceNotFoundError):
            read_page(service, "two.vhd")
    assert redact(service.connection_string).count("[redacted]") == 1
    key = service.connection_string.partition("AccountKey=")[2].partition(";")[0]
    for place in service.folder.rglob("*"):
        assert not place.is_file() or key.encode() not in place.read_bytes(), place


def test_a_used_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    with pytest.raises(ValueError, match="fresh folder"):
        Azurite(tmp_path)


def test_a_full_disk_is_said_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(Inconclusive, match=r"only .* GiB are free below"):
        Azurite(tmp_path, free_bytes_min=1 << 60)


def test_a_taken_port_is_said_with_its_last_words(tmp_path: Path, azurite: Azurite) -> None:
    port = int(azurite.blob_endpoint.rpartition(":")[2].partition("/")[0])
    second = Azurite(tmp_path / "second")
    with pytest.raises(Inconclusive, match=r"azurite 3.37.0 ended at once(.|\n)*EADDRINUSE"):
        second.start(port=port)
    assert not second.process.running


def test_one_that_never_answers_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "START_SECONDS", 0.01)
    slow = Azurite(tmp_path / "slow")
    with pytest.raises(Inconclusive, match="does not answer"):
        slow.start()
    assert not slow.process.running


def test_the_older_one_for_raw_speed_serves_too(tmp_path: Path) -> None:
    with Azurite(tmp_path / "older", version="3.35") as service:
        assert service.version == "3.35.0"
        put_page(service, "one.vhd", b"3" * 1024)
        assert read_page(service, "one.vhd") == b"3" * 1024
