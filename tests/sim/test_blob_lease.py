"""The lease tables of the documentation (Lease Blob), row by row, and the clock."""

import pytest

from harness.sim.blob_requests import (
    INFINITE,
    AcquireLease,
    BreakLease,
    ChangeLease,
    CreateBlob,
    PutPages,
    ReleaseLease,
    RenewLease,
    Request,
)
from tests.sim.asking import BLOB, A, Asking, B, C, outcome

STATES = ("available", "leased", "breaking", "broken", "expired")


def in_state(state: str) -> Asking:
    """A blob whose lease (A) is in that state."""
    ask = Asking()
    if state != "available":
        ask.acquire(A, seconds=15)
    if state in ("breaking", "broken"):
        ask(BreakLease(blob=BLOB, period=10 if state == "breaking" else 0))
    ask.at = 20.0 if state == "expired" else 1.0
    assert ask.head().lease_state == state
    return ask


def writes(lease: str | None) -> Request:
    return PutPages(blob=BLOB, offset=0, length=512, pages=("x",), lease=lease)


USES = {
    "write with A": (writes(A), (412, 201, 201, 412, 412)),
    "write with B": (writes(B), (412, 409, 412, 412, 412)),
    "write": (writes(None), (201, 412, 412, 201, 201)),
}
READS = {A: (412, 200, 200, 412, 412), B: (412, 409, 409, 412, 412), None: (200,) * 5}
ACTIONS: dict[str, tuple[Request, tuple[int, ...]]] = {
    "acquire A": (AcquireLease(blob=BLOB, seconds=30, proposed=A), (201, 201, 409, 201, 201)),
    "acquire B": (AcquireLease(blob=BLOB, seconds=30, proposed=B), (201, 409, 409, 201, 201)),
    "break 0": (BreakLease(blob=BLOB, period=0), (409, 202, 202, 202, 202)),
    "break 5": (BreakLease(blob=BLOB, period=5), (409, 202, 202, 202, 202)),
    "change A to B": (ChangeLease(blob=BLOB, lease=A, proposed=B), (409, 200, 409, 409, 409)),
    "change B to A": (ChangeLease(blob=BLOB, lease=B, proposed=A), (409, 200, 409, 409, 409)),
    "change B to C": (ChangeLease(blob=BLOB, lease=B, proposed=C), (409,) * 5),
    "renew A": (RenewLease(blob=BLOB, lease=A), (409, 200, 409, 409, 200)),
    "renew B": (RenewLease(blob=BLOB, lease=B), (409,) * 5),
    "release A": (ReleaseLease(blob=BLOB, lease=A), (409, 200, 200, 200, 200)),
    "release B": (ReleaseLease(blob=BLOB, lease=B), (409,) * 5),
}
AFTER = {
    "break 0": ("available", "broken", "broken", "broken", "broken"),
    "break 5": ("available", "breaking", "breaking", "broken", "broken"),
    "renew A": ("available", "leased", "breaking", "broken", "leased"),
    "release A": ("available",) * 5,
    "acquire A": ("leased", "leased", "breaking", "leased", "leased"),
    "write": ("available", "leased", "breaking", "available", "available"),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("row", [*USES, *ACTIONS])
def test_outcomes_of_writes_and_lease_operations(state: str, row: str) -> None:
    request, statuses = (USES | ACTIONS)[row]
    ask = in_state(state)
    etag = ask.blob.etag
    column = STATES.index(state)
    answer = ask(request)
    assert answer.status == statuses[column], outcome(answer)
    if row in AFTER:
        assert ask.head().lease_state == AFTER[row][column]
    assert (ask.blob.etag != etag) == (answer.status == 201 and row.startswith("write"))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("lease", READS)
def test_outcomes_of_reads(state: str, lease: str | None) -> None:
    ask = in_state(state)
    assert ask.head(lease=lease).status == READS[lease][STATES.index(state)]
    assert ask.head().lease_state == state


def test_a_lease_ends_at_its_microsecond_and_locks_until_then() -> None:
    ask = Asking()
    ask.acquire(A, seconds=15)
    ask.at = 14.999_999
    assert outcome(ask.put(0, "x")) == "412 LeaseIdMissing"
    ask.at = 15.0
    assert outcome(ask.put(0, "x", lease=A)) == "412 LeaseLost"
    assert ask.put(0, "x").status == 201


def test_a_renewal_starts_the_duration_anew_and_a_change_does_not() -> None:
    ask = Asking()
    ask.acquire(A, seconds=15)
    ask.at = 10.0
    ask(RenewLease(blob=BLOB, lease=A))
    ask.at = 20.0
    ask(ChangeLease(blob=BLOB, lease=A, proposed=B))
    ask.at = 24.9
    assert ask.head().lease_state == "leased"
    ask.at = 25.0
    assert ask.head().lease_state == "expired"


@pytest.mark.parametrize(
    ("seconds", "period", "left"),
    [(60, None, 50), (60, 5, 5), (15, 60, 5), (60, 0, 0), (INFINITE, None, 0), (INFINITE, 60, 60)],
)
def test_a_break_lasts_for_the_period_or_what_is_left(
    seconds: int, period: int | None, left: int
) -> None:
    ask = Asking()
    ask.acquire(A, seconds)
    ask.at = 10.0
    answer = ask(BreakLease(blob=BLOB, period=period))
    assert answer.lease_seconds == left
    if left:
        ask.at = 10.0 + left - 0.001
        assert ask.put(0, "x", lease=A).status == 201
        ask.at += 0.001
    assert ask.head().lease_state == "broken"


def test_a_second_break_only_shortens() -> None:
    ask = Asking()
    ask.acquire()
    assert ask(BreakLease(blob=BLOB, period=20)).lease_seconds == 20
    assert ask(BreakLease(blob=BLOB, period=50)).lease_seconds == 20
    assert ask(BreakLease(blob=BLOB)).lease_seconds == 20
    assert ask(BreakLease(blob=BLOB, period=3)).lease_seconds == 3


@pytest.mark.parametrize("seconds", [0, 14, 61, -2])
def test_durations_that_the_service_does_not_take(seconds: int) -> None:
    assert outcome(Asking().acquire(A, seconds)) == "400 InvalidHeaderValue"


def test_a_late_duplicate_of_an_old_acquire_revives_a_broken_lease() -> None:
    ask = in_state("broken")
    assert ask.acquire(A).status == 201  # protocol.md F3
    assert ask.put(0, "x", lease=A).status == 201


def test_a_lease_survives_an_overwrite_and_guards_it() -> None:
    ask = Asking()
    ask.acquire()
    create = CreateBlob(blob=BLOB, length=512)
    assert outcome(ask(create)) == "412 LeaseIdMissing"
    assert ask(CreateBlob(blob=BLOB, length=512, lease=A)).status == 201
    assert ask.head(lease=A).lease_state == "leased"


def test_what_a_head_tells_of_a_lease() -> None:
    ask = Asking()
    told = [ask.head()]
    ask.acquire(A, INFINITE)
    told.append(ask.head())
    ask.acquire(A, 60)
    told.append(ask.head())
    ask(BreakLease(blob=BLOB, period=5))
    told.append(ask.head())
    rows = [(head.lease_state, head.lease_status, head.lease_duration) for head in told]
    assert rows == [
        ("available", "unlocked", ""),
        ("leased", "locked", "infinite"),
        ("leased", "locked", "fixed"),
        ("breaking", "locked", ""),
    ]
