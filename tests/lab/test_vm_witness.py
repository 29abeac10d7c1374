"""What the recovery guest's raw record proves: instants, exit codes, where the disk came from."""

from pathlib import Path

from harness.lab.vm_witness import VmWitness

SITE = Path("/tmp/mplab-x/kill-sync-1")
RAW = """\
$ qemu-system-x86_64 -serial file:/tmp/p/prove.console.log '{"filename": "/tmp/p/extents"}'

# read from the pipe of -readconfig:
  file.filename = "/tmp/p/overlay.qcow2"
  backing.file.url = "http://127.0.0.1:1/acc/box/kill-sync-1.vhd?sp=r&sig=[redacted]"

# what the guest said, by seconds since QEMU's start
   2.000 s  ready prove 1500
   2.400 s  step mount result=ok errno=0 errors=0 ms=403
   3.000 s  step e2fsck exit=0 ms=200
   3.100 s  end verdict=good reason=none errors=0
"""


def test_instants_count_back_from_the_provers_end() -> None:
    witness = VmWitness(RAW, began_at=100.0, ended_at=103.2)
    assert witness.ready
    assert abs(witness.at("mount") - 102.5) < 1e-9
    assert witness.number("e2fsck", "exit") == 0


def test_a_step_that_was_not_reached_is_never_too_early() -> None:
    witness = VmWitness(RAW.replace("step mount", "step mont"), 100.0, 103.2)
    assert witness.at("mount") == 103.2
    assert witness.number("ledger", "entries") is None
    assert not VmWitness("", 1.0, 2.0).ready


def test_the_disk_came_straight_from_the_blob() -> None:
    assert VmWitness(RAW, 0, 0).straight_from_blob("kill-sync-1.vhd", SITE)


def test_another_blob_a_local_file_or_the_primarys_folder_are_not_straight() -> None:
    witness = VmWitness(RAW, 0, 0)
    assert not witness.straight_from_blob("kill-sync-2.vhd", SITE)
    copied = RAW.replace("/tmp/p/extents", "/tmp/p/copy.vhd")
    assert not VmWitness(copied, 0, 0).straight_from_blob("kill-sync-1.vhd", SITE)
    primary = RAW.replace("/tmp/p/", f"{SITE}/primary/")
    assert not VmWitness(primary, 0, 0).straight_from_blob("kill-sync-1.vhd", SITE)


def test_what_the_guest_says_does_not_count_as_its_command_line() -> None:
    said = RAW.replace("kill-sync-1.vhd", "other.vhd") + " 4.0 s  http://x/kill-sync-1.vhd\n"
    assert not VmWitness(said, 0, 0).straight_from_blob("kill-sync-1.vhd", SITE)
