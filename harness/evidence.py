"""The evidence of one run: its schema, and the folder that holds it.

DIR/evidence/run.json is a `RunRecord`; everything else (logs, raw outputs of provers, histories)
lies beside it below DIR/evidence/ and is named by its path relative to DIR. Reports are made from
these files alone, so a report can be rebuilt years later. Everything written through
`EvidenceFolder` is redacted on its way.

Rules that every record keeps, checked when it is made and when it is read: a claim that is held
or violated names its evidence; a claim that was never exercised is never held; an inconclusive
one gives its reason.
"""

from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Final, Literal

import msgspec

from harness.errors import UsageError
from harness.redaction import redact, redact_value, register_secret
from harness.simulation_record import SimulationRecord

__all__ = [
    "SCHEMA",
    "ClaimResult",
    "EvidenceFolder",
    "ExitCode",
    "ProofStep",
    "RunRecord",
    "Subject",
    "TimelineEvent",
    "Trial",
    "Verdict",
    "overall_verdict",
    "read_run",
    "redact",
    "register_secret",
    "verdict_exit_code",
    "write_run",
]

SCHEMA: Final = "mountproof.evidence/1"
ExitCode = Literal[0, 1, 2, 70]
RUN_PATH: Final = "evidence/run.json"

Lane = Literal["workload", "replication", "store", "faults", "detection", "failover", "boot"]
EventKind = Literal["point", "span", "sample"]
ProofVerdict = Literal["good", "bad", "inconclusive", "not applicable"]


class Verdict(StrEnum):
    """What is said about a claim."""

    HELD = "held"
    VIOLATED = "violated"
    INCONCLUSIVE = "inconclusive"
    NOT_DEMANDED = "not demanded"


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One JSON object of the evidence; an unknown key is an error."""


class ClaimResult(_Record, frozen=True):
    """The verdict on one claim of the catalogue.

    `bound` is what was demanded and `figure` what was achieved, both as texts with units;
    `exercised` counts the non-trivial checks behind the verdict and `trials` the counted
    disasters; `evidence` holds paths relative to DIR. `promise` may carry the catalogue's
    sentence of the day.
    """

    id: str
    verdict: Verdict
    bound: str
    figure: str
    exercised: int
    reason: str
    evidence: list[str]
    trials: int = 0
    promise: str = ""

    def __post_init__(self) -> None:
        if self.verdict in (Verdict.HELD, Verdict.VIOLATED) and not self.evidence:
            raise ValueError(f"claim {self.id}: {self.verdict} without evidence")
        if self.verdict is Verdict.HELD and self.exercised <= 0:
            raise ValueError(f"claim {self.id}: held though it was never exercised")
        if self.verdict is Verdict.INCONCLUSIVE and not self.reason:
            raise ValueError(f"claim {self.id}: inconclusive without a reason")


class TimelineEvent(_Record, frozen=True):
    """Something that happened: a point, a span up to `until_s`, or a sample with a `value`.

    Times are seconds since the trial's start. A sample's label names its series and the value's
    unit ("lag seconds", "acknowledged entries").
    """

    at_s: float
    lane: Lane
    kind: EventKind
    label: str
    value: float | None = None
    until_s: float | None = None


class ProofStep(_Record, frozen=True):
    """What one independent prover said about a disk; `raw` is the path of its untouched output.

    `consumers` names those for whom this step decides ("azure", "qemu"); `seconds` is how long it
    took.
    """

    prover: str
    verdict: ProofVerdict
    summary: str
    seconds: float
    raw: str
    consumers: list[str]


class Trial(_Record, frozen=True, kw_only=True):
    """One disaster, or one run without: what was done, seen and proved.

    `mode` and `order` are the engine's (sync, sync-on-flush, async; strict, flush); `kind` is
    "kill", "raw", "fence", "resize", "crash" or "baseline". A trial that does not count says why.
    `facts` are named figures, units last in the name; the reports draw recoveries, RPO and RTO
    from `rto.*_at_s` and `ledger.oldest_lost_age_s` (harness.judge.facts.flat).
    """

    name: str
    mode: str
    order: str
    kind: str
    seed: int
    counted: bool
    why_not_counted: str
    facts: dict[str, float | int | str | bool]
    timeline: list[TimelineEvent]
    proofs: list[ProofStep]
    evidence: list[str]


class Subject(_Record, frozen=True):
    """The system under test; `source_digest` is the sha256 over its source files."""

    name: str
    version: str
    source_digest: str


class RunRecord(_Record, frozen=True, kw_only=True):
    """Everything one certification found. Instants are ISO 8601 in UTC.

    `environment` describes the machine, `tested_against` the services and tools with their
    versions, `limits` what this run does not show, in sentences. `interrupted`: the run was stopped
    before its plan was done. `internal_errors` holds paths of tracebacks: defects of ours.
    `simulation`: what the simulated disasters of the profile showed; None: it asks for none.
    """

    schema: str = SCHEMA
    subject: Subject
    profile: str
    seed: int
    started_at: str
    finished_at: str
    environment: dict[str, str]
    tested_against: dict[str, str]
    limits: list[str]
    claims: list[ClaimResult]
    trials: list[Trial]
    interrupted: bool = False
    internal_errors: list[str] = []
    simulation: SimulationRecord | None = None

    @property
    def verdict(self) -> Verdict:
        """The demanded claims merged; a run that is not whole is inconclusive at best."""
        merged = overall_verdict(self.claims)
        whole = not self.interrupted and not self.internal_errors
        return merged if whole or merged is Verdict.VIOLATED else Verdict.INCONCLUSIVE

    @property
    def exit_code(self) -> ExitCode:
        """0 held, 1 violated, 2 inconclusive or interrupted, 70 a defect of ours."""
        return 70 if self.internal_errors else verdict_exit_code(self.verdict)


def overall_verdict(claims: list[ClaimResult]) -> Verdict:
    """Merge the demanded claims.

    Violated before inconclusive before held; nothing demanded is inconclusive.
    """
    verdicts = {claim.verdict for claim in claims}
    for verdict in (Verdict.VIOLATED, Verdict.INCONCLUSIVE, Verdict.HELD):
        if verdict in verdicts:
            return verdict
    return Verdict.INCONCLUSIVE


def verdict_exit_code(verdict: Verdict) -> ExitCode:
    """Exit code of a certification: 0 held, 1 violated, 2 inconclusive."""
    match verdict:
        case Verdict.HELD:
            return 0
        case Verdict.VIOLATED:
            return 1
        case _:
            return 2


class EvidenceFolder:
    """The folder DIR of one run; every `write_*` redacts and returns the path relative to DIR."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, rel: str) -> Path:
        """Absolute place of a relative path.

        Its folder is made. ValueError if it leaves DIR or tells a secret.
        """
        pure = PurePosixPath(rel)
        if not rel or pure.is_absolute() or ".." in pure.parts:
            raise ValueError(f"evidence path {rel!r} does not stay inside the evidence folder")
        if redact(rel) != rel:
            raise ValueError("an evidence path would tell a secret")
        place = self.root / pure
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def redact(self, text: str) -> str:
        """Return the text without secrets: those registered, and whatever looks like one."""
        return redact(text)

    def write_text(self, rel: str, text: str) -> str:
        """Write a text file in UTF-8."""
        self.path(rel).write_text(redact(text), encoding="utf-8", errors="backslashreplace")
        return rel

    def write_json(self, rel: str, value: object) -> str:
        """Write any msgspec-encodable value as indented JSON with sorted mappings."""
        plain = redact_value(msgspec.to_builtins(value, order="deterministic"))
        text = msgspec.json.format(msgspec.json.encode(plain), indent=2) + b"\n"
        self.path(rel).write_bytes(text)
        return rel

    def adopt_file(self, rel: str, source: Path) -> str:
        """Copy a log into the folder, line by line, whatever its size and encoding."""
        place = self.path(rel)
        with source.open("rb") as lines, place.open("wb") as copy:
            copy.writelines(_redact_bytes(line) for line in lines)
        return rel


