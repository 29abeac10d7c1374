"""A container of page blobs: finds the blob of a request, and knows what only names decide."""

from harness.sim import blob_conditions as refuse
from harness.sim.blob_requests import Answer, CreateBlob, DeleteBlob, Listed, ReadRequest, Request
from harness.sim.blob_state import BlobState, EtagSource
from harness.sim.page_blob import PageBlob


class Container:
    """All blobs of one container, by name, in the order in which they were created."""

    __slots__ = ("blobs", "etags")

    def __init__(self) -> None:
        self.blobs: dict[str, PageBlob] = {}
        self.etags = EtagSource()

    def apply(self, now_us: int, request: Request) -> Answer:
        """One request reaching the service at `now_us`, which never goes back."""
        blob = self.blobs.get(request.blob)
        if blob is None:
            refusals = self._refusals_of_nothing(request)
            return refusals[0] if refusals else self._create(now_us, request)
        answer = blob.apply(now_us, request)
        if isinstance(request, DeleteBlob) and not answer.refused and _whole(request):
            del self.blobs[request.blob]
        return answer

    def refusals(self, now_us: int, request: Request) -> list[Answer]:
        """Every reason to refuse it now; which one the service names is not documented."""
        blob = self.blobs.get(request.blob)
        if blob is None:
            return self._refusals_of_nothing(request)
        return blob.refusals(now_us, request)

    def list_blobs(self) -> list[Listed]:
        """List Blobs with snapshots and metadata, in the order of names."""
        return [row for name in sorted(self.blobs) for row in self.blobs[name].listed()]

    def _create(self, now_us: int, request: Request) -> Answer:
        assert isinstance(request, CreateBlob)
        blob = self.blobs[request.blob] = PageBlob(request.blob, self.etags)
        return blob.create(now_us, request)

    @staticmethod
    def _refusals_of_nothing(request: Request) -> list[Answer]:
        """What refuses a request for a blob that is not there."""
        refusals: list[Answer] = []
        if isinstance(request, CreateBlob):
            if request.snapshot:
                refusals.append(refuse.SNAPSHOT_IS_READ_ONLY)
            if request.lease is not None:
                refusals.append(refuse.LEASE_WITHOUT_BLOB)
            if bad := refuse.create_values(None, 0, request):
                refusals.append(bad)
        else:
            refusals.append(refuse.NOT_FOUND)
            nothing = BlobState(request.blob, EtagSource())
            checks = refuse.OF_THE_REQUEST_ALONE.get(type(request), ())
            refusals += [bad for check in checks if (bad := check(nothing, 0, request))]
        if isinstance(request, ReadRequest) and request.if_none_match == "*":
            refusals.append(refuse.UNSATISFIABLE)
        if request.if_match is not None:
            both = request.if_none_match is not None
            refusals.append(refuse.TWO_CONDITIONS if both else refuse.CONDITION)
        return refusals


def _whole(request: DeleteBlob) -> bool:
    return not request.snapshot and request.snapshots != "only"
