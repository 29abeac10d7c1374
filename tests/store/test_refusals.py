"""Every way the real service refuses a command, and what the core is told."""

import base64
import uuid

import pytest
from azure.storage.blob import BlobServiceClient

from engine.core.messages import (
    Acquire,
    Break,
    Change,
    Clear,
    Create,
    DeleteSnapshot,
    Head,
    ListSnapshots,
    Part,
    Put,
    Raise,
    ReadPage,
    Refusal,
    Release,
    Renew,
    Resize,
    SetMetadata,
    Snapshot,
    StoreCommand,
)
from engine.errors import StoreRefused
from engine.shell.blob_auth import API_VERSION, SharedKey
from engine.shell.page_blob import PageBlob
from engine.shell.store_account import StoreAccount, open_account
from tests.store.conftest import RunningAzurite
from tests.store.leased_blob import (
    BLOB_BYTES,
    NUMBER,
    LeasedBlob,
    done,
    failed,
    next_id,
)

pytestmark = pytest.mark.real

LEASE = str(uuid.uuid4())
STALE = '"0x1234567890ABCD"'
SNAPSHOT_ID = "2026-01-02T03:04:05.1234567Z"

EVERY_COMMAND: list[StoreCommand] = [
    Head(1, None),
    ReadPage(2, 0, None),
    Create(3, 1024, (), 0),
    Put(4, 0, 512, (Part(None, 0, 512),), LEASE, 1, None),
    Clear(5, 0, 512, LEASE, 1, None),
    Raise(6, 1, LEASE),
    Resize(7, 1024, LEASE, STALE),
    SetMetadata(8, (), LEASE, STALE),
    Snapshot(9, (), LEASE, STALE),
    DeleteSnapshot(10, SNAPSHOT_ID),
    ListSnapshots(11),
    Acquire(12, LEASE, 15, STALE),
    Renew(13, LEASE),
    Break(14, STALE),
    Release(15, LEASE),
    Change(16, LEASE, str(uuid.uuid4())),
]


def name(command: StoreCommand) -> str:
    return type(command).__name__


def image(blob: LeasedBlob) -> bytes:
    return blob.store.read_range(0, 64 * 1024)


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=name)
def test_a_missing_container_is_not_found(account: StoreAccount, command: StoreCommand) -> None:
    store = PageBlob(account, "no-such-container", "b.vhd")
    answer = failed(store.execute(command))
    assert (answer.id, answer.refusal, answer.status) == (command.id, Refusal.NOT_FOUND, 404)
    assert "no-such-container" in answer.detail


@pytest.mark.parametrize(
    "command",
    [command for command in EVERY_COMMAND if not isinstance(command, Create | ListSnapshots)],
    ids=name,
)
def test_a_missing_blob_is_not_found(store: PageBlob, command: StoreCommand) -> None:
    """Where the command has an If-Match, that condition may be what fails: the core then HEADs."""
    answer = failed(store.execute(command))
    if getattr(command, "if_match", None) is None:
        assert (answer.refusal, answer.status) == (Refusal.NOT_FOUND, 404)
    else:
        assert answer.refusal in {Refusal.NOT_FOUND, Refusal.ETAG}


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=name)
def test_a_wrong_key_is_refused_and_never_shown(
    account: StoreAccount, container: str, command: StoreCommand
) -> None:
    key = base64.b64encode(b"a wrong key of a good length....").decode()
    wrong = open_account(f"AccountName={account.name};AccountKey={key};BlobEndpoint={account.url}")
    answer = failed(PageBlob(wrong, container, "b.vhd").execute(command))
    assert (answer.refusal, answer.status) == (Refusal.AUTH, 403)
    assert key not in repr(answer)
    wrong.close()


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=name)
def test_an_expired_sas_is_refused_and_never_shown(blob: LeasedBlob, command: StoreCommand) -> None:
    store = blob.store
    assert isinstance(store.account.credential, SharedKey)
    expired = open_account(store.read_url(-60))
    answer = failed(PageBlob(expired, store.container, store.blob).execute(command))
    assert (answer.refusal, answer.status) == (Refusal.AUTH, 403)
    assert "sig=" not in repr(answer)
    expired.close()


