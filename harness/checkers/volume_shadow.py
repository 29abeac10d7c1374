"""The primary's volume, followed from what took effect in it: what a restart finds there."""

from collections.abc import Mapping

from harness.checkers.history import PAGE_BYTES
from harness.checkers.observation import Operation

__all__ = ["VolumeShadow"]


class VolumeShadow:
    """Followed lazily: pages are looked at only when a process starts again."""

    def __init__(self) -> None:
        self.pages: dict[int, object] = {}
        self._pending: list[Operation] = []
        self._landed: set[int] = set()

    def begin(self, base: Mapping[int, int]) -> None:
        """Take in what there is before the run."""
        self.pages = dict(base)

    def took(self, operation: Operation) -> None:
        """An operation took effect."""
        self._pending.append(operation)
        self._landed.add(operation.op)

    def has(self, operation: Operation) -> bool:
        """Whether it took effect."""
        return operation.op in self._landed

    def lost(self, pages: Mapping[int, object | None]) -> None:
        """These pages show older values."""
        self._catch_up()
        for page, value in pages.items():
            self._set(page, value)

    def reads(self, first: int, count: int) -> dict[int, object | None]:
        """What the volume holds there."""
        self._catch_up()
        return {page: self.pages.get(page) for page in range(first, first + count)}

    def _set(self, page: int, value: object | None) -> None:
        if value is None:
            self.pages.pop(page, None)
        else:
            self.pages[page] = value

    def _catch_up(self) -> None:
        for operation in self._pending:
            if operation.kind == "resize":
                end = operation.volume_bytes // PAGE_BYTES
                self.pages = {page: kept for page, kept in self.pages.items() if page < end}
            else:
                value = operation.op if operation.kind == "write" else None
                for page in range(operation.first_page, operation.first_page + operation.pages):
                    self._set(page, value)
        self._pending.clear()
