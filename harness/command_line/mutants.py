"""`mountproof mutants`: the kill matrix, planted bugs of our own core that the swarm must catch."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, Final

import msgspec
import typer

from harness.command_line.core_options import AsJson, Out, writable
from harness.errors import UsageError
from harness.explore.planting import find_bug
from harness.explore.stopping import asked_to_stop
from harness.kill_matrix import keep_matrix, sources_digest
from harness.mutants.catalogue import CATALOGUE
from harness.mutants.matrix import MOST, Row, run_matrix
from harness.simulation_record import Mutant

__all__ = ["MatrixSummary", "register", "summary_lines"]

SEEDS_MAX: Final = 100
SEEDS_DEFAULT: Final = 10
WORKERS_MAX: Final = 256


class MatrixSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints; `most`: so many disasters had a trial at most.

    missed: bugs that were not caught under their claim; seen_without: bugs that a swarm found while
    the checkers of all their claims were off.
    """

    mutants: list[Row]
    caught: int
    missed: list[str]
    missed_without: int
    seen_without: list[str]
    seeds: int
    most: int
    digest: str
    interrupted: bool
    seconds: float


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("mutants")(mutants_command)


def mutants_command(
    only: Annotated[
        str, typer.Option("--only", metavar="NAME,...", help="These bugs; default: all of them.")
    ] = "",
    seeds: Annotated[
        int, typer.Option(min=1, max=SEEDS_MAX, help="Trials of each bug, each a swarm of its own.")
    ] = SEEDS_DEFAULT,
    most: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Disasters after which a trial has missed.")
    ] = MOST,
    workers: Annotated[
        int, typer.Option(min=0, max=WORKERS_MAX, help="Processes; 0: one a core.")
    ] = 0,
    listing: Annotated[
        bool, typer.Option("--list", help="Say what each planted bug is, and run none.")
    ] = False,
    out: Out = None,
    as_json: AsJson = False,
) -> int:
    """Plant every bug in the engine's core and see whether, and how soon, a swarm catches it.

    Then a swarm in which the checkers of its claims are off has to miss it. Exit codes: 0 both
    hold for every bug, 1 not for all, 2 interrupted, 64 usage.
    """
    names = _names(only)
    if listing:
        print("\n".join(_described(names)))
        return 0
    folder = None if out is None else writable(out)
    summary = _run(names, seeds, most, workers or os.cpu_count() or 1)
    if not (only or summary.interrupted):
        keep_matrix(map(_kept, summary.mutants), summary.digest)
    if folder is not None:
        _save(folder, summary)
    if as_json:
        print(msgspec.json.encode(summary).decode())
    else:
        print("\n".join(summary_lines(summary)))
    if summary.interrupted:
        return 2
    return 1 if summary.missed or summary.seen_without else 0


def _names(only: str) -> list[str]:
    if not only:
        return list(CATALOGUE)
    names = [name.strip() for name in only.split(",") if name.strip()]
    if not names:
        raise UsageError(f"--only {only!r} names no bug; `mountproof mutants --list` lists them")
    return [find_bug(name, "--only").name for name in dict.fromkeys(names)]


def _run(names: Sequence[str], seeds: int, most: int, workers: int) -> MatrixSummary:
    digest = sources_digest()
    began = time.monotonic()
    with asked_to_stop() as stop:
        rows = run_matrix(names, seeds=seeds, workers=workers, most=most, stop=stop, tell=_tell)
    return MatrixSummary(
        mutants=rows,
        caught=sum(row.caught for row in rows),
        missed=[row.name for row in rows if not row.caught],
        missed_without=sum(row.missed_without for row in rows),
        seen_without=[row.name for row in rows if not row.missed_without],
        seeds=seeds,
        most=most,
        digest=digest,
        interrupted=len(rows) < len(names),
        seconds=round(time.monotonic() - began, 3),
    )


def _tell(row: Row, done: int, whole: int) -> None:
    """One line for each bug, as soon as it is known."""
    found = f"caught after {row.disasters:g} disasters" if row.caught else "MISSED"
    without = "missed" if row.missed_without else f"SEEN ({row.unexpected[0]})"
    print(
        f"{done}/{whole}  {row.name} ({row.claim}): {found}; without its claims {without}",
        file=sys.stderr, flush=True,
    )  # fmt: skip


def summary_lines(summary: MatrixSummary) -> list[str]:
    """The matrix as a table, and lines that sum it up."""
    wide = max((len(row.name) for row in summary.mutants), default=0)
    lines = [
        (
            f"{'planted bug':{wide}}  {'claim':20} {'caught':7} {'disasters':>9} {'steps':>6}"
            "  without  also caught by"
        )
    ]
    for row in summary.mutants:
        caught = "yes" if row.caught else "NO"
        steps = str(row.steps) if row.caught else "-"
        without = "missed" if row.missed_without else "SEEN"
        lines.append(
            f"{row.name:{wide}}  {row.claim:20} {caught:7} {row.disasters:>9g} {steps:>6}"
            f"  {without:7}  {', '.join(row.also_caught_by) or '-'}"
        )
    whole = len(summary.mutants)
    alone = sum(not row.also_caught_by for row in summary.mutants)
    lines.append(
        f"{summary.caught} of {whole} planted bugs caught; median of {summary.seeds} seeds each,"
        f" {summary.seconds:.0f} s"
    )
    if summary.mutants:
        slowest = max(summary.mutants, key=lambda row: row.seconds)
        middle = median(row.seconds for row in summary.mutants)
        lines.append(
            f"processor time to catch one: median {middle:.2f} s, slowest {slowest.seconds:.1f} s"
            f" ({slowest.name})"
        )
    lines.append(
        f"{summary.missed_without} of {whole} missed where their claims are not checked,"
        f" {alone} of them where the one claim is not"
    )
    if summary.missed:
        lines.append(f"missed: {', '.join(summary.missed)}")
    if summary.seen_without:
        lines.append(f"seen without their claims: {', '.join(summary.seen_without)}")
        lines += [f"  {row.name}: {text}" for row in summary.mutants for text in row.unexpected[:3]]
    if summary.interrupted:
        lines.append("interrupted: the others were not tried")
    return lines


def _described(names: Sequence[str]) -> list[str]:
    bugs = [CATALOGUE[name] for name in names]
    return [
        f"{bug.name} [{bug.claim}] {bug.meaning}"
        + (f" It also breaks {', '.join(bug.also)}." if bug.also else "")
        for bug in bugs
    ]


def _kept(row: Row) -> Mutant:
    return Mutant(
        name=row.name,
        claim=row.claim,
        caught=row.caught,
        caught_by=row.caught_by,
        disasters=float(row.disasters),
        steps=row.steps,
        missed_without=row.missed_without,
        also_caught_by=list(row.also_caught_by),
    )


def _save(folder: Path, summary: MatrixSummary) -> None:
    (folder / "mutants.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary)))
