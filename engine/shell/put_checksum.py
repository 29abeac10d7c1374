"""How the bytes of a put are checksummed: CRC-64/NVME, or MD5 with a service that knows no other.

Source: Azure REST, "Put Page" (x-ms-content-crc64, Content-MD5; never both). The CRC costs us a
tenth of the MD5's time, and a service that computes it for its answer anyway (Azurite 3.36 and
later) is spared the second pass.
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Final

from awscrt.checksums import crc64nvme

from engine.shell.blob_http import Buffer

__all__ = ["CRC64_HEADER", "MD5_HEADER", "PutChecksum"]

CRC64_HEADER: Final = "x-ms-content-crc64"
MD5_HEADER: Final = "content-md5"
_UNKNOWN_FEATURE: Final = "FeatureNotSupported"


class PutChecksum:
    """The kind that one service takes: CRC-64 until it says that it does not know it."""

    def __init__(self, header: str = CRC64_HEADER) -> None:
        self.header = header

    def of(self, body: Sequence[Buffer]) -> tuple[str, str]:
        """The header to send with `body`, and its value; the answer echoes both."""
        header = self.header
        return header, (_crc64 if header == CRC64_HEADER else _md5)(body)

    def hear(self, header: str, error_code: str) -> bool:
        """Note a refusal of a request that carried `header`; whether it is MD5 from now on."""
        declined = header == CRC64_HEADER and error_code == _UNKNOWN_FEATURE
        if declined:
            self.header = MD5_HEADER
        return declined


def _crc64(body: Sequence[Buffer]) -> str:
    crc = 0
    for piece in body:
        crc = crc64nvme(piece, crc)
    return base64.b64encode(crc.to_bytes(8, "little")).decode("ascii")


def _md5(body: Sequence[Buffer]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for piece in body:
        digest.update(piece)
    return base64.b64encode(digest.digest()).decode("ascii")
