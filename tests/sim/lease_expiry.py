"""Leases that end by themselves, in the model and in the service: 15 seconds of real time.

All blobs get their 15-second leases first, and wait together while another test runs.
"""

import time

from harness.sim.blob_requests import (
    PAGE_BYTES,
    AcquireLease,
    BreakLease,
    ChangeLease,
    ClearPages,
    CreateBlob,
    PutPages,
    ReadProperties,
    ReleaseLease,
    RenewLease,
    Request,
)
from tests.sim.twin import Twin

MINE, THEIRS = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "ab")
PAGE = (b"\x5a" * PAGE_BYTES,)
WAIT_SECONDS = 15.5
"""Leases are for 15 s; model and service start them some milliseconds apart."""


def put(blob: str, lease: str | None) -> PutPages:
    return PutPages(blob=blob, offset=0, length=PAGE_BYTES, pages=PAGE, lease=lease)


# Blob: what is asked of it once its lease has expired, and the status that is documented.
EXPIRED: dict[str, list[tuple[Request, int]]] = {
    "renew": [
        (put("renew", MINE), 412),
        (ReadProperties(blob="renew", lease=MINE), 412),
        (ChangeLease(blob="renew", lease=MINE, proposed=THEIRS), 409),
        (RenewLease(blob="renew", lease=MINE), 200),
        (put("renew", MINE), 201),
    ],
    "written": [
        (put("written", None), 201),
        (RenewLease(blob="written", lease=MINE), 409),
        (ReleaseLease(blob="written", lease=MINE), 409),
        (BreakLease(blob="written"), 409),
        (ReadProperties(blob="written"), 200),
    ],
    "acquired": [
        (AcquireLease(blob="acquired", seconds=15, proposed=THEIRS), 201),
        (RenewLease(blob="acquired", lease=MINE), 409),
        (put("acquired", MINE), 409),
    ],
    "again": [(AcquireLease(blob="again", seconds=-1, proposed=MINE), 201)],
    "broken": [(BreakLease(blob="broken", period=30), 202), (put("broken", MINE), 412)],
    "released": [(ReleaseLease(blob="released", lease=MINE), 200)],
    "foreign": [(RenewLease(blob="foreign", lease=THEIRS), 409)],
}
# Blob: the break that ends during the wait, and what follows.
BREAKING: dict[str, tuple[BreakLease, list[tuple[Request, int]]]] = {
    "period": (
        BreakLease(blob="period", period=5),
        [
            (RenewLease(blob="period", lease=MINE), 409),
            (put("period", MINE), 412),
            (ClearPages(blob="period", offset=0, length=PAGE_BYTES), 201),
            (ReleaseLease(blob="period", lease=MINE), 409),
        ],
    ),
    "rest": (
        BreakLease(blob="rest"),
        [(AcquireLease(blob="rest", seconds=60, proposed=MINE), 201), (put("rest", MINE), 201)],
    ),
    "longer": (
        BreakLease(blob="longer", period=60),
        [(ReadProperties(blob="longer"), 200), (ReleaseLease(blob="longer", lease=MINE), 200)],
    ),
}


class Expiry:
    """Leases that run out from `begin` on."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.over_at = 0.0

    def begin(self) -> None:
        """Take all leases, break some of them."""
        send = self.twin.send
        for name in (*EXPIRED, *BREAKING):
            send(CreateBlob(blob=name, length=4 * PAGE_BYTES))
        for name in (*EXPIRED, *BREAKING):
            assert send(AcquireLease(blob=name, seconds=15, proposed=MINE)).status == 201
            assert send(put(name, MINE)).status == 201
        for name, (request, _) in BREAKING.items():
            assert send(request).status == 202
            assert send(ReadProperties(blob=name)).lease_state == "breaking"
            assert send(put(name, MINE)).status == 201
        self.over_at = time.monotonic() + WAIT_SECONDS

    def finish(self) -> None:
        """Wait for what is left, then ask everything that depends on an end."""
        time.sleep(max(0.0, self.over_at - time.monotonic()))
        send = self.twin.send
        for name in EXPIRED:
            assert send(ReadProperties(blob=name)).lease_state == "expired"
        for name in BREAKING:
            assert send(ReadProperties(blob=name)).lease_state == "broken"
        for steps in (*EXPIRED.values(), *(steps for _, steps in BREAKING.values())):
            for request, status in steps:
                assert send(request).status == status
                if request.blob not in self.twin.parted:
                    self.twin.check_blob(request.blob)
