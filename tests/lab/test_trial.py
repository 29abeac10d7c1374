"""A trial that fails: what its outcome says, and what is kept of it."""

from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from harness.errors import Inconclusive
from harness.evidence import EvidenceFolder, ProofStep, register_secret
from harness.judge.facts import TrialFacts
from harness.lab import trial
from harness.lab.plan import MODES, TrialPlan, plan_trials
from harness.lab.stage import Lab, Stage
from harness.lab.timeline import Timeline
from harness.lab.waiting import StopSignal

SECRET = "correct-horse-battery"


class EmptyStage(Stage):
    """A stage that nothing was put on."""

    def __init__(self, lab: Lab, plan: TrialPlan) -> None:
        self.lab, self.plan, self.timeline = lab, plan, Timeline()
        self.evidence_dir, self.evidence = f"evidence/trials/{plan.name}", []
        self.site = Path("/nowhere")
        self._stack = ExitStack()

    def tell(self, what: str) -> None:
        """Say nothing."""


def fail_with(
    error: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> trial.TrialOutcome:
    def act(_stage: Stage, _steps: list[ProofStep]) -> TrialFacts:
        raise error

    class Shared:
        """What of the lab such a trial needs."""

        evidence = EvidenceFolder(folder)
        stop = StopSignal()

    monkeypatch.setattr(trial, "Stage", EmptyStage)
    monkeypatch.setitem(trial._ACTS, "kill", act)
    (plan, *_) = plan_trials(1, kills=dict.fromkeys(MODES, 1), raws=0, fences=0, least=1)
    return trial.run_trial(cast(Lab, Shared()), plan)


def test_a_defect_of_ours_keeps_its_traceback_redacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_secret(SECRET)
    outcome = fail_with(KeyError(f"no {SECRET} here"), tmp_path, monkeypatch)
    assert not outcome.facts.counted
    assert not outcome.in_vain, "a defect is not tried again until it hides"
    assert outcome.internal_error in outcome.trial.evidence
    kept = (tmp_path / outcome.internal_error).read_text()
    assert "Traceback" in kept
    assert "KeyError" in kept
    assert SECRET not in kept + outcome.facts.why_not_counted


def test_a_part_that_is_missing_is_no_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = fail_with(Inconclusive("no QEMU"), tmp_path, monkeypatch)
    assert (outcome.internal_error, outcome.facts.why_not_counted) == ("", "no QEMU")
    assert not outcome.in_vain
