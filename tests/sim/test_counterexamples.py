"""Disasters that once broke our core, shrunk; they stay, so that no defect comes back.

forced-failover-meets-a-restart: forced upon a blob whose lease was free, while the primary came
back and took the lease; the standby then waited for ever for that lease to end.

early-put-of-an-open-interval: ours, not the core's. In order interval a part of the open interval
was in the live blob, the pinned point showed what the volume held, and that was taken for rest.

late-answer-to-a-trimmed-write: a checker's. In mode sync a write was answered after a forced
takeover whose disk showed a newer trim there, which is no second writer.

takeover-by-force-during-a-resync: a primary in mode sync that resyncs acknowledges without the
store; a standby that broke its lease did not wait until its authority was over.

a-cut-hidden-by-a-later-grow: stopping, with snapshots refused, the blob's shrink was given up; a
grow that was asked for after it brought the old size back, and with it what had been cut off.

late-answer-to-a-page-that-rotted: a checker's. The same as the trimmed write, but the page had
rotted in the blob before it was mounted, so that the disk did not show the write any more.

throttled-listing: the simulator's and the core's. A listing that was answered 503 was taken for an
empty one, so that the standby refused; it then kept its lease, and waited for that one for ever
when it was asked again.
"""

from pathlib import Path

import pytest

from harness.schedule import load_schedule
from harness.sim.disaster import run_disaster

FOLDER = Path(__file__).resolve().parent / "counterexamples"
FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_breaks_nothing_any_more(path: Path) -> None:
    outcome = run_disaster(load_schedule(path))
    assert outcome.findings == ()
    assert outcome.steps_effective > 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_told_what_it_was(path: Path) -> None:
    assert f"{path.stem}:" in (__doc__ or "")
