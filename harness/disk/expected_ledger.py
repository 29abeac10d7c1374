"""The ledger that must be on a disk: known by the last entry whose fsync was acknowledged.

The disk may hold a few entries more, written but not yet acknowledged. Then the expected hash
stands inside the chain, where the guest's report does not show it; as every entry follows from its
predecessor and the workload's seed (harness/guest/agent/ledger.c), the last hash can be computed.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_MAGIC: Final = b"MPLEDGR1"
_PAYLOAD_WORDS: Final = 432 // 8
_U64: Final = 0xFFFF_FFFF_FFFF_FFFF
_GOLDEN: Final = 0x9E37_79B9_7F4A_7C15
_STEPS_MAX: Final = 100_000
"""More unacknowledged entries than this are not computed through; the workload has at most one."""


@dataclass(frozen=True, slots=True)
class ExpectedLedger:
    """Entry `index` (from 1) with this hash in hex was acknowledged: all up to it must be there.

    `seed` is the workload's; without it a hash can be compared only if the entry is the last one.
    """

    index: int
    hash: str
    seed: int | None = None

    def is_in_chain_to(self, entries: int, last_hash: str) -> bool:
        """Tell whether a whole chain of `entries`, ending in `last_hash`, goes through this one."""
        if entries < self.index or entries - self.index > _STEPS_MAX:
            return False
        if entries > self.index and self.seed is None:
            return True
        previous = bytes.fromhex(self.hash)
        for index in range(self.index + 1, entries + 1):
            previous = entry_hash(index, previous, self.seed or 0)
        return previous.hex() == last_hash


def entry_hash(index: int, previous: bytes, seed: int) -> bytes:
    """Return the hash of entry `index`, which follows the entry with the hash `previous`."""
    return hashlib.sha256(entry_record(index, previous, seed)).digest()


def entry_record(index: int, previous: bytes, seed: int) -> bytes:
    """Return the first 480 of an entry's 512 bytes; the rest is their hash."""
    payload = struct.pack(f"<{_PAYLOAD_WORDS}Q", *_payload(index, seed))
    return _MAGIC + struct.pack("<Q", index) + previous + payload


def _payload(index: int, seed: int) -> Iterator[int]:
    state = _mix(seed) ^ _mix(index)
    for _ in range(_PAYLOAD_WORDS):
        yield _mix(state)
        state = (state + _GOLDEN) & _U64


def _mix(x: int) -> int:
    """Splitmix64, as in harness/guest/agent/random.c."""
    x = (x + _GOLDEN) & _U64
    x = ((x ^ (x >> 30)) * 0xBF58_476D_1CE4_E5B9) & _U64
    x = ((x ^ (x >> 27)) * 0x94D0_49BB_1331_11EB) & _U64
    return x ^ (x >> 31)
