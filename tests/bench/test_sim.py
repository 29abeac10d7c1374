"""bench sim: it runs without a blob service and says all that it promises."""

import json

import pytest

from harness.bench.catalogue import BENCHES
from harness.command_line.main import main


def test_a_quick_look_has_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "sim", "--quick", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    measured = told["figures"] | told["ratios"]
    assert {bound.key for bound in BENCHES["sim"].bounds} <= set(measured)
    assert {"events_mean", "faults_fired_mean", "claims_checked"} <= set(measured)
    assert measured["steps_mean"] >= 40
    assert measured["store_requests_mean"] >= 50
    assert measured["claims_checked"] == 13
    assert told["environment"]["blob service"] == "none"
