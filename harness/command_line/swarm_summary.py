"""The summary of a swarm, for people and for programs."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from harness.checkers.catalogue import SIMULATED_CLAIMS
from harness.checkers.finding import CHECKER_ERROR
from harness.command_line.swarm_boots import Boots, boots_line
from harness.explore.harvest import Found, replay_command_line
from harness.explore.swarm import SwarmOrder, SwarmResult
from harness.explore.verdict import exit_code, never_exercised, never_fired
from harness.sim.faults import CATALOGUE

__all__ = ["SwarmSummary", "summarize", "summary_lines"]

WORKER_DIED: Final = "worker-died"


class SwarmSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints; `digest` covers every trace, equal for equal seeds and core.

    simulator: "interpreted", or "compiled" with what; both have the same traces.
    """

    seed: int
    core: str
    planted: str
    disasters: int
    findings: list[Found]
    exercised: dict[str, int]
    fired: dict[str, int]
    digest: str
    never_exercised: list[str]
    never_fired: list[str]
    interrupted: bool
    accidents: list[str]
    seconds: float
    disasters_per_s: float
    steps_mean: float
    store_requests_mean: float
    run_twice: int
    boots: Boots | None
    exit_code: int
    simulator: str = "interpreted"


def summarize(
    order: SwarmOrder, result: SwarmResult, found: list[Found], boots: Boots | None = None
) -> SwarmSummary:
    """Everything that was counted, with its meaning."""
    tally = result.tally
    findings = found + [_died(seed, reason) for seed, reason in sorted(tally.dead)]
    exercised = _complete(tally.exercised, SIMULATED_CLAIMS)
    fired = _complete(tally.fired, [fault.name for fault in CATALOGUE])
    lacking, unfired = never_exercised(exercised, exercised), never_fired(fired, fired)
    many = max(1, tally.disasters)
    return SwarmSummary(
        seed=order.seed, core=order.core, planted=order.bug,
        disasters=tally.disasters, findings=findings,
        exercised=exercised, fired=fired, digest=tally.digest, never_exercised=lacking,
        never_fired=unfired, interrupted=result.interrupted, accidents=result.accidents,
        seconds=round(result.seconds, 3),
        disasters_per_s=round(tally.disasters / max(result.seconds, 1e-9), 1),
        steps_mean=round(tally.steps / many, 1),
        store_requests_mean=round(tally.store_requests / many, 1),
        run_twice=tally.twice, boots=boots,
        exit_code=_exit_code(result, findings, boots, len(lacking), len(unfired)),
    )  # fmt: skip


def _exit_code(
    result: SwarmResult, findings: list[Found], boots: Boots | None, lacking: int, unfired: int
) -> int:
    """A checker of ours that broke down makes nothing known; a disk that is not right, violated."""
    violations = [found for found in findings if found.claim != CHECKER_ERROR]
    contradictions = boots.findings if boots else []
    unproved = boots is not None and boots.verdict == "inconclusive"
    return exit_code(
        disasters=result.tally.disasters, findings=len(violations) + len(contradictions),
        interrupted=result.interrupted or unproved or len(violations) < len(findings),
        unexercised=lacking, unfired=unfired,
    )  # fmt: skip


def summary_lines(summary: SwarmSummary) -> list[str]:
    """The summary as text: findings first, then what stands behind their absence."""
    head = (
        f"swarm {summary.seed}: {summary.disasters:,} disasters in {summary.seconds:.1f} s"
        f" ({summary.disasters_per_s:,.0f}/s), {summary.steps_mean:g} steps and"
        f" {summary.store_requests_mean:g} store requests each, {summary.run_twice} run twice"
    )
    lines = [
        head,
        f"digest {summary.digest}; simulator: {summary.simulator}",
        "",
        *_finding_lines(summary),
    ]
    lines += ["", *_columns("claim", "exercised", summary.exercised)]
    lines += ["", *_columns("fault", "fired", summary.fired)]
    lines += [f"note: {text}" for text in summary.accidents]
    if summary.boots is not None:
        lines += ["", boots_line(summary.boots)]
        lines += [f"  {found.moment} of seed {found.seed}: {found.text}"
                  for found in summary.boots.findings]  # fmt: skip
    return [*lines, "", _verdict(summary)]


def _finding_lines(summary: SwarmSummary) -> list[str]:
    if not summary.findings:
        return ["no finding"]
    lines = []
    for found in summary.findings:
        lines.append(f"{found.claim}: {found.cause}: {found.text}")
        lines.append(
            f"  seen {found.times} times, first with seed {found.seed}"
            + (f"; {found.steps} steps after shrinking" if found.runs else "")
        )
        if found.file:
            lines.append(f"  {replay_command_line(found.file, summary.core, summary.planted)}")
    return lines


def _columns(what: str, how: str, counts: Mapping[str, int]) -> list[str]:
    width = max((len(name) for name in counts), default=0) + 2
    return [f"{what:<{width}}{how:>12}"] + [
        f"{name:<{width}}{times:>12,}{'' if times else '   never'}"
        for name, times in counts.items()
    ]


def _verdict(summary: SwarmSummary) -> str:
    if summary.exit_code == 0:
        return "held: no finding, and everything was exercised"
    if summary.exit_code == 1:
        return f"violated: {len(summary.findings)} findings"
    reasons = ["interrupted"] if summary.interrupted else []
    if summary.never_exercised:
        reasons.append(f"never exercised: {', '.join(summary.never_exercised)}")
    if summary.never_fired:
        reasons.append(f"never fired: {', '.join(summary.never_fired)}")
    if any(found.claim == CHECKER_ERROR for found in summary.findings):
        reasons.append("a checker broke down")
    if summary.boots is not None and summary.boots.missing:
        reasons.append(f"disks: {summary.boots.missing[0]}")
    return f"inconclusive: {'; '.join(reasons)}"


def _died(seed: int, reason: str) -> Found:
    text = f"the worker that ran it died: {reason}"
    return Found(claim="core-error", cause=WORKER_DIED, text=text, seed=seed, times=1)


def _complete(counts: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    return {name: counts.get(name, 0) for name in sorted({*counts, *names})}
