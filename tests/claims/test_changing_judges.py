"""Judges of resizes, properties, points and of what was only simulated, in both directions."""

import pytest

from harness.evidence import ClaimResult, Verdict
from harness.judge.certification import judge_run
from harness.judge.crash_consistent import judge_crash_consistent
from harness.judge.facts import CrashOutcome, RunFacts, TrialFacts
from harness.judge.metadata_faithful import judge_metadata_faithful
from harness.judge.no_acked_loss import judge_no_acked_loss
from harness.judge.points_honest import judge_points_honest
from harness.judge.resize_faithful import judge_resize_faithful
from harness.profile import (
    CrashConsistentBounds,
    MetadataFaithfulBounds,
    NoAckedLossBounds,
    PointsHonestBounds,
    Profile,
    ResizeFaithfulBounds,
    SimulationBounds,
)
from harness.simulation_record import SimulatedFinding, SimulationRecord
from tests.claims import changing_facts as change
from tests.claims import trial_facts as good

MIB = 1 << 20
WHOLE = change.resized("resize-1")
CUT = change.resized("resize-2", resize=change.cut())


def of_resizes(*trials: TrialFacts, cuts: int = 1) -> ClaimResult:
    bounds = ResizeFaithfulBounds(trials=1, cuts=cuts)
    return judge_resize_faithful(RunFacts(trials=list(trials)), bounds).result()


def test_a_volume_that_grew_and_shrank_and_a_site_that_died_inside_hold_the_claim() -> None:
    result = of_resizes(WHOLE, CUT)
    assert result.verdict is Verdict.HELD, result
    assert result.exercised == 3
    assert "6 entries acknowledged meanwhile" in result.figure


BREACHES = [
    (change.resize(recovered_bytes=64 * MIB), "possible were"),
    (change.resize(steps=[change.step(spare_zero=False), change.shrink()]), "not zero"),
    (change.resize(steps=[change.step(disk_bytes=None, reason="no footer")]), "no footer"),
    (change.resize(steps=[change.step(disk_bytes=64 * MIB)]), "instead of"),
    (change.cut(recovered_bytes=99 * MIB), "possible were"),
]


@pytest.mark.parametrize(("resize", "told"), BREACHES)
def test_a_wrong_size_or_content_after_a_resize_violates_it(resize: object, told: str) -> None:
    result = of_resizes(WHOLE, CUT, change.resized("resize-3", resize=resize))
    assert result.verdict is Verdict.VIOLATED
    assert told in result.reason


GAPS = [
    (change.resize(steps=[change.step(refused="busy"), change.shrink()]), "busy"),
    (change.resize(steps=[change.step(guest_bytes=None), change.shrink()]), "guest following"),
    (change.resize(steps=[change.step()]), "both grow and shrink"),
]


@pytest.mark.parametrize(("resize", "told"), GAPS)
def test_a_resize_that_was_not_done_or_not_followed_shows_nothing(
    resize: object, told: str
) -> None:
    result = of_resizes(change.resized("resize-1", resize=resize), CUT)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert told in result.reason


def test_a_site_that_did_not_die_inside_the_resize_does_not_count() -> None:
    late = change.resized("resize-2", resize=change.cut(unfinished_at_kill=""))
    result = of_resizes(WHOLE, late)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "0 sites died inside a resize, 1 demanded" in result.reason
    assert of_resizes(WHOLE, late, cuts=0).verdict is Verdict.HELD


def test_a_bad_disk_after_a_resize_violates_it() -> None:
    samples = [good.sample(moment="kill", ok=False, reason="e2fsck 4")]
    result = of_resizes(WHOLE, CUT, change.resized("resize-3", samples=samples))
    assert (result.verdict, "e2fsck 4" in result.reason) == (Verdict.VIOLATED, True)


def of_properties(*trials: TrialFacts) -> ClaimResult:
    bounds = MetadataFaithfulBounds(trials=1)
    return judge_metadata_faithful(RunFacts(trials=list(trials)), bounds).result()


def test_properties_hold_only_if_each_is_right() -> None:
    assert of_properties(WHOLE).verdict is Verdict.HELD
    wrong = change.resized("resize-2", properties=change.properties(found=""))
    result = of_properties(WHOLE, wrong)
    assert result.verdict is Verdict.VIOLATED
    assert "label in the metadata is empty, not mine" in result.reason
    assert of_properties(good.kill("k", "sync")).verdict is Verdict.INCONCLUSIVE


def of_points(*trials: TrialFacts) -> ClaimResult:
    bounds = PointsHonestBounds(trials=1, points=2, mounted=1)
    return judge_points_honest(RunFacts(trials=list(trials)), bounds).result()


