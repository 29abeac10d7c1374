"""What a node keeps on its own disk: lock, lease ids, disk identities, records of orderly stops.

Small files in the policy's state folder, each replaced atomically and made durable before it is
relied on (protocol.md H10: a lease id is persisted before it is used). Volume data never goes here.
"""

import fcntl
import json
import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ConfigurationError

UNIQUE_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class DiskIdentity:
    """What stays the same in every footer of a volume's disk: its 16-byte id and creation time."""

    unique_id: bytes
    created_unix_s: int


class NodeState:
    """The state folder of one site, held by one process at a time."""

    def __init__(self, folder: Path) -> None:
        """Make and lock the folder. Raises ConfigurationError if it cannot be used or is in use."""
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock_fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"state folder {folder}: cannot be used: {error.strerror}; correct `state` in the"
                " policy"
            ) from error
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            raise ConfigurationError(
                f"state folder {folder}: another engine process of this site is running; stop it"
                " first"
            ) from busy

    def new_lease(self, volume: str) -> str:
        """Draw a fresh lease id and make it durable."""
        lease = str(uuid.uuid4())
        self._write(f"{volume}.lease", lease)
        return lease

    def last_lease(self, volume: str) -> str:
        """The lease id drawn last, "" if there is none or the file is damaged (H16)."""
        try:
            return str(uuid.UUID(self._read(f"{volume}.lease")))
        except ValueError:
            return ""

    def bitmap_path(self, volume: str) -> Path:
        """Where the volume's write-intent bitmap is (dirty_bitmap.py)."""
        return self.folder / f"{volume}.dirty"

    def identity(self, volume: str) -> DiskIdentity:
        """The disk's identity, drawn at the first call."""
        kept = self._read(f"{volume}.identity")
        if not kept:
            drawn = {"unique_id": uuid.uuid4().hex, "created_unix_s": int(time.time())}
            kept = json.dumps(drawn)
            self._write(f"{volume}.identity", kept)
        try:
            fields = json.loads(kept)
            unique_id, created = bytes.fromhex(fields["unique_id"]), int(fields["created_unix_s"])
            whole = len(unique_id) == UNIQUE_ID_BYTES
        except (ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            raise ConfigurationError(
                f"state file {self.folder / (volume + '.identity')} is damaged; remove it to give"
                " the disk a new identity"
            )
        return DiskIdentity(unique_id, created)

    def record_stop(self, volume: str, etag: str, fingerprint: str) -> None:
        """The blob held everything when the engine stopped in order."""
        self._write(f"{volume}.stopped", json.dumps({"etag": etag, "volume": fingerprint}))

    def changed_since_stop(self, volume: str, fingerprint: str) -> bool:
        """Whether there is a record of an orderly stop, and the volume may have changed since."""
        kept = self._read(f"{volume}.stopped")
        return bool(kept) and not _matching_etag(kept, fingerprint)

    def take_stop_record(self, volume: str, fingerprint: str) -> str:
        """The blob's ETag at the orderly stop, "" if there was none or the volume may have changed.

        The record is removed: it is true only until this start.
        """
        kept = self._read(f"{volume}.stopped")
        (self.folder / f"{volume}.stopped").unlink(missing_ok=True)
        return _matching_etag(kept, fingerprint)

    def write_secret(self, name: str, text: str) -> Path:
        """Write a file that only this user can read; returns its path."""
        self._write(name, text)
        return self.folder / name

    def close(self) -> None:
        """Give the folder back."""
        os.close(self._lock_fd)

    def _read(self, name: str) -> str:
        """The file's text, "" if there is none; bytes that are no text show as U+FFFD."""
        try:
            return (self.folder / name).read_text("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        fresh = path.with_name(name + ".new")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _matching_etag(kept: str, fingerprint: str) -> str:
    """The ETag that a record of an orderly stop holds if it is of this very volume content."""
    try:
        fields = json.loads(kept)
        same = bool(fingerprint) and fields["volume"] == fingerprint
        return str(fields["etag"]) if same else ""
    except (ValueError, KeyError, TypeError):
        return ""  # none, or damaged: then nothing is known
