"""The lease of one blob: five states on an injected clock.

Source: Azure REST, Lease Blob, the table "Outcomes of lease operations on blobs by lease state"
and the remarks on version 2012-02-12. Codes are those of "Blob service error codes"; where that
page leaves open which of two it is, the one measured on Azurite. Ids are compared as they are:
the service ignores upper and lower case and wants GUIDs, which is not modelled.

Times are microseconds of the caller's clock. A lease that ends at T is no longer active at T.
"""

from typing import Final

from harness.sim.blob_requests import (
    INFINITE,
    AcquireLease,
    Answer,
    BreakLease,
    ChangeLease,
    ReleaseLease,
    RenewLease,
)

SECOND_US: Final = 1_000_000
SECONDS_MIN: Final = 15
SECONDS_MAX: Final = 60

AVAILABLE: Final = "available"
LEASED: Final = "leased"
EXPIRED: Final = "expired"
BREAKING: Final = "breaking"
BROKEN: Final = "broken"

BAD_VALUE: Final = Answer(400, "InvalidHeaderValue")
ALREADY_PRESENT: Final = Answer(409, "LeaseAlreadyPresent")
NOT_PRESENT: Final = Answer(409, "LeaseNotPresentWithLeaseOperation")
MISMATCH: Final = Answer(409, "LeaseIdMismatchWithLeaseOperation")
BREAKING_NO_ACQUIRE: Final = Answer(409, "LeaseIsBreakingAndCannotBeAcquired")
BREAKING_NO_CHANGE: Final = Answer(409, "LeaseIsBreakingAndCannotBeChanged")
BROKEN_NO_RENEW: Final = Answer(409, "LeaseIsBrokenAndCannotBeRenewed")


class Lease:
    """Who may write, and until when. `id` stays known when the lease has expired or was broken."""

    __slots__ = ("breaks_us", "id", "seconds", "until_us")

    def __init__(self) -> None:
        self.id = ""
        self.seconds = 0
        self.until_us: int | None = None
        """End of a finite lease; None for an infinite one."""
        self.breaks_us: int | None = None
        """End of the break period once it was broken."""

    def state(self, now_us: int) -> str:
        """One of the five states at this moment."""
        if not self.id:
            return AVAILABLE
        if self.breaks_us is not None:
            return BREAKING if now_us < self.breaks_us else BROKEN
        if self.until_us is None or now_us < self.until_us:
            return LEASED
        return EXPIRED

    def locked(self, now_us: int) -> bool:
        """Whether writes need the id: leased, or breaking."""
        if not self.id:
            return False
        if self.breaks_us is not None:
            return now_us < self.breaks_us
        return self.until_us is None or now_us < self.until_us

    def duration(self, now_us: int) -> str:
        """Header `x-ms-lease-duration`: only a lease in state leased has one."""
        if self.state(now_us) != LEASED:
            return ""
        return "infinite" if self.until_us is None else "fixed"

    def forget(self) -> None:
        """Make it available: released, or written past after it had ended."""
        self.id = ""
        self.seconds = 0
        self.until_us = self.breaks_us = None

    # ── what refuses each action; None: nothing does ──────────────────────────────────────────

    def refuse_acquire(self, now_us: int, request: AcquireLease) -> Answer | None:
        """An active lease can be acquired again under its own id only, a breaking one not."""
        state = self.state(now_us)
        if state == BREAKING:
            return BREAKING_NO_ACQUIRE if request.proposed == self.id else ALREADY_PRESENT
        if state == LEASED and request.proposed != self.id:
            return ALREADY_PRESENT
        return None

    def refuse_renew(self, request: RenewLease) -> Answer | None:
        """Leased and expired leases are renewable by their id, broken ones not."""
        if not self.id or request.lease != self.id:
            return MISMATCH
        return BROKEN_NO_RENEW if self.breaks_us is not None else None

    def refuse_change(self, now_us: int, request: ChangeLease) -> Answer | None:
        """Only an active lease, by its id, or again by the id it was changed to."""
        state = self.state(now_us)
        if state == LEASED:
            return None if self.id in (request.lease, request.proposed) else MISMATCH
        if state == BREAKING:
            return BREAKING_NO_CHANGE if request.lease == self.id else MISMATCH
        return NOT_PRESENT

    def refuse_release(self, request: ReleaseLease) -> Answer | None:
        """By its id in every state but available."""
        return None if self.id and request.lease == self.id else MISMATCH

    def refuse_break(self) -> Answer | None:
        """Whoever asks, if there is or was a lease."""
        return None if self.id else NOT_PRESENT

    # ── actions that nothing refused ──────────────────────────────────────────────────────────

    def acquire(self, now_us: int, request: AcquireLease) -> None:
        """Active from now on."""
        self.id = request.proposed
        self.breaks_us = None
        self.seconds = request.seconds
        self._start(now_us)

    def renew(self, now_us: int) -> None:
        """Active from now on, as long as it was acquired for."""
        self._start(now_us)

    def break_(self, now_us: int, request: BreakLease) -> int:
        """Return the seconds for which it stays locked; a later break only shortens them."""
        state = self.state(now_us)
        if state == BREAKING:
            assert self.breaks_us is not None
            self.breaks_us = self._break_end(now_us, request.period, self.breaks_us)
        elif state == LEASED:
            self.breaks_us = self._break_end(now_us, request.period, self.until_us)
        elif state == EXPIRED:
            self.breaks_us = now_us
        assert self.breaks_us is not None
        left_us = max(0, self.breaks_us - now_us)
        return (left_us + SECOND_US // 2) // SECOND_US

    def _start(self, now_us: int) -> None:
        infinite = self.seconds == INFINITE
        self.until_us = None if infinite else now_us + self.seconds * SECOND_US

    @staticmethod
    def _break_end(now_us: int, period: int | None, end_us: int | None) -> int:
        """`end_us` is when it would end by itself; None: never, then no period means now."""
        if period is None:
            return now_us if end_us is None else end_us
        asked = now_us + period * SECOND_US
        return asked if end_us is None else min(asked, end_us)


def refuse_values(request: AcquireLease | BreakLease) -> Answer | None:
    """Durations and periods that the service does not take."""
    if isinstance(request, AcquireLease):
        seconds = request.seconds
        good = seconds == INFINITE or SECONDS_MIN <= seconds <= SECONDS_MAX
    else:
        good = request.period is None or 0 <= request.period <= SECONDS_MAX
    return None if good else BAD_VALUE
