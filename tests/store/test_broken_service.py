"""The service goes down, or dies in the middle: what is certain and what is not."""

import socket
import time
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from engine.core.messages import (
    Acquire,
    Clear,
    Create,
    Done,
    Head,
    Part,
    Put,
    Raise,
    ReadPage,
    Refusal,
    Renew,
    Resize,
    StoreCommand,
)
from engine.errors import StoreUnavailable
from engine.shell.blob_http import Timeouts
from engine.shell.page_blob import PageBlob
from engine.shell.store_account import StoreAccount, open_account
from tests.store.conftest import RunningAzurite
from tests.store.leased_blob import NUMBER, LeasedBlob, done, failed, next_id, unknown
from tests.store.scripted_service import ok, scripted_service
from tests.store.tcp_cutter import Cutter, cutter_before
from tests.store.test_refusals import EVERY_COMMAND, name

LEASE = str(uuid.uuid4())
PATIENT = Timeouts(connect_seconds=60.0, answer_seconds=60.0)
QUICK = Timeouts(connect_seconds=60.0, answer_seconds=0.3)
"""For a service that does not answer."""
KEY = "bm8ga2V5IG9mIGFueWJvZHkncw=="


def await_ends(store: PageBlob) -> None:
    """Wait until the service's end of every idle connection has arrived."""
    for connection in store.account._pool._idle:
        while connection.is_fresh():
            time.sleep(0.001)


def fake_store(port: int, timeouts: Timeouts = PATIENT) -> PageBlob:
    text = f"AccountName=acct;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:{port}/acct"
    return PageBlob(open_account(text, timeouts), "box", "b.vhd")


@pytest.fixture
def cutter(account: StoreAccount) -> Iterator[Cutter]:
    parts = urlsplit(account.url)
    with cutter_before((parts.hostname or "", parts.port or 80)) as relay:
        yield relay


@pytest.fixture
def through(azurite: RunningAzurite, blob: LeasedBlob, cutter: Cutter) -> Iterator[PageBlob]:
    """The leased blob, seen through the cutter."""
    port = str(urlsplit(blob.store.account.url).port)
    text = azurite.connection_string.replace(f":{port}", f":{cutter.port}")
    account = open_account(text, PATIENT)
    yield PageBlob(account, blob.store.container, blob.store.blob)
    account.close()


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=name)
def test_a_service_that_is_down_is_unreachable(command: StoreCommand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    answer = failed(fake_store(port).execute(command))
    assert (answer.id, answer.refusal, answer.status) == (command.id, Refusal.UNREACHABLE, 0)
    assert "nothing was sent" in answer.detail


def test_reads_of_a_service_that_is_down_raise_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    store = fake_store(port)
    for read in (store.check_container, store.page_ranges, lambda: store.read_range(0, 1)):
        with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
            read()
        assert caught.value.exit_code == 2


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=name)
def test_a_500_is_unknown_and_sent_once_only(command: StoreCommand) -> None:
    with scripted_service(ok(b"", "x-ms-error-code: InternalError", status="500 Oops")) as service:
        store = fake_store(service.port)
        answer = unknown(store.execute(command))
        store.account.close()
    assert answer.id == command.id
    assert "500" in answer.detail
    assert len(service.heads) == 1


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=name)
def test_a_503_is_busy_and_sent_once_only(command: StoreCommand) -> None:
    with scripted_service(ok(b"", "x-ms-error-code: ServerBusy", status="503 Busy")) as service:
        store = fake_store(service.port)
        assert failed(store.execute(command)).refusal is Refusal.BUSY
        store.account.close()
    assert len(service.heads) == 1


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=name)
def test_a_redirect_is_not_followed(command: StoreCommand) -> None:
    answer = ok(b"", "Location: /elsewhere", status="307 Temporary Redirect")
    with scripted_service(answer) as service:
        store = fake_store(service.port)
        assert failed(store.execute(command)).refusal is Refusal.INVALID
        store.account.close()
    assert len(service.heads) == 1


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=name)
def test_a_service_that_never_answers_is_unknown_and_asked_once_only(command: StoreCommand) -> None:
    heads: list[bytes] = []

    def silence(connection: socket.socket) -> None:
        heads.append(connection.recv(65536))
        connection.settimeout(120)
        while connection.recv(65536):
            pass

    with scripted_service(silence) as service:
        store = fake_store(service.port, QUICK)
        unknown(store.execute(command))
        store.account.close()
    assert len(heads) == 1


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (Put(1, 0, 512, (Part(None, 0, 512),), LEASE, 1, None), "200 OK"),
        (Clear(2, 0, 512, LEASE, 1, None), "200 OK"),
        (Raise(3, 1, LEASE), "201 Created"),
        (Renew(4, LEASE), "202 Accepted"),
        (Head(5, None), "204 No Content"),
        (ReadPage(6, 0, None), "200 OK"),
    ],
)  # fmt: skip
def test_another_success_than_the_documented_one_is_not_believed(
    command: StoreCommand, status: str
) -> None:
    with scripted_service(ok(b"", 'ETag: "0x1"', status=status)) as service:
        store = fake_store(service.port)
        unknown(store.execute(command))
        store.account.close()


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        pytest.param(Raise(1, 9, LEASE), ok(b"", 'ETag: "0x1"'), id="raise: no number"),
        pytest.param(
            Raise(1, 9, LEASE),
            ok(b"", 'ETag: "0x1"', "x-ms-blob-sequence-number: 8"),
            id="raise: lower number",
        ),
        pytest.param(
            Put(1, 0, 512, (Part(None, 0, 512),), LEASE, 1, None),
            ok(b"", 'ETag: "0x1"', "x-ms-content-crc64: AAAA", status="201 Created"),
            id="put: other bytes stored",
        ),
        pytest.param(
            Put(1, 0, 512, (Part(None, 0, 512),), LEASE, 1, None),
            ok(status="201 Created"),
            id="put: no etag",
        ),
        pytest.param(
            Head(1, None),
            ok(b"", "x-ms-blob-type: PageBlob", 'ETag: "0x1"', "x-ms-lease-state: available"),
            id="head: no number",
        ),
        pytest.param(
            Head(1, None),
            ok(
                b"",
                "x-ms-blob-type: PageBlob",
                'ETag: "0x1"',
                "x-ms-blob-sequence-number: 1",
                "x-ms-lease-state: borrowed",
            ),
            id="head: no such lease state",
        ),
        pytest.param(
            ReadPage(1, 512, None),
            ok(
                bytes(512),
                "Content-Range: bytes 0-511/4096",
                "Content-MD5: v2Gerxzo0FSIpMOoVATBNw==",
                status="206 Partial Content",
            ),
            id="read: another page",
        ),
        pytest.param(
            ReadPage(1, 0, None),
            ok(
                bytes(512),
                "Content-Range: bytes 0-511/4096",
                "Content-MD5: AAAA",
                status="206 Partial Content",
            ),
            id="read: damaged",
        ),
        pytest.param(
            ReadPage(1, 0, None),
            ok(bytes(512), "Content-Range: bytes 0-511/4096", status="206 Partial Content"),
            id="read: no checksum",
        ),
    ],
)
def test_an_answer_that_contradicts_the_request_is_not_believed(
    command: StoreCommand, answer: bytes
) -> None:
    with scripted_service(answer) as service:
        store = fake_store(service.port)
        unknown(store.execute(command))
        store.account.close()


