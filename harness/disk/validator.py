"""Strict validation of a fixed VHD's layout: its last 512 bytes, its first, and its length.

Tools are lenient in different ways (facts.md 1.4): QEMU compares no sizes, libvhdi and dissect
check no checksum. This reading accepts only what all of them and Azure agree on. It reads two
sectors and repairs nothing; what is inside the disk (stale footers) is for harness.disk.content.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from harness.disk.findings import Consumer, Finding, bad, warning
from harness.disk.footer import (
    COOKIE,
    FOOTER_BYTES,
    GEOMETRY_MAX,
    NO_DATA_OFFSET,
    TYPE_DIFFERENCING,
    TYPE_DYNAMIC,
    TYPE_FIXED,
    VERSION_1,
    Footer,
    geometry_of,
    parse_footer,
    size_in_qemu_7,
    size_in_qemu_10,
)

MIB: Final = 1024 * 1024
AZURE_BYTES_MIN: Final = 20 * MIB
"""Smallest disk of a managed-disk upload (facts.md 1.6)."""

AZURE_BYTES_MAX: Final = 32 * 1024 * 1024 * MIB
"""Largest disk of a managed-disk upload, 32 TiB (facts.md 1.6)."""

QEMU_BYTES_MAX: Final = 2040 * 1024 * MIB
"""Largest disk that QEMU's vpc driver opens (facts.md 1.2)."""

_FEATURES_RESERVED: Final = 2
_FEATURES_TEMPORARY: Final = 1

_OTHER_FORMATS: Final = (
    (b"vhdxfile", "a VHDX image"),
    (b"QFI\xfb", "a qcow2 image"),
    (b"KDMV", "a VMDK image"),
    (b"# Disk DescriptorFile", "a VMDK descriptor"),
)


class SectorSource(Protocol):
    """What the validator needs of a disk."""

    @property
    def length(self) -> int:
        """Bytes of the whole file or blob, the footer included."""
        ...

    @property
    def kind(self) -> str:
        """`file`, or the blob type the service names (`PageBlob`), or `http`."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`."""
        ...


@dataclass(frozen=True, slots=True)
class Layout:
    """What a strict reading found; `footer` is None when the last 512 bytes are none."""

    length: int
    footer: Footer | None
    findings: tuple[Finding, ...]
    first_sector_is_cookie: bool

    @property
    def size_bytes(self) -> int | None:
        """Bytes of the disk proper, where footer and length agree on it; else None."""
        if self.footer is None or self.footer.current_size + FOOTER_BYTES != self.length:
            return None
        return self.footer.current_size

    def is_bad_for(self, consumers: frozenset[Consumer]) -> bool:
        """Tell whether any finding condemns the disk for one of `consumers`."""
        return any(finding.condemns(consumers) for finding in self.findings)


def validate(disk: SectorSource) -> Layout:
    """Read first and last sector of `disk` and judge them and its length."""
    length = disk.length
    first = disk.read(0, min(FOOTER_BYTES, length))
    last = disk.read(length - FOOTER_BYTES, FOOTER_BYTES) if length >= FOOTER_BYTES else b""
    footer = parse_footer(last)
    if footer is None:
        findings: Iterator[Finding] = iter([_no_footer(disk, first)])
    else:
        findings = _judge(footer, length)
    starts_as_vhd = footer is not None and length > FOOTER_BYTES and first.startswith(COOKIE)
    extra = [*_of_first_sector(footer, starts_as_vhd=starts_as_vhd), *_of_kind(disk.kind)]
    return Layout(length, footer, (*findings, *extra), starts_as_vhd)


def _judge(footer: Footer, length: int) -> Iterator[Finding]:
    for rule in _RULES:
        yield from rule(footer, length)


def _no_footer(disk: SectorSource, first: bytes) -> Finding:
    length = disk.length
    if length < FOOTER_BYTES:
        return bad("truncated", f"{length} bytes cannot hold even a 512-byte footer: not a VHD.")
    for magic, name in _OTHER_FORMATS:
        if first.startswith(magic):
            return bad("other-format", f"This is {name}, not a VHD; convert it to a fixed VHD.")
    header = parse_footer(first)
    if header is not None and header.disk_type in (TYPE_DYNAMIC, TYPE_DIFFERENCING):
        return bad(
            "dynamic",
            f"A {_type_name(header.disk_type)} VHD by its first sector, with its footer cut off "
            "or destroyed; only a fixed VHD can be mounted from a page blob.",
        )
    displaced = _displaced_footer(disk)
    if displaced is not None:
        return bad(
            "footer-displaced",
            f"A footer stands at byte {displaced}, but {length - displaced - FOOTER_BYTES} bytes "
            "follow it; it must be the last 512 bytes, so every reader sees no VHD.",
        )
    return bad(
        "no-footer",
        "The last 512 bytes are no VHD footer: it was destroyed, the disk was truncated, or this "
        "is no VHD. Tools that guess the format take it for a raw disk.",
    )


def _displaced_footer(disk: SectorSource) -> int | None:
    """Offset of a footer in the last 64 KiB, where a grow or an append may have left it."""
    window = min(disk.length, 64 * 1024)
    start = disk.length - window
    tail = disk.read(start, window)
    at = tail.rfind(COOKIE)
    while at >= 0:
        found = parse_footer(tail[at : at + FOOTER_BYTES])
        if found is not None and found.checksum_is_right and found.current_size == start + at:
            return start + at
        at = tail.rfind(COOKIE, 0, at)
    return None


