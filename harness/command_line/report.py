"""`mountproof report DIR`: make the reports of a run again from its evidence, even years later."""

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import UsageError
from harness.evidence import read_run
from reports import CERTIFICATE_NAME, HTML_NAME, JUNIT_NAME, altered_evidence, write_all

__all__ = ["register"]

_SHOWN_DIFFERENCES = 10


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("report")(report_command)


def report_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder that `certify --out` wrote.")
    ],
    accept_changes: Annotated[
        bool,
        typer.Option(
            "--accept-changes", help="Certify evidence that was changed since its certificate."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make certificate.json, junit.xml and report.html again from DIR/evidence.

    Evidence that differs from the certificate beside it is refused. Exit codes: 0 made (whatever
    the verdict), 64 no evidence there, damaged or changed.
    """
    record = read_run(folder)
    altered = altered_evidence(folder)
    if altered and not accept_changes:
        raise UsageError(_refusal(folder, altered))
    write_all(folder)
    verdict = record.verdict
    made = {name: str(folder / name) for name in (CERTIFICATE_NAME, JUNIT_NAME, HTML_NAME)}
    if as_json:
        print(json.dumps({"verdict": verdict, "made": made, "altered": dict(altered)}, indent=2))
        return
    for path in made.values():
        print(f"made {path}")
    print(f"verdict of the run: {verdict}")


def _refusal(folder: Path, altered: list[tuple[str, str]]) -> str:
    lines = [f"  {what}: {path}" for path, what in altered[:_SHOWN_DIFFERENCES]]
    if len(altered) > _SHOWN_DIFFERENCES:
        lines.append(f"  and {len(altered) - _SHOWN_DIFFERENCES} more")
    return "\n".join(
        [
            f"the evidence in {folder} is not what its certificate was made from:",
            *lines,
            "restore it, or use --accept-changes to certify it as it is now",
        ]
    )
