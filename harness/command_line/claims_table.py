"""The end of a certification on the command line: its claims, and where the reports are."""

from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.evidence import ClaimResult, RunRecord, Verdict
from reports import HTML_NAME

__all__ = ["print_claims"]

_STYLES: Final = {
    Verdict.HELD: "green",
    Verdict.VIOLATED: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_DEMANDED: "dim",
}


def print_claims(record: RunRecord, folder: Path) -> None:
    """Print the demanded claims, the run's verdict, and where to read on."""
    console = Console(highlight=False)
    demanded = [c for c in record.claims if c.verdict is not Verdict.NOT_DEMANDED]
    if console.is_terminal:
        _print_table(console, demanded)
    else:
        for claim in demanded:
            print(_line(claim))
    others = len(record.claims) - len(demanded)
    counted = sum(1 for trial in record.trials if trial.counted)
    print(f"{counted} of {len(record.trials)} trials count; {others} claims not demanded")
    if record.interrupted:
        print("the run was interrupted: this is what was found until then")
    for kept in record.internal_errors:
        print(f"internal error: a defect of mountproof, traceback: {folder / kept}")
    print(f"verdict: {record.verdict}; report: {folder / HTML_NAME}")


def _line(claim: ClaimResult) -> str:
    reason = f"; {claim.reason}" if claim.reason and claim.verdict is not Verdict.HELD else ""
    return f"{claim.verdict:<13} {claim.id:<17} {claim.figure} (demanded: {claim.bound}){reason}"


def _print_table(console: Console, claims: list[ClaimResult]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("verdict", "claim", "figure", "demanded"):
        table.add_column(heading, overflow="fold")
    for claim in claims:
        table.add_row(
            Text(str(claim.verdict), style=_STYLES[claim.verdict]),
            claim.id,
            claim.figure if claim.verdict is Verdict.HELD else f"{claim.figure}: {claim.reason}",
            claim.bound,
        )
    console.print(table)
