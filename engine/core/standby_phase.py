"""Where a standby is, and what its phases have in common."""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """Where the standby is."""

    WAITING = "waiting"
    """No heartbeat was heard since the start: only an operator can fail over."""
    WATCHING = "watching"
    SUSPECTING = "suspecting"
    CONFIRMING = "confirming"
    FENCING = "fencing"
    CHECKING = "checking"
    CLAIMING = "claiming"
    DELAYING = "delaying"
    MOUNTED = "mounted"
    REFUSED = "refused"
    STOPPED = "stopped"


# Named once, for to look up a member of an enum costs more than a call.
SUSPECTING: Final = Phase.SUSPECTING
CONFIRMING: Final = Phase.CONFIRMING
FENCING: Final = Phase.FENCING

ACTING = (Phase.FENCING, Phase.CHECKING, Phase.CLAIMING, Phase.DELAYING)
"""On the way to the mount: a heartbeat changes nothing, once the lease was touched."""

DECIDED = (*ACTING, Phase.MOUNTED, Phase.STOPPED)
"""A failover was begun, or is over."""

AFTER_OWNING = (Phase.CHECKING, Phase.CLAIMING, Phase.DELAYING, Phase.MOUNTED)
"""Phases in which the lease is this standby's, and taken up again when it lapses (H9)."""
