"""A real VM takes the disk straight from where it is, mounts it, and reads it from inside."""

from harness.disk.case import Case, Opinion
from harness.disk.findings import ALL_CONSUMERS
from harness.disk.provers.readers import missing


class GuestMount:
    """The guest mounts read-write on a throw-away overlay, verifies, unmounts and checks."""

    name = "vm"
    consumers = ALL_CONSUMERS

    def judge(self, case: Case) -> Opinion:
        """Boot the guest on the disk."""
        raise missing("the guest's kernel and initramfs")
