"""The program's entry: which exit code a command's end becomes, and that nothing leaks."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from harness.command_line import main as entry
from harness.errors import Inconclusive, MountproofError, UsageError
from harness.redaction import register_secret

ROOT = Path(__file__).resolve().parents[2]
SECRET = "c2VjcmV0LWtleS1vZi1hLXRlc3Q="
register_secret(SECRET)


class OtherError(Exception):
    """An error of another package that says which exit code it stands for."""

    exit_code = 64


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Exception | int], int]:
    """Run `mountproof doctor`, whose work is replaced by the end in question."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run(end: BaseException | int) -> int:
        def command() -> None:
            if isinstance(end, int):
                raise typer.Exit(end)
            raise end

        def register(app: typer.Typer) -> None:
            app.command("doctor")(command)

        monkeypatch.setattr("harness.command_line.doctor.register", register)
        return entry.main(["doctor"])

    return run


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (0, 0),
        (1, 1),
        (2, 2),
        (UsageError("no such file"), 64),
        (Inconclusive("azurite is not here"), 2),
        (MountproofError("ours"), 70),
        (OtherError("bad policy"), 64),
        (ZeroDivisionError("ours too"), 70),
        (KeyboardInterrupt(), 2),
    ],
)
def test_each_end_has_its_exit_code(
    ends: Callable[[BaseException | int], int], end: BaseException | int, status: int
) -> None:
    assert ends(end) == status


def test_a_message_holds_no_secret(
    ends: Callable[[BaseException | int], int], capsys: pytest.CaptureFixture[str]
) -> None:
    ends(UsageError(f"cannot read https://x/y?sig=abc%2Bdef with {SECRET}"))
    shown = capsys.readouterr().err
    assert "cannot read https://x/y?sig=[redacted]" in shown
    assert SECRET not in shown


def test_an_internal_error_is_one_line_and_its_traceback_a_file_without_secrets(
    ends: Callable[[BaseException | int], int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert ends(RuntimeError(f"AccountKey={SECRET};")) == 70
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "internal error (RuntimeError)" in shown
    (kept,) = tmp_path.glob("mountproof-error-*.txt")
    assert str(kept) in shown
    text = kept.read_text()
    assert "Traceback" in text
    assert SECRET not in text + shown


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["doctor", "--nonsense"], ["prove"], ["--nonsense"], []]
)
def test_wrong_usage_ends_with_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(arguments) == 64
    shown = capsys.readouterr()
    assert "Usage: mountproof" in shown.err + shown.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["certify", f"AccountName=a;AccountKey={SECRET}"],
        ["prove", "disk", f"http://x/y?sig={SECRET}"],
    ],
)
def test_an_argument_too_many_is_not_shown_with_its_secret(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.main(arguments) == 64
    shown = capsys.readouterr().err
    assert "unexpected extra argument" in shown
    assert "[redacted]" in shown
    assert SECRET not in shown


def test_help_lists_the_commands_and_loads_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in ("prove", "doctor", "explain", "report"):
        assert f" {name} " in shown
    quick = "import sys; from harness.command_line.main import main; main(['--help']);"
    heavy = "sys.exit(any(name in sys.modules for name in ('numpy', 'azure', 'jinja2')))"
    ended = subprocess.run([sys.executable, "-c", quick + heavy], capture_output=True, check=False)
    assert ended.returncode == 0


def test_each_command_of_the_list_is_there_and_explains_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    modules = (ROOT / "harness" / "command_line").glob("[!_]*.py")
    names = {path.stem for path in modules if "def register(" in path.read_text("utf-8")}
    assert {"prove", "doctor", "explain", "report", "certify"} <= names <= set(entry.COMMANDS)
    for name in sorted(names):
        assert entry.main([name, "--help"]) == 0
        assert f"mountproof {name}" in capsys.readouterr().out


def test_sigterm_ends_a_command_like_ctrl_c() -> None:
    body = (
        "import time, typer; import harness.command_line.doctor as doctor\n"
        "def work() -> None:\n"
        "    try:\n"
        "        print('begun', flush=True); time.sleep(3600)\n"
        "    finally:\n"
        "        print('cleaned up', flush=True)\n"
        "doctor.register = lambda app: app.command('doctor')(work)\n"
        "from harness.command_line.main import main\n"
        "raise SystemExit(main(['doctor']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", body], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    os.kill(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "cleaned up\n")
    assert "interrupted" in err


def test_it_refuses_to_run_without_assertions() -> None:
    ended = subprocess.run(
        [sys.executable, "-O", "-m", "harness.command_line.main", "doctor"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 64
    assert "without -O" in ended.stderr
