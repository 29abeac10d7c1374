"""The checksum of a put: CRC-64 over all its pieces, and MD5 with a service that declines that."""

import hashlib
import uuid
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from engine.shell.blob_http import Buffer
from engine.shell.page_blob import PageBlob
from engine.shell.put_checksum import CRC64_HEADER, MD5_HEADER, PutChecksum
from engine.shell.store_account import open_account
from harness.lab.azurite import Azurite
from tests.store.leased_blob import LeasedBlob, done, leased_blob, unknown


def test_the_crc_is_the_one_of_the_catalogue_in_azures_byte_order() -> None:
    """CRC-64/NVME of "123456789" (facts.md 2): little-endian, then base64."""
    header, value = PutChecksum().of([b"123456789"])
    assert header == CRC64_HEADER
    assert int.from_bytes(b64decode(value), "little") == 0xAE8B14860A799888


@pytest.mark.parametrize("header", [CRC64_HEADER, MD5_HEADER])
def test_pieces_count_as_one_whatever_holds_them(header: str) -> None:
    whole = bytes(range(256)) * 40
    pieces: list[Buffer] = [
        memoryview(whole)[:4096],
        memoryview(bytearray(whole))[4096:5000],
        whole[5000:],
    ]
    assert PutChecksum(header).of(pieces) == PutChecksum(header).of([whole])


def test_md5_is_base64_of_the_digest() -> None:
    expected = b64encode(hashlib.md5(b"page").digest()).decode()
    assert PutChecksum(MD5_HEADER).of([b"page"]) == (MD5_HEADER, expected)


def test_only_a_service_that_does_not_know_the_crc_gets_md5() -> None:
    checksum = PutChecksum()
    for code in ("Crc64Mismatch", "ServerBusy", "InternalError", ""):
        checksum.hear(CRC64_HEADER, code)
    assert checksum.header == CRC64_HEADER
    checksum.hear(MD5_HEADER, "FeatureNotSupported")
    assert checksum.header == CRC64_HEADER
    checksum.hear(CRC64_HEADER, "FeatureNotSupported")
    assert checksum.header == MD5_HEADER


@pytest.mark.real
def test_a_service_of_today_gets_the_crc(blob: LeasedBlob) -> None:
    done(blob.put(0, b"\1" * 512))
    assert blob.store.account.put_checksum.header == CRC64_HEADER


@pytest.mark.real
def test_an_older_service_is_told_by_its_own_answer(tmp_path: Path) -> None:
    """It answers 500, so the put's outcome is left open; the core's next put is taken."""
    with Azurite(tmp_path / "older", version="3.35") as service:
        with BlobServiceClient.from_connection_string(service.connection_string) as client:
            client.create_container("box").close()
        account = open_account(service.connection_string)
        blob = leased_blob(PageBlob(account, "box", uuid.uuid4().hex))
        assert account.put_checksum.header == CRC64_HEADER
        assert "FeatureNotSupported" in unknown(blob.put(0, b"\1" * 512)).detail
        assert blob.store.page_ranges() == ()
        done(blob.put(0, b"\1" * 512))
        assert blob.store.read_range(0, 512) == b"\1" * 512
        account.close()
        account = open_account(service.connection_string)
        assert not PageBlob(account, "box", "none").check_container()
        assert account.put_checksum.header == MD5_HEADER  # and no put had to find out
        account.close()
