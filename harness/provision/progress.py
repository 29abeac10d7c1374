"""Says on the terminal what is being set up, and runs commands whose output goes to a log."""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["SetupError", "run_logged", "say"]

_STILL_EVERY_S = 10.0
_TAIL_LINES = 25


class SetupError(Exception):
    """A part could not be set up; the message says which, why and what to do next."""


def say(text: str) -> None:
    """Print one line of progress at once, also into a pipe."""
    print(text, flush=True)


def run_logged(
    title: str,
    argv: Sequence[str],
    log: Path,
    *,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> None:
    """Run a long command with its output in `log`; show its last line every ten seconds.

    SetupError with the log's tail when it exits other than 0 or cannot be started.
    """
    say(f"==> {title}")
    started = time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        except OSError as error:
            raise SetupError(f"{title}: cannot run {argv[0]}: {error.strerror}") from error
        try:
            status = _wait_aloud(title, process, log)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if status != 0:
        raise SetupError(
            f"{title}: {argv[0]} ended with exit code {status}; its last words (all in {log}):\n"
            + "\n".join(_tail(log, _TAIL_LINES))
        )
    say(f"    done in {time.monotonic() - started:.1f} s: {title}")


def _wait_aloud(title: str, process: subprocess.Popen[bytes], log: Path) -> int:
    started = time.monotonic()
    while True:
        try:
            return process.wait(timeout=_STILL_EVERY_S)
        except subprocess.TimeoutExpired:
            last = (_tail(log, 1) or ["..."])[0].strip()[:80]
            say(f"    {time.monotonic() - started:.0f} s: {title}: {last}")


def _tail(log: Path, count: int) -> list[str]:
    lines = log.read_text("utf-8", "replace").replace("\r", "\n").splitlines()
    return [line for line in lines if line.strip()][-count:]
