"""What a put or a clear is made of."""

from msgspec import Struct

from engine.core.messages import Part


class Extent(Struct, frozen=True, gc=False):
    """One request to be: `parts` of data, or zeros (to be cleared) when `parts` is None."""

    offset: int
    length: int
    parts: tuple[Part, ...] | None
