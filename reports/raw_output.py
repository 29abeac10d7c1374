"""The untouched outputs of provers, quoted: short ones whole, long ones by both ends.

Only regular files inside the report folder are quoted, whatever path the evidence names.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["RawOutput", "quote_output"]

HEAD_BYTES: Final = 6 * 1024
TAIL_BYTES: Final = 2 * 1024


@dataclass(frozen=True, slots=True)
class RawOutput:
    """A quoted file.

    `text` is its beginning (or all of it), `tail` its end if the middle is left out.
    """

    path: str
    text: str
    tail: str = ""
    left_out_bytes: int = 0
    missing: str = ""


def quote_output(root: Path, rel: str) -> RawOutput:
    """Quote the file `rel` of the folder `root`; `missing` says why there is nothing to quote."""
    if not rel:
        return RawOutput(rel, "", missing="no output was kept")
    inside = root.resolve()
    place = (inside / rel).resolve()
    if not place.is_relative_to(inside):
        return RawOutput(rel, "", missing="the path leads out of the report folder")
    if not place.is_file():
        return RawOutput(rel, "", missing="the file is not in the report folder")
    return _quote(rel, place)


def _quote(rel: str, place: Path) -> RawOutput:
    size = place.stat().st_size
    with place.open("rb") as stream:
        if size <= HEAD_BYTES + TAIL_BYTES:
            return RawOutput(rel, _text(stream.read()))
        head = stream.read(HEAD_BYTES)
        stream.seek(size - TAIL_BYTES)
        tail = stream.read()
    return RawOutput(rel, _text(head), _text(tail), size - HEAD_BYTES - TAIL_BYTES)


def _text(encoded: bytes) -> str:
    text = encoded.decode("utf-8", "replace")
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