def test_a_reading_sas_reads_but_does_not_write(blob: LeasedBlob) -> None:
    done(blob.put(0, b"\1" * 512))
    reading = open_account(blob.store.read_url(60))
    store = PageBlob(reading, blob.store.container, blob.store.blob)
    assert done(store.execute(ReadPage(next_id(), 0, None))).page == b"\1" * 512
    assert store.page_ranges() == ((0, 512),)
    assert failed(blob.put(0, b"\2" * 512, through=store)).refusal is Refusal.AUTH
    assert image(blob)[:512] == b"\1" * 512
    reading.close()


def test_another_lease_is_refused_by_everything_that_names_one(blob: LeasedBlob) -> None:
    etag, other = blob.state().etag, str(uuid.uuid4())
    before = image(blob)
    commands: list[StoreCommand] = [
        Head(next_id(), other),
        ReadPage(next_id(), 0, other),
        Put(next_id(), 0, 512, (Part(b"\1" * 512, 0, 512),), other, NUMBER, None),
        Clear(next_id(), 0, 512, other, NUMBER, None),
        Raise(next_id(), NUMBER + 9, other),
        Resize(next_id(), 1024, other, etag),
        SetMetadata(next_id(), (), other, etag),
        Snapshot(next_id(), (), other, etag),
        Acquire(next_id(), other, 15, etag),
        Renew(next_id(), other),
        Release(next_id(), other),
        Change(next_id(), other, str(uuid.uuid4())),
    ]
    for command in commands:
        answer = failed(blob.store.execute(command))
        assert answer.refusal is Refusal.LEASE, command
        assert answer.status in {409, 412}
        assert answer.code.startswith("Lease")
    assert image(blob) == before
    assert blob.state().number == NUMBER


def test_a_broken_lease_fences_its_holder(blob: LeasedBlob) -> None:
    done(blob.put(0, b"\1" * 512))
    etag = blob.state().etag
    done(blob.store.execute(Break(next_id(), etag)))
    assert failed(blob.put(0, b"\2" * 512)).refusal is Refusal.LEASE
    assert failed(blob.store.execute(Renew(next_id(), blob.lease))).refusal is Refusal.LEASE
    assert failed(blob.store.execute(Head(next_id(), blob.lease))).refusal is Refusal.LEASE
    done(blob.store.execute(Acquire(next_id(), str(uuid.uuid4()), 15, etag)))
    assert failed(blob.put(0, b"\3" * 512)).refusal is Refusal.LEASE
    assert image(blob)[:512] == b"\1" * 512


@pytest.mark.parametrize("number", [NUMBER - 1, NUMBER + 1])
def test_another_sequence_number_is_refused(blob: LeasedBlob, number: int) -> None:
    answer = failed(blob.put(0, b"\1" * 512, number=number))
    assert (answer.refusal, answer.status) == (Refusal.SEQUENCE, 412)
    assert failed(blob.clear(0, 512, number=number)).refusal is Refusal.SEQUENCE
    assert blob.store.page_ranges() == ()


def test_a_raise_kills_every_older_request(blob: LeasedBlob) -> None:
    etag = blob.state().etag
    done(blob.store.execute(Raise(next_id(), NUMBER + 1, blob.lease)))
    assert failed(blob.put(0, b"\1" * 512)).refusal is Refusal.SEQUENCE
    late: list[StoreCommand] = [
        Resize(next_id(), 1024, blob.lease, etag),
        SetMetadata(next_id(), (), blob.lease, etag),
        Snapshot(next_id(), (), blob.lease, etag),
        Break(next_id(), etag),
    ]
    for command in late:
        assert failed(blob.store.execute(command)).refusal is Refusal.ETAG, command
    assert blob.state().length == BLOB_BYTES


def test_a_stale_etag_is_refused(blob: LeasedBlob) -> None:
    first = done(blob.put(0, b"\1" * 512))
    done(blob.put(512, b"\2" * 512))
    answer = failed(blob.put(0, b"\3" * 512, if_match=first.etag))
    assert (answer.refusal, answer.status, answer.code) == (Refusal.ETAG, 412, "ConditionNotMet")
    assert image(blob)[:512] == b"\1" * 512


