"""A disturbed machine says so, and a quiet one does not."""

import subprocess
import sys
from pathlib import Path

from harness.bench.disturbance import MachineUse, MachineWatch, disturbances

QUIET = MachineUse(strangers_share=0.01, steal_share=0.0, load_before=0.2, switches_forced=3)
BURN = "import time\nend = time.process_time() + 0.6\nwhile time.process_time() < end: pass"


def test_a_quiet_machine_disturbs_nothing() -> None:
    assert disturbances(QUIET, {"r": 0.1}, processors=2) == []


def test_each_disturbance_is_named_with_its_figure_and_its_limit() -> None:
    busy = MachineUse(strangers_share=0.37, steal_share=0.04, load_before=5.5, switches_forced=9)
    found = disturbances(busy, {"steady": 0.2, "shaky": 0.7}, processors=2)
    assert len(found) == 4
    assert "37%" in found[0]
    assert "limit 10%" in found[0]
    assert "4%" in found[1]
    assert "5.5" in found[2]
    assert "shaky" in found[3]
    assert "70%" in found[3]


def test_a_load_counts_by_processor() -> None:
    loaded = MachineUse(strangers_share=0.0, steal_share=0.0, load_before=3.0, switches_forced=0)
    assert disturbances(loaded, {}, processors=2)
    assert not disturbances(loaded, {}, processors=8)


def test_what_our_own_children_use_is_no_disturbance() -> None:
    with MachineWatch() as alone:
        subprocess.run([sys.executable, "-c", BURN], check=True)
    watched = MachineWatch()
    with watched, subprocess.Popen([sys.executable, "-c", BURN]) as stranger:
        # A child that is not reaped inside the watch counts as a stranger.
        while stranger.poll() is None and _cpu_s(stranger.pid) < 0.5:
            pass
        watched.__exit__(None, None, None)
        use = watched.use
        stranger.kill()
    assert 0.0 <= alone.use.strangers_share <= 1.0
    assert 0.0 < use.strangers_share <= 1.0


def _cpu_s(pid: int) -> float:
    text = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii")
    return int(text.split()[0]) / 1e9
