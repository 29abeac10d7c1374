"""What the tap asks of the volume behind it.

Offsets and lengths are bytes, multiples of 512, and lie inside the disk as the client found it: the
tap has checked that. A disk that changes its size meanwhile refuses what is past its end by itself.
Every method is called in the loop's thread, in the order of arrival.
"""

from collections.abc import Callable
from typing import Protocol

Done = Callable[[int], None]
"""Completes a request: call it exactly once, with an errno or 0, now or later, in the loop."""


Payload = bytes | memoryview
"""What is written; whoever keeps it may rely on it: nobody changes it as long as it is kept."""


class TapHandler(Protocol):
    """The volume behind the tap."""

    @property
    def name(self) -> str:
        """The export's name."""

    @property
    def size_bytes(self) -> int:
        """The disk's size; read once a connection."""

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes, or raise OSError."""

    def write(self, offset: int, data: Payload, fua: bool, done: Done) -> None:
        """Write `data`, which may be kept: nobody changes it. `fua`: durable before `done`."""

    def zero(self, offset: int, length: int, fua: bool, done: Done) -> None:
        """Make the range read zero (trim and write-zeroes; up to 2**32 - 512 bytes)."""

    def flush(self, done: Done) -> None:
        """Make durable every operation whose `done` was called before."""

    def settle(self) -> None:
        """All requests that one wake-up brought were handed on: complete what is done by now.

        Their replies leave together. It follows every burst of the calls above.
        """
