"""`mountproof certify`: folders, connections and the table at its end."""

from pathlib import Path

import pytest

from harness.command_line.certify import connection_of, prepare_folder
from harness.command_line.claims_table import print_claims
from harness.command_line.main import main
from harness.errors import UsageError
from harness.evidence import ClaimResult, RunRecord, Subject, Verdict
from reports.certificate import make_certificate


def record(*verdicts: Verdict, interrupted: bool = False, broken: bool = False) -> RunRecord:
    claims = [
        ClaimResult(
            id=f"claim-{number}", verdict=verdict, bound="at most 5 s", figure="3 s", exercised=1,
            reason="because", evidence=["evidence/x"],
        )
        for number, verdict in enumerate(verdicts)
    ]  # fmt: skip
    return RunRecord(
        subject=Subject("system", "1", "0" * 64), profile="p", seed=1, started_at="",
        finished_at="", environment={}, tested_against={}, limits=[], claims=claims, trials=[],
        interrupted=interrupted, internal_errors=["evidence/t/internal-error.txt"] * broken,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdicts", "interrupted", "code"),
    [
        ([Verdict.HELD, Verdict.NOT_DEMANDED], False, 0),
        ([Verdict.HELD, Verdict.VIOLATED, Verdict.INCONCLUSIVE], False, 1),
        ([Verdict.HELD, Verdict.INCONCLUSIVE], False, 2),
        ([Verdict.HELD], True, 2),
        ([Verdict.VIOLATED], True, 1),
        ([Verdict.NOT_DEMANDED], False, 2),
    ],
)
def test_demanded_claims_alone_decide_the_exit_code(
    verdicts: list[Verdict], interrupted: bool, code: int
) -> None:
    run = record(*verdicts, interrupted=interrupted)
    assert run.exit_code == make_certificate(run, {}).exit_code == code


@pytest.mark.parametrize("verdict", [Verdict.HELD, Verdict.VIOLATED])
def test_a_defect_of_ours_decides_the_exit_code_and_leaves_nothing_held(verdict: Verdict) -> None:
    run = record(verdict, broken=True)
    assert run.exit_code == make_certificate(run, {}).exit_code == 70
    assert run.verdict is not Verdict.HELD
    assert make_certificate(run, {}).internal_errors == ["evidence/t/internal-error.txt"]


def test_an_interrupted_certificate_says_so_and_is_inconclusive() -> None:
    certificate = make_certificate(record(Verdict.HELD, interrupted=True), {})
    assert certificate.interrupted
    assert certificate.verdict is Verdict.INCONCLUSIVE


def test_the_table_names_demanded_claims_and_the_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    done = record(Verdict.HELD, Verdict.VIOLATED, Verdict.NOT_DEMANDED, broken=True)
    print_claims(done, tmp_path)
    said = capsys.readouterr().out
    assert "held          claim-0" in said
    assert "violated      claim-1" in said
    assert "because" in said
    assert str(tmp_path / "evidence/t/internal-error.txt") in said
    assert "claim-2" not in said
    assert "1 claims not demanded" in said
    assert str(tmp_path / "report.html") in said


def test_an_earlier_certificate_is_replaced_and_anything_else_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    (folder / "evidence" / "trials").mkdir(parents=True)
    (folder / "certificate.json").write_text("old")
    prepare_folder(folder)
    assert list(folder.iterdir()) == []
    (folder / "precious").write_text("mine")
    with pytest.raises(UsageError, match="precious"):
        prepare_folder(folder)
    assert (folder / "precious").exists()
    with pytest.raises(UsageError, match="is not a folder"):
        prepare_folder(folder / "precious")


def test_a_connection_can_stand_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_OF_TEST", "AccountName=a")
    assert connection_of("env:STORE_OF_TEST") == "AccountName=a"
    assert connection_of("AccountName=b") == "AccountName=b"
    assert connection_of("") == ""
    monkeypatch.delenv("STORE_OF_TEST")
    with pytest.raises(UsageError, match="STORE_OF_TEST is not set"):
        connection_of("env:STORE_OF_TEST")


@pytest.mark.parametrize("store", ["env:STORE_OF_TEST", "x"])
def test_a_store_that_is_no_store_leaves_the_earlier_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    monkeypatch.delenv("STORE_OF_TEST", raising=False)
    (tmp_path / "certificate.json").write_text("old")
    assert main(["certify", "--out", str(tmp_path), "--store", store]) == 64
    assert (tmp_path / "certificate.json").read_text() == "old"