def _checksum(footer: Footer, _length: int) -> Iterator[Finding]:
    if not footer.checksum_is_right:
        yield bad(
            "checksum",
            f"The footer's checksum is {footer.checksum:#010x}, its bytes give "
            f"{footer.checksum_computed:#010x}: the footer is damaged.",
        )


def _disk_type(footer: Footer, _length: int) -> Iterator[Finding]:
    if footer.disk_type != TYPE_FIXED:
        yield bad(
            "dynamic" if footer.disk_type in (TYPE_DYNAMIC, TYPE_DIFFERENCING) else "disk-type",
            f"The footer says {_type_name(footer.disk_type)} disk; only a fixed VHD (type 2) can "
            "be mounted from a page blob.",
        )


def _type_name(disk_type: int) -> str:
    names = {TYPE_FIXED: "fixed", TYPE_DYNAMIC: "dynamic", TYPE_DIFFERENCING: "differencing"}
    return names.get(disk_type, f"type-{disk_type}")


def _sizes(footer: Footer, length: int) -> Iterator[Finding]:
    if footer.disk_type == TYPE_FIXED and footer.current_size + FOOTER_BYTES != length:
        room = length - FOOTER_BYTES
        less = room < footer.current_size
        yield bad(
            "truncated" if less else "length",
            f"The footer promises a disk of {footer.current_size} bytes, there are {room} before "
            f"it: {'the disk was truncated' if less else 'the size or the length is wrong'}.",
        )
    if footer.original_size != footer.current_size:
        yield bad(
            "original-size",
            f"Original size {footer.original_size} differs from current size "
            f"{footer.current_size}: readers differ in which they believe.",
        )
    if footer.current_size == 0:
        yield bad("empty", "The footer promises a disk of 0 bytes.")


def _azure_size(footer: Footer, _length: int) -> Iterator[Finding]:
    size = footer.current_size
    if size % MIB:
        yield bad(
            "not-whole-mib",
            f"{size} bytes are no whole number of MiB ({size % MIB} over): Azure refuses the disk "
            "('unsupported virtual size').",
            Consumer.AZURE,
        )
    if size < AZURE_BYTES_MIN:
        yield warning(
            "small",
            f"{size} bytes are under 20 MiB, the least that a managed-disk upload takes.",
            Consumer.AZURE,
        )
    if size > AZURE_BYTES_MAX:
        yield bad("too-large", f"{size} bytes are over Azure's 32 TiB.", Consumer.AZURE)


def _qemu_size(footer: Footer, _length: int) -> Iterator[Finding]:
    size = footer.current_size
    if size > QEMU_BYTES_MAX:
        yield bad(
            "over-2040-gib",
            f"{size} bytes are over 2040 GiB: QEMU's vpc driver refuses to open the disk.",
            Consumer.QEMU,
        )
    old, new = size_in_qemu_7(footer), size_in_qemu_10(footer)
    if (old, new) != (size, size):
        creator = footer.creator_application.decode("ascii", "backslashreplace")
        yield bad(
            "qemu-size",
            f"With creator application '{creator}' QEMU before 10.0 shows {old} bytes and from "
            f"10.0 on {new}, the disk has {size}: a guest would lose or miss its end.",
            Consumer.QEMU,
        )


def _geometry(footer: Footer, _length: int) -> Iterator[Finding]:
    expected = geometry_of(footer.current_size)
    if footer.geometry not in (expected, GEOMETRY_MAX):
        yield warning(
            "geometry",
            f"Geometry {footer.geometry} is not the one the format gives this size, {expected}; "
            "readers that trust it see another size.",
        )


def _fixed_fields(footer: Footer, _length: int) -> Iterator[Finding]:
    if footer.version != VERSION_1:
        yield bad("version", f"Format version is {footer.version:#010x}, not 0x00010000.")
    if footer.data_offset != NO_DATA_OFFSET and footer.disk_type == TYPE_FIXED:
        yield bad(
            "data-offset",
            f"Data offset is {footer.data_offset:#018x}; a fixed disk has all 64 bits set, and "
            "independent readers refuse others.",
        )
    if footer.features & ~_FEATURES_TEMPORARY != _FEATURES_RESERVED:
        yield bad("features", f"Features are {footer.features:#010x}; bit 1 alone must be set.")
    elif footer.features & _FEATURES_TEMPORARY:
        yield warning("temporary", "The footer marks the disk temporary: a host may delete it.")
    if footer.saved_state:
        yield bad("saved-state", "The footer says the disk belongs to a saved, suspended machine.")
    if any(footer.reserved):
        yield bad("reserved", "Reserved bytes of the footer are not zero: some readers refuse it.")


_RULES: Final[tuple[Callable[[Footer, int], Iterator[Finding]], ...]] = (
    _checksum,
    _disk_type,
    _sizes,
    _azure_size,
    _qemu_size,
    _geometry,
    _fixed_fields,
)


def _of_first_sector(footer: Footer | None, *, starts_as_vhd: bool) -> Iterator[Finding]:
    if footer is not None and footer.disk_type == TYPE_FIXED and starts_as_vhd:
        yield warning(
            "cookie-in-first-sector",
            "The guest's first sector begins with 'conectix' (legal data): QEMU's vpc driver takes "
            "it for a dynamic disk. Attach it to QEMU as raw with offset 0 and the disk's size.",
            Consumer.QEMU,
        )


def _of_kind(kind: str) -> Iterator[Finding]:
    if kind in ("BlockBlob", "AppendBlob"):
        yield bad(
            "blob-type",
            f"This is a {kind}; Azure takes disks from page blobs only.",
            Consumer.AZURE,
        )