def test_a_second_create_is_refused_and_wipes_nothing(blob: LeasedBlob) -> None:
    done(blob.put(0, b"\1" * 512))
    answer = failed(blob.store.execute(Create(next_id(), 1024, (), 0)))
    assert answer.refusal is Refusal.EXISTS
    assert image(blob)[:512] == b"\1" * 512


def test_damaged_bytes_are_refused(blob: LeasedBlob, monkeypatch: pytest.MonkeyPatch) -> None:
    """The body is damaged behind the checksum, as a bad wire would; the service notices."""
    send = StoreAccount.request

    def damage(self, method, path, query, headers, body=()):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return send(self, method, path, query, headers, [b"\xff", bytes(body[0])[1:]])

    monkeypatch.setattr(StoreAccount, "request", damage)
    answer = failed(blob.put(0, b"\1" * 512))
    monkeypatch.undo()
    assert (answer.refusal, answer.status) == (Refusal.CHECKSUM, 400)
    assert blob.store.page_ranges() == ()


def test_a_range_past_the_end_is_refused(blob: LeasedBlob) -> None:
    assert failed(blob.put(BLOB_BYTES, b"\1" * 512)).refusal is Refusal.RANGE
    read = failed(blob.store.execute(ReadPage(next_id(), BLOB_BYTES, None)))
    assert (read.refusal, read.status) == (Refusal.RANGE, 416)
    with pytest.raises(StoreRefused, match="outside the blob"):
        blob.store.read_range(BLOB_BYTES, 512)


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 4 * 1024 * 1024 + 512), (1, 512), (0, 100), (-512, 512), (0, 0)],
)
def test_what_azure_would_not_take_is_refused_before_it_is_sent(
    blob: LeasedBlob, offset: int, length: int
) -> None:
    parts = (Part(bytes(length), 0, length),)
    put = Put(next_id(), offset, length, parts, blob.lease, NUMBER, None)
    answer = failed(blob.store.execute(put))
    assert (answer.refusal, answer.status) == (Refusal.RANGE, 0)
    if length < 4 * 1024 * 1024:
        assert failed(blob.clear(offset, length)).refusal is Refusal.RANGE


def test_a_put_whose_parts_are_too_short_is_refused_before_it_is_sent(blob: LeasedBlob) -> None:
    put = Put(next_id(), 0, 1024, (Part(bytes(512), 0, 512),), blob.lease, NUMBER, None)
    assert failed(blob.store.execute(put)).refusal is Refusal.INVALID


@pytest.mark.parametrize("snapshot", ["", "latest", "2026-01-02", SNAPSHOT_ID + "&x=1"])
def test_deleting_no_snapshot_does_not_delete_the_blob(blob: LeasedBlob, snapshot: str) -> None:
    answer = failed(blob.store.execute(DeleteSnapshot(next_id(), snapshot)))
    assert answer.refusal is Refusal.INVALID
    assert blob.state().length == BLOB_BYTES


def test_a_block_blob_is_no_page_blob(
    azurite: RunningAzurite, account: StoreAccount, container: str
) -> None:
    with BlobServiceClient.from_connection_string(
        azurite.connection_string, api_version=API_VERSION
    ) as service:
        service.get_blob_client(container, "notes.txt").upload_blob(b"text")
    answer = failed(PageBlob(account, container, "notes.txt").execute(Head(next_id(), None)))
    assert answer.refusal is Refusal.INVALID
    assert "BlockBlob" in answer.detail


def test_check_container_tells_missing_container_from_refused_key(
    account: StoreAccount, container: str
) -> None:
    with pytest.raises(StoreRefused, match="ContainerNotFound"):
        PageBlob(account, "no-such-container", "b.vhd").check_container()
    key = base64.b64encode(b"no key of anybody's at all").decode()
    wrong = open_account(f"AccountName={account.name};AccountKey={key};BlobEndpoint={account.url}")
    with pytest.raises(StoreRefused, match="key or SAS is wrong") as caught:
        PageBlob(wrong, container, "b.vhd").check_container()
    assert key not in str(caught.value)
    assert caught.value.exit_code == 64
    wrong.close()
