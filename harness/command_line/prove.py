"""`mountproof prove FILE|URL`: is this disk a good fixed VHD for its consumers?"""

import json
import sys
from pathlib import Path
from typing import Annotated, Self

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.disk.findings import Consumer, Severity
from harness.disk.proof import ProofResult, optional_provers, prove
from harness.errors import UsageError
from harness.evidence import EvidenceFolder, ProofStep
from harness.redaction import redact

_STYLES = {"good": "green", "bad": "bold red", "inconclusive": "yellow", "not applicable": "dim"}


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("prove")(prove_command)


def prove_command(
    disk: Annotated[str, typer.Argument(metavar="FILE|URL", help="Disk image, or blob URL (SAS).")],
    consumer: Annotated[
        str, typer.Option(help="Who is to use it: azure, qemu, or both with a comma.")
    ] = "azure,qemu",
    source: Annotated[
        Path | None, typer.Option(help="The volume it was made from, to compare with.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for each prover's raw output.")] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="Leave a prover out (repeatable): then inconclusive at best."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove a disk with every independent reader and a VM; repairs and changes nothing.

    Exit codes: 0 good, 1 read and bad, 2 inconclusive, 64 usage.
    """
    console = Console(highlight=False)
    lines = not as_json and not console.is_terminal
    with Progress(console, plain=lines, silent=as_json) as progress:
        result = prove(
            disk,
            consumers=parse_consumers(consumer),
            source=source,
            folder=None if out is None else _evidence_folder(out),
            without=parse_without(without or []),
            on_step=progress.tell,
        )
    if as_json:
        json.dump(
            msgspec.to_builtins(result) | {"exit_code": result.exit_code}, sys.stdout, indent=2
        )
        print()
    elif lines:
        print_plain_end(result)
    else:
        print_table(console, result)
    raise typer.Exit(result.exit_code)


class Progress:
    """Shows each finished step: a plain line each, or on a terminal a spinner that names them."""

    def __init__(self, console: Console, *, plain: bool, silent: bool) -> None:
        self._plain = plain
        self._status = None if plain or silent else console.status("Proving")
        self._done: list[str] = []

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def tell(self, step: ProofStep) -> None:
        """Take in a finished step, from any thread."""
        self._done.append(f"{step.prover} {step.verdict}")
        if self._plain:
            print(step_line(step), flush=True)
        elif self._status is not None:
            self._status.update(f"Proving; so far {', '.join(self._done)}")


def parse_consumers(text: str) -> frozenset[Consumer]:
    """Read the names of consumers, separated by commas."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = [consumer.value for consumer in Consumer]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UsageError(
            f"--consumer {text!r}: {', '.join(unknown) or 'nothing'} is no consumer; "
            f"choose from {', '.join(known)}"
        )
    return frozenset(Consumer(name) for name in names)


def parse_without(names: list[str]) -> frozenset[str]:
    """Check the names of provers to leave out."""
    for name in names:
        if name not in optional_provers():
            raise UsageError(
                f"--without {name!r}: no such prover; choose from {', '.join(optional_provers())}"
            )
    return frozenset(names)


def _evidence_folder(out: Path) -> EvidenceFolder:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot make this folder: {error.strerror}") from error
    return EvidenceFolder(out)


def step_line(step: ProofStep) -> str:
    """Return a finished step as one plain line."""
    return f"{step.verdict:<14} {step.prover:<18} {step.seconds:6.2f} s  {step.summary}"


def verdict_line(result: ProofResult) -> str:
    """Return the one sentence that says it all."""
    names = " and ".join(result.consumers)
    ending = {
        "good": f"good for {names}",
        "bad": f"BAD for {names}",
        "inconclusive": "inconclusive: nothing is said about the disk",
    }[result.verdict]
    return redact(f"{result.name}: {ending} ({result.seconds:.1f} s)")


def print_plain_end(result: ProofResult) -> None:
    """Print warnings and the verdict after the steps' lines."""
    for finding in result.findings:
        if finding.severity is Severity.WARNING:
            print(f"warning        {finding.sentence}")
    print(verdict_line(result), flush=True)


def print_table(console: Console, result: ProofResult) -> None:
    """Print all steps as a table for a terminal."""
    table = Table(title=Text(f"Proofs of {redact(result.name)}"), title_justify="left")
    for heading in ("Prover", "Verdict", "Seconds", "What it found"):
        table.add_column(heading, justify="right" if heading == "Seconds" else "left")
    for step in result.steps:
        verdict = Text(step.verdict, style=_STYLES[step.verdict])
        table.add_row(step.prover, verdict, f"{step.seconds:.2f}", Text(step.summary))
    console.print(table)
    for finding in result.findings:
        if finding.severity is Severity.WARNING:
            console.print(Text(f"Warning: {finding.sentence}", style="yellow"))
    console.print(Text(verdict_line(result), style=_STYLES[result.verdict]))
