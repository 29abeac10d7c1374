"""Fixtures of the store's tests: the account and a leased blob on the session's Azurite."""

import uuid
from collections.abc import Iterator
from typing import Protocol

import pytest

from engine.shell.page_blob import PageBlob
from engine.shell.store_account import StoreAccount, open_account
from tests.store.leased_blob import LeasedBlob, leased_blob


class RunningAzurite(Protocol):
    """What these tests use of the `azurite` fixture."""

    connection_string: str


@pytest.fixture
def account(azurite: RunningAzurite) -> Iterator[StoreAccount]:
    """The account, by its key."""
    opened = open_account(azurite.connection_string)
    yield opened
    opened.close()


@pytest.fixture
def store(account: StoreAccount, container: str) -> PageBlob:
    """A blob that does not exist yet."""
    return PageBlob(account, container, f"disk {uuid.uuid4().hex[:8]}+ä.vhd")


@pytest.fixture
def blob(store: PageBlob) -> LeasedBlob:
    """A blob of 16 MiB, leased."""
    return leased_blob(store)
