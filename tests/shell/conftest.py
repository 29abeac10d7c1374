"""Fixtures of the engine's processes: a site on the session's Azurite, and one that may stop it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from harness.lab.azurite import Azurite
from tests.shell.engine_site import Site


@pytest.fixture
def site(azurite: Azurite, container: str, tmp_path: Path) -> Iterator[Site]:
    """A site with a policy for the volume `db` (sync, order flush), which is not made yet."""
    made = Site(tmp_path, azurite.connection_string, container)
    made.write_policy()
    yield made
    made.close()


@pytest.fixture
def own_azurite(tmp_path: Path) -> Iterator[Azurite]:
    """An Azurite that a test may stop and start again."""
    with Azurite(tmp_path / "azurite") as running:
        yield running


@pytest.fixture
def own_site(own_azurite: Azurite, tmp_path: Path) -> Iterator[Site]:
    """A site on an Azurite of its own."""
    with BlobServiceClient.from_connection_string(own_azurite.connection_string) as service:
        service.create_container("volumes").close()
    folder = tmp_path / "site"
    folder.mkdir()
    made = Site(folder, own_azurite.connection_string, "volumes")
    made.write_policy()
    yield made
    made.close()
