"""What the classes of plain data that were written out (native.py) have in common."""

from typing import Any, TypeVar

from mypy_extensions import mypyc_attr

__all__ = ["Plain", "replace"]

Struct = TypeVar("Struct")


@mypyc_attr(acyclic=True)
class Plain:
    """Frozen data: equal to its like with equal fields."""

    def field_names(self) -> tuple[str, ...]:
        """Of its fields, in their order."""
        return ()

    def field_values(self) -> tuple[object, ...]:
        """The values of its fields, in the same order."""
        return ()

    def __eq__(self, other: object) -> bool:
        """Of the same class, with equal fields."""
        if not isinstance(other, Plain) or type(other) is not type(self):
            return False
        return self.field_values() == other.field_values()

    def __hash__(self) -> int:
        """Of its fields."""
        return hash(self.field_values())

    def __repr__(self) -> str:
        """As it would be made."""
        pairs = zip(self.field_names(), self.field_values(), strict=True)
        said = ", ".join([f"{name}={value!r}" for name, value in pairs])
        return f"{type(self).__name__}({said})"


def replace(struct: Struct, **changes: object) -> Struct:
    """As `msgspec.structs.replace`: a copy of it with other values in these fields."""
    plain: Any = struct
    copy: Struct = plain.twin()
    for name, value in changes.items():
        setattr(copy, name, value)
    return copy
