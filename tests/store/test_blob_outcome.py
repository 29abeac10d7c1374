"""Which answer means what: protocol.md section 3 and Azure's list of error codes."""

import pytest

from engine.core.messages import (
    Acquire,
    Create,
    DeleteSnapshot,
    Failed,
    Head,
    Put,
    Refusal,
    Renew,
    Resize,
    StoreCommand,
    Unknown,
)
from engine.shell.blob_outcome import error_code, failure, is_certain, refusal_of

PUT = Put(1, 0, 512, (), "lease", 1, None)
CHAINED = Put(1, 0, 512, (), "lease", 1, '"e"')
CREATE = Create(2, 512, (), 0)


@pytest.mark.parametrize(
    ("status", "certain"),
    [
        *((status, False) for status in (200, 201, 500, 501, 502, 504, 599)),
        *((status, True) for status in (304, 307, 400, 404, 412, 499, 503)),
    ],
)
def test_only_3xx_4xx_and_503_are_certain(*, status: int, certain: bool) -> None:
    assert is_certain(status) is certain
    outcome = failure(PUT, status, "", "Put")
    assert isinstance(outcome, Failed if certain else Unknown)
    assert outcome.id == PUT.id
    assert str(status) in outcome.detail


@pytest.mark.parametrize(
    ("status", "code", "refusal"),
    [
        (412, "LeaseIdMissing", Refusal.LEASE),
        (412, "LeaseIdMismatchWithBlobOperation", Refusal.LEASE),
        (409, "LeaseIdMismatchWithBlobOperation", Refusal.LEASE),
        (412, "LeaseLost", Refusal.LEASE),
        (412, "LeaseNotPresentWithBlobOperation", Refusal.LEASE),
        (409, "LeaseAlreadyPresent", Refusal.LEASE),
        (409, "LeaseIsBrokenAndCannotBeRenewed", Refusal.LEASE),
        (409, "LeaseIsBreakingAndCannotBeAcquired", Refusal.LEASE),
        (409, "LeaseNotPresentWithLeaseOperation", Refusal.LEASE),
        (412, "SequenceNumberConditionNotMet", Refusal.SEQUENCE),
        (412, "ConditionNotMet", Refusal.ETAG),
        (400, "Md5Mismatch", Refusal.CHECKSUM),
        (400, "Crc64Mismatch", Refusal.CHECKSUM),
        (416, "InvalidPageRange", Refusal.RANGE),
        (416, "InvalidRange", Refusal.RANGE),
        (416, "", Refusal.RANGE),
        (413, "RequestBodyTooLarge", Refusal.RANGE),
        (413, "", Refusal.RANGE),
        (503, "ServerBusy", Refusal.BUSY),
        (503, "", Refusal.BUSY),
        (429, "TooManyRequests", Refusal.BUSY),
        (404, "BlobNotFound", Refusal.NOT_FOUND),
        (404, "ContainerNotFound", Refusal.NOT_FOUND),
        (409, "ContainerBeingDeleted", Refusal.NOT_FOUND),
        (404, "", Refusal.NOT_FOUND),
        (409, "BlobAlreadyExists", Refusal.EXISTS),
        (403, "AuthenticationFailed", Refusal.AUTH),
        (403, "AuthorizationFailure", Refusal.AUTH),
        (403, "AuthorizationPermissionMismatch", Refusal.AUTH),
        (400, "InvalidAuthenticationInfo", Refusal.AUTH),
        (401, "", Refusal.AUTH),
        (409, "SnapshotCountExceeded", Refusal.LIMIT),
        (409, "SnaphotOperationRateExceeded", Refusal.LIMIT),
        (400, "InvalidHeaderValue", Refusal.INVALID),
        (409, "PendingCopyOperation", Refusal.INVALID),
        (400, "", Refusal.INVALID),
        (307, "", Refusal.INVALID),
    ],
)
def test_a_refusal_is_named_by_its_code_and_else_by_its_status(
    status: int, code: str, refusal: Refusal
) -> None:
    assert refusal_of(PUT, status, code) is refusal
    outcome = failure(PUT, status, code, "Put of c/b")
    assert isinstance(outcome, Failed)
    assert (outcome.refusal, outcome.status, outcome.code) == (refusal, status, code)


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (PUT, Refusal.SEQUENCE),
        (CHAINED, Refusal.ETAG),
        (CREATE, Refusal.EXISTS),
        (Head(3, "lease"), Refusal.LEASE),
        (Renew(4, "lease"), Refusal.LEASE),
        (Resize(5, 512, "lease", '"e"'), Refusal.ETAG),
        (Acquire(6, "lease", 15, '"e"'), Refusal.ETAG),
        (DeleteSnapshot(7, "id"), Refusal.LEASE),
    ],
)
def test_a_nameless_412_is_the_condition_that_the_command_carried(
    command: StoreCommand, refusal: Refusal
) -> None:
    assert refusal_of(command, 412, "") is refusal
    assert refusal_of(command, 412, "SomethingNew") is refusal


@pytest.mark.parametrize("code", ["ConditionNotMet", "LeaseIdMissing", "BlobAlreadyExists"])
def test_whatever_stops_a_create_because_something_is_there_says_exists(code: str) -> None:
    assert refusal_of(CREATE, 412, code) is Refusal.EXISTS


def test_a_nameless_304_is_the_etag() -> None:
    assert refusal_of(Head(1, None), 304, "") is Refusal.ETAG


def test_the_code_comes_from_the_header_then_from_the_body_then_from_nowhere() -> None:
    body = b'<?xml version="1.0"?><Error><Code>FromBody</Code></Error>'
    assert error_code({"x-ms-error-code": "FromHeader"}, body) == "FromHeader"
    assert error_code({}, body) == "FromBody"
    # Azurite puts a sentence into the header for some 416 (facts.md 3).
    assert error_code({"x-ms-error-code": "The page range is bad."}, b"") == ""
    assert error_code({}, b"<html>proxy</html>") == ""


def test_a_detail_says_what_failed_and_holds_no_signature() -> None:
    outcome = failure(PUT, 403, "AuthenticationFailed", "Put of c/b?sig=topsecretsignature")
    assert "topsecret" not in outcome.detail
    assert "Put of c/b" in outcome.detail
    assert "check it and the clock" in outcome.detail
