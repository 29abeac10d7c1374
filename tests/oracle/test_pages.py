"""The page format: known answers, and that nothing but a whole page passes for one."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.oracle.pages import (
    CHUNK_PAGES,
    FOREIGN,
    PAGE_BYTES,
    TORN,
    UNWRITTEN,
    decode_chunks,
    decode_pages,
    encode_pages,
)

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(state: int) -> int:
    mixed = (state + GOLDEN) & MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
    return mixed ^ (mixed >> 31)


def plain_page(volume: int, write: int, page: int) -> bytes:
    """Build a page as the text of the format says, word by word."""
    key = mix(mix(mix(volume) ^ write) ^ page)
    filler = [key ^ ((word + 1) * GOLDEN & MASK) for word in range(59)]
    body = b"MPPAGE01" + struct.pack("<IIQQ59QI", volume, 0, write, page, *filler, 0)
    return body + struct.pack("<I", zlib.crc32(body))


@pytest.mark.parametrize(
    ("volume", "write", "page", "head", "tail"),
    [
        (1, 1, 0, "1c6734e5f35f42c9", "b4a74f21"),
        (7, 123456789, 4095, "0cbdeebaa624ba9b", "2e499d5b"),
    ],
)
def test_known_answers(volume: int, write: int, page: int, head: str, tail: str) -> None:
    encoded = encode_pages(volume, write, page, 1)
    assert encoded[:8] == b"MPPAGE01"
    assert encoded[32:40].hex() == head
    assert encoded[508:].hex() == tail


@given(
    volume=st.integers(1, 2**32 - 1),
    write=st.integers(1, 2**62 - 1),
    page=st.integers(0, 2**50),
    count=st.integers(1, 5),
)
def test_encoder_follows_the_text_of_the_format(
    volume: int, write: int, page: int, count: int
) -> None:
    encoded = encode_pages(volume, write, page, count)
    assert encoded == b"".join(plain_page(volume, write, page + turn) for turn in range(count))
    assert decode_pages(encoded, volume, page).tolist() == [write] * count


@given(place=st.integers(0, PAGE_BYTES - 1), flip=st.integers(1, 255), pages=st.integers(1, 3))
def test_one_changed_byte_anywhere_is_seen(place: int, flip: int, pages: int) -> None:
    image = bytearray(encode_pages(3, 9, 40, pages))
    image[place] ^= flip
    assert decode_pages(image, 3, 40).tolist() == [TORN] + [9] * (pages - 1)


@given(cut=st.integers(1, PAGE_BYTES - 1))
def test_a_page_torn_between_two_writes_is_seen(cut: int) -> None:
    old, new = encode_pages(1, 5, 7, 1), encode_pages(1, 6, 7, 1)
    torn = new[:cut] + old[cut:]
    whole = {old: 5, new: 6}
    assert decode_pages(torn, 1, 7).tolist() == [whole.get(torn, TORN)]


@given(first=st.integers(0, 63), second=st.integers(0, 63))
def test_a_page_with_two_words_exchanged_is_seen(first: int, second: int) -> None:
    page = encode_pages(1, 5, 7, 1)
    words = [page[at : at + 8] for at in range(0, PAGE_BYTES, 8)]
    words[first], words[second] = words[second], words[first]
    mixed = b"".join(words)
    assert decode_pages(mixed, 1, 7).tolist() == [5 if mixed == page else TORN]


@given(st.lists(st.integers(0, 2), min_size=64, max_size=64))
def test_a_page_of_words_of_several_writes_is_seen(origin: list[int]) -> None:
    pages = [encode_pages(1, write, 7, 1) for write in (4, 5, 6)]
    mixed = b"".join(
        pages[whose][at : at + 8] for whose, at in zip(origin, range(0, PAGE_BYTES, 8), strict=True)
    )
    whole = dict(zip(pages, (4, 5, 6), strict=True))
    assert decode_pages(mixed, 1, 7).tolist() == [whole.get(mixed, TORN)]


def test_a_page_half_zero_is_torn_and_a_zero_page_is_unwritten() -> None:
    page = encode_pages(1, 5, 7, 1)
    assert decode_pages(bytes(PAGE_BYTES), 1).tolist() == [UNWRITTEN]
    assert decode_pages(bytes(256) + page[256:], 1, 7).tolist() == [TORN]
    assert decode_pages(page[:256] + bytes(256), 1, 7).tolist() == [TORN]
    assert decode_pages(bytes(511) + b"\x01", 1).tolist() == [TORN]


def test_whole_pages_of_elsewhere_are_foreign() -> None:
    assert decode_pages(encode_pages(2, 5, 7, 1), 1, 7).tolist() == [FOREIGN]
    assert decode_pages(encode_pages(1, 5, 7, 1), 1, 8).tolist() == [FOREIGN]


def test_pages_of_number_zero_do_not_pass() -> None:
    assert decode_pages(plain_page(1, 0, 7), 1, 7).tolist() == [TORN]


def test_faults_are_found_at_their_place_in_a_long_image() -> None:
    count = 2 * CHUNK_PAGES + 5
    image = bytearray(encode_pages(1, 4, 0, count))
    image[3 * PAGE_BYTES] ^= 1
    image[-1] ^= 1
    gap = CHUNK_PAGES + 1
    image[gap * PAGE_BYTES : (gap + 1) * PAGE_BYTES] = bytes(PAGE_BYTES)
    shown = decode_pages(image, 1)
    assert {3: shown[3], gap: shown[gap], count - 1: shown[-1]} == {
        3: TORN,
        gap: UNWRITTEN,
        count - 1: TORN,
    }
    assert (shown == 4).sum() == count - 3


def test_a_sparse_image_is_decoded_where_it_has_data() -> None:
    chunks = [(4 * PAGE_BYTES, encode_pages(1, 2, 4, 3)), (9 * PAGE_BYTES, bytes(PAGE_BYTES))]
    assert decode_chunks(chunks, 1, 10 * PAGE_BYTES).tolist() == [0, 0, 0, 0, 2, 2, 2, 0, 0, 0]


@pytest.mark.parametrize("wrong", [(0, 1, 0), (1, 0, 0), (1, 1 << 62, 0), (1, 1, -1)])
def test_pages_that_cannot_be_are_not_made(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no such pages"):
        encode_pages(*wrong, 1)
