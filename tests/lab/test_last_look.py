"""The look after the last trial: what came late counts against the trials that measured."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from harness.errors import Inconclusive
from harness.evidence import EvidenceFolder, Trial
from harness.judge.facts import TrialFacts
from harness.lab.last_look import AT_THE_END, ask_again
from harness.lab.stage import Lab
from harness.lab.trial import TrialOutcome
from tests.claims import trial_facts as good


def outcome(facts: TrialFacts) -> TrialOutcome:
    return TrialOutcome(facts, cast(Trial, None), in_vain=False)


def lab(folder: Path, listed: list[str] | None) -> Lab:
    def list_blobs() -> list[str]:
        if listed is None:
            raise Inconclusive("the blob service is gone")
        return listed

    view = SimpleNamespace(container="run", list_blobs=list_blobs)
    made = SimpleNamespace(
        view=view, store_log=None, blobs={"a.vhd"}, evidence=EvidenceFolder(folder)
    )
    return cast(Lab, made)


def test_a_late_object_is_added_where_writes_were_measured_and_nowhere_else(
    tmp_path: Path,
) -> None:
    trials = [good.raw_trial("r", "strict"), good.kill("k", "sync")]
    raw, kill = ask_again(lab(tmp_path, ["a.vhd", "late.bin"]), [outcome(t) for t in trials])
    assert raw.facts.direct_write is not None
    assert raw.facts.direct_write.other_objects == ["late.bin"]
    assert AT_THE_END in raw.facts.direct_write.evidence
    assert "late.bin" in (tmp_path / AT_THE_END).read_text()
    assert kill.facts == trials[1]


def test_a_service_that_is_gone_by_then_is_told_and_the_trials_own_looks_stand(
    tmp_path: Path,
) -> None:
    before = outcome(good.raw_trial("r", "strict"))
    assert ask_again(lab(tmp_path, None), [before]) == [before]
    assert "is gone" in (tmp_path / AT_THE_END).read_text()
