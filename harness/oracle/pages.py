"""Self-describing pages: every 512 bytes tell which write put them where, and prove it.

Page at disk offset D, little endian, P = D / 512: magic `MPPAGE01` (8), volume id u32, zero u32,
write number N u64 (1 <= N < 2**62), page index P u64, filler of 59 u64 words, zero u32, CRC-32
(zlib) of the 508 bytes before it. Filler word i is K xor ((i + 1) * G mod 2**64) with
K = mix(mix(mix(volume) xor N) xor P), `mix` being splitmix64's step and G its increment. So every
byte of a page follows from (volume, N, P): a page torn at any byte, or bytes that nobody wrote,
cannot pass. A page that was never written is all zero. The guest writes the same in C.

Decoding is bulk work. Each page is summed up once, its 64 words weighted by odd constants, modulo
2**64, and the sum is compared with what it has to be, which follows from (volume, N, P) without
building the page: a page with one wrong word never passes, one with several by a chance of about
2**-64. The CRC is affine over the bits of N, P and K and the sum over those of K, so both are
looked up in tables.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

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
_GOLDEN: Final = 0x9E3779B97F4A7C15
_NUMBER_LIMIT: Final = 1 << 62

_NAMED_FAULTS: Final = 64
"""Faults of one chunk that are looked at closely: a finding names one, and a bad image has many."""
_SALT: Final[Words] = np.arange(1, _FILLERS + 1, dtype=np.uint64) * np.uint64(_GOLDEN)


def encode_pages(volume: int, write: int, first_page: int, count: int) -> bytes:
    """Bytes of `count` pages that write `write` puts at page `first_page` of volume `volume`."""
    if not (0 < volume < 1 << 32 and 0 < write < _NUMBER_LIMIT and first_page >= 0 and count >= 0):
        raise ValueError(f"no such pages: volume {volume}, write {write}, page {first_page}")
    indices = np.arange(first_page, first_page + count, dtype=np.uint64)
    return encode_each(volume, np.full(count, write, dtype=np.uint64), indices)


def encode_each(volume: int, numbers: Words, indices: Words) -> bytes:
    """Bytes of pages one after the other: each that of its own write at its own place."""
    keys, ends, _ = _derive(_tables(volume), numbers, indices)
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
    tables = _tables(volume)
    for start in range(0, len(shown), CHUNK_PAGES):
        chunk = octets[start * PAGE_BYTES : (start + CHUNK_PAGES) * PAGE_BYTES]
        decoded = _decode_chunk(chunk, first_page + start, tables)
        shown[start : start + len(decoded)] = decoded
    return shown


def decode_chunks(chunks: Iterable[tuple[int, bytes]], volume: int, size_bytes: int) -> Numbers:
    """Decode a sparse image of `size_bytes` given as (offset, bytes); what is not given is zero."""
    shown = np.zeros(size_bytes // PAGE_BYTES, dtype=np.int64)
    for offset, data in chunks:
        first = offset // PAGE_BYTES
        shown[first : first + len(data) // PAGE_BYTES] = decode_pages(data, volume, first)
    return shown


def _decode_chunk(octets: memoryview, first_page: int, tables: "_Tables") -> Numbers:
    words = np.frombuffer(octets, dtype="<u8").reshape(-1, _WORDS)
    numbers = words[:, 2].copy()
    if not numbers.any() and not words.any():
        return np.zeros(len(words), dtype=np.int64)
    indices = np.arange(first_page, first_page + len(words), dtype=np.uint64)
    _, _, sums = _derive(tables, numbers, indices, in_a_row=True)
    whole = np.einsum("ij,j->i", words, _WEIGHTS) == sums
    whole &= (numbers > 0) & (numbers < _NUMBER_LIMIT)
    shown = numbers.view(np.int64)
    rows = np.flatnonzero(~whole)
    if len(rows):
        shown[rows] = _name_faults(words[rows])
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


_WEIGHTS: Final[Words] = _mix(np.arange(1, _WORDS + 1, dtype=np.uint64)) | np.uint64(1)
"""Odd, so that no change of one word goes unseen."""


def _derive(
    tables: "_Tables", numbers: Words, indices: Words, *, in_a_row: bool = False
) -> tuple[Words, Words, Words]:
    """Of each page the key, the last word (the CRC-32 of the 508 bytes before), and the sum.

    Neighbours of equal number are looked at once: most pages have the number of the page before.
    """
    starts = np.concatenate(([0], np.flatnonzero(numbers[1:] != numbers[:-1]) + 1))[: len(numbers)]
    lengths = np.diff(starts, append=len(numbers))
    runs = numbers[starts]
    keys = _mix(np.repeat(_mix(tables.seed ^ runs), lengths) ^ indices)
    crc = np.repeat(_look_up(tables.crc_of_number, runs) ^ tables.crc, lengths)
    of_index = tables.crc_of_index
    crc ^= _look_up_row(of_index, indices) if in_a_row else _look_up(of_index, indices)
    sums = indices * _WEIGHTS[3]
    sums += np.repeat(runs * _WEIGHTS[2] + tables.sum, lengths)
    octets = keys.astype("<u8").view(np.uint8).reshape(-1, 8)
    for place in range(8):
        octet = octets[:, place].astype(np.intp)
        crc ^= tables.crc_of_key[place].take(octet)
        sums += tables.sum_of_key[place].take(octet)
    ends = np.zeros(len(numbers), dtype="<u8")
    ends.view("<u4")[1::2] = crc
    sums += ends * _WEIGHTS[_LAST]
    return keys, ends, sums


def _look_up_row(tables: NDArray[np.uint32], indices: Words) -> NDArray[np.uint32]:
    """As `_look_up`, of pages in a row: an aligned chunk needs no more than a slice of a table."""
    low = int(indices[0]) % len(tables[0])
    if low + len(indices) > len(tables[0]):
        return _look_up(tables, indices)
    upper = _look_up(tables, indices[:1] - np.uint64(low))
    return tables[0, low : low + len(indices)] ^ upper


def _look_up(tables: NDArray[np.uint32], words: Words) -> NDArray[np.uint32]:
    """What each 16 bits of a word change in the CRC, together; zeros change nothing."""
    crc = np.zeros(len(words), dtype=np.uint32)
    parts = words.astype("<u8").view(np.uint16).reshape(-1, 4)
    used = int(words.max(initial=0)).bit_length()
    for part in range(-(-used // 16)):
        crc ^= tables[part].take(parts[:, part])
    return crc


@dataclass(frozen=True, slots=True)
class _Tables:
    """Of one volume: CRC and sum of the page with N = P = K = 0, and what each part changes.

    By 16 bits of N and P (four tables each), by octets of K (eight).
    """

    seed: np.uint64
    crc: np.uint32
    crc_of_number: NDArray[np.uint32]
    crc_of_index: NDArray[np.uint32]
    crc_of_key: NDArray[np.uint32]
    sum: np.uint64
    sum_of_key: Words


@lru_cache(maxsize=4)
def _tables(volume: int) -> _Tables:
    plain = np.zeros(_WORDS, dtype="<u8")
    plain[0], plain[1] = _MAGIC, volume
    plain[_FIRST_FILLER:_LAST] = _SALT
    crc = _crc(plain)
    bits = np.zeros((3, 64), dtype=np.uint32)
    sums = np.zeros(64, dtype=np.uint64)
    for bit in range(64):
        for kind in range(3):
            changed = plain.copy()
            if kind == 2:
                changed[_FIRST_FILLER:_LAST] ^= np.uint64(1 << bit)
                sums[bit] = np.dot(changed - plain, _WEIGHTS)
            else:
                changed[2 + kind] = 1 << bit
            bits[kind, bit] = _crc(changed) ^ crc
    return _Tables(
        seed=_mix(np.array([volume], dtype=np.uint64))[0],
        crc=np.uint32(crc),
        crc_of_number=_combine(bits[0], 16, np.bitwise_xor),
        crc_of_index=_combine(bits[1], 16, np.bitwise_xor),
        crc_of_key=_combine(bits[2], 8, np.bitwise_xor),
        sum=np.dot(plain, _WEIGHTS),
        sum_of_key=_combine(sums, 8, np.add),
    )


def _combine(bits: NDArray[Any], width: int, join: np.ufunc) -> NDArray[Any]:
    """From what each of 64 bits changes, what each value of each `width` bits of them changes."""
    tables = np.zeros((64 // width, 1 << width), dtype=bits.dtype)
    for bit in range(64):
        table, half = tables[bit // width], 1 << bit % width
        table[half : 2 * half] = join(table[:half], bits[bit])
    return tables


def _crc(page: Words) -> int:
    return zlib.crc32(page.tobytes()[: PAGE_BYTES - 4])
