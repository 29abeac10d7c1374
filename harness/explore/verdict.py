"""What a swarm's figures mean: the exit code, and what was never exercised.

A claim that no disaster exercised and a fault that never fired are not coverage: such a swarm is
inconclusive, however few findings it has. Faults are rarer than claims, so they are demanded only
of a swarm that is large enough to meet them all.
"""

from collections.abc import Iterable, Mapping
from typing import Final

__all__ = ["ALL_FAULTS_FROM", "exit_code", "never_exercised", "never_fired"]

ALL_FAULTS_FROM: Final = 4_000
HELD: Final = 0
VIOLATED: Final = 1
INCONCLUSIVE: Final = 2


def never_exercised(exercised: Mapping[str, int], claims: Iterable[str]) -> list[str]:
    """Claims that have nothing behind them."""
    return [claim for claim in claims if not exercised.get(claim)]


def never_fired(fired: Mapping[str, int], faults: Iterable[str]) -> list[str]:
    """Faults of the catalogue without one real effect."""
    return [fault for fault in faults if not fired.get(fault)]


def exit_code(
    *, disasters: int, findings: int, interrupted: bool, unexercised: int, unfired: int
) -> int:
    """1 with a finding, 2 if it was cut short or did not reach everything, else 0."""
    if findings:
        return VIOLATED
    lacking = unexercised or (unfired and disasters >= ALL_FAULTS_FROM)
    return INCONCLUSIVE if interrupted or lacking or not disasters else HELD
