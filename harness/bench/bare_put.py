"""The ceiling: a bare loop that puts known extents of a volume, with checksums and nothing else.

No lease, no sequence number, no order, no outcome but success: what no engine can beat with the
same number of connections.
"""

import base64
import hashlib
import http.client
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from awscrt.checksums import crc64nvme

from harness.errors import Inconclusive

__all__ = ["Checksum", "put_extents"]

Checksum = Literal["crc64", "md5"]

VERSION: Final = "2021-12-02"


def put_extents(
    url: str, volume: Path, extents: Sequence[tuple[int, int]], connections: int,
    checksum: Checksum,
) -> float:  # fmt: skip
    """Put every (offset, length) of the volume into the existing blob at `url` (with a SAS).

    `checksum` is of the kind that the service takes. Returns the seconds from before the first
    connection to after the last answer.
    """
    left = list(reversed(extents))
    lock = threading.Lock()
    descriptor = os.open(volume, os.O_RDONLY)
    try:
        with ThreadPoolExecutor(connections) as pool:
            began = time.monotonic()
            workers = [
                pool.submit(_work, url, descriptor, left, lock, checksum)
                for _ in range(connections)
            ]
            for worker in workers:
                worker.result()
            return time.monotonic() - began
    finally:
        os.close(descriptor)


def _work(
    url: str, descriptor: int, left: list[tuple[int, int]], lock: threading.Lock, kind: Checksum
) -> None:
    parts = urlsplit(url)
    target = f"{parts.path}?comp=page&{parts.query}"
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        while True:
            with lock:
                if not left:
                    return
                offset, length = left.pop()
            _put(connection, target, offset, os.pread(descriptor, length, offset), kind)
    finally:
        connection.close()


def _put(
    connection: http.client.HTTPConnection, target: str, offset: int, data: bytes, kind: Checksum
) -> None:
    header, checksum = _checksum(kind, data)
    headers = {
        "x-ms-version": VERSION,
        "x-ms-page-write": "update",
        "x-ms-range": f"bytes={offset}-{offset + len(data) - 1}",
        header: checksum,
    }
    connection.request("PUT", target, data, headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 201:
        raise Inconclusive(
            f"the bare loop's put at {offset} was answered {answer.status}: no ceiling was measured"
        )


def _checksum(kind: Checksum, data: bytes) -> tuple[str, str]:
    """Header and value; the CRC little-endian (Azure REST, "Put Page")."""
    if kind == "crc64":
        header, digest = "x-ms-content-crc64", crc64nvme(data).to_bytes(8, "little")
    else:
        header, digest = "content-md5", hashlib.md5(data, usedforsecurity=False).digest()
    return header, base64.b64encode(digest).decode("ascii")