@pytest.mark.real
def test_a_put_cut_in_the_middle_is_unknown_and_not_applied(
    blob: LeasedBlob, cutter: Cutter, through: PageBlob
) -> None:
    cutter.up_limit = 700_000
    unknown(blob.put(0, b"\1" * 4_194_304, through=through))
    assert blob.store.page_ranges() == ()


@pytest.mark.real
def test_a_put_whose_answer_is_lost_is_unknown_though_it_was_applied(
    blob: LeasedBlob, cutter: Cutter, through: PageBlob
) -> None:
    cutter.swallow = True
    unknown(blob.put(0, b"\1" * 512, through=through))
    assert blob.store.read_range(0, 512) == b"\1" * 512


@pytest.mark.real
def test_a_put_whose_answer_is_late_is_unknown(
    blob: LeasedBlob, cutter: Cutter, through: PageBlob
) -> None:
    cutter.stall = True
    through.account._pool.timeouts = QUICK
    answer = unknown(blob.put(0, b"\1" * 512, through=through))
    assert "time-out" in answer.detail


@pytest.mark.real
def test_rare_commands_whose_answer_is_lost_are_unknown_though_applied(
    blob: LeasedBlob, cutter: Cutter, through: PageBlob
) -> None:
    cutter.swallow = True
    etag = blob.state().etag
    unknown(through.execute(Resize(next_id(), 1024 * 1024, blob.lease, etag)))
    assert blob.state().length == 1024 * 1024
    other = PageBlob(through.account, through.container, "other.vhd")
    unknown(other.execute(Create(next_id(), 1024, (), 0)))
    seen = PageBlob(blob.store.account, through.container, "other.vhd")
    etag = done(seen.execute(Head(next_id(), None))).etag
    unknown(other.execute(Acquire(next_id(), LEASE, 15, etag)))
    assert isinstance(seen.execute(Head(next_id(), LEASE)), Done)


@pytest.mark.real
def test_after_the_service_came_back_the_next_command_works(
    blob: LeasedBlob, cutter: Cutter, through: PageBlob
) -> None:
    done(blob.put(0, b"\1" * 512, through=through))
    cutter.cut_all()
    # The cut arrives: an idle connection that is known to be dead is no outcome.
    await_ends(through)
    done(blob.put(0, b"\2" * 512, number=NUMBER, through=through))
    assert blob.store.read_range(0, 512) == b"\2" * 512
