"""Which pages were touched by requests that may still be alive, since the last Raise (P1).

Kept in blocks of 4 KiB, and in ranges where a request is large. Coarser than a page: a block counts
as touched if any of its pages was, which costs a Raise now and then and never misses one.
"""

_BLOCK = 4096
_RANGE_BYTES = 1024 * 1024
_BLOCKS_MAX = 65_536
_RANGES_MAX = 64


class SentPages:
    """A set of byte ranges with a bounded size."""

    def __init__(self) -> None:
        self._blocks: set[int] = set()
        self._ranges: list[tuple[int, int]] = []

    def add(self, offset: int, length: int) -> None:
        """Remember that a request touched these bytes."""
        if length >= _RANGE_BYTES:
            self._ranges.append((offset, offset + length))
        else:
            self._blocks.update(range(offset // _BLOCK, (offset + length - 1) // _BLOCK + 1))

    def touches(self, offset: int, length: int) -> bool:
        """Whether some remembered request touched any of these bytes' blocks."""
        end = offset + length
        for start, stop in self._ranges:
            if start < end and offset < stop:
                return True
        if not self._blocks:
            return False
        first, last = offset // _BLOCK, (end - 1) // _BLOCK
        if last - first > len(self._blocks):
            return any(first <= block <= last for block in self._blocks)
        return not self._blocks.isdisjoint(range(first, last + 1))

    def is_full(self) -> bool:
        """Whether a Raise should be made just to keep this small."""
        return len(self._blocks) > _BLOCKS_MAX or len(self._ranges) > _RANGES_MAX

    def clear(self) -> None:
        """A Raise was done: nothing is alive."""
        self._blocks.clear()
        self._ranges.clear()
