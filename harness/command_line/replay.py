"""`mountproof replay FILE`: run one schedule and tell what happened."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from harness.checkers.finding import CHECKER_ERROR
from harness.command_line.core_options import AsJson, Core, Planted
from harness.errors import UsageError
from harness.explore.harvest import replay_command_line
from harness.explore.planting import system_under_test
from harness.explore.replay_page import render_replay
from harness.explore.story import Tale, tale_lines, tell_tale
from harness.schedule import load_schedule

__all__ = ["register", "write_page"]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("replay")(replay_command)


def replay_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A schedule, as JSON.")],
    html: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write a page with the timeline there.")
    ] = None,
    core: Core = "",
    planted: Planted = "",
    as_json: AsJson = False,
) -> int:
    """Run a disaster again and tell it as a story: what was done, believed, expected and found.

    Exit codes: 0 no finding, 1 it violates a claim, 2 a checker broke down, 64 not a schedule.
    """
    schedule = load_schedule(file)
    with system_under_test(core, planted) as system:
        tale = tell_tale(schedule, system)
    if html is not None:
        write_page(html, tale, command=replay_command_line(str(file), core, planted))
    if as_json:
        print(msgspec.json.encode(_plain(tale)).decode())
    else:
        print("\n".join(tale_lines(tale)))
        if html is not None:
            print(f"\nThe timeline: {html}")
    return _status(tale)


def write_page(path: Path, tale: Tale, *, command: str) -> None:
    """Write the page of a tale; `UsageError` if the path is no place for it."""
    try:
        path.write_text(render_replay(tale, command=command), "utf-8")
    except OSError as error:
        raise UsageError(f"--html {path}: {error.strerror}") from error


def _status(tale: Tale) -> int:
    if any(finding.claim != CHECKER_ERROR for finding in tale.findings):
        return 1
    return 2 if tale.findings else 0


def _plain(tale: Tale) -> dict[str, object]:
    return {
        "schedule": tale.schedule,
        "findings": list(tale.findings),
        "exercised": tale.outcome.exercised,
        "fired": tale.outcome.fired,
        "digest": str(tale.outcome.digest),
        "steps_effective": tale.outcome.steps_effective,
        "store_requests": tale.outcome.store_requests,
        "story": [
            {"number": chapter.number, "at_us": chapter.at_us, "title": chapter.title,
             "happened": chapter.entries}
            for chapter in tale.chapters
        ],
        "beliefs": dict(tale.beliefs),
    }  # fmt: skip
