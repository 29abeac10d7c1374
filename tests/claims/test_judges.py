"""Each judge in both directions, and what it does when there is nothing to judge."""

import msgspec
import pytest

from harness.claims import CLAIMS
from harness.evidence import ClaimResult, Verdict
from harness.judge.certification import judge_run
from harness.judge.facts import OwnWrite, RunFacts, TrialFacts, flat
from harness.profile import BOUNDS, load_profile
from tests.claims import changing_facts as change
from tests.claims import trial_facts as good

PROFILE = load_profile("first")


def verdict_of(claim: str, facts: RunFacts) -> ClaimResult:
    return next(result for result in judge_run(facts, PROFILE) if result.id == claim)


def spoil(trial: TrialFacts, **changes: object) -> TrialFacts:
    return msgspec.structs.replace(trial, **changes)


def kill_with(**changes: object) -> RunFacts:
    return good.run_with(sync_1=good.kill("sync-1", "sync", **changes))


def async_kill(**ledger: object) -> RunFacts:
    changed = good.kill("async-1", "async", ledger=good.ledger(**ledger))
    return good.run_with(async_1=changed)


def stalled(facts: RunFacts, silent_s: float) -> RunFacts:
    """Let the blob service have been silent for so long before each asynchronous kill."""
    trials = [
        spoil(trial, store_silent_s=silent_s) if trial.mode == "async" else trial
        for trial in facts.trials
    ]
    return RunFacts(trials=trials)


def raw_with(**raw: object) -> RunFacts:
    return good.run_with(raw_1=good.raw_trial("raw-1", "strict", raw=good.raw(**raw)))


def direct_with(**direct: object) -> RunFacts:
    trial = good.raw_trial("raw-1", "strict", direct_write=good.direct(**direct))
    return good.run_with(raw_1=trial)


def fence_with(**fence: object) -> RunFacts:
    stopped = good.good_trials()[-1]
    return good.run_with(fence_1=spoil(stopped, fence=good.fence(**fence)))


def test_a_good_run_holds_every_demanded_claim_and_lists_the_rest() -> None:
    results = judge_run(good.run_with(), PROFILE)
    assert [result.id for result in results] == list(CLAIMS)
    for result in results:
        expected = Verdict.HELD if result.id in PROFILE.demands else Verdict.NOT_DEMANDED
        assert result.verdict is expected, result
        assert result.promise == CLAIMS[result.id].promise


def test_nothing_measured_is_inconclusive_for_every_claim() -> None:
    bare = [
        TrialFacts(name="k", mode=mode, order="flush", kind="kill")
        for mode in ("sync", "sync-on-flush", "async")
    ]
    for facts in (RunFacts(), RunFacts(trials=bare)):
        for result in judge_run(facts, PROFILE):
            if result.id in PROFILE.demands:
                assert result.verdict is Verdict.INCONCLUSIVE, result
                assert result.reason


PLANTED = [
    ("consumable", kill_with(samples=[good.sample(ok=False, reason="no footer")]), "no footer"),
    (
        "consumable",
        kill_with(samples=[good.sample(moment="kill", ok=False, reason="e2fsck 4")]),
        "e2fsck 4",
    ),
    ("crash-consistent", raw_with(verdict="finding", story=["page 7 is torn"]), "page 7 is torn"),
    ("no-acked-loss", kill_with(ledger=good.ledger(lost_entries=2)), "2 acknowledged entries"),
    (
        "no-acked-loss",
        kill_with(ledger=good.ledger(chain_ok=False, reason="hash of 88")),
        "hash of 88",
    ),
    (
        "no-acked-loss",
        kill_with(counted=False, ledger=good.ledger(acked_before_kill=9, lost_entries=1)),
        "1 acknowledged entry lost",
    ),
    (
        "no-acked-loss",
        good.run_with(
            raw_1=spoil(
                good.raw_trial("raw-1", "strict", raw=good.raw(loss_story=["write 9 is gone"])),
                mode="sync",
            )
        ),
        "write 9 is gone",
    ),
    ("rpo", async_kill(lost_entries=40, oldest_lost_age_s=5.1), "5.10 s"),
    ("rpo", raw_with(oldest_lost_age_s=7.0, lost_writes=3), "7.00 s"),
    ("rpo", stalled(async_kill(lost_entries=40, oldest_lost_age_s=9.0), 4.9), "9.00 s"),
    ("rpo", stalled(async_kill(chain_ok=False, reason="hash of 88"), 8.5), "hash of 88"),
    ("rto", kill_with(rto=good.rto(60.5)), "60.5 s"),
    (
        "rto",
        kill_with(rto=None, boot=good.boot(booted=False, verified=None, reason="no disk")),
        "never mounted",
    ),
    ("direct-write", direct_with(other_objects=["copy.bin"]), "copy.bin"),
    ("direct-write", direct_with(volume_bytes=79 * good.MIB), "were written elsewhere"),
    (
        "direct-write",
        direct_with(replicated_bytes=good.MIB, volume_bytes=0),
        "were written elsewhere",
    ),
    (
        "direct-write",
        direct_with(
            volume_bytes=90 * good.MIB,  # announced and not made: the counters alone show nothing
            own_writes=[OwnWrite(what="spool", bytes=good.MIB, storage=True)],
        ),
        "were written elsewhere",
    ),
    ("fenced", fence_with(digest_after="cd" * 32), "the blob changed"),
    ("fenced", fence_with(applied_after_resume=1), "1 write of the old primary applied"),
    ("fenced", fence_with(acked_after_failover=3), "3 acknowledgements"),
    ("boots", kill_with(boot=good.boot(fsck_exit=4)), "e2fsck -fn exited 4"),
    ("boots", kill_with(boot=good.boot(mounted=False, reason="bad magic")), "bad magic"),
    ("boots", kill_with(boot=good.boot(verified=False)), "not what was written"),
    ("boots", kill_with(boot=good.boot(booted=False)), "did not come up"),
]


