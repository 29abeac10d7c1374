"""Set-up: what it finds missing, when it needs root, and that a second run does nothing."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.provision import (
    debian,
    guest_parts,
    node_parts,
    other_pythons,
    progress,
    python_env,
    simulator_parts,
)
from harness.provision.__main__ import set_up, set_up_lab
from harness.provision.places import Places, places
from harness.provision.progress import SetupError, run_logged
from harness.provision.stamps import digest_of, is_stamped, stamp

ROOT = Path(__file__).resolve().parents[2]


def part(package: str, *, present: bool) -> debian.Part:
    return debian.Part(package, lambda: present)


@pytest.fixture
def where(tmp_path: Path) -> Places:
    return Places(tmp_path / "checkout", tmp_path / "cache")


def forbid(*_: object, **__: object) -> None:
    raise AssertionError("nothing may be run here")


def test_only_what_is_missing_is_named() -> None:
    parts = (part("here", present=True), part("gone", present=False))
    assert debian.missing_packages(parts) == ["gone"]


def test_nothing_is_run_where_everything_is_there(
    where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "run_logged", forbid)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    debian.ensure((part("here", present=True),), where)


def test_another_system_is_told_what_is_missing(
    where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SetupError, match=r"Debian 12 has in: qemu-utils fio\."):
        debian.ensure((part("qemu-utils", present=False), part("fio", present=False)), where)


def test_another_processor_is_told_of_before_anything_is_installed(
    where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(debian, "run_logged", forbid)
    with pytest.raises(SetupError, match="processor is aarch64"):
        debian.ensure((part("fio", present=False),), where)


def test_without_root_and_sudo_it_says_what_root_has_to_run(
    where: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\nexit 0\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError, match="apt-get install --no-install-recommends fio"):
        debian.ensure((part("fio", present=False),), where)


def test_a_package_that_installs_without_its_part_is_no_success(
    where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(debian, "run_logged", lambda title, argv, log: ran.append(" ".join(argv)))
    monkeypatch.setattr(debian, "_lists_are_there", lambda packages: True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(SetupError, match="not found: fio"):
        debian.ensure((part("fio", present=False),), where)
    assert ran[0].endswith("apt-get install -y -q --no-install-recommends fio")


def test_a_failing_step_shows_its_last_words_and_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "step.log"
    script = "echo first; echo it broke here >&2; exit 3"
    with pytest.raises(SetupError, match=r"exit code 3(.|\n)*it broke here") as failure:
        run_logged("A step", ["sh", "-c", script], log)
    assert str(log) in str(failure.value)


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot run no-such-program"):
        run_logged("A step", ["no-such-program"], tmp_path / "log")


def test_a_long_step_shows_that_it_lives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_STILL_EVERY_S", 0.05)
    run_logged("A long step", ["sh", "-c", "echo at work; sleep 0.4"], tmp_path / "log")
    shown = capsys.readouterr().out
    assert shown.startswith("==> A long step\n")
    assert " s: A long step: at work\n" in shown
    assert shown.endswith(" s: A long step\n")


def test_a_stamp_holds_only_for_the_same_inputs(tmp_path: Path) -> None:
    source = tmp_path / "lock"
    source.write_text("one")
    before = digest_of([source], "3.11")
    assert not is_stamped(tmp_path, before)
    stamp(tmp_path, before)
    assert is_stamped(tmp_path, before)
    source.write_text("two")
    assert not is_stamped(tmp_path, digest_of([source], "3.11"))
    assert digest_of([source], "3.11") != digest_of([source], "3.12")


def test_an_interrupted_install_is_started_over(
    where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = node_parts.folder(where)
    home.mkdir(parents=True)
    (home / "half").touch()
    monkeypatch.setattr(node_parts, "run_logged", lambda *_, **__: (home / "whole").touch())
    node_parts.ensure(where)
    assert sorted(path.name for path in home.iterdir() if not path.name.startswith(".")) == [
        "package-lock.json", "package.json", "requirements.txt", "whole",
    ]  # fmt: skip
    monkeypatch.setattr(node_parts, "run_logged", forbid)
    node_parts.ensure(where)


PIP = "pip==26.3 \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\n"
LOCK = f"a==1 \\\n    --hash=sha256:0\n{PIP}z==3\n"


@pytest.fixture
def titles(where: Places, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps that the environment's set-up takes, none of which does anything."""
    told: list[str] = []
    monkeypatch.setattr(python_env, "run_logged", lambda title, *_: told.append(title))
    monkeypatch.setattr(python_env, "_unpack_pip", lambda _: told.append("pip"))
    where.checkout.mkdir()
    (where.checkout / "requirements.txt").write_text(LOCK)
    (where.checkout / "pyproject.toml").write_text("[project]")
    return told


