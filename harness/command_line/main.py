"""The program `mountproof`: finds the command, runs it, and turns its end into an exit code.

0 held or good · 1 violated or bad · 2 inconclusive, or interrupted · 64 usage or configuration ·
70 an error of ours, whose traceback goes to a file. No output holds a secret.
"""

import importlib
import importlib.metadata
import importlib.util
import io
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from typer._click.exceptions import ClickException  # has no public name; the lock file pins it

from harness.redaction import redact

__all__ = ["COMMANDS", "main", "run"]

INCONCLUSIVE: Final = 2
USAGE: Final = 64
INTERNAL: Final = 70
INTERRUPTED_STATUS: Final = 130
"""What typer makes of Ctrl-C."""

COMMANDS: Final[dict[str, str]] = {
    "certify": "Kill the primary site in mid-write and certify what the standby recovers.",
    "demo": "Break a planted bug under the simulator, in half a minute; nothing else is needed.",
    "swarm": "Run hundreds of drawn disasters a second under the simulator, every claim checked.",
    "explore": "For a workload, crash before, after and with unknown outcome at every request.",
    "mutants": "Plant bugs in the core and see how soon a swarm catches each: the kill matrix.",
    "replay": "Run the disaster of a schedule file again and tell it as a story.",
    "prove": "Prove a disk with every independent reader and a VM; repairs and changes nothing.",
    "bench": "Measure one of the engine's promises about speed.",
    "doctor": "Say which parts of the lab are here, and how to get the others.",
    "explain": "Say what a claim promises, how it is checked, and what is not checked.",
    "report": "Make the reports of a run again from its evidence.",
}


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit code."""
    if not __debug__:
        print("mountproof keeps its assertions on: run it without -O", file=sys.stderr)
        return USAGE
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run_command(arguments)
    except KeyboardInterrupt:
        return _say("interrupted: everything that was started has been stopped", INCONCLUSIVE)
    except BrokenPipeError:
        # Whoever read our output left; writing its rest at exit would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INCONCLUSIVE
    except Exception as error:  # noqa: BLE001 - whatever it is, the user gets one message
        return _explain(error)


def _run_command(arguments: Sequence[str]) -> int:
    wanted = next((word for word in arguments if not word.startswith("-")), "")
    try:
        ended = _program(wanted)(list(arguments), prog_name="mountproof", standalone_mode=False)
    except ClickException as error:
        shown = io.StringIO()  # it quotes the arguments, and one may be a connection string
        error.show(file=shown)
        print(redact(shown.getvalue()), end="", file=sys.stderr)
        return USAGE
    except typer.Abort:
        raise KeyboardInterrupt from None
    status = ended if isinstance(ended, int) else 0
    if status == INTERRUPTED_STATUS:
        raise KeyboardInterrupt
    return status


def _program(wanted: str) -> typer.Typer:
    """All commands; only the wanted one is loaded, of the others the help line is enough."""
    app = typer.Typer(
        name="mountproof",
        help="Continuous replication into a mountable disk, and the proof that it holds.",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_without_command)
    for name, purpose in COMMANDS.items():
        module = f"harness.command_line.{name}"
        if importlib.util.find_spec(module) is None:
            continue
        if name == wanted:
            importlib.import_module(module).register(app)
        else:
            app.command(name, help=purpose)(_not_loaded)
    return app


def _without_command(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Continuous replication into a mountable disk, and the proof that it holds."""
    if version:
        print(importlib.metadata.version("mountproof"))
        raise typer.Exit(0)
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(USAGE)


def _not_loaded() -> None:
    raise AssertionError("a command that was not loaded cannot be called")


def _interrupt(_number: int, _frame: object) -> None:
    """Treat SIGTERM like Ctrl-C: what was started is stopped on the way out."""
    raise KeyboardInterrupt


def _explain(error: Exception) -> int:
    """Print what ended the command: a message of ours, or where its traceback lies."""
    status = getattr(type(error), "exit_code", None)
    if isinstance(status, int):
        return _say(str(error), status)
    kept = _keep_traceback(error)
    return _say(
        f"internal error ({type(error).__name__}): this is a defect of mountproof, not of what it"
        f" looked at; nothing is concluded. Traceback: {kept}",
        INTERNAL,
    )


def _say(text: str, status: int) -> int:
    print(f"mountproof: {redact(text)}", file=sys.stderr, flush=True)
    return status


def _keep_traceback(error: Exception) -> str:
    text = redact("".join(traceback.format_exception(error)))
    descriptor, path = tempfile.mkstemp(prefix="mountproof-error-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return path


if __name__ == "__main__":
    run()
