"""Set-up's own command line: `python3 -m harness.provision setup | lab | fresh | lock`.

Exit codes: 0 done, 2 a part could not be had (the message names it), 64 wrong usage.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - older ones must get as far as this message
    sys.exit("mountproof needs Python 3.11 or newer as python3 (Debian 12 has it)")

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from harness.provision import (
    debian,
    guest_parts,
    node_parts,
    other_pythons,
    python_env,
    simulator_parts,
)
from harness.provision.places import Places, places
from harness.provision.progress import SetupError, say


def set_up(where: Places) -> None:
    """Have every part, of the tests too; instant when all are there."""
    _have_parts(where, _simulator_parts, other_pythons.ensure)


def set_up_lab(where: Places) -> None:
    """Have what a certification needs: its swarm is interpreted where no build fits."""
    _have_parts(where)


def _have_parts(where: Places, *besides: Callable[[Places], None]) -> None:
    started = time.monotonic()
    where.cache.mkdir(parents=True, exist_ok=True)
    debian.ensure(debian.FIRST, where)
    with ThreadPoolExecutor(max_workers=3) as side_by_side:  # each mostly waits for another thing
        machine = side_by_side.submit(_machine_parts, where)
        python_env.ensure_pip(where)
        packages = (python_env.ensure, node_parts.ensure)
        for step in [machine, *[side_by_side.submit(ensure, where) for ensure in packages]]:
            step.result()
    for ensure in besides:
        ensure(where)
    say(f"==> All parts are there ({time.monotonic() - started:.1f} s)")


def _machine_parts(where: Places) -> None:
    debian.ensure(debian.LAB, where)
    guest_parts.ensure(where)


def _simulator_parts(where: Places) -> None:
    try:
        debian.ensure(debian.HEADERS, where)
    except SetupError as error:
        say(f"{error}\n    Without them the simulator stays interpreted.")
    else:
        simulator_parts.ensure(where)


def _fresh(where: Places) -> None:
    from harness.provision.fresh import prove_on_fresh_debian

    debian.ensure(debian.FRESH_ROOT, where)
    prove_on_fresh_debian(where)


def _lock(where: Places) -> None:
    from harness.provision.lock import write_locks

    write_locks(where)


_COMMANDS = {"setup": set_up, "lab": set_up_lab, "fresh": _fresh, "lock": _lock}


def main() -> int:
    """Run one command and return the exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m harness.provision", description=__doc__)
    parser.add_argument("command", choices=sorted(_COMMANDS))
    try:
        command = _COMMANDS[parser.parse_args().command]
    except SystemExit as stop:
        return 64 if stop.code else 0
    try:
        command(places())
    except SetupError as error:
        print(f"set-up failed: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("set-up was interrupted; run it again to go on", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
