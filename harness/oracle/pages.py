"""Self-describing pages: every 512 bytes tell which write put them where, and prove it.

Page at disk offset D, little endian, P = D / 512: magic `MPPAGE01` (8), volume id u32, zero u32,
write number N u64 (1 <= N < 2**62), page index P u64, filler of 59 u64 words, zero u32, CRC-32
(zlib) of the 508 bytes before it. Filler word i is K xor ((i + 1) * G mod 2**64) with
K = mix(mix(mix(volume) xor N) xor P), `mix` being splitmix64's step and G its increment. So every
byte of a page follows from (volume, N, P): a page torn at any byte, or bytes that nobody wrote,
cannot pass. A page that was never written is all zero. The guest writes the same in C.

Decoding is bulk work: what the pages of a block should be, given the numbers that they show, is
built beside them in the cache and compared as bytes, so every byte counts. The CRC is affine over
the bits of N, P and K, so it is looked up in tables instead of being summed.
"""

import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CHUNK_PAGES",
    "FOREIGN",
    "PAGE_BYTES",
    "TORN",
    "UNWRITTEN",
    "decode_chunks",
    "decode_pages",
    "encode_each",
    "encode_pages",
]

PAGE_BYTES: Final = 512
UNWRITTEN: Final = 0
"""Decoded number of a page that is all zero."""
TORN: Final = -1
"""Decoded number of a page that is no whole self-describing page: torn, damaged or invented."""
FOREIGN: Final = -2
"""Decoded number of a whole page of another volume or another place."""

CHUNK_PAGES: Final = 8192
"""Pages decoded at once: enough to spread the cost of each call."""

Words = NDArray[np.uint64]
Numbers = NDArray[np.int64]

_MAGIC: Final = int.from_bytes(b"MPPAGE01", "little")
_WORDS: Final = PAGE_BYTES // 8
_FIRST_FILLER: Final = 4
_LAST: Final = _WORDS - 1
_FILLERS: Final = _LAST - _FIRST_FILLER
_PARTS: Final = 4
"""Words are looked up in parts of 16 bits."""
_GOLDEN: Final = 0x9E3779B97F4A7C15
_NUMBER_LIMIT: Final = 1 << 62

