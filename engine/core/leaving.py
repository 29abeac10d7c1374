"""The orderly end of a primary: drain, record the ETag by which the next start knows, release.

Nothing may change the blob or the volume once `began`: the ETag that the last HEAD gives is that of
this volume.
"""

from collections.abc import Callable

from engine.core.messages import (
    Command,
    Done,
    Failed,
    Head,
    Refusal,
    Release,
    SetTimer,
    StoreAnswer,
)
from engine.core.primary_status import Phase
from engine.units import SECOND_US

TIMER = "leave"
RETRY_US = SECOND_US // 2


class Leaving:
    """The last requests. `end` is called with what became of it.

    awaited: the request whose answer is for it, -1: none.
    """

    def __init__(
        self, next_id: Callable[[], int], end: Callable[[Phase, str], list[Command]]
    ) -> None:
        self._next_id = next_id
        self._end = end
        self.awaited = -1
        self._lease = ""
        self.began = False
        self.etag = ""

    def begin(self, lease: str) -> None:
        """Everything is in the blob: from here on nothing changes."""
        self.began = True
        self._lease = lease

    def is_waiting(self) -> bool:
        """Whether it began, and no request of it is under way."""
        return self.began and self.awaited < 0

    def look(self) -> list[Command]:
        """Read the ETag."""
        self.awaited = self._next_id()
        return [Head(self.awaited, self._lease)]

    def handle(self, now_us: int, event: StoreAnswer) -> list[Command]:
        """Remember the ETag, then release; whatever becomes of that, it was an orderly end."""
        self.awaited = -1
        if self.etag:
            return self._end(Phase.STOPPED, "stopped in order")
        if isinstance(event, Done) and event.state is not None:
            self.etag = event.state.etag
            self.awaited = self._next_id()
            return [Release(self.awaited, self._lease)]
        if isinstance(event, Failed) and event.refusal in (Refusal.LEASE, Refusal.NOT_FOUND):
            return self._end(Phase.STOPPED, "the lease was lost while stopping: " + event.detail)
        return [SetTimer(TIMER, now_us + RETRY_US)]
