"""Rewrites sources for the compiler, which then finds classes of its own kind for plain data.

A struct of msgspec is machine code, but foreign to compiled code: each construction and each look
at a field goes by name. The same class written out with an `__init__` becomes a C struct. What it
can be asked here stays: fields by place and by name, equality, hash, `repr`, `replace`. That it is
frozen is for the sources, and their type checker, to keep.

A member of an enum is looked up once, when its module is imported: that costs more than a call.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["Shapes", "read_shapes", "rewrite"]

_KEPT: Final = frozenset({"Finding"})
"""Dataclasses that are copied with `dataclasses.replace`, which asks for their fields."""
_ENUMS: Final = ("enum.Enum", "enum.StrEnum")
_STRUCTS: Final = ("msgspec.Struct",)
_UNHASHABLE: Final = (
    "def __hash__(self) -> int:",
    "    raise TypeError('unhashable type: ' + type(self).__name__)",
)
_REPLACE: Final = "from msgspec.structs import replace"
_IMPORTS: Final = (
    "from typing import final as _final; from mypy_extensions import mypyc_attr as _attr;"
    " from harness.compiled.plain import Plain as _Plain"
)
_FINAL: Final = "from typing import Final as _Final"
_OUR_REPLACE: Final = "from harness.compiled.plain import replace"


@dataclass(frozen=True, slots=True)
class _Field:
    """One field: its type and its default as they stand in the source, "" without one."""

    name: str
    kind: str
    default: str


@dataclass(slots=True)
class Shapes:
    """What classes of plain data and which enums the sources define.

    fields: full name of a class to its fields, inherited ones first; extended: full names of those
    with subclasses; members: name of an enum to its members, of all enums of that name.
    """

    fields: dict[str, list[_Field]] = field(default_factory=dict)
    extended: dict[str, None] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)


def read_shapes(sources: Mapping[str, Path]) -> Shapes:
    """Read modules by their names; a base comes in an earlier one, or further up."""
    shapes = Shapes()
    for module, source in sources.items():
        tree = ast.parse(source.read_bytes())
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                _read_class(node, _Names(module, tree), shapes)
    return shapes


class _Names:
    """What a name means in a module: the full name."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self._module = module
        self._imported = {
            one.asname or one.name: f"{node.module}.{one.name}"
            for node in tree.body if isinstance(node, ast.ImportFrom) for one in node.names
        }  # fmt: skip

    def full(self, name: str) -> str:
        """With the module in which it is defined, or from which it is imported here."""
        return self._imported.get(name, f"{self._module}.{name}")

    def base(self, node: ast.ClassDef) -> str:
        """The full name of the first base of a class, "" if it has none."""
        return self.full(ast.unparse(node.bases[0])) if node.bases else ""


def _read_class(node: ast.ClassDef, names: _Names, shapes: Shapes) -> None:
    base = names.base(node)
    if base in _ENUMS:
        members = [target.id for item in node.body if isinstance(item, ast.Assign)
                   for target in item.targets if isinstance(target, ast.Name)]  # fmt: skip
        shapes.members.setdefault(node.name, []).extend(members)
    elif _is_plain(node, names, shapes):
        shapes.fields[names.full(node.name)] = [*shapes.fields.get(base, ()), *_own_fields(node)]
        if base in shapes.fields:
            shapes.extended[base] = None


def _is_plain(node: ast.ClassDef, names: _Names, shapes: Shapes) -> bool:
    if _dataclass_options(node) is not None:
        return not node.bases and node.name not in _KEPT
    base = names.base(node)
    return base in _STRUCTS or base in shapes.fields


def _dataclass_options(node: ast.ClassDef) -> list[ast.keyword] | None:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "dataclass":
            return decorator.keywords
    return None


def _own_fields(node: ast.ClassDef) -> Iterator[_Field]:
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and not ast.unparse(item.annotation).startswith("Class"):
            default = ast.unparse(item.value) if item.value else ""
            yield _Field(ast.unparse(item.target), ast.unparse(item.annotation), default)


# ── one module ────────────────────────────────────────────────────────────────────────────────


def rewrite(module: str, text: str, shapes: Shapes) -> str:
    """The same module for the compiler."""
    text = text.replace(_REPLACE, _OUR_REPLACE)
    lines = text.split("\n")
    tree = ast.parse(text)
    names = _Names(module, tree)
    for node in reversed(tree.body):
        if isinstance(node, ast.ClassDef) and _is_plain(node, names, shapes):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            lines[first - 1 : node.end_lineno] = [
                _IMPORTS,
                *_written_out(node, names, shapes).split("\n"),
            ]
    return _name_members(_fix_constants("\n".join(lines)), shapes)


