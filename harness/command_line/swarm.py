"""`mountproof swarm`: hundreds of disasters a second, drawn from one seed, on all cores."""

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from harness.command_line.core_options import AsJson, Core, Out, Planted, writable
from harness.command_line.swarm_boots import Boots, boot_disks
from harness.command_line.swarm_progress import progress_on
from harness.command_line.swarm_summary import SwarmSummary, summarize, summary_lines
from harness.compiled.modules import find_build, say_simulator
from harness.errors import UsageError
from harness.explore.harvest import gather, shrinker_of
from harness.explore.isolated_shrinking import isolated_shrinker
from harness.explore.planting import system_under_test
from harness.explore.stopping import asked_to_stop
from harness.explore.swarm import SwarmOrder, run_swarm
from harness.explore.workforce import LocalWorkers, Workforce
from harness.sim.system import System

__all__ = ["register"]

SEED_MAX: Final = 10**11
DISASTERS_MAX: Final = 10_000_000
DISASTERS_DEFAULT: Final = 4_000
WORKERS_MAX: Final = 256


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("swarm")(swarm_command)


def swarm_command(  # noqa: PLR0917 - typer takes them by name
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
    core: Core = "",
    planted: Planted = "",
    materialise: Annotated[
        int, typer.Option(min=0, metavar="K", help="Boot the real disks of so many disasters.")
    ] = 0,
    out: Out = None,
    as_json: AsJson = False,
) -> int:
    """Run drawn disasters under the simulator, every claim checked after every event.

    Exit codes: 0 no finding, 1 findings, 2 interrupted or not everything was exercised, 64 usage.
    """
    if disasters is not None and seconds is not None:
        raise UsageError("--disasters and --seconds are two budgets: give one of them")
    if disasters is None and seconds is None:
        disasters = DISASTERS_DEFAULT
    order = SwarmOrder(seed=seed, disasters=disasters, seconds=seconds, core=core, bug=planted)
    folder = None if out is None else writable(out)
    with system_under_test(core, planted) as system:
        # A planted bug replaces methods, and a foreign core is what it is: both need the sources.
        build = None if dask or core or planted else find_build()
        workforce = _workforce_of(workers, dask, build)
        summary = _explore(order, system, workforce, folder, materialise)
        summary = msgspec.structs.replace(summary, simulator=say_simulator(build))
    if folder is not None:
        (folder / "swarm.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary)))
    if as_json:
        print(msgspec.json.encode(summary).decode())
    else:
        print("\n".join(summary_lines(summary)))
    return summary.exit_code


def _explore(
    order: SwarmOrder, system: System, workforce: Workforce, folder: Path | None, disks: int
) -> SwarmSummary:
    """The swarm, then its findings one by one, then the disks, under one progress display."""
    boots: Boots | None = None
    with progress_on(sys.stderr, order) as progress:
        try:
            with asked_to_stop() as stop:
                result = run_swarm(order, workforce, tell=progress.show, stop=stop)
        finally:
            workforce.close()
        findings = None if folder is None else folder / "findings"
        shrinker = isolated_shrinker(order.core) if order.core else shrinker_of(system)
        found = gather(result.tally.sightings, shrinker, findings, tell=progress.say)
        if disks and not result.interrupted:
            boots = boot_disks(order, system, disks, folder, progress.say)
    return summarize(order, result, found, boots)


def _workforce_of(workers: int, dask: str, build: Path | None) -> Workforce:
    if not dask:
        return LocalWorkers(workers or len(os.sched_getaffinity(0)), build=build)
    if workers:
        raise UsageError("--workers and --dask: a cluster has the workers that it has")
    from harness.explore.dask_cluster import DaskWorkers

    return DaskWorkers(dask)
