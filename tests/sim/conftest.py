"""The storage account that the model is compared with: Azurite, or one named by the environment."""

import os
import uuid
from collections.abc import Iterator

import pytest

from harness.lab.azurite import Azurite
from harness.sim.real_account import RealAccount
from tests.sim.twin import Twin

STORE = "MOUNTPROOF_TEST_STORE"
"""Environment variable with the connection string of another account to compare with."""


@pytest.fixture(scope="session")
def account(request: pytest.FixtureRequest) -> Iterator[RealAccount]:
    """One connection to the account under test."""
    connection_string = os.environ.get(STORE)
    if not connection_string:
        azurite: Azurite = request.getfixturevalue("azurite")
        connection_string = azurite.connection_string
    account = RealAccount(connection_string)
    yield account
    account.close()


@pytest.fixture
def container_name(account: RealAccount) -> Iterator[str]:
    """Name of a fresh container, deleted afterwards."""
    name = f"twin-{uuid.uuid4().hex[:12]}"
    assert account.create_container(name) == 201
    yield name
    assert account.delete_container(name) == 202


@pytest.fixture
def twin(account: RealAccount, container_name: str) -> Twin:
    """A model and a real container, both empty."""
    return Twin(account, container_name)
