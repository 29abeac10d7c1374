"""The record of a run: what it refuses to say, and how it is written and read."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import Inconclusive, MountproofError, UsageError
from harness.evidence import (
    ClaimResult,
    EvidenceFolder,
    Verdict,
    overall_verdict,
    read_run,
    verdict_exit_code,
    write_run,
)
from tests.reports.sample_run import sample_record


def claim(verdict: Verdict, **changed: object) -> ClaimResult:
    values: dict[str, Any] = {
        "id": "rpo",
        "verdict": verdict,
        "bound": "5 s",
        "figure": "1 s",
        "exercised": 3,
        "reason": "three kills",
        "evidence": ["evidence/rpo.json"],
    }
    return ClaimResult(**(values | changed))


@pytest.mark.parametrize(
    ("verdict", "changed", "complaint"),
    [
        (Verdict.HELD, {"evidence": []}, "held without evidence"),
        (Verdict.VIOLATED, {"evidence": []}, "violated without evidence"),
        (Verdict.HELD, {"exercised": 0}, "never exercised"),
        (Verdict.INCONCLUSIVE, {"reason": ""}, "without a reason"),
    ],
)
def test_a_claim_cannot_say_more_than_was_shown(
    verdict: Verdict, changed: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        claim(verdict, **changed)


@pytest.mark.parametrize(
    ("verdicts", "merged", "exit_code"),
    [
        (["held", "held", "not demanded"], "held", 0),
        (["held", "inconclusive"], "inconclusive", 2),
        (["inconclusive", "violated", "held"], "violated", 1),
        (["not demanded"], "inconclusive", 2),
        ([], "inconclusive", 2),
    ],
)
def test_demanded_claims_alone_decide(verdicts: list[str], merged: str, exit_code: int) -> None:
    verdict = overall_verdict([claim(Verdict(verdict)) for verdict in verdicts])
    assert verdict == merged
    assert verdict_exit_code(verdict) == exit_code


def test_a_record_is_read_as_it_was_written_from_folder_or_file(tmp_path: Path) -> None:
    record = sample_record()
    assert write_run(EvidenceFolder(tmp_path), record) == "evidence/run.json"
    assert read_run(tmp_path) == record
    assert read_run(tmp_path / "evidence/run.json") == record


def test_a_faulty_record_fails_when_it_is_written(tmp_path: Path) -> None:
    trial = msgspec.structs.replace(sample_record().trials[0], counted="yes")
    record = msgspec.structs.replace(sample_record(), trials=[trial])
    with pytest.raises(UsageError, match="counted"):
        write_run(EvidenceFolder(tmp_path), record)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b'"mountproof.evidence/1"', b'"mountproof.evidence/2"', "use the version that wrote it"),
        (b'"seed"', b'"sneed"', "damaged or edited"),
        (b'"lane": "boot"', b'"lane": "moon"', "damaged or edited"),
        (b'"exercised": 74', b'"exercised": 0', "never exercised"),
        (b"{", b"", "no record of a run"),
    ],
)
def test_damaged_evidence_is_refused_with_the_file_and_the_place(
    tmp_path: Path, old: bytes, new: bytes, complaint: str
) -> None:
    write_run(EvidenceFolder(tmp_path), sample_record())
    place = tmp_path / "evidence/run.json"
    place.write_bytes(place.read_bytes().replace(old, new, 1))
    with pytest.raises(UsageError, match=complaint) as caught:
        read_run(tmp_path)
    assert str(place) in str(caught.value)


def test_missing_evidence_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="certify --out"):
        read_run(tmp_path)


def test_each_error_ends_a_command_with_its_own_code() -> None:
    assert MountproofError.exit_code == 70
    assert UsageError.exit_code == 64
    assert Inconclusive.exit_code == 2
