"""`mountproof explore`: for a workload, every crash at every single store request."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from harness.command_line.core_options import AsJson, Core, Out, Planted, writable
from harness.explore.exhaustive_run import Exhausted, exhaust
from harness.explore.harvest import Found, gather, shrinker_of
from harness.explore.planting import system_under_test
from harness.explore.stopping import asked_to_stop
from harness.explore.verdict import exit_code
from harness.explore.workloads import SMALL, WORKLOADS, find_workload
from harness.schedule import Schedule, load_schedule
from harness.sim.system import System

__all__ = ["register"]

LINE_SECONDS: Final = 2.0


class ExploreSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints for one workload.

    missed: runs that struck another request than was meant, or none; a finding's `seed` is the
    number of its run.
    """

    workload: str
    runs: int
    pairs: int
    missed: int
    findings: list[Found]
    exercised: dict[str, int]
    fired: dict[str, int]
    digest: str
    interrupted: bool
    seconds: float


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("explore")(explore_command)


def explore_command(
    workload: Annotated[
        str,
        typer.Option(metavar="NAME|FILE", help=f"One of {', '.join(WORKLOADS)}; default: all."),
    ] = "",
    pairs: Annotated[
        bool, typer.Option("--pairs", help=f"All pairs of crashes too (default of {SMALL} only).")
    ] = False,
    core: Core = "",
    planted: Planted = "",
    out: Out = None,
    as_json: AsJson = False,
) -> int:
    """Crash before, after and with unknown outcome at every request; then restart or fail over.

    Exit codes: 0 no finding, 1 findings, 2 interrupted, or a crash missed its request, 64 usage.
    """
    chosen = {workload: _workload_of(workload)} if workload else WORKLOADS
    folder = None if out is None else writable(out) / "findings"
    with system_under_test(core, planted) as system:
        summaries = _explore_all(chosen, system, folder, pairs=pairs, all_of_them=not workload)
    if as_json:
        shown = {
            "runs": sum(summary.runs for summary in summaries),
            "findings": sum(len(summary.findings) for summary in summaries),
            "workloads": summaries,
        }
        print(msgspec.json.encode(shown).decode())
    else:
        print("\n".join(_lines(summaries)))
    return exit_code(
        disasters=sum(summary.runs for summary in summaries),
        findings=sum(len(summary.findings) for summary in summaries),
        interrupted=any(summary.interrupted or summary.missed for summary in summaries),
        unexercised=0,
        unfired=0,
    )


def _explore_all(
    chosen: dict[str, Schedule], system: System, folder: Path | None, *, pairs: bool,
    all_of_them: bool,
) -> list[ExploreSummary]:  # fmt: skip
    summaries = []
    with asked_to_stop() as stop:
        for name, schedule in chosen.items():
            twice = pairs and (not all_of_them or name == SMALL)
            result = exhaust(name, schedule, system, pairs=twice, tell=_progress(name), stop=stop)
            summaries.append(_summarize(result, system, folder))
            if result.interrupted:
                break
    return summaries


def _workload_of(text: str) -> Schedule:
    path = Path(text)
    return load_schedule(path) if path.suffix == ".json" else find_workload(text)


def _summarize(result: Exhausted, system: System, folder: Path | None) -> ExploreSummary:
    sightings = [result.sightings[key] for key in sorted(result.sightings)]
    found = gather(sightings, shrinker_of(system), folder, schedule_of=result.schedules.__getitem__)
    return ExploreSummary(
        workload=result.workload, runs=result.runs, pairs=result.pairs, missed=result.missed,
        findings=found, exercised=result.exercised, fired=result.fired, digest=result.digest,
        interrupted=result.interrupted, seconds=round(result.seconds, 3),
    )  # fmt: skip


def _lines(summaries: list[ExploreSummary]) -> list[str]:
    lines = [f"{'workload':<10}{'runs':>9}{'pairs':>9}{'missed':>8}{'seconds':>9}  findings"]
    for summary in summaries:
        lines.append(
            f"{summary.workload:<10}{summary.runs:>9,}{summary.pairs:>9,}{summary.missed:>8,}"
            f"{summary.seconds:>9.1f}  {len(summary.findings) or 'none'}"
        )
        for found in summary.findings:
            lines.append(f"  {found.claim}: {found.cause}: {found.text}")
            lines.append(f"    seen in {found.times} runs; {found.steps} steps after shrinking")
            lines += [f"    mountproof replay {found.file}"] if found.file else []
    return lines


def _progress(name: str) -> Callable[[Exhausted], None]:
    """Plain lines, one every few seconds: a workload takes seconds."""
    said = time.monotonic()

    def tell(result: Exhausted) -> None:
        nonlocal said
        if time.monotonic() - said > LINE_SECONDS:
            said = time.monotonic()
            causes = len(result.sightings)
            print(f"explore {name}: {result.runs:,} runs, {causes} causes", file=sys.stderr)

    return tell
