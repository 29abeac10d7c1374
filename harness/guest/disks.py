"""The disks that a guest is given, as QEMU block-device descriptions.

A recovery disk is read straight from where it lies (a page blob over HTTP, or a file): nothing is
copied, and what the guest writes goes into a throw-away overlay that is created empty here.
Sources: facts.md 4.1 and 4.2.
"""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from harness.errors import Inconclusive, UsageError
from harness.redaction import redact

HTTP_READAHEAD: Final = 256 << 10
"""Until a 64 MiB disk is mounted and verified a service answers, of 128 KiB, 20 requests in 0.20 s
in all; of 256 KiB 13 in 0.20 s; of 1 MiB 8 in 0.29 s (facts.md 4.2 has more of the driver)."""
HTTP_TIMEOUT_SECONDS: Final = 30
CREATE_SECONDS: Final = 30.0
RECONNECT_SECONDS: Final = 60
SECTOR: Final = 512

Blockdev = dict[str, object]


@dataclass(frozen=True, slots=True)
class Disk:
    """One virtio disk: its QEMU description, what to call it in public, and whether it is secret.

    `secret` keeps the description out of the command line (QEMU reads it from a pipe instead).
    """

    blockdev: Blockdev
    title: str
    secret: bool = False
    read_only: bool = False


def raw_file_disk(path: Path, *, read_only: bool = False) -> Disk:
    """Return a disk on a raw local file, which the guest writes to unless `read_only`."""
    node = {"driver": "file", "filename": str(path), "read-only": read_only}
    return Disk(
        {"driver": "raw", "read-only": read_only, "file": node},
        title=str(path),
        read_only=read_only,
    )


def nbd_disk(address: str, export: str) -> Disk:
    """Return a disk on an NBD server: `address` is "unix:/path" or "host:port"."""
    return Disk(_nbd_node(address, export), title=f"nbd {address} {export}")


def lasting_disk(address: str, export: str) -> Disk:
    """Return a disk on an NBD server that may change the disk's size, or be away for a while.

    `GuestVm.follow_size` moves it to a new connection, with the size that the server tells then.
    """
    node = lasting_node(address, export)
    return Disk({"driver": "raw", "file": node}, title=f"nbd {address} {export}")


def lasting_node(address: str, export: str) -> Blockdev:
    """Return QEMU's description of a connection that outlives its server.

    While the server is away the guest's requests wait, as they would for a storage system that
    fails over.
    """
    return {**_nbd_node(address, export), "reconnect-delay": RECONNECT_SECONDS}


def _nbd_node(address: str, export: str) -> Blockdev:
    return {"driver": "nbd", "server": _nbd_server(address), "export": export}


def _nbd_server(address: str) -> Blockdev:
    if address.startswith("unix:"):
        return {"type": "unix", "path": address.removeprefix("unix:")}
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        raise UsageError(
            f'the NBD address {address!r} is neither "unix:/path" nor "host:port". Correct it.'
        )
    return {"type": "inet", "host": host.strip("[]"), "port": port}


def recovery_disk(
    source: str | Path,
    size_bytes: int,
    overlay: Path,
    *,
    driver: str = "vpc",
    verify_certificate: bool = True,
) -> Disk:
    """Return the disk of `source` (an http(s) URL, with or without SAS, or a local file).

    `size_bytes` is the volume's size, without the VHD footer. `driver` says how QEMU reads the
    source: "vpc" checks and hides the footer; "raw" takes the first `size_bytes` bytes, for
    volumes that QEMU's vpc driver misreads (facts.md 1.3). `overlay` must not exist; the caller
    removes it.
    """
    if driver not in {"vpc", "raw"}:
        raise UsageError(f'a recovery disk is read by driver "vpc" or "raw", not {driver!r}.')
    _create_overlay(overlay, size_bytes)
    backing: Blockdev = {
        "driver": driver,
        "read-only": True,
        "file": _source_node(source, verify_certificate=verify_certificate),
    }
    if driver == "raw":
        backing["size"] = size_bytes
    blockdev: Blockdev = {
        "driver": "qcow2",
        # What the guest calls durable need not outlive this machine.
        "cache": {"direct": False, "no-flush": True},
        "file": {"driver": "file", "filename": str(overlay)},
        "backing": backing,
    }
    return Disk(blockdev, title=_public_name(source), secret=_has_query(source))


def _source_node(source: str | Path, *, verify_certificate: bool) -> Blockdev:
    if isinstance(source, Path):
        return {"driver": "file", "filename": str(source), "read-only": True}
    scheme = urlsplit(source).scheme
    if scheme not in {"http", "https"}:
        raise UsageError(f"a disk is read from a file or over http(s), not over {scheme!r}.")
    node: Blockdev = {
        "driver": scheme,
        "url": source,
        "readahead": HTTP_READAHEAD,
        "timeout": HTTP_TIMEOUT_SECONDS,
        "read-only": True,
    }
    if scheme == "https" and not verify_certificate:
        node["sslverify"] = False
    return node


def _has_query(source: str | Path) -> bool:
    return isinstance(source, str) and bool(urlsplit(source).query)


def _public_name(source: str | Path) -> str:
    if isinstance(source, Path):
        return str(source)
    return redact(urlsplit(source)._replace(query="", fragment="").geturl())


def _create_overlay(overlay: Path, size_bytes: int) -> None:
    # The overlay does not name its backing file: that would store a SAS on disk.
    command = ["qemu-img", "create", "-q", "-f", "qcow2", str(overlay), str(size_bytes)]
    try:
        done = subprocess.run(
            command, timeout=CREATE_SECONDS, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise Inconclusive("qemu-img is not installed (package qemu-utils).") from None
    except subprocess.TimeoutExpired:
        raise Inconclusive(
            f"qemu-img made no overlay at {overlay} in {CREATE_SECONDS:.0f} s."
        ) from None
    if done.returncode != 0:
        raise Inconclusive(
            f"no throw-away overlay could be made at {overlay}: {done.stderr.strip()}. "
            "Is there space, and is the path free?"
        )


def extents_disk(extents: Iterable[tuple[int, int]], path: Path) -> Disk:
    """Write (offset, length) pairs in bytes, ascending, to `path`; return it as a read-only disk.

    Given as the second disk of a `prove` guest with option extents=1, it says where data is.
    """
    text = "".join(f"{offset} {length}\n" for offset, length in extents).encode("ascii")
    path.write_bytes(text + bytes(-len(text) % SECTOR or (0 if text else SECTOR)))
    return raw_file_disk(path, read_only=True)
