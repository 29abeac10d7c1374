"""`mountproof mutants`: what it prints, what it keeps, how it ends."""

import json
from pathlib import Path

import pytest

from harness.command_line.main import main
from harness.kill_matrix import last_matrix
from harness.mutants.catalogue import CATALOGUE
from harness.mutants.matrix import Row

QUICK = "footer-checksum-not-recomputed"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The matrix of this machine stays as it is."""
    monkeypatch.setenv("MOUNTPROOF_CACHE", str(tmp_path / "cache"))


def test_it_prints_an_object_and_saves_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["mutants", "--only", QUICK, "--seeds", "1", "--json", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    (row,) = told["mutants"]
    assert {"name", "claim", "caught", "caught_by", "disasters", "steps"} <= set(row)
    assert (row["caught_by"], row["disasters"]) == ("consumable", 1)
    assert row["missed_without"]
    assert {"points-honest"} <= set(row["also_caught_by"]) <= set(row["also"])
    assert (told["missed_without"], told["seen_without"]) == (1, [])
    assert json.loads((tmp_path / "out" / "mutants.json").read_bytes()) == told
    assert last_matrix() is None, "a matrix of some bugs is not the matrix"


def test_a_missed_bug_is_named_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "--only", "two-standbys-promote", "--seeds", "1", "--most", "1"]) == 1
    out = capsys.readouterr().out
    assert "missed: two-standbys-promote" in out
    assert "0 of 1 planted bugs caught" in out


def test_a_bug_that_is_seen_without_its_claims_is_named_and_ends_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Row(
        name=QUICK, claim="consumable", meaning="", caught=True, caught_by="consumable", cause="",
        disasters=1, seconds=0.25, steps=0, trials=[1], also=[], missed_without=False, looked=40,
        also_caught_by={"live": 2}, unexpected=["seed 9: live: never-at-rest"],
    )  # fmt: skip
    monkeypatch.setattr("harness.command_line.mutants.run_matrix", lambda *_a, **_k: [row])
    assert main(["mutants", "--only", QUICK]) == 1
    out = capsys.readouterr().out
    assert f"seen without their claims: {QUICK}" in out
    assert f"{QUICK}: seed 9: live: never-at-rest" in out
    assert f"median 0.25 s, slowest 0.2 s ({QUICK})" in out
    assert "0 of 1 missed where their claims are not checked" in out


def test_it_lists_every_bug_with_its_claim(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CATALOGUE)
    assert lines[0].startswith("acknowledge-before-put [no-acked-loss] ")


@pytest.mark.parametrize("only", ["no-such-bug", " , "])
def test_a_name_that_is_none_is_a_usage_error(
    only: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mutants", "--only", only]) == 64
    assert "--only" in capsys.readouterr().err
