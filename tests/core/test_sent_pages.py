"""SentPages never misses a page that was touched, and stays small."""

from hypothesis import given
from hypothesis import strategies as st

from engine.core.sent_pages import SentPages
from engine.units import MIB

EXTENTS = st.lists(
    st.tuples(st.integers(0, 5000), st.sampled_from([1, 3, 9, 2048, 5000])), max_size=30
)


@given(EXTENTS, EXTENTS)
def test_every_overlap_is_noticed(
    sent: list[tuple[int, int]], asked: list[tuple[int, int]]
) -> None:
    remembered = SentPages()
    for page, count in sent:
        remembered.add(page * 512, count * 512)
    for page, count in asked:
        overlaps = any(page < first + n and first < page + count for first, n in sent)
        near = any(page - 8 < first + n and first < page + count + 8 for first, n in sent)
        touches = remembered.touches(page * 512, count * 512)
        assert touches or not overlaps
        assert near or not touches


def test_is_full_after_many_pages_and_empty_after_a_raise() -> None:
    remembered = SentPages()
    for index in range(65):
        assert not remembered.is_full()
        remembered.add(index * 2 * MIB, MIB)
    assert remembered.is_full()
    remembered.clear()
    assert not remembered.is_full()
    assert not remembered.touches(0, 1 << 40)
    for index in range(70_000):
        remembered.add(index * 4096, 512)
    assert remembered.is_full()
