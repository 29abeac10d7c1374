"""Volumes for benches: sparse files with data at known places, the same for one seed."""

import os
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["EXTENT_BYTES", "GIB", "MIB", "make_volume", "spread_extents", "striped_extents"]

MIB: Final = 1 << 20
GIB: Final = 1 << 30
EXTENT_BYTES: Final = 4 * MIB

Extents = list[tuple[int, int]]
"""Offset and length of each piece of data."""


def striped_extents(volume_bytes: int, every_bytes: int = 4 * EXTENT_BYTES) -> Extents:
    """4 MiB of data at the start of every `every_bytes`: a quarter of the volume."""
    return [(offset, EXTENT_BYTES) for offset in range(0, volume_bytes, every_bytes)]


def spread_extents(volume_bytes: int, data_bytes: int) -> Extents:
    """`data_bytes` in pieces of 4 MiB, evenly over the volume."""
    pieces = data_bytes // EXTENT_BYTES
    step = volume_bytes // pieces // EXTENT_BYTES * EXTENT_BYTES
    return [(number * step, EXTENT_BYTES) for number in range(pieces)]


def make_volume(path: Path, volume_bytes: int, extents: Iterable[tuple[int, int]] = ()) -> Path:
    """Make the file, random data in `extents` and holes elsewhere, and have it on the disk."""
    dice = random.Random(volume_bytes)
    with path.open("xb") as file:
        file.truncate(volume_bytes)
        for offset, length in extents:
            file.seek(offset)
            file.write(dice.randbytes(length))
        file.flush()
        os.fsync(file.fileno())
    return path
