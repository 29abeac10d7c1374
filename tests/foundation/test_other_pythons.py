"""Other Pythons: which are found, that a shim is none, that an environment is made once."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.provision import other_pythons
from harness.provision.other_pythons import OtherPython, at_hand, ensure, locked_part, ready
from harness.provision.places import Places
from harness.provision.progress import SetupError

LOCK = """a==1 \\
    --hash=sha256:aa
msgspec==0.22.0 \\
    --hash=sha256:01 \\
    --hash=sha256:02
numpy==2 \\
    --hash=sha256:03
"""


@pytest.fixture
def where(tmp_path: Path) -> Places:
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "requirements.txt").write_text(LOCK)
    return Places(tmp_path / "checkout", tmp_path / "cache")


def program(folder: Path, minor: int, answer: str, status: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"python3.{minor}"
    file.write_text(f"#!/bin/sh\necho '{answer}'\nexit {status}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty PATH, without pyenv."""
    other_pythons._pyenv_root.cache_clear()
    monkeypatch.setenv("PATH", f"{tmp_path / 'one'}:{tmp_path / 'two'}")
    yield tmp_path
    other_pythons._pyenv_root.cache_clear()


def test_one_of_each_other_version_is_found_and_a_shim_of_none_is_not(path: Path) -> None:
    other, another = (minor for minor in (11, 12, 13) if minor != sys.version_info.minor)
    program(path / "one", other, "no such version here", 127)
    whole = program(path / "two", other, f'["cpython", 3, {other}, "3.{other}.9"]')
    program(path / "one", another, f'["pypy", 3, {another}, "3.{another}.1"]')
    program(path / "one", sys.version_info.minor, '["cpython", 3, 11, "3.11.1"]')
    assert at_hand() == [OtherPython(other, whole, f"3.{other}.9")]


def test_those_of_pyenv_are_found_too(path: Path) -> None:
    minor = 13 if sys.version_info.minor != 13 else 12
    root = path / "pyenv"
    (path / "one").mkdir()
    (path / "one" / "pyenv").write_text(f"#!/bin/sh\necho {root}\n")
    (path / "one" / "pyenv").chmod(0o755)
    (root / "versions" / f"3.{minor}.2").mkdir(parents=True)
    told = f'["cpython", 3, {minor}, "3.{minor}.2"]'
    file = program(root / "versions" / f"3.{minor}.2" / "bin", minor, told)
    assert at_hand() == [OtherPython(minor, file, f"3.{minor}.2")]


def test_only_what_the_simulator_needs_is_installed_with_its_hashes() -> None:
    part = locked_part(LOCK)
    assert part.splitlines()[0] == "msgspec==0.22.0 \\"
    assert "--hash=sha256:02" in part
    assert "numpy" not in part
    with pytest.raises(SetupError, match="does not pin"):
        locked_part("a==1\n")


def test_an_environment_is_made_once_and_again_when_the_lock_changes(
    where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = OtherPython(12, Path("python3.12"), "3.12.1")
    ran: list[Sequence[str]] = []

    def run(_title: str, argv: Sequence[str], _log: Path) -> None:
        ran.append(argv)
        python.environment(where).mkdir(exist_ok=True)

    monkeypatch.setattr(other_pythons, "run_logged", run)
    monkeypatch.setattr(other_pythons, "at_hand", lambda: [python])
    assert ready(python, where) is None
    ensure(where)
    assert ready(python, where) == python.environment(where) / "bin" / "python"
    assert [argv[1:3] for argv in ran] == [["-m", "venv"], ["-m", "pip"]]
    assert {"--require-hashes", "--no-deps"} <= set(ran[1])
    ensure(where)
    assert len(ran) == 2
    (where.checkout / "requirements.txt").write_text(LOCK.replace("01", "09"))
    assert ready(python, where) is None
    ensure(where)
    assert len(ran) == 4


def test_one_that_cannot_be_made_is_told_and_does_not_end_set_up(
    where: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise SetupError("no network")

    monkeypatch.setattr(other_pythons, "run_logged", fail)
    python = OtherPython(12, Path("python3.12"), "3.12.1")
    monkeypatch.setattr(other_pythons, "at_hand", lambda: [python])
    ensure(where)
    assert "no network" in capsys.readouterr().out
    assert ready(python, where) is None
