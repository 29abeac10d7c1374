"""Checked reads where the service pages its answers, sends less, or sends nonsense."""

import socket
import subprocess
import sys

import pytest

from engine.errors import StoreRefused, StoreUnavailable
from engine.shell.blob_http import Timeouts
from engine.shell.page_blob import PageBlob
from engine.shell.put_checksum import CRC64_HEADER
from engine.shell.store_account import open_account
from tests.store.scripted_service import (
    Script,
    ScriptedService,
    ok,
    read_request,
    scripted_service,
)

KEY = "bm8ga2V5IG9mIGFueWJvZHkncw=="


def store_on(service: ScriptedService) -> PageBlob:
    text = f"AccountName=acct;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:{service.port}/acct"
    return PageBlob(open_account(text, Timeouts(60.0, 60.0)), "box", "b.vhd")


def page_list(*ranges: tuple[int, int], marker: str = "") -> bytes:
    items = "".join(
        f"<PageRange><Start>{first}</Start><End>{last}</End></PageRange>" for first, last in ranges
    )
    tail = f"<NextMarker>{marker}</NextMarker>" if marker else ""
    return f'<?xml version="1.0"?><PageList>{items}{tail}</PageList>'.encode()


def test_a_list_of_several_pages_is_read_to_its_end_and_merged() -> None:
    # The connection closes after each answer, so that each has a script of its own.
    first = ok(page_list((0, 511), (1024, 2047), marker="go on"), "Connection: close")
    last = ok(page_list((2048, 2559), (4096, 4607)), "Connection: close")
    with scripted_service(_once(first), _once(last)) as service:
        store = store_on(service)
        assert store.page_ranges("2026-11-22T22:29:06.9730000Z") == (
            (0, 512),
            (1024, 1536),
            (4096, 512),
        )
        store.account.close()
    assert service.connections == 2


def _once(answer: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        request = read_request(connection)
        assert b"comp=pagelist" in request
        assert (b"marker=go%20on" in request) is (b"go on" not in answer)
        connection.sendall(answer)

    return script


@pytest.mark.parametrize(
    "body", [b"<PageList><PageRange>", b"<PageList><PageRange/></PageList>", b"welcome to the bar"]
)
def test_a_list_that_is_none_is_unavailable(body: bytes) -> None:
    with scripted_service(ok(body)) as service:
        store = store_on(service)
        with pytest.raises(StoreUnavailable, match="no list of pages"):
            store.page_ranges()
        store.account.close()


def test_damaged_bytes_raise_and_say_where() -> None:
    answer = ok(b"data", "Content-Range: bytes 8-11/512", "Content-MD5: AAAA", status="206 Partial")
    with scripted_service(answer) as service:
        store = store_on(service)
        with pytest.raises(StoreUnavailable, match=r"4 bytes at 8 of box/b\.vhd.*checksum"):
            store.read_range(8, 4)
        store.account.close()


def test_a_range_cut_short_by_the_blobs_end_is_refused_not_returned_short() -> None:
    answer = ok(b"data", "Content-Range: bytes 508-511/512", status="206 Partial")
    with scripted_service(answer) as service:
        store = store_on(service)
        with pytest.raises(StoreRefused, match="outside the blob"):
            store.read_range(508, 8)
        store.account.close()


@pytest.mark.parametrize("status", ["500 Oops", "503 Busy"])
def test_a_service_in_trouble_is_unavailable(status: str) -> None:
    with scripted_service(ok(status=status)) as service:
        store = store_on(service)
        for read in (store.check_container, store.page_ranges, lambda: store.read_range(0, 1)):
            with pytest.raises(StoreUnavailable, match=status[:3]):
                read()
        store.account.close()


def test_a_service_that_knows_no_checksum_of_a_head_is_asked_without() -> None:
    asked: list[bytes] = []

    def answering(answer: bytes) -> Script:
        def script(connection: socket.socket) -> None:
            asked.append(read_request(connection))
            connection.sendall(answer)

        return script

    refusal = ok(b"", "x-ms-error-code: UnsupportedHeader", "Connection: close", status="400 Bad")
    with scripted_service(answering(refusal), answering(ok(b""))) as service:
        store = store_on(service)
        assert store.check_container() is True
        assert store.account.put_checksum.header == CRC64_HEADER, "of puts nothing is known yet"
        store.account.close()
    assert [CRC64_HEADER.encode() in request.lower() for request in asked] == [True, False]


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, -1)])
def test_a_negative_range_is_the_callers_bug(offset: int, length: int) -> None:
    with scripted_service(ok()) as service, pytest.raises(ValueError, match="not negative"):
        store_on(service).read_range(offset, length)


def test_the_data_path_does_not_load_the_sdk_and_preload_does() -> None:
    program = f"""
import sys
from engine.core.messages import Head
from engine.shell.page_blob import PageBlob
from engine.shell.put_checksum import CRC64_HEADER
from engine.shell.store_account import open_account
text = "AccountName=acct;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:1/acct"
store = PageBlob(open_account(text), "box", "b.vhd")
store.execute(Head(1, None))
assert not any(name.startswith(("azure", "requests", "ssl")) for name in sys.modules)
store.preload()
assert "azure.storage.blob" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