@pytest.mark.parametrize(("claim", "facts", "why"), PLANTED)
def test_one_breach_violates_its_claim_and_says_why(claim: str, facts: RunFacts, why: str) -> None:
    result = verdict_of(claim, facts)
    assert result.verdict is Verdict.VIOLATED, result
    assert why in result.reason
    assert result.evidence


VACUOUS = [
    ("consumable", kill_with(samples=[good.sample()] * 6), "no prover looked"),
    (
        "consumable",
        kill_with(samples=[good.sample(moment="kill", ok=None, reason="no QEMU")]),
        "no QEMU",
    ),
    (
        "consumable",
        RunFacts(
            trials=[spoil(trial, samples=trial.samples[-3:]) for trial in good.good_trials()]
        ),
        "instants sampled under load, 50 demanded",
    ),
    ("crash-consistent", raw_with(verdict="unusable", reason="lines are lost"), "lines are lost"),
    ("crash-consistent", raw_with(writes_demanded=0), "strict: 0 judged raw workloads"),
    ("crash-consistent", raw_with(pages_written=0), "strict: 0 judged raw workloads"),
    ("no-acked-loss", kill_with(ledger=good.ledger(acked_before_kill=99)), "only 99"),
    ("no-acked-loss", kill_with(ledger=good.ledger(entry_in_flight=False)), "in flight"),
    ("no-acked-loss", kill_with(ledger=good.ledger(chain_ok=None)), "could not be read"),
    ("no-acked-loss", kill_with(counted=False, why_not_counted="no standby"), "no standby"),
    ("rpo", async_kill(acked_before_kill=3), "only 3"),
    ("rpo", async_kill(chain_ok=None), "could not be read"),
    ("rpo", stalled(async_kill(lost_entries=40, oldest_lost_age_s=9.0), 8.5), "nothing for 8.5 s"),
    ("rto", kill_with(rto=None, boot=good.boot(lab_failure="no QEMU")), "not measured"),
    ("rto", kill_with(rto=good.rto(vm_started_at_s=1.0)), "contradict"),
    ("direct-write", direct_with(folders_on_disk=False), "tmpfs"),
    ("direct-write", direct_with(log_requests=0), "no write at all"),
    (
        "direct-write",
        RunFacts(trials=[good.raw_trial("r", "flush", direct_write=good.direct(
            processes=good.direct().processes[1:], volume_bytes=0, replicated_bytes=good.MIB))]),
        "only 1.0 MiB replicated",
    ),
    ("fenced", fence_with(in_flight_at_stop=0, queued_at_stop=0), "in flight or queued"),
    ("fenced", fence_with(refused_after_resume=0), "never have tried"),
    ("fenced", fence_with(digest_after=""), "digest was not read"),
    ("fenced", fence_with(failover_done=False), "had not taken over"),
    ("boots", kill_with(boot=good.boot(lab_failure="no kernel")), "no kernel"),
    ("boots", kill_with(boot=good.boot(straight_from_blob=False)), "straight from the blob"),
    ("boots", kill_with(boot=good.boot(verified=None)), "verifying"),
    ("boots", kill_with(boot=good.boot(fsck_exit=None)), "e2fsck did not run"),
]  # fmt: skip


@pytest.mark.parametrize(("claim", "facts", "why"), VACUOUS)
def test_what_was_not_exercised_is_inconclusive_and_says_why(
    claim: str, facts: RunFacts, why: str
) -> None:
    result = verdict_of(claim, facts)
    assert result.verdict is Verdict.INCONCLUSIVE, result
    assert why in result.reason


