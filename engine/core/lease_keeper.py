"""Keep the lease alive, and know until when it surely is ours (protocol.md H11).

Renewed three times per lease time. The authority deadline counts from when the request was
*issued*, less drift and margin, on this node's monotonic clock; it never relies on an answer's
arrival time.
"""

from collections.abc import Callable

from engine.core.messages import Command, Done, Failed, Refusal, Renew, SetTimer, StoreAnswer
from engine.core.settings import authority_us
from engine.units import SECOND_US

TIMER = "renew"
RETRY_US = SECOND_US


class LeaseKeeper:
    """Renews one lease. `lost` is set when the service says that it is not ours any more.

    awaited: the request whose answer is for it, -1: none.
    """

    def __init__(self, lease_seconds: int, next_id: Callable[[], int]) -> None:
        self._lease_seconds = lease_seconds
        self._next_id = next_id
        self.awaited = -1
        self._sent_us = 0
        self._lease = ""
        self._kept = False
        self.authority_us = 0
        self.lost = False

    def keep(self, now_us: int, lease: str, until_us: int) -> list[Command]:
        """Start keeping a lease whose authority lasts until `until_us` already."""
        self._lease = lease
        self._kept = True
        self.authority_us = until_us
        self.lost = False
        self.awaited = -1
        return self._renew(now_us)

    def forget(self) -> None:
        """Stop renewing; authority ends at once."""
        self._kept = False
        self.awaited = -1
        self.authority_us = 0

    def holds(self, now_us: int) -> bool:
        """Whether the lease surely is ours at `now_us`."""
        return now_us < self.authority_us

    def timer(self, now_us: int) -> list[Command]:
        """Time to renew."""
        if not self._kept or self.awaited >= 0:
            return []
        return self._renew(now_us)

    def handle(self, now_us: int, event: StoreAnswer) -> list[Command]:
        """Take the answer to a renewal."""
        self.awaited = -1
        if not self._kept:
            return []
        if isinstance(event, Done):
            self.authority_us = max(
                self.authority_us, authority_us(self._sent_us, self._lease_seconds)
            )
            return [SetTimer(TIMER, now_us + self._lease_seconds * SECOND_US // 3)]
        if isinstance(event, Failed) and event.refusal in (Refusal.LEASE, Refusal.NOT_FOUND):
            self.lost = True
            self.authority_us = 0
            return []
        return [SetTimer(TIMER, now_us + RETRY_US)]

    def _renew(self, now_us: int) -> list[Command]:
        self._sent_us = now_us
        self.awaited = self._next_id()
        return [Renew(self.awaited, self._lease)]
