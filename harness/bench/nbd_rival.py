"""qemu-nbd on a raw file: the rival of the tap, which serves and nothing else."""

import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from harness.bench.scene import Scene
from harness.errors import Inconclusive
from harness.lab.process import LabProcess

__all__ = ["EXPORT", "QemuNbd"]

EXPORT: Final = "db"
START_S: Final = 10.0


class QemuNbd:
    """A running qemu-nbd on a Unix socket, with the cache mode it has by itself (writeback)."""

    def __init__(self, scene: Scene, volume: Path) -> None:
        folder = scene.folder("rival")
        self.socket = folder / "nbd"
        self._process = LabProcess(
            "qemu-nbd",
            [
                *("qemu-nbd", "--persistent", "--format", "raw", "--export-name", EXPORT),
                *("--socket", str(self.socket), str(volume)),
            ],
            output=folder / "out",
            log=folder / "log",
        )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + START_S
        while not self.socket.exists():
            if not self._process.running or time.monotonic() > deadline:
                self._process.stop()
                said = self._process.log.read_text("utf-8", "replace").strip()[-400:]
                raise Inconclusive(f"qemu-nbd does not serve: {said or 'it said nothing'}")
            time.sleep(0.02)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.stop()