def test_no_evidence_means_no_verdict() -> None:
    lost = good.ledger(lost_entries=2, evidence="")
    trial = good.kill("sync-1", "sync", ledger=lost)
    result = verdict_of("no-acked-loss", RunFacts(trials=[trial]))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "no evidence was kept" in result.reason


def test_a_spare_trial_that_does_not_count_changes_nothing() -> None:
    spare = good.kill("sync-9", "sync", counted=False, why_not_counted="too few entries")
    facts = RunFacts(trials=[*good.good_trials(), spare])
    assert verdict_of("no-acked-loss", facts).verdict is Verdict.HELD


def test_a_loss_while_the_service_was_silent_is_no_breach_of_the_bound() -> None:
    raw = raw_with(oldest_lost_age_s=9.0, lost_writes=3)
    assert verdict_of("rpo", raw).verdict is Verdict.VIOLATED
    silent = [
        spoil(trial, store_silent_s=8.5) if trial.raw is not None else trial for trial in raw.trials
    ]
    held = verdict_of("rpo", RunFacts(trials=silent))
    assert held.verdict is Verdict.HELD
    assert "9.00" not in held.figure


def test_a_loss_at_a_kill_in_slow_motion_says_nothing_of_the_bound() -> None:
    late = good.ledger(lost_entries=3, oldest_lost_age_s=9.0)
    for resize, verdict in ((change.resize(), Verdict.VIOLATED), (change.cut(), Verdict.HELD)):
        trial = good.kill("resize-1", "async", kind="resize", resize=resize, ledger=late)
        rpo = verdict_of("rpo", RunFacts(trials=[*good.run_with().trials, trial]))
        assert rpo.verdict is verdict
        assert ("9.00" in rpo.figure) is (verdict is Verdict.VIOLATED)


def test_figures_say_what_was_achieved() -> None:
    facts = async_kill(lost_entries=12, oldest_lost_age_s=0.8)
    rpo = verdict_of("rpo", facts)
    assert rpo.verdict is Verdict.HELD
    assert "oldest loss 0.80 s" in rpo.figure
    assert "95 % confidence" in rpo.reason
    assert rpo.trials == 3
    rto = verdict_of("rto", facts)
    assert "slowest 12.0 s" in rto.figure
    assert "detection 3.2 s" in rto.figure
    assert "instants sampled" in verdict_of("consumable", facts).figure
    held = verdict_of("direct-write", facts)
    assert held.figure.startswith("16400 bytes elsewhere for 160.0 MiB")
    assert "event lines 3000 B" in held.figure


def test_writes_in_flight_at_the_kill_are_allowed_for_and_told() -> None:
    beyond = {"volume_bytes": 80 * good.MIB - 200_000}
    assert verdict_of("direct-write", direct_with(**beyond)).verdict is Verdict.VIOLATED
    allowed = direct_with(**beyond, in_flight_writes=2, in_flight_bytes=200_000)
    ruling = verdict_of("direct-write", allowed)
    assert ruling.verdict is Verdict.HELD, ruling.reason
    assert "200000 B of writes in flight allowed for; measured in mode async" in ruling.figure
    assert "up to 200000 bytes written elsewhere just before a kill" in ruling.reason


def test_dirty_pages_alone_leave_direct_write_undecided() -> None:
    """A copy through mmap and a larger page of the kernel's cache look alike."""
    engine = good.direct().processes[0]
    more = msgspec.structs.replace(engine, write_bytes=engine.write_bytes + good.MIB)
    ruling = verdict_of("direct-write", direct_with(processes=[more]))
    assert ruling.verdict is Verdict.INCONCLUSIVE
    assert "became dirty beyond the volume's" in ruling.reason


def test_refusals_by_the_old_primarys_own_count_are_called_so() -> None:
    facts = RunFacts(trials=[
        good.kill("f", "async", kind="fence", fence=good.fence(store_log=with_log))
        for with_log in (False, True)
    ])  # fmt: skip
    ruling = verdict_of("fenced", facts)
    assert ruling.verdict is Verdict.HELD, ruling.reason
    assert "by the old primary's own count" in ruling.reason
    assert "own count" not in verdict_of("fenced", RunFacts(trials=facts.trials[1:])).reason


def test_every_judged_claim_is_in_the_catalogue() -> None:
    assert set(BOUNDS) <= set(CLAIMS)


def test_flat_names_every_scalar_fact() -> None:
    named = flat(good.kill("sync-1", "sync"))
    assert named["ledger.acked_before_kill"] == 150
    assert named["boot.verified"] is True
    assert named["samples.looked"] == 7
    assert "boot.evidence" not in named


def test_facts_survive_a_round_trip_and_refuse_unknown_keys() -> None:
    facts = good.run_with()
    encoded = msgspec.json.encode(facts)
    assert msgspec.json.decode(encoded, type=RunFacts) == facts
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(b'{"trials": [], "trails": []}', type=RunFacts)
