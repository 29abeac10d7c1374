"""The image that bench oracle judges: a legal one, of many writes, on which the oracle sees."""

import random

from harness.bench.oracle import VOLUME, make_case
from harness.oracle.pages import PAGE_BYTES, decode_pages, encode_pages

SIZE = 4 << 20


def test_the_case_is_legal_full_and_has_writes_in_flight() -> None:
    case = make_case(SIZE, random.Random(1))
    shown = decode_pages(case.image, VOLUME)
    assert case.judge().admissible
    assert shown.min() > 0
    assert case.judge().writes_demanded > 10
    assert case.history.in_flight() > 1


def test_a_page_set_back_is_seen() -> None:
    case = make_case(SIZE, random.Random(1))
    shown = decode_pages(case.image, VOLUME)
    older = next(write for write in case.history.writes if shown[write.first_page] > write.number)
    at = older.first_page * PAGE_BYTES
    case.image[at : at + PAGE_BYTES] = encode_pages(VOLUME, older.number, older.first_page, 1)
    assert not case.judge().admissible
