"""What every test may use: a real blob service for each pytest process, and fresh containers."""

import shutil
import uuid
from collections.abc import Iterator

import pytest
from azure.storage.blob import BlobServiceClient
from hypothesis import HealthCheck, settings

from harness.lab.azurite import Azurite

# A busy machine is slow, not wrong: time decides no property test.
settings.register_profile(
    "mountproof", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("mountproof")


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
