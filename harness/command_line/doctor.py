"""`mountproof doctor`: each part of the lab, here or not, its version, and how to get it."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.parts import LabPart, find_parts

__all__ = ["register"]

_MISSING_STATUS = 2


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("doctor")(doctor_command)


def doctor_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say which parts of the lab are here, and how to get the others.

    Exit codes: 0 all are here but what is optional, 2 at least one is missing.
    """
    parts = find_parts()
    missing = [part for part in parts if not part.present and not part.optional]
    console = Console(highlight=False)
    if as_json:
        print(json.dumps({"complete": not missing, "parts": [asdict(part) for part in parts]},
                         indent=2))  # fmt: skip
    elif console.is_terminal:
        console.print(_table(parts))
    else:
        for part in parts:
            print(_line(part))
    if not as_json:
        print(_summary(parts, missing))
    raise typer.Exit(_MISSING_STATUS if missing else 0)


def _table(parts: list[LabPart]) -> Table:
    table = Table("part", "", "version", "what for, or how to get it")
    for part in parts:
        lacking = Text("absent", "yellow") if part.optional else Text("missing", "bold red")
        state = Text("here", "green") if part.present else lacking
        about = part.purpose if part.present else f"{part.purpose}; get it: {part.how_to_get}"
        table.add_row(part.name, state, part.version, Text(about))
    return table


def _line(part: LabPart) -> str:
    if part.present:
        return f"here     {part.name:<20} {part.version:<28} {part.purpose}"
    state = "absent" if part.optional else "MISSING"
    return f"{state:<8} {part.name:<20} {part.purpose}; get it: {part.how_to_get}"


def _summary(parts: list[LabPart], missing: list[LabPart]) -> str:
    absent = [part.name for part in parts if part.optional and not part.present]
    if not missing:
        optional = f", but for what is optional: {', '.join(absent)}" if absent else ""
        return f"all {len(parts) - len(absent)} parts are here{optional}"
    names = ", ".join(part.name for part in missing)
    return f"{len(missing)} of {len(parts)} parts are missing: {names}"
