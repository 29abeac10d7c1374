"""Which writes share an epoch, and which epochs travel together."""

from engine.core.epochs import EpochQueue, Order
from engine.core.extent import Extent
from engine.units import MIB


def spans(queue: EpochQueue) -> list[list[tuple[int, int]]]:
    """Take everything: per batch, offset and length of its requests."""
    out = []
    while (batch := queue.take()) is not None:
        out.append([(extent.offset, extent.length) for extent in batch.extents])
    return out


def write(queue: EpochQueue, offset: int, length: int = 512, *, barrier: bool = False) -> None:
    queue.write(0, offset, length, "x", barrier=barrier)


def test_unanswered_writes_share_an_epoch() -> None:
    queue = EpochQueue(Order.STRICT)
    write(queue, 0)
    write(queue, 8192)
    assert spans(queue) == [[(0, 512), (8192, 512)]]


def test_strict_a_write_after_an_acknowledged_one_comes_later() -> None:
    queue = EpochQueue(Order.STRICT)
    queue.write(0, 0, 512, "x", barrier=False).acknowledged = True
    write(queue, 8192)
    assert spans(queue) == [[(0, 512)], [(8192, 512)]]


def test_flush_an_acknowledged_write_alone_orders_nothing() -> None:
    queue = EpochQueue(Order.FLUSH)
    queue.write(0, 0, 512, "x", barrier=False).acknowledged = True
    write(queue, 8192)
    queue.seal()
    write(queue, 16384)
    assert spans(queue) == [[(0, 512), (8192, 512)], [(16384, 512)]]


def test_a_barrier_ends_its_epoch() -> None:
    queue = EpochQueue(Order.FLUSH)
    write(queue, 0, barrier=True)
    write(queue, 8192)
    assert spans(queue) == [[(0, 512)], [(8192, 512)]]


def test_adjacent_epochs_travel_as_one_request() -> None:
    queue = EpochQueue(Order.FLUSH)
    for offset in (1024, 1536, 512):
        write(queue, offset, barrier=True)
    assert spans(queue) == [[(512, 1536)]]


def test_adjacent_to_a_part_of_an_epoch_is_not_enough() -> None:
    """H19: b+c in one request while a is on its way would be c without a."""
    queue = EpochQueue(Order.FLUSH)
    write(queue, 0)
    write(queue, 8192)
    queue.seal()
    write(queue, 8704)
    assert spans(queue) == [[(0, 512), (8192, 512)], [(8704, 512)]]


def test_nothing_joins_past_the_largest_put() -> None:
    queue = EpochQueue(Order.FLUSH)
    write(queue, 0, 3 * MIB, barrier=True)
    write(queue, 3 * MIB, 2 * MIB, barrier=True)
    assert spans(queue) == [[(0, 3 * MIB)], [(3 * MIB, 2 * MIB)]]


def test_size_and_age_are_of_what_still_waits() -> None:
    queue = EpochQueue(Order.FLUSH)
    queue.write(7, 0, 1024, "x", barrier=True)
    queue.write(9, 512, 1024, None, barrier=False)
    assert (queue.size, queue.oldest_us()) == (2048, 7)
    batch = queue.take()
    assert batch is not None
    assert batch.extents[0] == Extent(0, 1536, batch.extents[0].parts)
    assert (queue.size, queue.oldest_us(), queue.is_empty()) == (0, None, True)


def test_clear_forgets_everything() -> None:
    queue = EpochQueue(Order.STRICT)
    write(queue, 0, barrier=True)
    write(queue, 8192)
    queue.clear()
    assert (queue.size, queue.is_empty(), queue.last(), queue.take()) == (0, True, None, None)
