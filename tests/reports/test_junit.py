"""The JUnit report as a CI server reads it."""

import msgspec
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase

from harness.evidence import ClaimResult, RunRecord, Verdict
from reports.junit import junit_xml
from tests.reports.sample_run import sample_record, with_claim


def cases(record: RunRecord) -> dict[str, TestCase]:
    report = JUnitXml.fromstring(junit_xml(record))
    return {case.name: case for suite in report for case in suite}


def test_each_claim_is_one_case_and_only_held_ones_pass() -> None:
    record = sample_record()
    unclear = ClaimResult("fenced", Verdict.INCONCLUSIVE, "1", "", 0, "no write in flight", [])
    broken = ClaimResult("rpo", Verdict.VIOLATED, "5 s", "8 s", 3, "8 s < lost", ["evidence/x"])
    found = cases(with_claim(with_claim(record, unclear), broken))
    assert set(found) == {claim.id for claim in record.claims}
    assert found["rto"].is_passed
    (failure,) = found["rpo"].result
    assert isinstance(failure, Failure)
    assert failure.message == "8 s < lost"
    (error,) = found["fenced"].result
    assert isinstance(error, Error)
    assert error.message == "no write in flight"
    assert isinstance(found["live"].result[0], Skipped)


def test_a_run_that_judged_nothing_is_an_error_and_not_green() -> None:
    record = msgspec.structs.replace(sample_record(), claims=[], finished_at="")
    (case,) = cases(record).values()
    assert isinstance(case.result[0], Error)


def test_counts_and_duration_are_those_of_the_run() -> None:
    suite = next(iter(JUnitXml.fromstring(junit_xml(sample_record()))))
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (11, 0, 0, 3)
    assert suite.time == 167.0


def test_text_that_xml_cannot_hold_does_not_break_the_report() -> None:
    hostile = "\x00\x1b[31m ]]> </testcase> \ud800 &amp; ￾"
    broken = ClaimResult("rpo", Verdict.VIOLATED, hostile, hostile, 3, hostile, ["evidence/x"])
    (failure,) = cases(with_claim(sample_record(), broken))["rpo"].result
    assert "</testcase>" in failure.message
    assert "\x00" not in failure.message
