"""The catalogue of claims: what a certificate can say, how it is checked, and what is not checked.

One place for the texts; `mountproof explain` prints them and the reports quote them. A claim that
this version cannot judge yet is in the catalogue all the same: a certificate lists it as not
demanded, so that nobody takes silence for a promise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from harness.errors import UsageError

__all__ = ["CLAIMS", "Claim", "find_claim"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: its id, the promise in one sentence, the check, and the limits of the check."""

    id: str
    promise: str
    how: str
    not_checked: tuple[str, ...]


_LATER: Final = "This version has no judge for it yet; a certificate lists it as not demanded."


def _claim(name: str, promise: str, how: str, *not_checked: str) -> Claim:
    return Claim(name, promise, how, not_checked)


def _later(name: str, promise: str, how: str) -> Claim:
    return Claim(name, promise, how, (_LATER,))


_ALL: Final = (
    _claim(
        "consumable",
        "At every instant the blob, or the recovery point that the system designates, opens as a"
        " valid VHD of the right size and mounts.",
        "While a guest writes, the live blob, or the recovery point that its metadata designate"
        " meanwhile, is opened again and again as a stranger would: footer, checksum, sizes, and"
        " now and then QEMU. After each kill every prover reads the disk.",
        "Instants between two looks: the text says how many instants were sampled.",
        "The looks under load do not mount; only the disks left behind by kills are mounted.",
        "Windows shorter than one ranged read.",
    ),
    _claim(
        "crash-consistent",
        "The recovered image is one that the volume itself could have shown after a crash.",
        "A raw workload writes pages that tell which write put them where; an oracle that shares no"
        " code with the engine compares the recovered image with the history: no page is torn or"
        " invented, and nothing is there while something that had to come before it is missing. One"
        " site dies while its crashed replicator resynchronises: its pinned point is judged.",
        "File systems: the ledger and e2fsck speak for them under other claims.",
        "Orders other than those of the trials (strict: completion; flush: completed flushes).",
        "Reads that the workload made before the crash.",
    ),
    _claim(
        "no-acked-loss",
        "In the synchronous modes no write that was acknowledged (or flushed, by mode) is lost.",
        "A guest appends to a hash-chained ledger with fsync and announces each entry; guest and"
        " engine are killed with SIGKILL at random instants, and the recovered disk must hold every"
        " announced entry, also after a crash of the engine alone and its resynchronisation. Raw"
        " workloads are checked page by page.",
        "Acknowledgements given while the system said that it does not protect.",
        "Loss of the blob service's own data: it is taken at its word.",
        "Power loss at the primary site; the kill leaves the machine's page cache alive.",
        "Writes that the guest had not flushed, in the mode sync-on-flush.",
    ),
    _claim(
        "rpo",
        "In asynchronous mode, what is lost is never older than the demanded number of seconds.",
        "At each kill: the age of the oldest acknowledged entry that the recovered disk does not"
        " hold, over all asynchronous trials, with its distribution.",
        "A store that stays away for longer than the bound: faults of the store are not part of"
        " this profile's trials.",
        "Whether the system's own lag figure is honest: that is the claim status-honest.",
    ),
    _claim(
        "rto",
        "From the failure to a guest that has mounted the disk it takes at most the demanded"
        " number of seconds.",
        "The clock starts at the SIGKILL of guest and engine and stops when the recovery guest"
        " reports its mount; detection, fencing, hand-over and boot are listed apart.",
        "Networks and machines other than the lab's; emulated guests boot slower than real ones.",
        "The start of a solution stack on the disk: that is the claim application.",
    ),
    _claim(
        "resize-faithful",
        "After any grow or shrink, at any crash point, size, footer and content match the volume,"
        " grown space reads zero, and recovery points stay consumable.",
        "A volume grows and shrinks while its guest writes: right after, size, footer and the"
        " bytes behind the volume are read from the blob, the guest's file system follows,"
        " and sites are killed in the midst of a resize and recovered; the simulation crashes"
        " at every request of a resize.",
        "On real parts, crash points other than those that the killed sites hit: those are"
        " simulated.",
        "Partition tables, and file systems other than the guest's ext4.",
        "Requests of a client past a new, smaller end of the volume, beyond that they fail.",
    ),
    _claim(
        "metadata-faithful",
        "The volume's properties (name, id, geometry, label, private region) reach the blob.",
        "Metadata and footer are read from the blob by the lab itself, before and after"
        " resizes and after failovers, and compared with what the volume was given; the"
        " simulation compares them after every request.",
        "A private region: this engine has none.",
        "On real parts, changes of name, label or id: only sizes and geometry change there.",
    ),
    _claim(
        "corruption-detected",
        "Bytes damaged on any link or at rest are detected, never acknowledged as good, and healed"
        " from the source.",
        "In simulation only: bytes of requests are damaged on the way, and no page may come"
        " to hold a value that nobody wrote.",
        "Real links: no proxy damages bytes in the lab yet.",
        "Damage at rest: this version neither verifies nor heals what the service stores.",
        "Damage in the primary's memory before the checksum is made.",
    ),
    _claim(
        "fenced",
        "After a failover the old primary can change nothing, even through requests still in"
        " flight; there are never two writers.",
        "The primary is stopped with SIGSTOP while writes are in flight or queued, the standby"
        " takes over, the primary is woken with SIGCONT: the service must refuse it, it must"
        " acknowledge nothing, and the digest of the blob must not change.",
        "Requests held back inside a network for longer than the trial.",
        "More than one old primary, and standbys that compete.",
        "If the primary was stopped with nothing to send, the trial says nothing.",
    ),
    _claim(
        "ordered-once",
        "Late, duplicated and reordered requests never overwrite newer data.",
        "In simulation only: requests are delayed, repeated, reordered and applied much"
        " later, and after each one applied no page may hold an older version than before.",
        "Real networks and services: the lab does not reorder requests yet.",
        "The order between pages: that is the claim crash-consistent.",
    ),
    _later(
        "rehydrated-exactly",
        "Compressed or deduplicated streams give the same bytes through an unordered queue that"
        " delivers at least once.",
        "Streams through the queue with repeated and shuffled messages and dying workers.",
    ),
    _claim(
        "direct-write",
        "Volume data reaches the blob with no intermediate copy on disk or in another object.",
        "/proc/PID/io of every engine process: what it wrote less the volume's own writes, itemised"
        " and put in relation to the bytes replicated; and the service's request log shows writes"
        " to no object but the volume's blob.",
        "Copies in memory, and files on a tmpfs: the kernel does not count those as storage.",
        "Copies that the blob service makes inside.",
        "Without the service's request log only the container's listing is looked at.",
    ),
    _later(
        "group-consistent",
        "The volumes of one consistency group recover to one cut.",
        "The oracle judges all volumes of a group against one history.",
    ),
    _claim(
        "points-honest",
        "Every recovery point listed mounts and is what it says; retention keeps and drops what"
        " the policy says.",
        "Points are asked for under load; after the disaster every point of the system's list"
        " is opened by its URL and validated, one of each trial is mounted in a VM and its"
        " ledger compared with what was acknowledged, raw pages are judged by the oracle; the"
        " simulation judges every point and every deletion.",
        "On real parts, retention over longer times: that is simulated.",
        "Mounting of every point: one of each trial is mounted, the others are validated.",
        "The time that a point tells of itself.",
    ),
    _later(
        "drill-harmless",
        "A test failover changes nothing in replication or in the blob, and is isolated.",
        "Drills under load, with digests and lag before, during and after.",
    ),
    _later(
        "failback",
        "After failover and re-protect the reverse direction converges, and failing back loses"
        " nothing acknowledged.",
        "There and back again with a ledger that spans both sites.",
    ),
    _later(
        "tenant-isolated",
        "One tenant's credentials and requests never reach another's blobs, queues or reports.",
        "Two tenants under load with each other's names and credentials mixed up.",
    ),
    _claim(
        "live",
        "Once a core of the system is healed for good, replication catches up within a bound and"
        " memory stays bounded.",
        "In simulation only: after the faults a core is healed, the rest stays broken, and"
        " the blob must equal the volume within the bound.",
        "How much memory is used on the way: queues are bounded by design, not by measurement.",
        "Real processes: a certification's faults are not healed but recovered from.",
    ),
    _claim(
        "status-honest",
        'The system\'s own "protected / RPO is N" never says better than the truth.',
        "In simulation only: each sample of the status is compared with what a failover at"
        " that instant would recover.",
        "What a system says while it does not say that it protects.",
        "A lag that is told too high, and what a standby says.",
        "The real processes' status: it picks moments, and no verdict is made of it.",
    ),
    _claim(
        "boots",
        "A real VM mounts the disk straight from the blob and its guest verifies the content.",
        "A guest kernel takes the disk over HTTP from the blob, mounts it read-write on a"
        " throw-away overlay (the journal is replayed), verifies the ledger, unmounts, and"
        " e2fsck -fn exits 0.",
        "Boot loaders and firmware: the kernel is handed to the VM.",
        "Hypervisors other than QEMU.",
        "File systems other than ext2, ext3 and ext4 are read, not mounted.",
    ),
    _later(
        "application",
        "The solution stack (a real database in the VM) starts on the disk and every transaction"
        " it acknowledged is there.",
        "A Debian guest with PostgreSQL is killed under load and started from the blob.",
    ),
)

CLAIMS: Final[Mapping[str, Claim]] = MappingProxyType({claim.id: claim for claim in _ALL})
"""Every claim by its id, in the order of the certificate."""


def find_claim(name: str) -> Claim:
    """Look a claim up; UsageError with the nearest names if there is none."""
    claim = CLAIMS.get(name)
    if claim is not None:
        return claim
    nearest = get_close_matches(name, CLAIMS, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else "`mountproof explain` lists all."
    raise UsageError(f"there is no claim {name!r} in the catalogue; {hint}")
