"""Options that several commands of the simulator share: which core, and where to write."""

from pathlib import Path
from typing import Annotated

import typer

from harness.errors import UsageError

__all__ = ["AsJson", "Core", "Out", "Planted", "writable"]

Core = Annotated[
    str, typer.Option("--core", metavar="MODULE:FACTORY", help="Another core than ours.")
]
Planted = Annotated[
    str, typer.Option("--planted", metavar="BUG", help="Our core with this bug planted in it.")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Save findings and summary there.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def writable(folder: Path) -> Path:
    """The folder, made; `UsageError` if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror}") from error
    return folder
