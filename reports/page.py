"""The report as one self-contained HTML page, for a manager and for an engineer.

Everything on it comes from the evidence, all of it escaped. Style, script and drawings are
inline; a content security policy forbids the rest, so that even evidence made by an enemy can
neither load nor run anything.
"""

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.evidence import (
    ClaimResult,
    ProofStep,
    RunRecord,
    Trial,
    Verdict,
)
from reports import wording
from reports.event_table import EventRow, event_rows
from reports.promises import how_checked, not_checked, promise_of
from reports.raw_output import RawOutput, quote_output
from reports.recovery import PHASES, Recovery, recoveries
from reports.simulated import simulation_section
from reports.timeline import TimelineDrawing

__all__ = ["render_page"]

_TEMPLATES: Final = Path(__file__).parent / "templates"
_GRAVEST_FIRST: Final = (Verdict.VIOLATED, Verdict.INCONCLUSIVE, Verdict.HELD)
WIDE_PIXELS: Final = 1040
NARROW_PIXELS: Final = 340


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A claim as the table shows it."""

    claim: ClaimResult
    promise: str
    how: str
    not_checked: list[str]


@dataclass(frozen=True, slots=True)
class ProofRow:
    """A prover's verdict with its quoted output."""

    proof: ProofStep
    output: RawOutput


@dataclass(frozen=True, slots=True)
class TrialSection:
    """A disaster as the page tells it; `open` unfolds it at first sight."""

    trial: Trial
    wide: TimelineDrawing
    narrow: TimelineDrawing
    proofs: list[ProofRow]
    facts: list[tuple[str, str]]
    events: list[EventRow]
    open: bool


def render_page(root: Path, record: RunRecord, manifest: dict[str, str]) -> str:
    """Render the page.

    `root` is the folder whose raw outputs it quotes, `manifest` what it lists.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "seconds": wording.seconds,
        "instant": wording.instant,
        "link": lambda path: quote(path, safe="/"),
        "slug": _slug,
    }
    script = _asset("page.js")
    rows = [_claim_row(claim) for claim in record.claims]
    return environment.get_template("page.html.j2").render(
        record=record,
        verdict=record.verdict,
        exit_code=record.exit_code,
        headline=wording.headline(record),
        what_came_of_it=wording.what_came_of_it(record),
        what_was_done=wording.what_was_done(record),
        took=wording.took(record),
        demanded=sorted(
            (row for row in rows if row.claim.verdict is not Verdict.NOT_DEMANDED),
            key=lambda row: _GRAVEST_FIRST.index(row.claim.verdict),
        ),
        undemanded=[row for row in rows if row.claim.verdict is Verdict.NOT_DEMANDED],
        tested=_tested(record),
        not_shown=_not_shown(record),
        tiles=_tiles(record),
        recoveries=_counted_recoveries(record),
        phases=PHASES,
        sections=_sections(root, record),
        simulated=simulation_section(record),
        manifest=manifest,
        style=Markup(_asset("page.css")),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_digest=b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _asset(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _slug(text: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in text)


def _claim_row(claim: ClaimResult) -> ClaimRow:
    return ClaimRow(claim, promise_of(claim), how_checked(claim.id), not_checked(claim.id))


def _tested(record: RunRecord) -> list[str]:
    """Say what this run did, in sentences, counted from its trials."""
    sentences = []
    modes: dict[str, list[Trial]] = {}
    for trial in wording.disasters_counted(record.trials):
        modes.setdefault(f"{trial.mode} mode, {trial.order} order", []).append(trial)
    sentences += [
        f"{wording.plural(len(trials), 'disaster')} in {mode}." for mode, trials in modes.items()
    ]
    provers = dict.fromkeys(proof.prover for trial in record.trials for proof in trial.proofs)
    if provers:
        sentences.append(f"Provers that read the recovered disks: {wording.joined(provers)}.")
    if record.tested_against:
        against = [f"{name} {version}" for name, version in record.tested_against.items()]
        sentences.append(f"Tested against {wording.joined(against)}.")
    return sentences or ["Nothing: the run ended before its first trial."]


def _not_shown(record: RunRecord) -> list[str]:
    """List the limits that the run recorded, and the trials that came to nothing."""
    uncounted = [trial.name for trial in record.trials if not trial.counted]
    if not uncounted:
        return record.limits
    trials = wording.plural(len(uncounted), "trial")
    said = f"{trials} did not count, for the reasons below: {wording.joined(uncounted)}."
    return [*record.limits, said]


def _counted_recoveries(record: RunRecord) -> list[Recovery]:
    return recoveries([trial for trial in record.trials if trial.counted])


def _tiles(record: RunRecord) -> list[tuple[str, str]]:
    """Choose the figures at the top: a caption and a text each."""
    demanded = [c for c in record.claims if c.verdict is not Verdict.NOT_DEMANDED]
    held = [c for c in demanded if c.verdict is Verdict.HELD]
    disasters = [trial for trial in record.trials if trial.kind != "baseline"]
    proofs = [p for t in record.trials for p in t.proofs if p.verdict != "not applicable"]
    good = [proof for proof in proofs if proof.verdict == "good"]
    tiles = [
        ("promises held", f"{len(held)} of {len(demanded)}"),
        ("disasters counted", f"{len(wording.disasters_counted(disasters))} of {len(disasters)}"),
        ("proofs good", f"{len(good)} of {len(proofs)}"),
    ]
    if record.simulation is not None and record.simulation.disasters:
        tiles.append(("disasters simulated", f"{record.simulation.disasters:,}"))
    slowest = max((recovery.rto_s for recovery in _counted_recoveries(record)), default=None)
    if slowest is not None:
        tiles.append(("slowest recovery", wording.seconds(slowest)))
    return tiles


def _sections(root: Path, record: RunRecord) -> list[TrialSection]:
    """Disasters in the order of the run; the first that went wrong is unfolded, else the first."""
    telling = next((t for t in record.trials if _went_wrong(t, record.claims)), None)
    telling = telling or next(iter(record.trials), None)
    return [
        TrialSection(
            trial=trial,
            wide=TimelineDrawing.of(trial, width=WIDE_PIXELS, narrow=False),
            narrow=TimelineDrawing.of(trial, width=NARROW_PIXELS, narrow=True),
            proofs=[ProofRow(proof, quote_output(root, proof.raw)) for proof in trial.proofs],
            facts=[wording.fact(name, value) for name, value in sorted(trial.facts.items())],
            events=event_rows(trial),
            open=trial is telling,
        )
        for trial in record.trials
    ]


def _went_wrong(trial: Trial, claims: list[ClaimResult]) -> bool:
    """Tell whether a prover found its disk bad, or a broken claim names it."""
    if any(proof.verdict == "bad" for proof in trial.proofs):
        return True
    broken = [claim for claim in claims if claim.verdict is Verdict.VIOLATED]
    return any(trial.name in f"{claim.reason} {claim.figure}".split() for claim in broken)
