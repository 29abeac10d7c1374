"""The timeline page of a replayed disaster: one self-contained HTML file, no script at all.

Everything on it comes from the run, all of it escaped. Steps and happenings stand in the columns
of the parties; a drawing on top shows when each party did something, idle time shortened.
"""

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.claims import CLAIMS
from harness.explore.lanes import Drawing, draw_lanes, lane_of
from harness.explore.story import Chapter, Entry, Tale, count_rest, told_of, weightiest
from harness.explore.wording import say_setup, say_time
from harness.schedule import dump_schedule

__all__ = ["render_replay"]

TEMPLATES: Final = Path(__file__).parent / "templates"
ROWS_MAX: Final = 3000
FILTERS: Final = (
    ("request", "requests"), ("reply", "replies"), ("status", "status"), ("note", "notes"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A happening in its party's column."""

    at_us: int
    kind: str
    lane: str
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """A chapter as the story shows it."""

    number: int
    at_us: int
    title: str
    told: list[Entry]
    rest: str


def render_replay(tale: Tale, *, command: str) -> str:
    """The page of a tale; `command` replays it."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["seconds"] = say_time
    rows = _rows(tale)
    drawing = _drawing(tale, rows)
    finding = tale.finding
    claim = CLAIMS.get(finding.claim) if finding else None
    return environment.get_template("replay.html.j2").render(
        beliefs=tale.beliefs, chapters=_told(tale), command=command, drawing=drawing,
        filters=FILTERS, finding=finding, headline=_headline(tale),
        lanes=[lane.name for lane in drawing.lanes], left_out=max(0, len(rows) - ROWS_MAX),
        promise=claim.promise if claim else "", rows=rows[:ROWS_MAX],
        schedule=dump_schedule(tale.schedule).decode(), seed=tale.schedule.seed,
        setup=say_setup(tale.schedule), style=_style(),
        tiles=_tiles(tale), version=importlib.metadata.version("mountproof"),
    )  # fmt: skip


def _style() -> Markup:
    """Our own file, so not escaped."""
    return Markup((TEMPLATES / "replay.css").read_text("utf-8"))  # noqa: S704


def _headline(tale: Tale) -> str:
    return f"{tale.finding.claim} violated" if tale.finding else "Every claim held"


def _tiles(tale: Tale) -> list[tuple[str, str]]:
    tiles = [("steps", str(len(tale.schedule.steps)))]
    finding = tale.finding
    if finding is None:
        checks = sum(tale.outcome.exercised.values())
        return [*tiles, ("store requests", str(tale.outcome.store_requests)),
                ("checks", str(checks))]  # fmt: skip
    tiles.append(("seen at", say_time(finding.at_us)))
    if finding.page >= 0:
        tiles.append(("the page that is wrong", str(finding.page)))
    if finding.expected:
        tiles.append(("expected", finding.expected))
    if finding.found:
        tiles.append(("found", finding.found))
    return tiles


def _told(tale: Tale) -> list[Told]:
    """The chapters up to the finding, and of each what is worth telling."""
    until = tale.finding.at_us if tale.finding else None
    chapters = []
    for chapter in tale.chapters:
        if until is not None and chapter.at_us > until:
            break
        told = told_of(chapter.entries, until)
        rest = ", ".join(count_rest(chapter.entries, told))
        chapters.append(Told(chapter.number, chapter.at_us, chapter.title, weightiest(told), rest))
    return chapters


def _rows(tale: Tale) -> list[Row]:
    """Every step and every happening, the finding among them at its moment."""
    rows = [row for chapter in tale.chapters for row in _chapter_rows(chapter)]
    finding = tale.finding
    if finding is not None:
        at = sum(row.at_us <= finding.at_us for row in rows)
        text = f"{finding.claim} ({finding.cause}): {finding.text}"
        rows.insert(at, Row(finding.at_us, "finding", "", text))
    return rows


def _chapter_rows(chapter: Chapter) -> list[Row]:
    rows = []
    if chapter.number:
        rows.append(Row(chapter.at_us, "step", "clients", f"{chapter.number}. {chapter.title}"))
    rows += [Row(at_us, kind, lane_of(who), text) for at_us, kind, who, text in chapter.entries]
    return rows


def _drawing(tale: Tale, rows: Sequence[Row]) -> Drawing:
    events = [(row.at_us, row.kind, row.lane, row.text) for row in rows if row.lane]
    return draw_lanes(events, tale.finding.at_us if tale.finding else None)
