"""`python -m engine primary | standby | status | failover | resize | point | points`.

One site as a process, and asking it. Exit codes: 0 done, 2 the store or the asked process is not
there, what was asked is refused or a stop was not orderly, 64 usage or configuration, 70 a bug.
"""

import argparse
import asyncio
import gc
import sys
from pathlib import Path
from typing import Any, NoReturn

from engine import operator_commands
from engine.errors import EngineError, PolicyError
from engine.policy import Policy, parse_policy
from engine.shell.redaction import redact

SITES = ("primary", "standby")
EXIT_USAGE = 64
EXIT_BUG = 70
EXIT_INTERRUPTED = 130
SWITCH_SECONDS = 0.0002
GC_ALLOCATIONS = 100_000


class _Parser(argparse.ArgumentParser):
    """argparse with the exit code that the rest of the project uses for usage errors."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {redact(message)}\n")


def _arguments() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m engine", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    texts = {
        "primary": "protect the policy's volumes until SIGTERM",
        "standby": "watch the primary and take over when it dies, until SIGTERM",
        "status": "ask the processes of both sites that run on this machine",
        "failover": "ask a standby to take a volume over now",
        "resize": "give a protected volume, and its disk, another size",
        "point": "take a recovery point of a volume now",
        "points": "list a volume's recovery points",
    }
    made = {name: commands.add_parser(name, help=text) for name, text in texts.items()}
    for one in made.values():
        one.add_argument("--policy", type=Path, required=True, help="the policy file (TOML)")
    made["primary"].add_argument(
        "--reseed",
        action="store_true",
        help="after an unclean stop, send the volume anew; no failover is possible meanwhile",
    )
    for name in ("status", "resize", "point", "points"):
        made[name].add_argument("--json", action="store_true", help="print one JSON object")
    for name in ("failover", "resize", "point", "points"):
        made[name].add_argument("--volume", required=True, help="the volume's name in the policy")
    made["resize"].add_argument(
        "--size", required=True, help="bytes, or +bytes to grow by; K, M, G, T: powers of 1024"
    )
    for name in ("standby", "failover"):
        made[name].add_argument("--node", default="", help="which standby; the first by default")
    made["failover"].add_argument(
        "--force", action="store_true", help="break a live primary's lease; may lose up to the RPO"
    )
    return parser


def read_policy(path: Path) -> Policy:
    """Read and check a policy file. Raises PolicyError."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PolicyError(f"policy {path}: cannot be read: {reason}") from error
    return parse_policy(text, str(path))


def _end_on_bugs() -> list[BaseException]:
    """End this task when a callback of the loop raises: a machine half way would be a lie.

    The system's refusals (a socket's time-out, say) cost only what they befell. Returns the list in
    which the bug will be.
    """
    task = asyncio.current_task()
    assert task is not None
    bugs: list[BaseException] = []

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        fault = context.get("exception")
        if isinstance(fault, Exception) and not isinstance(fault, OSError):
            bugs.append(fault)
            task.cancel()
        else:
            print(f"engine: {redact(str(fault or context['message']))}", file=sys.stderr)

    asyncio.get_running_loop().set_exception_handler(handle)
    return bugs


async def _run_site(arguments: argparse.Namespace, policy: Policy) -> int:
    bugs = _end_on_bugs()
    try:
        return await _serve_site(arguments, policy)
    except asyncio.CancelledError:
        if not bugs:
            raise
        raise bugs[0] from None


async def _serve_site(arguments: argparse.Namespace, policy: Policy) -> int:
    from engine.shell.credentials import Store, process_environment

    # The loop answers clients while other threads put: it must not wait 5 ms for its turn.
    sys.setswitchinterval(SWITCH_SECONDS)
    # Queued writes are many, long-lived and free of cycles: collecting them often is for nothing.
    gc.set_threshold(GC_ALLOCATIONS)
    folder = arguments.policy.parent
    store = Store(policy, folder, process_environment())
    if arguments.command == "primary":
        from engine.shell.primary_process import PrimaryProcess

        return await PrimaryProcess(policy, folder, store).run(reseed=arguments.reseed)
    from engine.shell.standby_process import StandbyProcess

    site = policy.standby_of(arguments.node)
    return await StandbyProcess(policy, site, folder, store).run()


def _ask_site(asked: argparse.Namespace, policy: Policy) -> int:
    folder = asked.policy.parent
    match asked.command:
        case "status":
            return operator_commands.status(policy, folder, as_json=asked.json)
        case "failover":
            return operator_commands.failover(
                policy, folder, asked.volume, node=asked.node, forced=asked.force
            )
        case "resize":
            return operator_commands.resize(
                policy, folder, asked.volume, asked.size, as_json=asked.json
            )
        case "point":
            return operator_commands.point(policy, folder, asked.volume, as_json=asked.json)
        case _:
            return operator_commands.points(policy, folder, asked.volume, as_json=asked.json)


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = _arguments().parse_args(argv)
    try:
        policy = read_policy(arguments.policy)
        if arguments.command in SITES:
            return asyncio.run(_run_site(arguments, policy))
        return _ask_site(arguments, policy)
    except EngineError as error:
        print(f"engine {arguments.command}: {redact(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"engine {arguments.command}: interrupted before it had started", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as bug:  # noqa: BLE001 the last net: no traceback may show a secret
        print(f"engine {arguments.command}: internal error: {redact(repr(bug))}", file=sys.stderr)
        return EXIT_BUG


if __name__ == "__main__":
    sys.exit(main())
