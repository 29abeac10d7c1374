"""Classes that were written out for the compiler can be asked the same as those of the sources."""

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from harness.compiled.native import read_shapes, rewrite

MODULE = "plain_for_a_test"
SOURCE = '''
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

LIMIT = 4
BOTH = int | str

class Colour(StrEnum):
    """Named."""

    RED = "red"
    BLUE = "blue"


class Step(Enum):
    """Numbered."""

    IDLE = auto()


class Point(Struct, frozen=True, gc=False):
    """Given by place."""

    x: int
    name: str = "p"
    """More."""

    @property
    def double(self) -> int:
        """Twice."""
        return 2 * self.x


class Base(Struct, frozen=True, kw_only=True):
    """Extended."""

    blob: str = "b"


class Derived(Base, frozen=True, kw_only=True):
    """Given by name."""

    at: int


class Empty(Struct, frozen=True):
    """Nothing in it."""


@dataclass(slots=True)
class Loose:
    """May be changed."""

    count: int = 0


def colour(step: Step) -> str:
    """Two members, one of them in a text."""
    def inner() -> Colour:
        return Colour.BLUE

    return f"{Colour.RED} {inner().value}" if step is Step.IDLE else "none"


def moved(point: Point) -> Point:
    """A copy."""
    return replace(point, x=point.x + 1)


def kind(step: object) -> int:
    """A pattern stays one."""
    match step:
        case Step.IDLE:
            return 1
    return 0
'''


@pytest.fixture(params=["as it is", "rewritten"])
def module(request: pytest.FixtureRequest, tmp_path: Path) -> Any:  # noqa: ANN401  # a module
    """The module as it stands, and as the compiler gets it."""
    path = tmp_path / f"{MODULE}.py"
    path.write_text(SOURCE)
    text = SOURCE
    if request.param == "rewritten":
        text = rewrite(MODULE, SOURCE, read_shapes({MODULE: path}))
        assert "(Struct" not in text
    made = types.ModuleType(MODULE)
    sys.modules[MODULE] = made
    exec(compile(text, MODULE, "exec"), made.__dict__)  # our own text
    yield made
    del sys.modules[MODULE]


def test_equal_where_class_and_fields_are(module: Any) -> None:  # noqa: ANN401
    assert module.Point(1) == module.Point(1, "p")
    assert module.Point(1) != module.Point(2)
    assert module.Base() != module.Derived(at=1)
    assert module.Derived(at=1) == module.Derived(at=1, blob="b")
    assert module.Empty() == module.Empty()
    assert module.Loose() == module.Loose(0)


def test_hashed_where_frozen(module: Any) -> None:  # noqa: ANN401
    assert len({module.Point(1), module.Point(1, "p"), module.Point(1, "q")}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(module.Loose())


def test_said_by_name(module: Any) -> None:  # noqa: ANN401
    assert repr(module.Point(1)) == "Point(x=1, name='p')"
    assert repr(module.Derived(at=2)) == repr(module.Derived(at=2, blob="b"))
    assert repr(module.Empty()) == "Empty()"


def test_given_by_place_or_by_name_as_declared(module: Any) -> None:  # noqa: ANN401
    assert module.Point(1, "q").name == "q"
    assert module.Point(3).double == 6
    with pytest.raises(TypeError):
        module.Derived("b", 2)


def test_a_copy_with_one_field_changed(module: Any) -> None:  # noqa: ANN401
    point = module.Point(1, "q")
    assert module.moved(point) == module.Point(2, "q")
    assert point.x == 1


def test_members_of_enums_keep_their_meaning(module: Any) -> None:  # noqa: ANN401
    assert module.colour(module.Step.IDLE) == "red blue"
    assert module.kind(module.Step.IDLE) == 1
    assert module.kind(None) == 0


def test_a_member_is_looked_up_once(tmp_path: Path) -> None:
    path = tmp_path / f"{MODULE}.py"
    path.write_text(SOURCE)
    text = rewrite(MODULE, SOURCE, read_shapes({MODULE: path}))
    assert "_Colour_BLUE: _Final = Colour.BLUE" in text
    assert "return _Colour_BLUE" in text


def test_constants_are_declared_and_types_are_not(tmp_path: Path) -> None:
    path = tmp_path / f"{MODULE}.py"
    path.write_text(SOURCE)
    text = rewrite(MODULE, SOURCE, read_shapes({MODULE: path}))
    assert "LIMIT: _Final = 4" in text
    assert "\nBOTH = int | str" in text
