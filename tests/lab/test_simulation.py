"""The simulated part of a certification: commands are run, read, kept, and never wait for ever."""

import sys
import threading
from pathlib import Path

import pytest

from harness import kill_matrix
from harness.evidence import EvidenceFolder
from harness.lab.simulation import Simulation
from harness.lab.waiting import StopSignal
from harness.profile import (
    BootsBounds,
    ExplorePlan,
    MaterialisePlan,
    MutantsPlan,
    Profile,
    SwarmPlan,
)
from harness.simulation_record import Mutant

FAKE = (sys.executable, str(Path(__file__).with_name("fake_mountproof.py")))
DEMANDS = {"boots": BootsBounds()}
ALL = Profile(
    name="p",
    title="t",
    demands=dict(DEMANDS),
    swarm=SwarmPlan(disasters=4000),
    explore=ExplorePlan(pairs=True),
    materialise=MaterialisePlan(boots=8),
    mutants=MutantsPlan(seeds=3),
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOUNTPROOF_CACHE", str(tmp_path / "cache"))


def simulation(folder: Path, profile: Profile, stop: StopSignal | None = None) -> Simulation:
    scratch = folder / "scratch"
    scratch.mkdir()
    return Simulation(
        profile=profile,
        seed=3,
        scratch=scratch,
        evidence=EvidenceFolder(folder / "out"),
        stop=stop or StopSignal(),
        tell=lambda _what: None,
        program=FAKE,
    )


def test_what_the_commands_told_becomes_the_record_and_evidence(tmp_path: Path) -> None:
    record = simulation(tmp_path, ALL).run()
    assert record.swarm is not None
    assert record.exploration is not None
    assert record.boots is not None
    assert (record.swarm.disasters, record.exploration.runs) == (4000, {"pair": 136})
    assert record.exercised("live") == 4136
    assert record.disasters == 4136
    assert (tmp_path / "out" / record.swarm.evidence).is_file()
    live, disk = record.findings
    assert (live.claim, live.cause, live.found_by, live.steps) == ("live", "stuck", "swarm", 4)
    assert (tmp_path / "out" / live.schedule).read_text() == '{"schedule": 1}'
    assert (disk.claim, disk.found_by) == ("consumable", "materialise")
    assert record.missing == [
        "swarm: zombie never struck",
        "explore: 2 crashes did not strike the request meant",
        "mutants: ended with status 70: cannot plant",
    ]
    assert record.kill_matrix is None


def test_what_the_profile_does_not_ask_for_is_not_run(tmp_path: Path) -> None:
    profile = Profile(name="p", title="t", demands=dict(DEMANDS), explore=ExplorePlan())
    record = simulation(tmp_path, profile).run()
    assert (record.swarm, record.boots, record.findings) == (None, None, [])
    assert record.exploration is not None
    assert not Profile(name="p", title="t", demands=dict(DEMANDS)).simulates


def test_a_stopped_run_waits_for_no_command(tmp_path: Path) -> None:
    stop = StopSignal()
    profile = Profile(name="p", title="t", demands=dict(DEMANDS), mutants=MutantsPlan(seeds=99))
    threading.Timer(1.0, stop.set).start()
    record = simulation(tmp_path, profile, stop).run()
    (told,) = record.missing
    assert told.startswith("mutants: interrupted")


def test_a_kill_matrix_is_kept_and_goes_stale_with_the_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kill_matrix.last_matrix() is None
    bug = Mutant(
        name="early-ack", claim="no-acked-loss", caught=True, caught_by="no-acked-loss",
        disasters=4, steps=3,
    )  # fmt: skip
    kill_matrix.keep_matrix([bug], kill_matrix.sources_digest())
    fresh = kill_matrix.last_matrix()
    assert fresh is not None
    assert (fresh.stale, fresh.caught, fresh.mutants) == (False, 1, [bug])
    changed = tmp_path / "harness"
    changed.mkdir()
    (changed / "new.py").write_text("x = 1\n")
    monkeypatch.setattr(kill_matrix, "ROOT", tmp_path)
    stale = kill_matrix.last_matrix()
    assert stale is not None
    assert stale.stale
