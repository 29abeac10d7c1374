"""A planted bug by its name, for a replay, a demonstration or one chunk of a swarm.

The bug is there within the block and in this process only; the system is then not the reference,
so that what the bug breaks inside the core is its finding and not a defect of ours.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

from harness.errors import UsageError
from harness.mutants.mutant import Mutant, planted
from harness.sim.system import REFERENCE, Reference, System, load_system

__all__ = ["find_bug", "system_under_test"]


def find_bug(name: str, option: str = "--planted") -> Mutant:
    """The planted bug of this name. Raises UsageError with the names that are close."""
    from harness.mutants.catalogue import CATALOGUE

    try:
        return CATALOGUE[name]
    except KeyError:
        near = get_close_matches(name, CATALOGUE) or sorted(CATALOGUE)
        text = f"{option} {name!r}: there is no such bug; try {', '.join(near)}"
        raise UsageError(text) from None


@contextmanager
def system_under_test(core: str = "", bug: str = "") -> Iterator[System]:
    """Yield the system: ours, ours with a planted bug, or one that lies where we were started."""
    if core and bug:
        raise UsageError("--core and --planted: a planted bug is one of our own core")
    if bug:
        with planted(find_bug(bug)):
            yield Reference()
    elif core:
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))
        yield load_system(core)
    else:
        yield REFERENCE
