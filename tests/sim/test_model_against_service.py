"""The page-blob model and a real service get the same random requests and answer the same.

The service is Azurite, or the account whose connection string is in MOUNTPROOF_TEST_STORE. What
is compared: status, error code, ETag changed or not, sequence number, length, metadata, lease
state, status and duration, snapshot ids, bytes, page ranges, and the listing. Expected are only
the differences listed in harness/sim/deviations.py.

MOUNTPROOF_HYPOTHESIS=nightly draws other and more requests on every run; =shrink draws those of
every run of CI, and takes its minutes to shrink a failure, of which CI tells the whole story.
"""

import os
import sys
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from harness.sim.blob_requests import (
    PAGE_BYTES,
    Answer,
    BreakLease,
    CreateBlob,
    DeleteBlob,
    ReadProperties,
    ReadRequest,
    Request,
)
from harness.sim.page_blob import TABLE
from harness.sim.real_account import RealAccount
from tests.sim.lease_expiry import Expiry
from tests.sim.random_requests import PAGES_MAX, Requests
from tests.sim.twin import Difference, Twin

CI = settings(
    max_examples=55,
    phases=(Phase.generate,),
    stateful_step_count=20,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
SHRINK = settings(CI, phases=(Phase.generate, Phase.shrink))
NIGHTLY = settings(SHRINK, max_examples=2_000, stateful_step_count=40, derandomize=False)
COMMON_CODES = {
    "BlobAlreadyExists", "BlobNotFound", "ConditionNotMet", "InvalidHeaderValue",
    "InvalidPageRange", "LeaseAlreadyPresent", "LeaseIdMismatchWithBlobOperation",
    "LeaseIdMismatchWithLeaseOperation", "LeaseIdMissing",
    "LeaseNotPresentWithBlobOperation", "LeaseNotPresentWithLeaseOperation", "Md5Mismatch",
    "SequenceNumberConditionNotMet", "SnapshotsPresent",
}  # fmt: skip
"""A run that does not even meet most of these compares nothing worth the name."""
SEEDS = st.binary(min_size=4, max_size=4)
MISSING_MAX = 3
"""Requests in a row that may go to a blob that is not there; then it is created."""
PROFILES = {"ci": CI, "shrink": SHRINK, "nightly": NIGHTLY}


class Totals:
    """What all examples of a run have seen."""

    def __init__(self) -> None:
        self.gone: dict[str, str] = {}
        self.shown: set[str] = set()
        self.answers: dict[str, int] = {}

    def count(self, request: Request, answer: Answer) -> None:
        """Keep how often each kind of request had each answer."""
        key = f"{type(request).__name__} {answer.status} {answer.code}".strip()
        self.answers[key] = self.answers.get(key, 0) + 1


class ModelAgainstService(RuleBasedStateMachine):
    """One blob at a time; a fresh one when a deviation has parted model and service."""

    def __init__(self, account: RealAccount, container: str, totals: Totals) -> None:
        super().__init__()
        self.twin = Twin(account, container)
        self.totals = totals
        self.prefix = uuid.uuid4().hex[:10]
        self.used: list[str] = []
        self.name = ""
        self.etags: list[str] = []
        self.missing = 0
        self.fresh_blob()

    def fresh_blob(self) -> None:
        """From now on requests go to another name."""
        self.name = f"{self.prefix}-{len(self.used)}.vhd"
        self.used.append(self.name)
        self.etags = []

    @initialize(pages=st.sampled_from((PAGES_MAX, 16, 8, 8, 3, 1, 0)), number=st.integers(0, 3))
    def first_blob(self, pages: int, number: int) -> None:
        self.send(CreateBlob(blob=self.name, length=pages * PAGE_BYTES, number=number))

    def requests(self, seed: bytes) -> Requests:
        """What draws the next request."""
        blob = self.twin.model.blobs.get(self.name)
        # Hypothesis likes to repeat a seed; the same one later in a story is another request.
        number = (int.from_bytes(seed) << 16) + len(self.twin.story)
        return Requests(number, self.name, blob, self.etags, self.twin.now_us)

    def send(self, request: Request) -> None:
        """Send to both; after all but reads, compare what a HEAD tells as well."""
        try:
            self.totals.count(request, self.twin.send(request))
        except Difference as difference:
            difference.add_note("what led to it:\n" + "\n".join(self.twin.story))
            raise
        if self.name in self.twin.parted:
            self.fresh_blob()
            return
        if not isinstance(request, ReadRequest):
            self.twin.send(ReadProperties(blob=self.name))
        blob = self.twin.model.blobs.get(self.name)
        self.missing = self.missing + 1 if blob is None else 0
        if self.missing >= MISSING_MAX:
            self.send(CreateBlob(blob=self.name, length=8 * PAGE_BYTES))
        if blob is not None and blob.etag not in self.etags:
            self.etags.append(blob.etag)

    @rule(seed=SEEDS)
    def put(self, seed: bytes) -> None:
        self.send(self.requests(seed).put())

    @rule(seed=SEEDS)
    def lease(self, seed: bytes) -> None:
        self.send(self.requests(seed).lease_action())

    @rule(seed=SEEDS)
    def anything(self, seed: bytes) -> None:
        self.send(self.requests(seed).anything())

    @rule(seed=SEEDS)
    def anything_else(self, seed: bytes) -> None:
        self.send(self.requests(seed).anything())

    @rule(seeds=st.lists(SEEDS, min_size=3, max_size=6))
    def several(self, seeds: list[bytes]) -> None:
        for seed in seeds:
            self.send(self.requests(seed).anything())

    def teardown(self) -> None:
        """Everything that is still comparable is compared once more, then removed."""
        try:
            self.twin.check_blob(self.name)
            self.twin.check_listing()
        finally:
            for name in self.used:
                send, container = self.twin.account.send, self.twin.container
                send(container, BreakLease(blob=name, period=0))
                send(container, DeleteBlob(blob=name, snapshots="include"))
            self.totals.gone |= self.twin.gone
            self.totals.shown |= self.twin.shown


@pytest.fixture(scope="module")
def expiry(account: RealAccount) -> Iterator[Expiry]:
    """Leases that run out while the random requests are sent."""
    name = f"expiry-{uuid.uuid4().hex[:12]}"
    assert account.create_container(name) == 201
    expiry = Expiry(Twin(account, name))
    expiry.begin()
    yield expiry
    assert account.delete_container(name) == 202


@pytest.mark.real
@pytest.mark.usefixtures("expiry")
def test_model_and_service_answer_the_same(account: RealAccount, container_name: str) -> None:
    totals = Totals()
    profile = PROFILES[os.environ.get("MOUNTPROOF_HYPOTHESIS", "ci")]

    class Machine(ModelAgainstService):
        def __init__(self) -> None:
            super().__init__(account, container_name, totals)

    run_state_machine_as_test(Machine, settings=profile)
    assert totals.gone == {}, "the service answers as documented: remove it from the table"
    log = "\n".join(f"{totals.answers[key]:5} {key}" for key in sorted(totals.answers))
    sys.stderr.write(f"{log}\n{account.requests} requests; seen: {sorted(totals.shown)}\n")
    succeeded = {key.split()[0] for key in totals.answers if int(key.split()[1]) < 300}
    codes = {key.split()[2] for key in totals.answers if len(key.split()) > 2}
    assert succeeded == {kind.__name__ for kind in TABLE}, "some request never succeeded"
    assert len(COMMON_CODES - codes) <= 3, "hardly any condition was exercised"


@pytest.mark.real
def test_leases_that_end_by_themselves(expiry: Expiry) -> None:
    expiry.finish()
    assert expiry.twin.gone == {}
    expected = {"foreign-lease-412", "lease-lost-code", "anyone-renews-expired"}
    assert expiry.twin.shown == (expected if expiry.twin.account.is_azurite else set())
