"""`python -m engine primary | standby | status | failover`: one site as a process, and asking it.

Exit codes: 0 done, 2 the store or the asked process is not there, a failover is refused or a stop
was not orderly, 64 usage or configuration, 70 a bug.
"""

import argparse
import asyncio
import gc
import json
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from engine.core.standby_phase import Phase
from engine.errors import EngineError, PolicyError
from engine.policy import Policy, parse_policy
from engine.shell.control import Answer, ask
from engine.shell.redaction import redact

EXIT_USAGE = 64
EXIT_BUG = 70
EXIT_INTERRUPTED = 130
SWITCH_SECONDS = 0.0002
GC_ALLOCATIONS = 100_000
UNDECIDED = (Phase.SUSPECTING, Phase.CONFIRMING)
DECISION_SECONDS = 10.0
DECISION_POLL_SECONDS = 0.1


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
        "failover": "ask the standby to take a volume over now",
    }
    made = {name: commands.add_parser(name, help=text) for name, text in texts.items()}
    for one in made.values():
        one.add_argument("--policy", type=Path, required=True, help="the policy file (TOML)")
    made["primary"].add_argument(
        "--reseed",
        action="store_true",
        help="after an unclean stop, send the volume anew; no failover is possible meanwhile",
    )
    made["status"].add_argument("--json", action="store_true", help="print one JSON object")
    made["failover"].add_argument("--volume", required=True, help="the volume's name in the policy")
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

    return await StandbyProcess(policy, folder, store).run()


def _status(arguments: argparse.Namespace, policy: Policy) -> int:
    folder = arguments.policy.parent
    request: Answer = {"request": "status"}
    sites = {
        "primary": ask(folder / policy.primary.state, request),
        "standby": ask(folder / policy.standby.state, request),
    }
    if arguments.json:
        print(json.dumps(sites))
    else:
        for site, answer in sites.items():
            _print_site(site, answer)
    return 0 if any(sites.values()) else 2


def _print_site(site: str, answer: Answer | None) -> None:
    if answer is None:
        print(f"{site}: no process runs here")
        return
    if "error" in answer:
        print(f"{site}: {answer['error']}")
        return
    print(f"{site}: node {answer['node']}")
    volumes = answer["volumes"]
    assert isinstance(volumes, dict)
    for name, facts in volumes.items():
        told = [f"{key} {_show(value)}" for key, value in facts.items() if value not in ("", 0, -1)]
        told += [f"{key} no" for key, value in facts.items() if value is False]
        print(f"  {name}: {', '.join(told)}")


def _show(value: object) -> object:
    return "yes" if value is True else value


def _failover(arguments: argparse.Namespace, policy: Policy) -> int:
    policy.volume(arguments.volume)
    request: Answer = {
        "request": "failover",
        "volume": arguments.volume,
        "forced": arguments.force,
    }
    state = arguments.policy.parent / policy.standby.state
    answer = _decided(state, arguments.volume, ask(state, request))
    if answer is None:
        print("no standby process runs on this machine: start `python -m engine standby` first")
        return 2
    if answer.get("phase") == Phase.REFUSED:
        answer = {**answer, "refused": answer["reason"]}
    if "refused" in answer:
        print(f"failover of {arguments.volume} is refused: {answer['refused']}")
        return 2
    print(answer.get("error") or json.dumps(answer))
    return EXIT_USAGE if "error" in answer else 0


def _decided(state: Path, volume: str, answer: Answer | None) -> Answer | None:
    """What became of an asked failover: the standby looks at the blob before it begins or refuses.

    A store that does not answer leaves it open; then the answer says so in its `reason`.
    """
    deadline = time.monotonic() + DECISION_SECONDS
    while answer is not None and answer.get("phase") in UNDECIDED and time.monotonic() < deadline:
        time.sleep(DECISION_POLL_SECONDS)
        site = ask(state, {"request": "status"})
        volumes = site.get("volumes") if site is not None else None
        answer = {"volume": volume, **volumes[volume]} if isinstance(volumes, dict) else site
    return answer


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = _arguments().parse_args(argv)
    try:
        policy = read_policy(arguments.policy)
        match arguments.command:
            case "status":
                return _status(arguments, policy)
            case "failover":
                return _failover(arguments, policy)
            case _:
                return asyncio.run(_run_site(arguments, policy))
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
