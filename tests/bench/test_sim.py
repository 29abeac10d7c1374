"""bench sim: it runs without a blob service and says all that it promises."""

import json

import pytest

from harness.bench import sim
from harness.bench.catalogue import BENCHES
from harness.command_line.main import main
from harness.provision import simulator_parts
from harness.provision.places import Places, places
from harness.provision.progress import say


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


def test_without_a_build_one_is_made_first_or_it_says_why_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Places] = []

    def refuse(where: Places) -> None:
        asked.append(where)
        say("cannot run gcc")

    monkeypatch.setattr(sim, "find_build", lambda: None)
    monkeypatch.setattr(simulator_parts, "ensure", refuse)
    monkeypatch.setattr(sim, "DISASTERS", 40)
    assert main(["bench", "sim", "--pairs", "1", "--json"]) == 0
    out, err = capsys.readouterr()
    assert asked == [places()]
    assert "cannot run gcc" in err
    assert json.loads(out)["figures"]["compiled"] == 0
