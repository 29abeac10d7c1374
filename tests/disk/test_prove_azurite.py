"""Proofs of page blobs on the real emulator: good ones, and every way to be refused."""

from pathlib import Path

import pytest

from harness.disk.proof import prove
from harness.disk.source import open_disk
from harness.errors import UsageError
from harness.lab.azurite import Azurite
from tests.disk.blobs import client_of, sas_url, upload
from tests.disk.disks import MIB, footer, noise, write_disk

pytestmark = pytest.mark.real
SIZE = 32 * MIB
NO_VM = frozenset({"vm"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    data = {0: b"conec" + noise(MIB - 5), 9 * MIB + 512: noise(512), SIZE - MIB: noise(MIB)}
    return write_disk(tmp_path / "disk.vhd", SIZE, data)


def test_a_page_blob_reads_like_the_file_it_came_from(
    azurite: Azurite, container: str, path: Path
) -> None:
    with client_of(azurite, container, "disk.vhd") as client:
        upload(client, path)
        url = sas_url(client)
    source = path.with_name("source")
    source.write_bytes(path.read_bytes()[:-512])
    remote = prove(url, source=source, without=NO_VM)
    local = prove(str(path), without=NO_VM)
    assert {s.verdict for s in remote.steps if s.prover != "vm"} == {"good"}, remote.steps
    assert remote.facts["digest"] == local.facts["digest"]
    disk = open_disk(url)
    assert disk.kind == "PageBlob"
    assert sum(e.length for e in disk.extents()) < 3 * MIB, "not the holes"
    disk.close()


def test_a_sparse_100_gib_blob_is_proved_in_under_a_minute_vm_included(
    azurite: Azurite, container: str, tmp_path: Path
) -> None:
    size = 100 * 1024 * MIB
    source = write_disk(tmp_path / "source", size, {60 * 1024 * MIB: noise(4 * MIB)}, last=b"")
    with source.open("r+b") as file:
        file.truncate(size)
    with client_of(azurite, container, "large.vhd") as client:
        client.create_page_blob(size + 512)
        client.upload_page(noise(4 * MIB), 60 * 1024 * MIB, 4 * MIB)
        client.upload_page(footer(size), size, 512)
        result = prove(sas_url(client), source=source)
        assert result.verdict == "good", result.steps
        assert "mounting is not applicable" in result.steps[-1].summary
        assert result.seconds < 60
        client.upload_page(noise(512), 10 * 1024 * MIB, 512)
        differs = prove(sas_url(client), source=source, without=NO_VM)
        assert differs.exit_code == 1


def test_a_destroyed_footer_in_a_blob_is_bad(azurite: Azurite, container: str, path: Path) -> None:
    with client_of(azurite, container, "bad.vhd") as client:
        upload(client, path)
        client.clear_page(SIZE, 512)
        result = prove(sas_url(client), without=NO_VM)
    assert result.exit_code == 1
    assert "destroyed" in result.steps[0].summary


def test_refusals_are_usage_errors_and_tell_no_secret(
    azurite: Azurite, container: str, path: Path
) -> None:
    with client_of(azurite, container, "disk.vhd") as client:
        upload(client, path)
        other_key = "b3RoZXIga2V5" * 8
        urls = {
            "expired SAS": sas_url(client, minutes=-5),
            "wrong key": sas_url(client, key=other_key),
            "no read permission": sas_url(client, permission="w"),
            "no SAS": client.url,
        }
    with client_of(azurite, container, "nothing.vhd") as client:
        urls["no such blob"] = sas_url(client)
    with client_of(azurite, "nowhere", "disk.vhd") as client:
        urls["no such container"] = sas_url(client)
    for case, url in urls.items():
        with pytest.raises(UsageError) as caught:
            prove(url, without=NO_VM)
        message = str(caught.value)
        assert url.partition("?")[0] in message, case
        signature = url.partition("sig=")[2]
        assert not signature or signature not in message, case
