"""The compiled simulator does what the sources do, and no other build than theirs is used."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.compiled import modules
from harness.compiled.launch import launch_command
from harness.explore.swarm import SwarmOrder, SwarmResult, run_swarm
from harness.explore.workforce import LocalWorkers
from harness.provision import simulator_parts
from harness.provision.places import Places, places
from harness.provision.stamps import stamp
from tests.compiled.outcomes import outcome_lines

ROOT = Path(__file__).resolve().parents[2]
DISASTERS = 240


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The build that set-up made, or one made now; MOUNTPROOF_CACHE says where."""
    with pytest.MonkeyPatch.context() as patch:
        if modules.find_build() is None:
            cache = tmp_path_factory.mktemp("cache")
            subprocess.run([sys.executable, "-m", "harness.compiled", "--cache", str(cache)],
                           cwd=ROOT, check=True, stdout=subprocess.DEVNULL)  # fmt: skip
            patch.setenv("MOUNTPROOF_CACHE", str(cache))
        found = modules.find_build()
        assert found is not None
        yield found


def run_on(build: Path | None, count: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *launch_command("tests.compiled.outcomes", build), str(count)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)


def swarm(build: Path | None, *, kill: bool = False) -> tuple[SwarmResult, int]:
    workforce = LocalWorkers(2, build=build)
    deaths: list[int] = []

    def stop() -> bool:
        if kill and not deaths:
            deaths.append(workforce.pids[0])
            os.kill(deaths[0], 9)
        return False

    try:
        return run_swarm(SwarmOrder(seed=7, disasters=110), workforce, stop=stop), len(deaths)
    finally:
        workforce.close()


@pytest.fixture
def checkout(tmp_path: Path) -> Places:
    """A checkout of which a build is there; nothing of it is ever run."""
    where = Places(tmp_path / "checkout", tmp_path / "cache")
    for source in simulator_parts.sources(ROOT):
        copy = where.checkout / source.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
    shutil.copy(ROOT / "requirements.txt", where.checkout)
    home = simulator_parts.folder(where)
    home.mkdir(parents=True)
    stamp(home, simulator_parts.digest(where))
    return where


@pytest.mark.real
def test_every_disaster_is_the_same_compiled(build: Path) -> None:
    done = run_on(build, DISASTERS)
    files, *compiled = done.stdout.splitlines()
    assert done.stderr == ""
    assert all(file.startswith(str(build)) for file in files.split())
    assert compiled == outcome_lines(DISASTERS)
    assert len(compiled) == DISASTERS


@pytest.mark.real
def test_a_swarm_has_the_same_digest_compiled_even_if_a_worker_is_killed(build: Path) -> None:
    plain, _ = swarm(None)
    compiled, deaths = swarm(build, kill=True)
    assert deaths == 1
    assert compiled.tally.digest == plain.tally.digest
    assert compiled.tally.exercised == plain.tally.exercised


@pytest.mark.real
def test_a_build_that_does_not_fit_is_not_run_on_and_that_is_told(
    build: Path, tmp_path: Path
) -> None:
    shutil.copytree(build, tmp_path / "other")
    done = run_on(tmp_path / "other", 1)
    assert "it runs interpreted" in done.stderr
    files, *_ = done.stdout.splitlines()
    assert not any(file.startswith(str(tmp_path)) for file in files.split())


def test_a_change_of_a_source_makes_the_build_stale(checkout: Places) -> None:
    assert simulator_parts.current_build(checkout) == simulator_parts.folder(checkout)
    source = checkout.checkout / "engine" / "core" / "clients.py"
    source.write_text(source.read_text() + "\n")
    assert simulator_parts.current_build(checkout) is None


def test_another_compiler_makes_the_build_stale(checkout: Places) -> None:
    lock = checkout.checkout / "requirements.txt"
    lock.write_text(lock.read_text().replace("\nmypy==", "\nmypy==0."))
    assert simulator_parts.current_build(checkout) is None


def test_a_build_without_its_stamp_is_none(checkout: Places) -> None:
    (simulator_parts.folder(checkout) / ".mountproof-stamp").unlink()
    assert simulator_parts.current_build(checkout) is None


def test_without_a_checkout_there_is_no_build(tmp_path: Path) -> None:
    assert simulator_parts.current_build(Places(tmp_path, tmp_path)) is None


def test_set_up_goes_on_without_a_compiler_and_says_so(
    checkout: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(simulator_parts.folder(checkout))
    python = checkout.environment / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho cannot run gcc >&2\nexit 1\n")
    python.chmod(0o755)
    simulator_parts.ensure(checkout)
    shown = capsys.readouterr().out
    assert "cannot run gcc" in shown
    assert "The simulator stays interpreted" in shown


def test_what_is_built_already_is_not_built_again(
    checkout: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator_parts.ensure(checkout)
    assert capsys.readouterr().out == ""


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.compiled import __main__ as building

    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="cannot run gcc"):
        building._run(["gcc", "--version"])
    with pytest.raises(SystemExit, match="ended with exit code 1"):
        building._run([sys.executable, "-c", "raise SystemExit(1)"])


def test_core_world_and_checkers_are_compiled_and_packages_are_not() -> None:
    compiled = modules.compiled_sources(ROOT)
    assert {"engine.core.primary", "harness.sim.world", "harness.checkers.scene"} <= set(compiled)
    assert {"engine.core.messages.answers", "harness.sim.blob_requests"} <= set(compiled)
    assert not {"engine.core.__init__", "harness.checkers.catalogue", "engine.policy"} & set(
        compiled
    )


def test_every_module_that_a_disaster_imports_is_in_the_digest() -> None:
    code = (
        "import sys, harness.sim.disaster, harness.sim.drawing\n"
        "print(*(m.__file__ for n, m in sys.modules.items()"
        " if n.partition('.')[0] in ('engine', 'harness')), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    read = {str(path) for path in simulator_parts.sources(ROOT)}
    assert len(read) > 50
    assert set(done.stdout.split()) <= read


def test_it_is_said_how_the_simulator_is_run() -> None:
    version = simulator_parts.compiler_version(places())
    assert modules.say_simulator(None) == "interpreted"
    assert modules.say_simulator(ROOT) == f"compiled (mypyc {version})"
