"""What a recovered ledger says, above all where the file itself is gone."""

from types import SimpleNamespace
from typing import cast

import pytest

from harness.adapter import Handover
from harness.disk.proof import ProofResult
from harness.evidence import ProofStep, Verdict
from harness.judge.facts import Mode, RunFacts
from harness.judge.no_acked_loss import judge_no_acked_loss
from harness.judge.rpo import judge_rpo
from harness.lab.disaster import Disaster
from harness.lab.recovery import Recovery, boot_outcome, ledger_outcome, rto_figures
from harness.lab.stage import Stage
from harness.lab.timeline import Timeline
from harness.lab.vm_witness import VmWitness
from harness.lab.workload import LedgerProgress
from harness.profile import NoAckedLossBounds, RpoBounds
from tests.claims import trial_facts as good

ACKS = 120
GONE = "present=0 errno=2 ms=3"
BROKEN = "present=0 errno=5 ms=3"


def stage() -> Stage:
    progress = LedgerProgress(seed=1)
    for index in range(1, ACKS + 1):
        progress.take(float(index), f"beg {index}")
        progress.take(index + 0.5, f"ack {index} " + "a" * 64)
    progress.take(ACKS + 1.0, f"beg {ACKS + 1}")
    made = SimpleNamespace(
        workload=SimpleNamespace(progress=progress), timeline=Timeline(), blob="k.vhd", site="/x"
    )
    return cast(Stage, made)


def recovery(ledger: str, verdict: str, **facts: int | str | bool) -> Recovery:
    raw = (
        "$ qemu http://h/c/k.vhd\n# what the guest said, by seconds since QEMU's start\n"
        f"   1.000 s  ready prove\n   1.100 s  step filesystem type=ext4\n"
        f"   1.200 s  step mount result=ok\n   1.300 s  step ledger {ledger}\n"
        "   1.400 s  step e2fsck exit=0\n"
    )
    step = ProofStep("vm", verdict, "the guest said so", 1.0, "evidence/vm.txt", [])  # type: ignore[arg-type]
    result = SimpleNamespace(facts={"filesystem": "ext4", "mounted": True, **facts})
    handover = SimpleNamespace(at=200.0)
    return Recovery(
        cast(Handover, handover), 1.0, 2.0, cast(ProofResult, result), step, VmWitness(raw, 3, 5)
    )


def disaster(at: float = ACKS + 2.0) -> Disaster:
    return Disaster(at, ACKS, 1, None)


def run(mode: Mode, recovered: Recovery) -> RunFacts:
    ledger = ledger_outcome(stage(), disaster(), recovered)
    return RunFacts(trials=[good.kill("k", mode, ledger=ledger)])


def test_a_ledger_file_that_is_gone_means_that_every_acknowledged_entry_is_lost() -> None:
    outcome = ledger_outcome(stage(), disaster(), recovery(GONE, "good"))
    assert outcome is not None
    assert (outcome.recovered_entries, outcome.lost_entries) == (0, ACKS)
    assert outcome.oldest_lost_age_s == ACKS + 2.0 - 1.5
    assert outcome.lost_bytes == ACKS * 512


def test_that_violates_both_claims_about_losses() -> None:
    loss = judge_no_acked_loss(
        run("sync", recovery(GONE, "bad")), NoAckedLossBounds(trials=1, modes=["sync"])
    )
    assert loss.result().verdict is Verdict.VIOLATED
    rpo = judge_rpo(run("async", recovery(GONE, "good")), RpoBounds(trials=1, rpo_seconds=5))
    assert rpo.result().verdict is Verdict.VIOLATED


@pytest.mark.parametrize("ledger", [GONE, BROKEN, "present=1 entries=0 ok=1"])
def test_a_good_disk_without_any_entry_is_not_called_verified(ledger: str) -> None:
    entries = {"ledger_entries": 0} if "present=1" in ledger else {}
    found = recovery(ledger, "good", **entries)
    assert boot_outcome(stage(), found).verified is None
    assert rto_figures(stage(), 1.0, found) is None


def test_a_ledger_that_cannot_be_read_is_not_known_to_be_lost() -> None:
    outcome = ledger_outcome(stage(), disaster(), recovery(BROKEN, "good"))
    assert outcome is not None
    assert (outcome.chain_ok, outcome.lost_entries) == (None, 0)


def test_a_whole_ledger_is_verified_and_nothing_is_lost() -> None:
    found = recovery("present=1", "good", ledger_entries=ACKS, ledger_last="a" * 64)
    outcome = ledger_outcome(stage(), disaster(), found)
    assert outcome is not None
    assert outcome.lost_entries == 0
    assert boot_outcome(stage(), found).verified is True
    assert rto_figures(stage(), 1.0, found) is not None
    assert boot_outcome(stage(), recovery(GONE, "bad")).verified is False
