"""`msgspec.structs.replace` for classes of plain data that were written out (native.py)."""

from typing import Any, TypeVar

__all__ = ["replace"]

Struct = TypeVar("Struct")


def replace(struct: Struct, **changes: object) -> Struct:
    """A copy of it with other values in these fields."""
    plain: Any = struct
    copy: Struct = plain.twin()
    for name, value in changes.items():
        setattr(copy, name, value)
    return copy