def _written_out(node: ast.ClassDef, names: _Names, shapes: Shapes) -> str:
    full = names.full(node.name)
    fields = shapes.fields[full]
    options = _dataclass_options(node)
    flags = [one.arg for one in (node.keywords if options is None else options)]
    own = [f"{one.name}: {one.kind}" for one in _own_fields(node)]
    rest = [ast.unparse(item) for item in node.body if not isinstance(item, ast.AnnAssign)]
    base = ast.unparse(node.bases[0]) if names.base(node) in shapes.fields else "_Plain"
    parts = [*rest[:1], *own, *_methods(node.name, fields, flags), *rest[1:]]
    body = "\n".join(parts).replace("\n", "\n    ")
    traits = "acyclic=True, free_list_len=1" if "frozen" in flags else "free_list_len=1"
    head = f"@_attr({traits})\n" + ("" if full in shapes.extended else "@_final\n")
    return f"{head}class {node.name}({base}):\n    {body}"


def _methods(name: str, fields: Sequence[_Field], flags: Sequence[str | None]) -> list[str]:
    star = ["*"] if fields and "kw_only" in flags else []
    takes = [f"{one.name}: {one.kind}" + (f" = {one.default}" if one.default else "")
             for one in fields]  # fmt: skip
    sets = [f"    self.{one.name} = {one.name}" for one in fields] or ["    pass"]
    gives = ", ".join(f"{one.name}=self.{one.name}" for one in fields)
    values = "".join(f"self.{one.name}, " for one in fields)
    names = "".join(f"{one.name!r}, " for one in fields)
    return [
        f"def __init__({', '.join(['self', *star, *takes])}) -> None:", *sets,
        "def field_names(self) -> tuple[str, ...]:", f"    return ({names})",
        "def field_values(self) -> tuple[object, ...]:", f"    return ({values})",
        *([] if "frozen" in flags else _UNHASHABLE),
        f"def twin(self) -> '{name}':", f"    return {name}({gives})",
    ]  # fmt: skip


# ── constants ─────────────────────────────────────────────────────────────────────────────────


def _fix_constants(text: str) -> str:
    """Declare what has a constant's name to be one: numbers and texts then stand in the code."""
    lines = text.encode().split(b"\n")
    for node in ast.parse(text).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if (
                name.isupper() and name != "T"
            ):
                if isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr):
                    continue  # a union of classes, which serves as a type
                at, line = node.lineno - 1, lines[node.lineno - 1].decode()
                lines[at] = f"{_FINAL}; {name}: _Final{line[len(name) :]}".encode()
            case _:
                pass
    return b"\n".join(lines).decode()


# ── members of enums ──────────────────────────────────────────────────────────────────────────


def _name_members(text: str, shapes: Shapes) -> str:
    """Give each member that a function looks up a name of the module's."""
    tree = ast.parse(text)
    lines = text.encode().split(b"\n")
    homes = {name: node.end_lineno or 0 for node in tree.body for name in _brought(node, shapes)}
    wanted: dict[str, dict[str, None]] = {}
    for node in sorted(_looked_up(tree), key=lambda one: (-one.lineno, -one.col_offset)):
        name = node.value.id if isinstance(node.value, ast.Name) else ""
        if name in homes and node.attr in shapes.members[name]:
            wanted.setdefault(name, {})[node.attr] = None
            line = lines[node.lineno - 1]
            start, end = node.col_offset, node.end_col_offset or 0
            lines[node.lineno - 1] = line[:start] + _alias(name, node.attr).encode() + line[end:]
    for name in sorted(wanted, key=lambda one: -homes[one]):
        said = "; ".join(f"{_alias(name, member)}: _Final = {name}.{member}"
                         for member in sorted(wanted[name]))  # fmt: skip
        lines[homes[name] : homes[name] + 1] = [
            f"{_FINAL}; {said}".encode(),
            *lines[homes[name] : homes[name] + 1],
        ]
    return b"\n".join(lines).decode()


def _alias(name: str, member: str) -> str:
    return f"_{name}_{member}"


def _brought(node: ast.stmt, shapes: Shapes) -> list[str]:
    """The enums that a statement of the module defines or imports."""
    if isinstance(node, ast.ImportFrom):
        return [one.name for one in node.names if one.name in shapes.members and not one.asname]
    return [node.name] if isinstance(node, ast.ClassDef) and node.name in shapes.members else []


def _looked_up(tree: ast.AST) -> Iterator[ast.Attribute]:
    """Attributes of names, in bodies of functions; a pattern of `match` has no other form."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for statement in node.body:
                yield from _attributes(statement)


def _attributes(node: ast.AST) -> Iterator[ast.Attribute]:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        yield node
    elif not isinstance(node, ast.pattern | ast.JoinedStr | ast.FunctionDef):
        for child in ast.iter_child_nodes(node):
            yield from _attributes(child)
