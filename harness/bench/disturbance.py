"""Was the machine ours while we measured? What others took of it, by the kernel's own accounts.

Processor time of the whole machine, less that of this process and of all its children that have
ended, is what strangers used. The watch therefore goes around everything that a bench starts.
"""

import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

__all__ = ["MachineUse", "MachineWatch", "disturbances"]

STRANGERS_SHARE_MAX: Final = 0.10
STEAL_SHARE_MAX: Final = 0.02
SPREAD_MAX: Final = 0.5
LOAD_PER_PROCESSOR_MAX: Final = 0.75
"""Load average of the minute before the bench; its own load comes after that."""


@dataclass(frozen=True, slots=True)
class MachineUse:
    """Shares of all processors' time during a bench, and the load average before it."""

    strangers_share: float
    steal_share: float
    load_before: float
    switches_forced: int
    """Involuntary context switches of our own processes: another task took their processor."""


@dataclass(frozen=True, slots=True)
class _Account:
    total_s: float
    busy_s: float
    steal_s: float
    ours_s: float
    switches: int


class MachineWatch:
    """Accounts for a span of time; a context manager, asked after its end."""

    def __enter__(self) -> Self:
        self._load = os.getloadavg()[0]
        self._before = self._after = _account()
        return self

    def __exit__(self, *_error: object) -> None:
        self._after = _account()

    @property
    def use(self) -> MachineUse:
        """What was used between entry and exit."""
        before, after = self._before, self._after
        total = max(after.total_s - before.total_s, 1e-9)
        strangers = (after.busy_s - before.busy_s) - (after.ours_s - before.ours_s)
        return MachineUse(
            strangers_share=max(0.0, strangers / total),
            steal_share=(after.steal_s - before.steal_s) / total,
            load_before=self._load,
            switches_forced=after.switches - before.switches,
        )


def disturbances(use: MachineUse, spreads: Mapping[str, float], processors: int) -> list[str]:
    """Why the figures may not be the machine's best: empty if nothing speaks against them."""
    found: list[str] = []
    if use.strangers_share > STRANGERS_SHARE_MAX:
        found.append(
            f"other processes took {use.strangers_share:.0%} of the processors"
            f" (limit {STRANGERS_SHARE_MAX:.0%})"
        )
    if use.steal_share > STEAL_SHARE_MAX:
        found.append(f"the host took {use.steal_share:.0%} (limit {STEAL_SHARE_MAX:.0%})")
    if use.load_before > LOAD_PER_PROCESSOR_MAX * processors:
        found.append(f"the load was {use.load_before:.1f} before the bench began")
    found += [
        f"{name}: one side differs from itself by {value:.0%} (limit {SPREAD_MAX:.0%})"
        for name, value in spreads.items()
        if value > SPREAD_MAX
    ]
    return found


def _account() -> _Account:
    """Seconds since boot of the machine, and of us; see proc(5), /proc/stat."""
    text = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    ticks = [int(word) for word in text.split()[1:9]]
    user, nice, system, _idle, _wait, _irq, _softirq, steal = ticks
    a_second = os.sysconf("SC_CLK_TCK")
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return _Account(
        total_s=sum(ticks) / a_second,
        # Interrupts are left out: those of our own traffic are charged to nobody.
        busy_s=(user + nice + system) / a_second,
        steal_s=steal / a_second,
        ours_s=sum(usage.ru_utime + usage.ru_stime for usage in usages),
        switches=sum(usage.ru_nivcsw for usage in usages),
    )
