"""`mountproof certify` on real parts: volumes that are resized, and a replicator that crashes."""

from pathlib import Path

import pytest

from harness.adapters.reference_engine import ReferenceEngine
from harness.evidence import EvidenceFolder, Verdict
from harness.lab.azurite import Azurite
from harness.lab.certification import Request, certify
from harness.lab.plan import plan_for_profile
from harness.lab.waiting import StopSignal
from harness.profile import load_profile

PROFILE = Path(__file__).with_name("changes.toml")
MIB = 1 << 20

pytestmark = pytest.mark.real


def test_a_resized_a_cut_and_a_crashed_volume_are_recovered_and_certified(
    azurite: Azurite, tmp_path: Path
) -> None:
    profile = load_profile(str(PROFILE))
    request = Request(
        profile=profile,
        plans=plan_for_profile(profile, 3),
        seed=3,
        system=ReferenceEngine(),
        evidence=EvidenceFolder(tmp_path / "out"),
        rpo_s=5.0,
        store=azurite.connection_string,
    )
    record = certify(request, StopSignal())
    verdicts = {claim.id: (claim.verdict, claim.reason) for claim in record.claims}
    for claim in profile.demands:
        assert verdicts[claim][0] is Verdict.HELD, verdicts[claim]
    cut = next(t for t in record.trials if t.counted and t.facts.get("resize.cut"))
    assert cut.facts["resize.unfinished_at_kill"] == "grow"
    whole = next(t for t in record.trials if t.kind == "resize" and not t.facts["resize.cut"])
    assert int(whole.facts["resize.recovered_bytes"]) % MIB == 0
    assert int(whole.facts["points.good"]) >= 3, "one on request, one before each resize"
    crash = next(t for t in record.trials if t.kind == "crash" and t.counted)
    assert crash.facts["crash.mounted"] == ""
    assert float(crash.facts["crash.protected_after_s"]) > 0
    assert crash.facts["ledger.lost_entries"] == 0