def test_points_hold_if_all_are_good_and_one_was_mounted() -> None:
    assert of_points(WHOLE).verdict is Verdict.HELD
    unmounted = change.points(points=[change.point(entries=None)] * 2)
    result = of_points(change.resized("r", points=unmounted))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "0 mounted" in result.reason


BAD_POINTS = [
    (change.points(points=[change.point(ok=False, reason="7 entries, 9 were")]), "7 entries"),
    (change.points(missing=["2026-11-25T22:42:10Z"]), "is not listed"),
]


@pytest.mark.parametrize(("points", "told"), BAD_POINTS)
def test_a_bad_or_missing_point_violates_it(points: object, told: str) -> None:
    result = of_points(WHOLE, change.resized("r", points=points))
    assert result.verdict is Verdict.VIOLATED
    assert told in result.reason


def test_a_system_that_takes_and_lists_no_points_shows_nothing() -> None:
    silent = change.points(points=[], listed=False, refused=["busy"])
    result = of_points(change.resized("r", points=silent))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "busy" in result.reason


def test_kills_after_a_crash_are_demanded_apart() -> None:
    kills = [good.kill(f"k{n}", "sync") for n in (1, 2)]
    bounds = NoAckedLossBounds(trials=2, modes=["sync"], crashes=1)
    lacking = judge_no_acked_loss(RunFacts(trials=kills), bounds).result()
    assert lacking.verdict is Verdict.INCONCLUSIVE
    assert "replicator's crash, 1 demanded" in lacking.reason
    crash = good.kill("crash-1", "sync", kind="crash")
    assert judge_no_acked_loss(RunFacts(trials=[*kills, crash]), bounds).result().verdict == "held"


def test_a_blob_half_resynchronised_must_not_be_mounted() -> None:
    def judged(mounted: str) -> ClaimResult:
        crash = CrashOutcome(
            acked_before_crash=99, in_flight_at_crash=1, restarted_after_s=0.1, resync_seen=True,
            cut=True, unfinished_at_kill="resync", pinned="then", mounted=mounted,
        )  # fmt: skip
        trials = [
            good.raw_trial("raw-1", "strict"),
            good.raw_trial("crash-1", "strict", kind="crash", crash=crash),
        ]
        bounds = CrashConsistentBounds(trials=1, orders=["strict"], crashes=1)
        return judge_crash_consistent(RunFacts(trials=trials), bounds).result()

    assert judged("then").verdict is Verdict.HELD
    assert judged("").verdict is Verdict.VIOLATED
    assert "the live blob was mounted instead of point then" in judged("").reason


PROFILE = Profile(
    name="p",
    title="t",
    demands={
        "live": SimulationBounds(disasters=4000),
        "no-acked-loss": NoAckedLossBounds(trials=1, modes=["sync"]),
    },
)
KILL = RunFacts(trials=[good.kill("k", "sync")])


def judged(claim: str, simulation: SimulationRecord | None) -> ClaimResult:
    return next(r for r in judge_run(KILL, PROFILE, simulation) if r.id == claim)


def finding(claim: str) -> SimulatedFinding:
    return SimulatedFinding(
        claim=claim, cause="stuck", text="waits", found_by="swarm", schedule="evidence/f.json"
    )


def test_a_simulated_claim_is_held_by_a_swarm_without_finding_and_says_so() -> None:
    result = judged("live", change.simulation())
    assert result.verdict is Verdict.HELD
    assert "in simulation only" in result.reason
    assert (result.exercised, result.trials) == (5000, 5000)


def test_a_finding_violates_its_claim_whatever_the_lab_saw() -> None:
    result = judged("no-acked-loss", change.simulation(finding("no-acked-loss")))
    assert result.verdict is Verdict.VIOLATED
    assert "evidence/f.json" in result.evidence
    assert judged("live", change.simulation(finding("no-acked-loss"))).verdict is Verdict.HELD


def test_the_labs_own_claims_tell_how_often_they_were_simulated() -> None:
    result = judged("no-acked-loss", change.simulation())
    assert result.verdict is Verdict.HELD
    assert "in simulation 70 checks over 5000 disasters" in result.figure


@pytest.mark.parametrize(
    "simulation",
    [
        None,
        SimulationRecord(missing=["swarm: ended with status 70"]),
        change.simulation(disasters=3000),
        change.simulation(exercised={"live": 0}),
        change.simulation(finding("core-error")),
    ],
)
def test_without_a_whole_swarm_a_simulated_claim_is_inconclusive(
    simulation: SimulationRecord | None,
) -> None:
    assert judged("live", simulation).verdict is Verdict.INCONCLUSIVE
