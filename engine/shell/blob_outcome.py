"""Reads an answer's outcome: applied, certainly not applied (and why), or unknown.

Source: Azure REST, "Put Page" (the outcome is certain for 100 to 499 and 503, facts.md 2) and
"Blob service error codes"; protocol.md section 3 says what each refusal means to the core.
"""

import re
from collections.abc import Mapping
from typing import Final

from engine.core.messages import (
    Clear,
    Create,
    DeleteSnapshot,
    Failed,
    Put,
    Refusal,
    StoreCommand,
    Unknown,
)
from engine.shell.redaction import redact

_BY_CODE: Final[Mapping[str, Refusal]] = {
    "SequenceNumberConditionNotMet": Refusal.SEQUENCE,
    "ConditionNotMet": Refusal.ETAG,
    "TargetConditionNotMet": Refusal.ETAG,
    "Md5Mismatch": Refusal.CHECKSUM,
    "InvalidMd5": Refusal.CHECKSUM,
    "Crc64Mismatch": Refusal.CHECKSUM,
    "InvalidCrc64": Refusal.CHECKSUM,
    "InvalidPageRange": Refusal.RANGE,
    "InvalidRange": Refusal.RANGE,
    "RequestBodyTooLarge": Refusal.RANGE,
    "ServerBusy": Refusal.BUSY,
    "AccountBeingCreated": Refusal.BUSY,
    "BlobNotFound": Refusal.NOT_FOUND,
    "ContainerNotFound": Refusal.NOT_FOUND,
    "ContainerBeingDeleted": Refusal.NOT_FOUND,
    "ContainerDisabled": Refusal.NOT_FOUND,
    "ResourceNotFound": Refusal.NOT_FOUND,
    "SnapshotNotFound": Refusal.NOT_FOUND,
    "BlobAlreadyExists": Refusal.EXISTS,
    "AuthenticationFailed": Refusal.AUTH,
    "InvalidAuthenticationInfo": Refusal.AUTH,
    "NoAuthenticationInformation": Refusal.AUTH,
    "PublicAccessNotPermitted": Refusal.AUTH,
    "AccountIsDisabled": Refusal.AUTH,
    "SnapshotCountExceeded": Refusal.LIMIT,
    "SnapshotOperationRateExceeded": Refusal.LIMIT,
    "SnaphotOperationRateExceeded": Refusal.LIMIT,  # so spelt in Azure's own list
}

_BY_STATUS: Final[Mapping[int, Refusal]] = {
    401: Refusal.AUTH,
    403: Refusal.AUTH,
    404: Refusal.NOT_FOUND,
    408: Refusal.BUSY,
    413: Refusal.RANGE,
    416: Refusal.RANGE,
    429: Refusal.BUSY,
    503: Refusal.BUSY,
}

_MEANING: Final[Mapping[Refusal, str]] = {
    Refusal.LEASE: "the lease is not ours: somebody else may own the blob",
    Refusal.SEQUENCE: "the blob's sequence number is not the one this request was made for",
    Refusal.ETAG: "the blob changed since its ETag was read",
    Refusal.CHECKSUM: "the bytes were damaged on the way; send them again",
    Refusal.RANGE: "the range is outside the blob, not whole pages, or too large",
    Refusal.BUSY: "the service is too busy; send it again later",
    Refusal.NOT_FOUND: "no such container, blob or snapshot; check the names in the policy",
    Refusal.EXISTS: "a blob of this name is there already",
    Refusal.AUTH: "the key or SAS is wrong, expired or does not allow this; check it and the clock",
    Refusal.LIMIT: "the service allows no more snapshots now",
    Refusal.UNREACHABLE: "nothing was sent",
    Refusal.INVALID: "the service does not take this request: is it a page blob service?",
}

_ERROR_CODE: Final = re.compile(r"[A-Za-z0-9]{1,64}")
_CODE_IN_BODY: Final = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")


def is_certain(status: int) -> bool:
    """Whether an error answer of this status proves that the request was not applied."""
    return 300 <= status <= 499 or status == 503


def error_code(headers: Mapping[str, str], body: bytes) -> str:
    """The answer's x-ms-error-code; `headers` names in lower case; empty if it has none."""
    code = headers.get("x-ms-error-code", "")
    if _ERROR_CODE.fullmatch(code):
        return code
    in_body = _CODE_IN_BODY.search(body)
    return in_body[1].decode("ascii") if in_body else ""


def failure(command: StoreCommand, status: int, code: str, what: str) -> Failed | Unknown:
    """Outcome of `command` whose answer is no success; `what` names request and blob."""
    shown = f"{status} {code}".strip()
    if not is_certain(status):
        return Unknown(
            command.id,
            redact(
                f"{what}: the service answered {shown}, which leaves open whether it was applied"
            ),
        )
    refusal = refusal_of(command, status, code)
    detail = redact(f"{what}: the service answered {shown}: {_MEANING[refusal]}")
    return Failed(command.id, refusal, status, code, detail)


def refusal_of(command: StoreCommand, status: int, code: str) -> Refusal:
    """Why `command` was refused, from the error code and, where that is unknown, the status."""
    if code.startswith("Lease"):
        refusal = Refusal.LEASE
    else:
        refusal = _BY_CODE.get(code) or _BY_STATUS.get(status) or _unnamed(command, status)
    # Create's only condition is that nothing is there; a lease there proves that something is.
    if isinstance(command, Create) and refusal in {Refusal.ETAG, Refusal.LEASE}:
        return Refusal.EXISTS
    return refusal


def _unnamed(command: StoreCommand, status: int) -> Refusal:
    """A 409 or 412 whose code we do not know: name the condition that the command carried."""
    if status == 304:
        return Refusal.ETAG
    if status != 412:
        return Refusal.INVALID
    if isinstance(command, Create):
        return Refusal.EXISTS
    if isinstance(command, Put | Clear):
        return Refusal.SEQUENCE if command.if_match is None else Refusal.ETAG
    if isinstance(command, DeleteSnapshot):
        return Refusal.LEASE
    return Refusal.LEASE if getattr(command, "if_match", None) is None else Refusal.ETAG