def test_the_environment_is_made_again_when_the_lock_changes(
    where: Places, titles: list[str]
) -> None:
    python_env.ensure(where)
    assert len(titles) == 5
    python_env.ensure(where)
    assert len(titles) == 5
    (where.checkout / "pyproject.toml").write_text("[project] # changed")
    python_env.ensure(where)
    assert titles[5:] == ["Installing mountproof from the checkout"]
    (where.checkout / "requirements.txt").write_text(LOCK.replace("a==1", "a==2"))
    python_env.ensure(where)
    assert len(titles) == 11


def test_pip_is_installed_first_and_by_its_own_digests(where: Places, titles: list[str]) -> None:
    python_env.ensure_pip(where)
    assert titles == ["Making the virtual environment", "pip", "Installing the pinned pip"]
    alone = where.environment / "share" / "mountproof" / "pip" / "requirements.txt"
    assert alone.read_text() == PIP
    python_env.ensure_pip(where)
    assert len(titles) == 3


def test_a_lock_without_pip_is_told_of(where: Places, titles: list[str]) -> None:
    (where.checkout / "requirements.txt").write_text("a==1")
    with pytest.raises(SetupError, match="names no pip"):
        python_env.ensure(where)
    assert "Installing the pinned pip" not in titles


def test_pythons_own_pip_is_enough_to_begin_with(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python_env._unpack_pip(environment)
    ended = subprocess.run(
        [environment / "bin" / "python", "-m", "pip", "--version"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(environment) in ended.stdout


def test_a_certification_does_not_wait_for_a_compiler(
    where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiled simulator is for `make setup`, and its lack of headers no reason to fail."""
    took: list[str] = []

    def step(name: str) -> Callable[..., None]:
        return lambda *_: took.append(name)

    def ensure(parts: tuple[debian.Part, ...], _: Places) -> None:
        if parts is debian.HEADERS:
            raise SetupError("no headers")

    monkeypatch.setattr(debian, "ensure", ensure)
    for module, name in ((python_env, "ensure_pip"), (python_env, "ensure"),
                         (node_parts, "ensure"), (guest_parts, "ensure"),
                         (simulator_parts, "ensure"), (other_pythons, "ensure")):  # fmt: skip
        monkeypatch.setattr(module, name, step(f"{module.__name__.rpartition('.')[2]}.{name}"))
    wanted = {
        "python_env.ensure_pip",
        "python_env.ensure",
        "node_parts.ensure",
        "guest_parts.ensure",
    }
    set_up_lab(where)
    assert set(took) == wanted
    set_up(where)
    assert set(took) == wanted | {"other_pythons.ensure"}
    monkeypatch.setattr(debian, "ensure", lambda *_: None)
    set_up(where)
    assert set(took) == wanted | {"other_pythons.ensure", "simulator_parts.ensure"}


def test_the_cache_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MOUNTPROOF_CACHE", raising=False)
    assert places().cache == ROOT / ".cache"
    monkeypatch.setenv("MOUNTPROOF_CACHE", str(tmp_path))
    assert places().cache == tmp_path


def test_a_wrong_command_is_a_usage_error() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "harness.provision", "nonsense"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 64
    assert "invalid choice: 'nonsense'" in ended.stderr


@pytest.mark.real
def test_a_second_set_up_is_quick_and_changes_nothing() -> None:
    """What is there is found, without network and root; CI has run the first one."""
    for _ in range(2):
        ended = subprocess.run(
            ["make", "-s", "setup"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("==> All parts are there")