_NAMED_FAULTS: Final = 64
"""Faults of one chunk that are looked at closely: a finding names one, and a bad image has many."""
_BLOCK_PAGES: Final = 512
"""Pages that are compared at once: block and expectation together fit the second-level cache."""
_SALT: Final[Words] = np.arange(1, _FILLERS + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
_ROW_SALT: Final[Words] = np.concatenate(
    (np.zeros(_FIRST_FILLER, np.uint64), _SALT, np.zeros(1, np.uint64))
)


def encode_pages(volume: int, write: int, first_page: int, count: int) -> bytes:
    """Bytes of `count` pages that write `write` puts at page `first_page` of volume `volume`."""
    if not (0 < volume < 1 << 32 and 0 < write < _NUMBER_LIMIT and first_page >= 0 and count >= 0):
        raise ValueError(f"no such pages: volume {volume}, write {write}, page {first_page}")
    indices = np.arange(first_page, first_page + count, dtype=np.uint64)
    return encode_each(volume, np.full(count, write, dtype=np.uint64), indices)


def encode_each(volume: int, numbers: Words, indices: Words) -> bytes:
    """Bytes of pages one after the other: each that of its own write at its own place."""
    keys, ends = _keys_and_ends(volume, numbers, indices)
    words = np.zeros((len(numbers), _WORDS), dtype="<u8")
    words[:, 0] = _MAGIC
    words[:, 1] = volume
    words[:, 2] = numbers
    words[:, 3] = indices
    words[:, _FIRST_FILLER:_LAST] = _SALT ^ keys[:, None]
    words[:, _LAST] = ends
    return words.tobytes()


def decode_pages(
    image: bytes | bytearray | memoryview, volume: int, first_page: int = 0
) -> Numbers:
    """Tell for each page which write it shows, or UNWRITTEN, TORN or FOREIGN.

    `image` is a whole number of pages that begin at page `first_page` of the disk.
    """
    octets = memoryview(image).cast("B")
    shown = np.empty(len(octets) // PAGE_BYTES, dtype=np.int64)
    expected = _Expectation(volume)
    for start in range(0, len(shown), CHUNK_PAGES):
        chunk = octets[start * PAGE_BYTES : (start + CHUNK_PAGES) * PAGE_BYTES]
        decoded = _decode_chunk(chunk, first_page + start, expected)
        shown[start : start + len(decoded)] = decoded
    return shown


def decode_chunks(chunks: Iterable[tuple[int, bytes]], volume: int, size_bytes: int) -> Numbers:
    """Decode a sparse image of `size_bytes` given as (offset, bytes); what is not given is zero."""
    shown = np.zeros(size_bytes // PAGE_BYTES, dtype=np.int64)
    for offset, data in chunks:
        first = offset // PAGE_BYTES
        shown[first : first + len(data) // PAGE_BYTES] = decode_pages(data, volume, first)
    return shown


class _Expectation:
    """What a block of pages should be; built in one place, for fresh memory costs page faults."""

    def __init__(self, volume: int) -> None:
        self.volume = volume
        self.octets = bytearray(_BLOCK_PAGES * PAGE_BYTES)
        self.words = np.frombuffer(self.octets, dtype="<u8").reshape(-1, _WORDS)

    def fill(self, numbers: Words, indices: Words, keys: Words, ends: Words) -> Words:
        """Build the block; a page with number 0 should be all zero."""
        words = self.words[: len(numbers)]
        np.bitwise_xor(_ROW_SALT, keys[:, None], out=words)
        words[:, 0] = _MAGIC
        words[:, 1] = self.volume
        words[:, 2] = numbers
        words[:, 3] = indices
        words[:, _LAST] = ends
        if not numbers.all():
            words[numbers == 0] = 0
        return words

    def equals(self, seen: memoryview) -> bool:
        """Whether these bytes are the block, byte for byte."""
        if len(seen) == len(self.octets):
            return self.octets == seen
        return self.octets[: len(seen)] == seen


def _decode_chunk(octets: memoryview, first_page: int, expected: _Expectation) -> Numbers:
    words = np.frombuffer(octets, dtype="<u8").reshape(-1, _WORDS)
    numbers = words[:, 2].copy()
    if not numbers.any() and not words.any():
        return np.zeros(len(words), dtype=np.int64)
    indices = np.arange(first_page, first_page + len(words), dtype=np.uint64)
    keys, ends = _keys_and_ends(expected.volume, numbers, indices, in_a_row=True)
    shown = numbers.astype(np.int64)
    for start in range(0, len(words), _BLOCK_PAGES):
        block = slice(start, start + _BLOCK_PAGES)
        should = expected.fill(numbers[block], indices[block], keys[block], ends[block])
        seen = octets[start * PAGE_BYTES : (start + len(should)) * PAGE_BYTES]
        if not expected.equals(seen):
            rows = np.flatnonzero((words[block] != should).any(axis=1))
            shown[start + rows] = _name_faults(words[block][rows])
    too_large = np.flatnonzero(numbers >= _NUMBER_LIMIT)
    if len(too_large):
        shown[too_large] = _name_faults(words[too_large])
    return shown


def _name_faults(pages: Words) -> Numbers:
    """Tell the all zero pages from those at fault; past the first few, all of these are TORN."""
    at_fault = pages.any(axis=1)
    shown = np.where(at_fault, TORN, UNWRITTEN)
    for row in np.flatnonzero(at_fault)[:_NAMED_FAULTS]:
        shown[row] = _name_fault(pages[row])
    return shown


def _name_fault(page: Words) -> int:
    """Tell a whole page from elsewhere (FOREIGN) from one that is not whole (TORN)."""
    magic, volume, number, index = (int(word) for word in page[:_FIRST_FILLER])
    plausible = 0 < volume < 1 << 32 and 0 < number < _NUMBER_LIMIT and index < 1 << 62
    if magic == _MAGIC and plausible and page.tobytes() == encode_pages(volume, number, index, 1):
        return FOREIGN
    return TORN


def _mix(state: Words) -> Words:
    """splitmix64's step on each word, modulo 2**64."""
    mixed = state + np.uint64(_GOLDEN)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _keys_and_ends(
    volume: int, numbers: Words, indices: Words, *, in_a_row: bool = False
) -> tuple[Words, Words]:
    """The key of each page, and its last word, which holds the CRC-32 of the 508 bytes before.

    Neighbours of equal number are looked at once: most pages have the number of the page before.
    """
    base, tables = _crc_tables(volume)
    starts = np.concatenate(([0], np.flatnonzero(numbers[1:] != numbers[:-1]) + 1))[: len(numbers)]
    lengths = np.diff(starts, append=len(numbers))
    runs = numbers[starts]
    seed = _mix(np.array([volume], dtype=np.uint64))
    keys = _mix(np.repeat(_mix(seed ^ runs), lengths) ^ indices)
    crc = np.repeat(_look_up(tables[0], runs) ^ np.uint32(base), lengths)
    crc ^= _look_up_row(tables[1], indices) if in_a_row else _look_up(tables[1], indices)
    crc ^= _look_up(tables[2], keys)
    ends = np.zeros(len(numbers), dtype="<u8")
    ends.view("<u4")[1::2] = crc
    return keys, ends


def _look_up_row(tables: NDArray[np.uint32], indices: Words) -> NDArray[np.uint32]:
    """As `_look_up`, of pages in a row: an aligned chunk needs no more than a slice of a table."""
    low = int(indices[0]) % len(tables[0])
    if low + len(indices) > len(tables[0]):
        return _look_up(tables, indices)
    upper = _look_up(tables, indices[:1] - np.uint64(low))
    return tables[0, low : low + len(indices)] ^ upper


def _look_up(tables: NDArray[np.uint32], words: Words) -> NDArray[np.uint32]:
    """What the four parts of each word change in the CRC; parts that are zero change nothing."""
    crc = np.zeros(len(words), dtype=np.uint32)
    parts = words.astype("<u8").view(np.uint16).reshape(-1, _PARTS)
    used = int(words.max(initial=0)).bit_length()
    for part in range(-(-used // 16)):
        crc ^= tables[part].take(parts[:, part])
    return crc


@lru_cache(maxsize=4)
def _crc_tables(volume: int) -> tuple[int, NDArray[np.uint32]]:
    """CRC of the page with N = P = K = 0, and what each 16 bits of N, P and K change in it."""
    plain = np.zeros(_WORDS, dtype="<u8")
    plain[0], plain[1] = _MAGIC, volume
    plain[_FIRST_FILLER:_LAST] = _SALT
    base = _crc(plain)
    tables = np.zeros((3, _PARTS, 1 << 16), dtype=np.uint32)
    for kind in range(3):
        for bit in range(64):
            changed = plain.copy()
            if kind == 2:
                changed[_FIRST_FILLER:_LAST] ^= np.uint64(1 << bit)
            else:
                changed[2 + kind] = 1 << bit
            part, half = tables[kind, bit // 16], 1 << bit % 16
            part[half : 2 * half] = part[:half] ^ np.uint32(_crc(changed) ^ base)
    return base, tables


def _crc(page: Words) -> int:
    return zlib.crc32(page.tobytes()[: PAGE_BYTES - 4])
