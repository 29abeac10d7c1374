"""A disk under proof in a local file or block device."""

import errno
import os
import stat
from pathlib import Path

from harness.disk.source import Extent
from harness.errors import Inconclusive, UsageError


class LocalDisk:
    """A file, opened read-only; what is allocated comes from the file system (SEEK_DATA)."""

    kind = "file"
    is_remote = False

    def __init__(self, path: Path) -> None:
        self.place = path.resolve()
        self.name = str(path)
        self._file = -1  # so that an unopened disk can be let go of
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            mode = os.fstat(self._file).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
                self.close()
                raise UsageError(f"{path} is neither a file nor a block device; name a disk image")
            self.length = os.lseek(self._file, 0, os.SEEK_END)
        except OSError as error:
            self.close()
            raise UsageError(
                f"cannot open disk {path}: {error.strerror}; check the path and its permissions"
            ) from error

    def read(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes; a file that became shorter is inconclusive."""
        try:
            data = os.pread(self._file, length, offset)
        except OSError as error:
            raise Inconclusive(
                f"cannot read {length} bytes at {offset} of {self.name}: {error.strerror}"
            ) from error
        if len(data) != length:
            raise Inconclusive(
                f"{self.name} gave {len(data)} of {length} bytes at {offset}: it changed while it "
                "was read; stop what writes to it and prove it again"
            )
        return data

    def extents(self) -> list[Extent]:
        """Walk the data segments; where they cannot be asked for (a device), all is data."""
        found = []
        at = 0
        while at < self.length:
            try:
                start = os.lseek(self._file, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # no data after `at`
                    break
                return [Extent(0, self.length)]
            at = os.lseek(self._file, start, os.SEEK_HOLE)
            found.append(Extent(start, min(at, self.length) - start))
        return found

    def check_unchanged(self) -> None:
        """Compare the length with that of the opening."""
        now = os.lseek(self._file, 0, os.SEEK_END)
        if now != self.length:
            raise Inconclusive(
                f"{self.name} had {self.length} bytes and now has {now}: it changed under the proof"
            )

    def qemu_node(self) -> dict[str, object]:
        """Return QEMU's `file` driver on the path."""
        driver = "host_device" if stat.S_ISBLK(os.fstat(self._file).st_mode) else "file"
        return {"driver": driver, "filename": str(self.place)}

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
