"""Set-up: what it finds missing, when it needs root, and that a second run does nothing."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from harness.provision import debian, node_parts, progress, python_env
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
        "package-lock.json", "package.json", "whole",
    ]  # fmt: skip
    monkeypatch.setattr(node_parts, "run_logged", forbid)
    node_parts.ensure(where)


def test_the_environment_is_made_again_when_the_lock_changes(
    where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    monkeypatch.setattr(python_env, "run_logged", lambda title, *_: titles.append(title))
    where.checkout.mkdir()
    (where.checkout / "requirements.txt").write_text("a==1")
    (where.checkout / "pyproject.toml").write_text("[project]")
    python_env.ensure(where)
    assert len(titles) == 3
    python_env.ensure(where)
    assert len(titles) == 3
    (where.checkout / "pyproject.toml").write_text("[project] # changed")
    python_env.ensure(where)
    assert titles[3:] == ["Installing mountproof from the checkout"]
    (where.checkout / "requirements.txt").write_text("a==2")
    python_env.ensure(where)
    assert len(titles) == 7


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
