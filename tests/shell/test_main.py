"""What `python -m engine` does when something in it is wrong: it ends, and shows no secret."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import engine.__main__ as program
from engine import operator_commands
from engine.policy import Policy
from engine.shell.redaction import register_secret
from tests.shell.test_policy import GOOD


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    (tmp_path / "dr.toml").write_text(GOOD)
    return ["primary", "--policy", str(tmp_path / "dr.toml")]


Serve = Callable[..., object]


def run(monkeypatch: pytest.MonkeyPatch, arguments: list[str], serve: Serve) -> int:
    monkeypatch.setattr(program, "_serve_site", serve)
    return program.main(arguments)


def test_a_bug_in_a_callback_ends_the_process_with_70_and_without_secrets(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    register_secret("s3cr3t-s3cr3t")
    closed: list[str] = []

    async def serve(_: object, __: Policy) -> int:
        def fail() -> None:
            raise ValueError("machine half way with s3cr3t-s3cr3t")

        asyncio.get_running_loop().call_soon(fail)
        try:
            await asyncio.sleep(20)
        finally:
            closed.append("in order")
        return 0

    assert run(monkeypatch, arguments, serve) == 70
    said = capfd.readouterr()
    assert "engine primary: internal error: ValueError" in said.err
    assert "s3cr3t" not in said.err + said.out
    assert "Traceback" not in said.err
    assert closed == ["in order"]


def test_a_refusal_of_the_system_in_a_callback_costs_only_what_it_befell(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    async def serve(_: object, __: Policy) -> int:
        def fail() -> None:
            raise TimeoutError("a socket of long ago, sig=abc")

        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0.05)
        return 0

    assert run(monkeypatch, arguments, serve) == 0
    assert "a socket of long ago, sig=REDACTED" in capfd.readouterr().err


def test_an_argument_too_many_is_not_shown_with_its_secret(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        program.main([*arguments, "AccountName=a;AccountKey=bm90LWEta2V5"])
    assert ended.value.code == 64
    said = capfd.readouterr().err
    assert "unrecognized arguments: AccountName=a;AccountKey=REDACTED" in said
    assert "bm90LWEta2V5" not in said


def test_an_interrupt_before_the_start_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(operator_commands, "status", interrupted)
    assert program.main(["status", *arguments[1:]]) == 130
    assert "interrupted" in capfd.readouterr().err


def test_help_names_every_command() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "engine", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for command in ("primary", "standby", "status", "failover", "resize", "point", "points"):
        assert command in said
