"""The life of a blob by nothing but a container's SAS, as the SDK issues it.

Not checked: requests that name a snapshot. Azurite puts the snapshot's id into the text it expects
a SAS to sign, also for a container's, so that it refuses them all; the test says so.
"""

from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import generate_container_sas

from engine.core.messages import (
    DeleteSnapshot,
    Head,
    ListSnapshots,
    Refusal,
    Release,
    Renew,
    SetMetadata,
    Snapshot,
)
from engine.errors import StoreRefused
from engine.shell.blob_auth import SharedKey
from engine.shell.page_blob import PageBlob
from engine.shell.store_account import StoreAccount, open_account
from tests.store.leased_blob import done, failed, leased_blob, next_id

pytestmark = pytest.mark.real


def test_every_kind_of_command_works_by_a_container_sas(
    account: StoreAccount, container: str
) -> None:
    assert isinstance(account.credential, SharedKey)
    token = generate_container_sas(
        account.name,
        container,
        account_key=account.credential.key_text(),
        permission="racwdl",
        expiry=datetime.now(UTC) + timedelta(minutes=5),
    )
    by_sas = open_account(f"{account.url}/{container}?{token}")
    store = PageBlob(by_sas, container, "by sas+ä.vhd")
    assert store.check_container() is False
    blob = leased_blob(store)
    done(blob.put(512, b"\1" * 1024))
    done(blob.clear(1024, 512))
    assert store.page_ranges() == ((512, 512),)
    assert store.read_range(512, 1024) == b"\1" * 512 + bytes(512)
    done(store.execute(Renew(next_id(), blob.lease)))
    done(store.execute(SetMetadata(next_id(), (("a", "b"),), blob.lease, blob.state().etag)))
    take = Snapshot(next_id(), (("pid", "1"),), blob.lease, blob.state().etag)
    snapshot = done(store.execute(take)).snapshot
    assert done(store.execute(ListSnapshots(next_id()))).snapshots == ((snapshot, (("pid", "1"),)),)
    refused = failed(store.execute(DeleteSnapshot(next_id(), snapshot)))
    assert refused.refusal is Refusal.AUTH
    with pytest.raises(StoreRefused, match="403"):
        store.read_range(512, 512, snapshot)
    done(store.execute(Release(next_id(), blob.lease)))
    reader = open_account(store.read_url(60))
    assert reader.container == container
    done(PageBlob(reader, container, store.blob).execute(Head(next_id(), None)))
    reader.close()
    by_sas.close()
