"""Stamps: a part that was set up carries the digest of all that it was made from."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

__all__ = ["digest_of", "is_stamped", "stamp"]

_NAME = ".mountproof-stamp"


def digest_of(files: Iterable[Path], *words: str) -> str:
    """Return one digest of the files' contents and of the words, such as versions."""
    total = hashlib.sha256()
    for part in [*(path.read_bytes() for path in files), *(word.encode() for word in words)]:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()


def is_stamped(folder: Path, digest: str) -> bool:
    """Whether `folder` was completed from exactly these inputs."""
    try:
        return (folder / _NAME).read_text("ascii").strip() == digest
    except (OSError, UnicodeDecodeError):
        return False


def stamp(folder: Path, digest: str) -> None:
    """Mark `folder` as complete; the last step of setting it up."""
    (folder / _NAME).write_text(digest + "\n", "ascii")
