"""Azurite as a part of the lab: started on a fresh data folder, watched, stopped or killed.

The account is made up for each instance, name and key, so that whatever leaks into a log is a
secret that redaction has to find. Ports are free ones of the loopback address.

Its access log tells every request that arrived (`StoreLog` reads it). It is a stand-in for a real
blob service, and not a durable one: a SIGKILL loses up to five seconds of acknowledged writes
(facts.md 3.1); `stop` loses nothing.
"""

import base64
import contextlib
import os
import re
import resource
import secrets
import shutil
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from harness.errors import Inconclusive
from harness.lab.process import LabProcess
from harness.parts import AzuriteVersion, azurite_service
from harness.redaction import redact, register_secret

__all__ = ["Azurite"]

GIB: Final = 1 << 30
FREE_SPACE_BYTES_MIN: Final = 4 * GIB
"""Its extent store only grows (facts.md 3.2); a full disk would look like a fault of the engine."""

START_SECONDS: Final = 120.0
"""It takes 2 s, and on a machine that is overloaded by far 16."""
STOP_SECONDS: Final = 20.0
OPEN_FILES: Final = 1 << 18
"""One GET opens one file a page range (facts.md 3.2)."""

_LISTENS: Final = re.compile(
    rb"Blob service (?:successfully listens on|is successfully listening at)"
    rb" (http://127\.0\.0\.1:\d+)"
)


class Azurite:
    """One running Azurite; a context manager that stops it. `log` is its access log."""

    def __init__(
        self,
        folder: Path,
        *,
        version: AzuriteVersion = "3.37",
        every_service: bool = False,
        free_bytes_min: int = FREE_SPACE_BYTES_MIN,
    ) -> None:
        """Prepare an instance with its data and logs below `folder`, which has to be empty.

        `every_service` serves queues and tables too. `Inconclusive` if it is not installed or the
        disk is too full; ValueError if the folder holds anything.
        """
        self._service = azurite_service(version)
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ValueError(f"azurite needs a fresh folder, and {folder} is not empty")
        _check_free_space(folder, free_bytes_min)
        self.folder = folder
        self.version = self._service.version
        self.log = folder / "azurite.out"
        self.account = f"lab{secrets.token_hex(6)}"
        self.blob_endpoint = ""
        self._key = base64.b64encode(secrets.token_bytes(64)).decode("ascii")
        self._every_service = every_service
        self._process: LabProcess | None = None
        register_secret(self._key)

    @property
    def connection_string(self) -> str:
        """How to reach it. It holds the key: for the environment of a process, never for a log."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.account};AccountKey={self._key};"
            f"BlobEndpoint={self.blob_endpoint};"
        )

    @property
    def process(self) -> LabProcess:
        """The running process, for its pid and counters."""
        if self._process is None:
            raise RuntimeError("azurite has not been started")
        return self._process

    def start(self, *, port: int = 0) -> Self:
        """Start it, also again after `stop`, and return when it answers; `port` 0 is any free one.

        `Inconclusive` if it does not answer in time; the message has its last words.
        """
        if self._process is not None and self._process.running:
            raise RuntimeError("azurite runs already")
        heard = self.log.stat().st_size if self.log.exists() else 0
        self._process = LabProcess(
            "azurite",
            self._argv(port),
            output=self.log,
            log=self.folder / "azurite.log",
            env={**os.environ, "AZURITE_ACCOUNTS": f"{self.account}:{self._key}"},
            cwd=self.folder,
        )
        try:
            _raise_open_files(self._process.pid)
            self.blob_endpoint = f"{self._await_address(heard)}/{self.account}"
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """SIGTERM and wait: everything acknowledged is on its disk afterwards."""
        if self._process is not None and self._process.running:
            self._process.stop(STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL and wait; acknowledged writes of the last seconds may be lost."""
        if self._process is not None and self._process.running:
            self._process.kill()
            self._process.wait(STOP_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _argv(self, port: int) -> list[str]:
        argv = [
            str(self._service.node),
            str(self._service.entry(every_service=self._every_service)),
            "--location", str(self.folder / "data"),
            "--blobHost", "127.0.0.1", "--blobPort", str(port),
            "--disableTelemetry", "--skipApiVersionCheck",
        ]  # fmt: skip
        if self._every_service:
            argv += ["--queuePort", "0", "--tablePort", "0"]
        return argv

    def _await_address(self, heard: int) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.running:
            if found := _LISTENS.search(self._said(heard)):
                address = found.group(1).decode("ascii")
                _connect(address)
                return address
            time.sleep(0.02)
        words = redact(self._last_words(heard))
        ended = "does not answer" if self.process.running else "ended at once"
        raise Inconclusive(
            f"azurite {self.version} {ended} (started in {self.folder}); its last words: {words}"
        )

    def _said(self, since: int) -> bytes:
        with contextlib.suppress(FileNotFoundError), self.log.open("rb") as log:
            log.seek(since)
            return log.read()
        return b""

    def _last_words(self, heard: int) -> str:
        complaints = (self.folder / "azurite.log").read_bytes() if self._process else b""
        text = (self._said(heard) + complaints).decode("utf-8", "replace").strip()
        return text[-800:] or "none"


def _connect(address: str) -> None:
    port = int(address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS):
        pass


def _check_free_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Inconclusive(
            f"only {free / GIB:.1f} GiB are free below {folder} and a run of azurite may need"
            f" {needed / GIB:.1f} GiB; free some space, or point TMPDIR to a larger disk"
        )


def _raise_open_files(pid: int) -> None:
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    wanted = max(soft, hard, OPEN_FILES)
    try:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (wanted, wanted))
    except (PermissionError, ValueError):  # not root: as far as it goes
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
