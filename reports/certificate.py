"""The certificate: what one run says about its claims, for machines, and the digests behind it.

The schema is versioned and published as reports/schema/certificate-1.json. A field may be added
within a version; a field that changes its meaning or goes away makes a new version.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from harness.evidence import (
    ClaimResult,
    ExitCode,
    ProofVerdict,
    RunRecord,
    Trial,
    Verdict,
)
from harness.simulation_record import SimulationRecord
from reports.promises import promise_of

__all__ = ["CERTIFICATE_SCHEMA", "Certificate", "make_certificate"]

CERTIFICATE_SCHEMA: Final = "mountproof.certificate/1"

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=0)]


class CertifiedSubject(msgspec.Struct, frozen=True):
    """The system under test; `source_digest` is the sha256 over its source files."""

    name: str
    version: str
    source_digest: str


class CertifiedClaim(msgspec.Struct, frozen=True):
    """One claim: what was promised, demanded and achieved.

    `exercised` counts the non-trivial checks behind the verdict, `trials` the counted disasters;
    `evidence` holds paths relative to the certificate's folder.
    """

    id: str
    promise: str
    verdict: Verdict
    bound: str
    figure: str
    exercised: Count
    trials: Count
    reason: str
    evidence: list[str]


class CertifiedProof(msgspec.Struct, frozen=True):
    """One prover's word on a recovered disk; `raw` is the path of its untouched output."""

    prover: str
    verdict: ProofVerdict
    summary: str
    seconds: float
    raw: str
    consumers: list[str]


class CertifiedTrial(msgspec.Struct, frozen=True):
    """One disaster; its timeline is in evidence/run.json. A trial that does not count says why."""

    name: str
    mode: str
    order: str
    kind: str
    seed: int
    counted: bool
    why_not_counted: str
    facts: dict[str, float | int | str | bool]
    proofs: list[CertifiedProof]
    evidence: list[str]


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate of one run.

    `verdict` merges the demanded claims and `exit_code` is what the command ended with (0 held,
    1 violated, 2 inconclusive, 70 a defect of ours). An `interrupted` run, or one with
    `internal_errors` (tracebacks, by path), is inconclusive at best. `limits` says what the run
    does not show; `simulation` tells what was simulated, how often each claim was exercised and
    each fault fired, and the last kill matrix. `manifest` maps every file of the folder, the
    certificate itself excepted, to its sha256.
    """

    schema: Annotated[str, Meta(pattern="^mountproof\\.certificate/1$")] = CERTIFICATE_SCHEMA
    subject: CertifiedSubject
    profile: str
    seed: int
    started_at: str
    finished_at: str
    verdict: Verdict
    exit_code: ExitCode
    interrupted: bool
    internal_errors: list[str]
    limits: list[str]
    tested_against: dict[str, str]
    environment: dict[str, str]
    claims: list[CertifiedClaim]
    trials: list[CertifiedTrial]
    manifest: dict[str, Sha256]
    simulation: SimulationRecord | None = None


def make_certificate(record: RunRecord, manifest: dict[str, str]) -> Certificate:
    """Certify a recorded run.

    `manifest` maps paths relative to the folder to their sha256 in hex.
    """
    return Certificate(
        subject=CertifiedSubject(
            record.subject.name, record.subject.version, record.subject.source_digest
        ),
        profile=record.profile,
        seed=record.seed,
        started_at=record.started_at,
        finished_at=record.finished_at,
        verdict=record.verdict,
        exit_code=record.exit_code,
        interrupted=record.interrupted,
        internal_errors=record.internal_errors,
        limits=record.limits,
        tested_against=record.tested_against,
        environment=record.environment,
        claims=[_certified_claim(claim) for claim in record.claims],
        trials=[_certified_trial(trial) for trial in record.trials],
        manifest=manifest,
        simulation=record.simulation,
    )


def _certified_claim(claim: ClaimResult) -> CertifiedClaim:
    return CertifiedClaim(
        id=claim.id,
        promise=promise_of(claim),
        verdict=claim.verdict,
        bound=claim.bound,
        figure=claim.figure,
        exercised=claim.exercised,
        trials=claim.trials,
        reason=claim.reason,
        evidence=claim.evidence,
    )


def _certified_trial(trial: Trial) -> CertifiedTrial:
    return CertifiedTrial(
        name=trial.name,
        mode=trial.mode,
        order=trial.order,
        kind=trial.kind,
        seed=trial.seed,
        counted=trial.counted,
        why_not_counted=trial.why_not_counted,
        facts=trial.facts,
        proofs=[
            CertifiedProof(
                proof.prover,
                proof.verdict,
                proof.summary,
                proof.seconds,
                proof.raw,
                proof.consumers,
            )
            for proof in trial.proofs
        ],
        evidence=trial.evidence,
    )
