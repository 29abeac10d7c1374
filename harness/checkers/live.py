"""live: once the faults are over and a core of the system is healed, all comes to rest in time.

At the end of the run nothing is waited for any more, and where the primary protects its volume the
blob equals it, page for page. What it does not verify: how much memory is used on the way (queues
are bounded by the number of operations that a run has), progress while faults go on, pages that
rotted at rest, pages whose write the volume itself refused.
"""

from collections.abc import Mapping

from harness.checkers.checker import Checker
from harness.checkers.history import PAGE_BYTES
from harness.checkers.verdict import show
from harness.sim.page_blob import PageBlob

__all__ = ["Live"]


class Live(Checker):
    """Looks at the end."""

    claim = "live"

    def ended(self, now_us: int, waiting_for: str, blob: PageBlob | None,
              volume: Mapping[int, object] | None) -> None:  # fmt: skip
        """All is at rest and equal."""
        self.count += 1
        if waiting_for:
            text = f"long after the faults were over, something is still waited for: {waiting_for}"
            self.report(now_us, "never-at-rest", text, expected="rest", found=waiting_for)
        elif blob is not None and volume is not None:
            self._compare(now_us, blob, volume)

    def _compare(self, now_us: int, blob: PageBlob, volume: Mapping[int, object]) -> None:
        end = blob.length // PAGE_BYTES - 1
        pages = blob.image()
        differs = [page for page, here in volume.items() if pages.get(page) != here]
        differs += [page for page, there in pages.items() if there and page not in volume]
        for page in sorted(differs):
            if page >= end or page in self.scene.refused or page in self.scene.rotten:
                continue
            expected, found = show(page, volume.get(page)), show(page, pages.get(page))
            text = f"at rest the blob's page {page} differs from the volume's"
            self.report(now_us, "not-converged", text, page, expected, found)
            return
