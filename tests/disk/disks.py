"""Builds the disks that the tests prove: one good fixed VHD, and damage done to it by name."""

import hashlib
import random
import struct
from pathlib import Path

from harness.disk.expected_ledger import entry_record

MIB = 1024 * 1024
UNIQUE_ID = bytes(range(16))


def footer(size: int, **fields: object) -> bytes:
    """Return a good footer for `size` bytes, with some fields set otherwise; checksum right."""
    values: dict[str, object] = {
        "cookie": b"conectix",
        "features": 2,
        "version": 0x10000,
        "data_offset": 0xFFFF_FFFF_FFFF_FFFF,
        "timestamp": 848_000_000,
        "creator": b"win ",
        "creator_version": 0x00010000,
        "host": b"Wi2k",
        "original_size": size,
        "current_size": size,
        "cylinders": 65535,
        "heads": 16,
        "sectors": 255,
        "disk_type": 2,
        "checksum": 0,
        "unique_id": UNIQUE_ID,
        "saved_state": 0,
        "reserved": bytes(427),
    }
    assert set(fields) <= set(values), fields
    raw = struct.pack(">8sIIQI4sI4sQQHBBII16sB427s", *(values | fields).values())
    if fields.get("checksum") is not None:
        return raw
    return raw[:64] + struct.pack(">I", ~sum(raw) & 0xFFFF_FFFF) + raw[68:]


def write_disk(
    path: Path, size: int, data: dict[int, bytes] | None = None, last: bytes | None = None
) -> Path:
    """Write a sparse disk with `data` by offset, and `last` (a good footer) after it."""
    with path.open("wb") as file:
        for offset, content in (data or {}).items():
            file.seek(offset)
            file.write(content)
        file.seek(size)
        file.write(footer(size) if last is None else last)
    return path


def noise(length: int, seed: int = 1) -> bytes:
    """Return bytes that compress to nothing and repeat nowhere."""
    return random.Random(seed).randbytes(length)


def ledger_file(entries: int, seed: int) -> bytes:
    """Return a whole ledger, as the workload guest writes it."""
    previous, records = bytes(32), []
    for index in range(1, entries + 1):
        record = entry_record(index, previous, seed)
        previous = hashlib.sha256(record).digest()
        records.append(record + previous)
    return b"".join(records)
