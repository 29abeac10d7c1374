"""PayloadMap against a dictionary of pages, and how its content becomes requests."""

from hypothesis import given
from hypothesis import strategies as st

from engine.core.extent import Extent
from engine.core.messages import Part
from engine.core.payload_map import REGION_BYTES, PayloadMap
from engine.units import MIB, PAGE_BYTES, PUT_BYTES_MAX
from tests.core.blob_model import page_values

PER_REGION = REGION_BYTES // PAGE_BYTES
WRITES = st.lists(
    st.tuples(
        st.sampled_from([0, PER_REGION - 4, 3 * PER_REGION]),
        st.integers(0, 8),
        st.integers(1, 9),
        st.booleans(),
    ),
    max_size=25,
)


def overlay(
    writes: list[tuple[int, int, int, bool]], tag: str
) -> tuple[PayloadMap, dict[int, object]]:
    content = PayloadMap()
    model: dict[int, object] = {}
    for op, (base, skip, length, zeros) in enumerate(writes):
        first = base + skip
        payload = None if zeros else tuple((tag, op, index) for index in range(length))
        content.write(first * PAGE_BYTES, length * PAGE_BYTES, payload)
        model |= {first + i: None if payload is None else payload[i] for i in range(length)}
    return content, model


def pages(extents: list[Extent]) -> dict[int, object]:
    out: dict[int, object] = {}
    for extent in extents:
        parts = extent.parts or (Part(None, 0, extent.length),)
        for index, value in enumerate(page_values(parts)):
            page = extent.offset // PAGE_BYTES + index
            assert page not in out, "two requests of one epoch overlap"
            out[page] = value
    return out


@given(WRITES)
def test_the_last_writer_wins_page_by_page(writes: list[tuple[int, int, int, bool]]) -> None:
    content, model = overlay(writes, "a")
    assert pages(content.extents()) == model
    assert content.covered == len(model) * PAGE_BYTES
    if model:
        assert content.low == min(model) * PAGE_BYTES
        assert content.high == (max(model) + 1) * PAGE_BYTES
        gapless = max(model) + 1 - min(model) == len(model)
        assert content.is_contiguous() == gapless
        assert (content.atomic() is not None) == gapless


@given(WRITES, WRITES)
def test_merging_is_writing_the_newer_over_the_older(
    older: list[tuple[int, int, int, bool]], newer: list[tuple[int, int, int, bool]]
) -> None:
    content, model = overlay(older, "old")
    above, over = overlay(newer, "new")
    content.merge(above)
    assert pages(content.extents()) == model | over
    assert content.covered == len(model | over) * PAGE_BYTES


def test_a_run_of_data_is_cut_at_the_largest_put() -> None:
    content = PayloadMap()
    content.write(0, 9 * MIB, b"x")
    extents = content.extents()
    assert [extent.length for extent in extents] == [PUT_BYTES_MAX, PUT_BYTES_MAX, MIB]
    assert content.atomic() is None


def test_zeros_of_any_length_are_one_request() -> None:
    content = PayloadMap()
    content.write(512, 40 * MIB, None)
    assert content.extents() == [Extent(512, 40 * MIB, None)]


def test_zeros_between_data_travel_inside_one_atomic_put() -> None:
    content = PayloadMap()
    content.write(0, 4096, "a")
    content.write(1024, 512, None)
    parts = (Part("a", 0, 1024), Part(None, 0, 512), Part("a", 1536, 2560))
    assert content.extents() == [Extent(0, 4096, parts)]