def _redact_bytes(line: bytes) -> bytes:
    return redact(line.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def write_run(folder: EvidenceFolder, record: RunRecord) -> str:
    """Write DIR/evidence/run.json and read it back: a faulty record fails here, not years later."""
    rel = folder.write_json(RUN_PATH, record)
    read_run(folder.root)
    return rel


def read_run(path: Path) -> RunRecord:
    """Read the record of a run from its DIR or its run.json.

    UsageError says what is wrong with the file.
    """
    place = path / RUN_PATH if path.is_dir() else path
    try:
        encoded = place.read_bytes()
    except OSError as error:
        raise UsageError(
            f"no evidence at {place}: {error.strerror}; give the folder that `certify --out` wrote"
        ) from error
    _check_schema(place, encoded)
    try:
        return msgspec.json.decode(encoded, type=RunRecord)
    except msgspec.MsgspecError as error:
        raise UsageError(
            f"{place} is no valid record of a run: {error}; the evidence was damaged or edited"
        ) from error


class _Versioned(msgspec.Struct):
    schema: str


def _check_schema(place: Path, encoded: bytes) -> None:
    try:
        schema = msgspec.json.decode(encoded, type=_Versioned).schema
    except msgspec.MsgspecError as error:
        raise UsageError(
            f"{place} is no record of a run: {error}; the evidence was damaged or edited"
        ) from error
    if schema != SCHEMA:
        raise UsageError(
            f"{place} has schema {schema!r}, this version reads {SCHEMA!r};"
            " use the version that wrote it"
        )
