"""Units and fixed limits of the page-blob service and of the fixed VHD format.

Every constant names its unit and its source; relations between them are asserted at import.
"""

from typing import Final

PAGE_BYTES: Final = 512
"""A page blob's addressable unit and a disk sector (Azure REST, Put Page: 512-aligned ranges)."""

MIB: Final = 1024 * 1024
PUT_BYTES_MAX: Final = 4 * MIB
"""Largest Put Page update (Azure REST, Put Page; past it the service answers 413)."""

FOOTER_BYTES: Final = PAGE_BYTES
"""A fixed VHD ends in one 512-byte footer (facts.md 1.1)."""

BLOB_BYTES_MAX: Final = 8 * 1024 * 1024 * MIB
"""Largest page blob, 8 TiB (Azure documentation, page-blob overview); Azurite allows more."""

SECOND_US: Final = 1_000_000
"""Core time is an int of microseconds of a monotonic clock."""

SEQUENCE_TERM_SHIFT: Final = 32
"""Sequence number = term * 2**32 + counter (protocol.md H7)."""

assert PUT_BYTES_MAX % PAGE_BYTES == 0
assert MIB % PAGE_BYTES == 0


def round_up(value: int, multiple: int) -> int:
    """Smallest multiple of `multiple` that is at least `value`."""
    return -(-value // multiple) * multiple
