"""Self-describing pages: every 512 bytes tell which write put them where, and prove it.

Page at disk offset D, little endian, P = D / 512: magic `MPPAGE01` (8), volume id u32, zero u32,
write number N u64 (1 <= N < 2**62), page index P u64, filler of 59 u64 words, zero u32, CRC-32
(zlib) of the 508 bytes before it. Filler word i is K xor ((i + 1) * G mod 2**64) with
K = mix(mix(mix(volume) xor N) xor P), `mix` being splitmix64's step and G its increment. So every
byte of a page follows from (volume, N, P): a page torn at any byte, or bytes that nobody wrote,
cannot pass. A page that was never written is all zero. The guest writes the same in C.

Decoding is bulk work in numpy: the CRC is affine over the bits of N, P and K, so it is looked up
in byte-wise tables instead of being summed over the bytes that were compared already.
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

CHUNK_PAGES: Final = 4096
"""Pages decoded at once; 2 MiB keep the intermediate arrays in the cache."""

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
_ALL_TRUE: Final = np.uint64(0x0101010101010101)
_SALT: Final[Words] = np.arange(1, _FILLERS + 1, dtype=np.uint64) * np.uint64(_GOLDEN)


def encode_pages(volume: int, write: int, first_page: int, count: int) -> bytes:
    """Bytes of `count` pages that write `write` puts at page `first_page` of volume `volume`."""
    if not (0 < volume < 1 << 32 and 0 < write < _NUMBER_LIMIT and first_page >= 0 and count >= 0):
        raise ValueError(f"no such pages: volume {volume}, write {write}, page {first_page}")
    indices = np.arange(first_page, first_page + count, dtype=np.uint64)
    return encode_each(volume, np.full(count, write, dtype=np.uint64), indices)


def encode_each(volume: int, numbers: Words, indices: Words) -> bytes:
    """Bytes of pages one after the other: each that of its own write at its own place."""
    keys = _keys(volume, numbers, indices)
    words = np.zeros((len(numbers), _WORDS), dtype="<u8")
    words[:, 0] = _MAGIC
    words[:, 1] = volume
    words[:, 2] = numbers
    words[:, 3] = indices
    words[:, _FIRST_FILLER:_LAST] = _SALT ^ keys[:, None]
    words[:, _LAST] = _checksums(volume, numbers, indices, keys) << np.uint64(32)
    return words.tobytes()


def decode_pages(
    image: bytes | bytearray | memoryview, volume: int, first_page: int = 0
) -> Numbers:
    """Tell for each page which write it shows, or UNWRITTEN, TORN or FOREIGN.

    `image` is a whole number of pages that begin at page `first_page` of the disk.
    """
    words = np.frombuffer(image, dtype="<u8").reshape(-1, _WORDS)
    shown = np.empty(len(words), dtype=np.int64)
    scratch = _Scratch(min(len(words), CHUNK_PAGES))
    for start in range(0, len(words), CHUNK_PAGES):
        chunk = words[start : start + CHUNK_PAGES]
        decoded = _decode_chunk(chunk, volume, first_page + start, scratch)
        shown[start : start + len(chunk)] = decoded
    return shown


def decode_chunks(chunks: Iterable[tuple[int, bytes]], volume: int, size_bytes: int) -> Numbers:
    """Decode a sparse image of `size_bytes` given as (offset, bytes); what is not given is zero."""
    shown = np.zeros(size_bytes // PAGE_BYTES, dtype=np.int64)
    for offset, data in chunks:
        first = offset // PAGE_BYTES
        shown[first : first + len(data) // PAGE_BYTES] = decode_pages(data, volume, first)
    return shown


class _Scratch:
    """Arrays used again for each chunk: fresh ones would cost a page fault for every 4 KiB."""

    def __init__(self, pages: int) -> None:
        self.fillers = np.empty((pages, _FILLERS), dtype=np.uint64)
        # one row is 64 bytes, so that eight words tell whether all of it is true
        self.same = np.ones((pages, _WORDS), dtype=np.bool_)


def _decode_chunk(words: Words, volume: int, first_page: int, scratch: _Scratch) -> Numbers:
    if not words.any():
        return np.zeros(len(words), dtype=np.int64)
    indices = np.arange(first_page, first_page + len(words), dtype=np.uint64)
    numbers = words[:, 2].copy()
    keys = _keys(volume, numbers, indices)
    whole = (words[:, 0] == _MAGIC) & (words[:, 1] == volume) & (words[:, 3] == indices)
    whole &= (numbers > 0) & (numbers < _NUMBER_LIMIT)
    crc = _checksums(volume, numbers, indices, keys)
    whole &= words[:, _LAST] == crc << np.uint64(32)
    fillers = np.bitwise_xor(_SALT, keys[:, None], out=scratch.fillers[: len(words)])
    same = scratch.same[: len(words)]
    np.equal(words[:, _FIRST_FILLER:_LAST], fillers, out=same[:, :_FILLERS])
    octets = same.view(np.uint64)
    for column in range(octets.shape[1]):
        whole &= octets[:, column] == _ALL_TRUE
    shown = numbers.astype(np.int64)
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


def _keys(volume: int, numbers: Words, indices: Words) -> Words:
    seed = _mix(np.array([volume], dtype=np.uint64))
    return _mix(_mix(seed ^ numbers) ^ indices)


def _checksums(volume: int, numbers: Words, indices: Words, keys: Words) -> Words:
    """CRC-32 of the first 508 bytes of each page, from the tables of its three varying parts."""
    base, tables = _crc_tables(volume)
    crc = np.full(len(numbers), base, dtype=np.uint32)
    for part, words in enumerate((numbers, indices, keys)):
        octets = np.ascontiguousarray(words, dtype="<u8").view(np.uint8).reshape(-1, 8)
        for place in range(8):
            crc ^= tables[part, place][octets[:, place]]
    return crc.astype(np.uint64)


@lru_cache(maxsize=8)
def _crc_tables(volume: int) -> tuple[int, NDArray[np.uint32]]:
    """CRC of the page with N = P = K = 0, and what each byte of N, P and K changes in it."""
    plain = np.zeros(_WORDS, dtype="<u8")
    plain[0], plain[1] = _MAGIC, volume
    plain[_FIRST_FILLER:_LAST] = _SALT
    base = _crc(plain)
    tables = np.zeros((3, 8, 256), dtype=np.uint32)
    for part in range(3):
        for place in range(8):
            for value in range(1, 256):
                changed = plain.copy()
                word = np.uint64(value << (8 * place))
                if part == 2:
                    changed[_FIRST_FILLER:_LAST] ^= word
                else:
                    changed[2 + part] = word
                tables[part, place, value] = _crc(changed) ^ base
    return base, tables


def _crc(page: Words) -> int:
    return zlib.crc32(page.tobytes()[: PAGE_BYTES - 4])
