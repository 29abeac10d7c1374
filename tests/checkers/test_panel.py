"""The panel: every claim has a checker, what is left out is not told, a broken judge is no pass."""

from importlib import import_module

import pytest

from harness.checkers.catalogue import CHECKERS, SIMULATED_CLAIMS, make_checkers
from harness.checkers.checker import Checker
from harness.checkers.direct_write import DirectWrite
from harness.checkers.finding import CHECKER_ERROR
from harness.checkers.observation import StatusSample
from harness.checkers.panel import Panel
from harness.checkers.scene import Scene
from harness.claims import CLAIMS
from tests.checkers.history_run import Run


def test_every_checker_has_a_claim_of_the_catalogue_and_says_what_it_does_not_verify() -> None:
    assert len(set(SIMULATED_CLAIMS)) == len(CHECKERS) == 13
    for checker in CHECKERS:
        assert checker.claim in CLAIMS
        told = import_module(checker.__module__).__doc__ or ""
        assert told.startswith(f"{checker.claim}: ")
        assert "What it does not verify: " in told.replace("\n", " ")


def test_what_is_left_out_is_neither_told_nor_counted() -> None:
    checkers = make_checkers(without=["direct-write"])
    panel = Panel(checkers)
    panel.stored(0, "primary", "spool", 1)
    assert panel.findings == ()
    assert "direct-write" not in panel.exercised


def test_a_cause_is_told_once() -> None:
    run = Run()
    for _ in range(3):
        run.panel.stored(0, "primary", "spool", 1)
    assert len(run.panel.findings) == 1


def test_findings_come_in_the_order_of_time() -> None:
    run = Run()
    run.panel.stored(9, "primary", "spool", 1)
    run.panel.ended(5, "rest", None, None)
    assert [finding.at_us for finding in run.panel.findings] == [5, 9]


class Broken(Checker):
    """Divides by zero at each look at a status."""

    claim = "status-honest"

    def status(self, now_us: int, sample: StatusSample) -> None:
        self.count += 1
        assert now_us // (now_us - now_us)


def test_a_checker_that_breaks_down_is_told_and_counts_for_nothing() -> None:
    panel = Panel([Broken(), DirectWrite()])
    sample = StatusSample("primary", "primary", "", protected=True, lag_us=0, lag_bytes=0)
    panel.status(1, sample)
    panel.status(2, sample)
    panel.stored(3, "primary", "spool", 1)
    claims = [(finding.claim, finding.cause) for finding in panel.findings]
    assert claims == [
        (CHECKER_ERROR, "status-honest-ZeroDivisionError"),
        ("direct-write", "stored-elsewhere"),
    ]
    assert panel.exercised["status-honest"] == 0


def test_a_scene_that_breaks_down_leaves_no_claim_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run()
    run.replicated(0)

    def fail(*_: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(Scene, "written", fail)
    run.put(0, 1)
    run.put(0, 1)
    assert run.found() == {(CHECKER_ERROR, "scene-KeyError")}
    assert set(run.panel.exercised.values()) == {0}
