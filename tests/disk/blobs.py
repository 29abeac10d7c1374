"""Page blobs on the real emulator for the tests: a client, a SAS, a disk put into one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.storage.blob import BlobClient, BlobSasPermissions, generate_blob_sas

from harness.disk.local_disk import LocalDisk
from harness.disk.source import READ_BYTES_MAX
from harness.lab.azurite import Azurite


def client_of(azurite: Azurite, container: str, blob: str) -> BlobClient:
    return BlobClient.from_connection_string(azurite.connection_string, container, blob)


def sas_url(client: BlobClient, *, minutes: int = 60, key: str = "", permission: str = "r") -> str:
    until = datetime.now(UTC) + timedelta(minutes=minutes)
    sas = generate_blob_sas(
        str(client.account_name),
        client.container_name,
        client.blob_name,
        account_key=key or client.credential.account_key,
        permission=BlobSasPermissions.from_string(permission),
        start=until - timedelta(days=1),
        expiry=until,
    )
    return f"{client.url}?{sas}"


def upload(client: BlobClient, path: Path) -> None:
    """Put a disk's data into a page blob, and nothing else."""
    disk = LocalDisk(path)
    client.create_page_blob(disk.length)
    for extent in disk.extents():
        for at in range(extent.offset, extent.end, READ_BYTES_MAX):
            length = min(READ_BYTES_MAX, extent.end - at)
            client.upload_page(disk.read(at, length), at, length)
    disk.close()
