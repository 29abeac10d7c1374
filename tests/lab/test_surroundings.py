"""What a run says that it does not show."""

from harness.lab.plan import MODES, plan_trials
from harness.lab.surroundings import limits


def test_the_limits_name_the_largest_volume_of_the_plan() -> None:
    plans = plan_trials(1, kills=dict.fromkeys(MODES, 1), raws=1, fences=1, least=100)
    largest = max(plan.volume_bytes for plan in plans)
    (said,) = [limit for limit in limits("other 1.0", largest) if "MiB" in limit]
    assert f"at most {largest // (1 << 20)} MiB" in said


def test_an_emulator_is_named_as_one() -> None:
    told = [" ".join(limits(service, 1 << 20)) for service in ("Azurite-Blob/3.37", "other")]
    assert ["emulator:" in text for text in told] == [True, False]
