"""The page-blob model and a real service get the same random requests and answer the same.

The service is Azurite, or the account whose connection string is in MOUNTPROOF_TEST_STORE. What
is compared: status, error code, ETag changed or not, sequence number, length, metadata, lease
state, status and duration, snapshot ids, bytes, page ranges, and the listing. Expected are only
the differences listed in harness/sim/deviations.py.

MOUNTPROOF_HYPOTHESIS=nightly draws other and more requests on every run.
"""

import os
import sys
import uuid

import pytest
from hypothesis import HealthCheck, settings
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
from harness.sim.real_account import RealAccount
from tests.sim.request_strategies import PAGES_MAX, Requests
from tests.sim.twin import Difference, Twin

CI = settings(
    max_examples=35,
    phases=(__import__("hypothesis").Phase.generate,),
    stateful_step_count=30,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
NIGHTLY = settings(CI, max_examples=2_000, stateful_step_count=60, derandomize=False)
PROFILES = {"ci": CI, "nightly": NIGHTLY}


class Totals:
    """What all examples of a run have seen."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
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
        self.fresh_blob()

    def fresh_blob(self) -> None:
        """From now on requests go to another name."""
        self.name = f"{self.prefix}-{len(self.used)}.vhd"
        self.used.append(self.name)
        self.etags = []

    @initialize(pages=st.integers(0, PAGES_MAX), number=st.integers(0, 3))
    def first_blob(self, pages: int, number: int) -> None:
        self.send(CreateBlob(blob=self.name, length=pages * PAGE_BYTES, number=number))

    def requests(self, data: st.DataObject) -> Requests:
        """What draws the next request."""
        blob = self.twin.model.blobs.get(self.name)
        return Requests(data.draw, self.name, blob, self.etags, self.twin.now_us)

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
        if blob is not None and blob.etag not in self.etags:
            self.etags.append(blob.etag)

    @rule(data=st.data())
    def create(self, data: st.DataObject) -> None:
        self.send(self.requests(data).create())

    @rule(data=st.data())
    def put(self, data: st.DataObject) -> None:
        self.send(self.requests(data).put())

    @rule(data=st.data(), clears=st.integers(0, 2))
    def put_or_clear(self, data: st.DataObject, clears: int) -> None:
        draw = self.requests(data)
        self.send(draw.clear() if clears else draw.put())

    @rule(data=st.data(), resizes=st.booleans())
    def set_properties(self, data: st.DataObject, resizes: bool) -> None:
        draw = self.requests(data)
        self.send(draw.resize() if resizes else draw.set_number())

    @rule(data=st.data(), snapshot=st.integers(0, 2))
    def metadata_or_snapshot(self, data: st.DataObject, snapshot: int) -> None:
        draw = self.requests(data)
        self.send(draw.take_snapshot() if snapshot else draw.set_metadata())

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.send(self.requests(data).delete())

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        self.send(self.requests(data).read())

    @rule(data=st.data())
    def lease(self, data: st.DataObject) -> None:
        self.send(self.requests(data).lease_action())

    @rule(data=st.data())
    def lease_again(self, data: st.DataObject) -> None:
        self.send(self.requests(data).lease_action())

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


@pytest.mark.real
def test_model_and_service_answer_the_same(account: RealAccount, container_name: str) -> None:
    totals = Totals()
    profile = PROFILES[os.environ.get("MOUNTPROOF_HYPOTHESIS", "ci")]

    class Machine(ModelAgainstService):
        def __init__(self) -> None:
            super().__init__(account, container_name, totals)

    run_state_machine_as_test(Machine, settings=profile)
    assert totals.gone == set(), "the service answers as documented: remove it from the table"
    refused = {key for key in totals.answers if int(key.split()[1]) >= 300}
    log = "\n".join(f"{totals.answers[key]:5} {key}" for key in sorted(totals.answers))
    sys.stderr.write(f"{log}\n{account.requests} requests; seen: {sorted(totals.shown)}\n")
    assert len(refused) >= 40, "hardly any condition was exercised"
    assert len(totals.answers) - len(refused) >= 15, "some request never succeeded"
