"""The certification as JUnit XML, for a CI server: one test case a claim.

Violated is a failure, inconclusive an error (never a pass), not demanded is skipped. A run that
demanded nothing, or ended before it judged anything, becomes one error, so that no CI server
shows it green.
"""

import re
from datetime import datetime
from typing import Final

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from harness.evidence import ClaimResult, RunRecord, Verdict
from reports.promises import promise_of

__all__ = ["junit_xml"]

_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, escaped or not."""


def junit_xml(record: RunRecord) -> bytes:
    """Render the record's claims as one JUnit test suite."""
    suite = TestSuite(_clean(f"mountproof {record.profile}"))
    suite.timestamp = _clean(record.started_at)
    for name, value in (
        ("subject", f"{record.subject.name} {record.subject.version}"),
        ("source_digest", record.subject.source_digest),
        ("seed", str(record.seed)),
    ):
        suite.add_property(name, _clean(value))
    for name, value in _simulated(record).items():
        suite.add_property(name, _clean(value))
    suite.add_testcases([_test_case(record, claim) for claim in record.claims])
    if all(claim.verdict is Verdict.NOT_DEMANDED for claim in record.claims):
        suite.add_testcase(_nothing_demanded(record))
    suite.time = _seconds(record)
    report = JUnitXml("mountproof")
    report.add_testsuite(suite)
    encoded: bytes = report.tostring()  # type: ignore[no-untyped-call]  # the library has no types
    return encoded + b"\n"


def _test_case(record: RunRecord, claim: ClaimResult) -> TestCase:
    case = TestCase(_clean(claim.id), classname=_clean(f"mountproof.{record.profile}"))
    reason = _clean(claim.reason or claim.verdict.value)
    match claim.verdict:
        case Verdict.VIOLATED:
            case.result = [Failure(reason, "violated")]
        case Verdict.INCONCLUSIVE:
            case.result = [Error(reason, "inconclusive")]
        case Verdict.NOT_DEMANDED:
            case.result = [Skipped("not demanded by this profile")]
        case Verdict.HELD:
            case.result = []
    case.system_out = _clean(
        "\n".join(
            [
                f"promise: {promise_of(claim)}",
                f"demanded: {claim.bound}",
                f"achieved: {claim.figure}",
                f"exercised: {claim.exercised} checks, {claim.trials} trials",
                f"reason: {claim.reason}",
                *(f"evidence: {path}" for path in claim.evidence),
            ]
        )
    )
    return case


def _simulated(record: RunRecord) -> dict[str, str]:
    """What stands behind the simulated claims, for those who read nothing else."""
    simulation, told = record.simulation, {}
    if simulation is not None and simulation.swarm is not None:
        told["simulated_disasters"] = str(simulation.disasters)
        told["swarm_digest"] = simulation.swarm.digest
    if simulation is not None and simulation.kill_matrix is not None:
        matrix = simulation.kill_matrix
        stale = ", stale" if matrix.stale else ""
        told["planted_bugs_caught"] = f"{matrix.caught} of {len(matrix.mutants)}{stale}"
    return told


def _nothing_demanded(record: RunRecord) -> TestCase:
    case = TestCase("anything-demanded", classname=_clean(f"mountproof.{record.profile}"))
    case.result = [Error("no demanded claim was judged in this run", "inconclusive")]
    return case


def _seconds(record: RunRecord) -> float:
    try:
        started = datetime.fromisoformat(record.started_at)
        finished = datetime.fromisoformat(record.finished_at)
        return (finished - started).total_seconds()
    except (ValueError, TypeError):  # a record of an interrupted run may lack its end
        return 0.0


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
