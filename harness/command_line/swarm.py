"""`mountproof swarm`: hundreds of disasters a second, drawn from one seed, on all cores."""

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from harness.command_line.swarm_progress import progress_on
from harness.command_line.swarm_summary import summarize, summary_lines
from harness.errors import UsageError
from harness.explore.harvest import Found, gather
from harness.explore.stopping import asked_to_stop
from harness.explore.swarm import SwarmOrder, SwarmResult, run_swarm
from harness.explore.workforce import LocalWorkers, Workforce
from harness.sim.system import REFERENCE, System, load_system

__all__ = ["load_core", "register", "writable"]

SEED_MAX: Final = 10**11
DISASTERS_MAX: Final = 10_000_000
DISASTERS_DEFAULT: Final = 4_000
WORKERS_MAX: Final = 256


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("swarm")(swarm_command)


def swarm_command(
    seed: Annotated[int, typer.Option(min=0, max=SEED_MAX, help="Which swarm.")] = 1,
    disasters: Annotated[
        int | None,
        typer.Option(min=1, max=DISASTERS_MAX, help=f"How many; default {DISASTERS_DEFAULT}."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Instead: as many as fit into so many seconds.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, max=WORKERS_MAX, help="Processes; 0: one a core.")
    ] = 0,
    dask: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Scheduler of a Dask cluster, instead.")
    ] = "",
    core: Annotated[
        str, typer.Option(metavar="MODULE:FACTORY", help="Another protocol core to explore.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Save findings and summary there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Run drawn disasters under the simulator, every claim checked after every event.

    Exit codes: 0 no finding, 1 findings, 2 interrupted or not everything was exercised, 64 usage.
    """
    if disasters is not None and seconds is not None:
        raise UsageError("--disasters and --seconds are two budgets: give one of them")
    if disasters is None and seconds is None:
        disasters = DISASTERS_DEFAULT
    system = load_core(core)
    order = SwarmOrder(seed=seed, disasters=disasters, seconds=seconds, core=core)
    folder = None if out is None else writable(out)
    result, found = _explore(order, system, _workforce_of(workers, dask), folder)
    summary = summarize(order, result, found)
    if folder is not None:
        (folder / "swarm.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary)))
    if as_json:
        print(msgspec.json.encode(summary).decode())
    else:
        print("\n".join(summary_lines(summary)))
    return summary.exit_code


def load_core(core: str) -> System:
    """The system to explore: ours, or one that lies where the command is run."""
    if not core:
        return REFERENCE
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    return load_system(core)


def _explore(
    order: SwarmOrder, system: System, workforce: Workforce, folder: Path | None
) -> tuple[SwarmResult, list[Found]]:
    """The swarm, then its findings one by one, under one progress display."""
    with progress_on(sys.stderr, order) as progress:
        try:
            with asked_to_stop() as stop:
                result = run_swarm(order, workforce, tell=progress.show, stop=stop)
        finally:
            workforce.close()
        findings = None if folder is None else folder / "findings"
        found = gather(result.tally.sightings, system, findings, tell=progress.say)
    return result, found


def _workforce_of(workers: int, dask: str) -> Workforce:
    if not dask:
        return LocalWorkers(workers or len(os.sched_getaffinity(0)))
    if workers:
        raise UsageError("--workers and --dask: a cluster has the workers that it has")
    from harness.explore.dask_cluster import DaskWorkers

    return DaskWorkers(dask)


def writable(folder: Path) -> Path:
    """The folder, made; `UsageError` if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror}") from error
    return folder
