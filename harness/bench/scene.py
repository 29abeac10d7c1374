"""Where a bench takes place: a scratch folder, a blob service of its own, and progress told.

The service's data folder only grows (facts.md 3.2), so `renew` starts it on a fresh one; nothing is
left at the end, whatever the end.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from azure.storage.blob import BlobClient, BlobSasPermissions, BlobServiceClient, generate_blob_sas

from harness.lab.azurite import Azurite
from harness.lab.scratch import Scratch
from harness.parts import AzuriteVersion
from harness.redaction import register_secret

__all__ = ["BenchOrder", "Scene", "write_url"]

SCRATCH_BYTES: Final = 12 << 30
CONTAINER: Final = "bench"
SAS_HOURS: Final = 2

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BenchOrder:
    """What is asked of a bench; `quick` measures less of everything: to see that it works.

    offline: it needs no blob service.
    """

    azurite: AzuriteVersion
    pairs: int
    quick: bool = False
    offline: bool = False
    say: Say = field(default=lambda _text: None)


class Scene:
    """A folder and a running Azurite with an empty container; use it as a context manager.

    A bench that needs no service has the folder alone.
    """

    def __init__(self, order: BenchOrder) -> None:
        self.order = order
        self.say = order.say
        self._numbers = count(1)
        self._service: Azurite | None = None

    @property
    def service(self) -> Azurite:
        """The running blob service."""
        assert self._service is not None
        return self._service

    @property
    def connection_string(self) -> str:
        """The key to it: for the environment of a process only."""
        return self.service.connection_string

    @property
    def container(self) -> str:
        """The one container."""
        return CONTAINER

    def folder(self, name: str) -> Path:
        """A fresh folder, short enough for sockets, whose name begins with `name`."""
        return self._scratch.folder(f"{name}{next(self._numbers)}")

    def blob_name(self) -> str:
        """The name of a blob that does not exist yet."""
        return f"disk{next(self._numbers)}.vhd"

    def blob(self, name: str) -> BlobClient:
        """The SDK's client of a blob, as a careful user would make it."""
        return BlobClient.from_connection_string(self.connection_string, CONTAINER, name)

    def write_url(self, name: str) -> str:
        """A URL that lets write a blob: a secret."""
        return write_url(self.service, CONTAINER, name)

    def renew(self) -> None:
        """Stop the service, delete its data, start it anew: addresses and keys change."""
        self._close_service()
        azurite = Azurite(self.folder("azurite"), version=self.order.azurite)
        self._service = azurite
        azurite.start()
        with BlobServiceClient.from_connection_string(self.connection_string) as client:
            client.create_container(CONTAINER).close()

    def _close_service(self) -> None:
        if self._service is not None:
            self._service.kill()  # its data is deleted next: nothing needs to be saved
            shutil.rmtree(self._service.folder, ignore_errors=True)
            self._service = None

    def __enter__(self) -> Self:
        self._scratch = Scratch(SCRATCH_BYTES)
        try:
            if not self.order.offline:
                self.renew()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close_service()
        self._scratch.__exit__(kind, error, trace)


def write_url(service: Azurite, container: str, name: str) -> str:
    """A URL with a SAS that lets write a blob: a secret, registered as such."""
    with BlobServiceClient.from_connection_string(service.connection_string) as client:
        sas = generate_blob_sas(
            service.account,
            container,
            name,
            account_key=client.credential.account_key,
            permission=BlobSasPermissions(read=True, write=True),
            expiry=datetime.now(UTC) + timedelta(hours=SAS_HOURS),
        )
    for pair in sas.split("&"):
        if pair.startswith("sig="):
            register_secret(pair.removeprefix("sig="))
    return f"{service.blob_endpoint}/{container}/{name}?{sas}"
