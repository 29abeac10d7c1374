"""What every test may use: a real blob service for each pytest process, and fresh containers."""

import shutil
import uuid
from collections.abc import Iterator

import pytest
from azure.storage.blob import BlobServiceClient

from harness.lab.azurite import Azurite


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Azurite 3.37 on a fresh data folder, which is removed at the end."""
    folder = tmp_path_factory.mktemp("azurite")
    with Azurite(folder) as running:
        yield running
    shutil.rmtree(folder / "data", ignore_errors=True)


@pytest.fixture
def container(azurite: Azurite) -> str:
    """Return the name of a new, empty container."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        service.create_container(name).close()
    return name
