"""A guest whose disk grows, shrinks and goes away for a while: file system and ledger follow."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.guest.build import GuestImages
from harness.guest.disks import lasting_disk, lasting_node, raw_file_disk
from harness.guest.qemu_command import GuestPlan
from harness.guest.vm import GuestVm

MIB = 1 << 20
PATIENCE = 120.0


class Servers:
    """qemu-nbd processes over one file, each with the size that the file has at its start."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.running: list[subprocess.Popen[bytes]] = []

    def serve(self, name: str) -> str:
        socket = self.file.with_name(name)
        options = f"driver=raw,file.driver=file,file.locking=off,file.filename={self.file}"
        command = ["qemu-nbd", "-t", "-x", "db", "-k", str(socket), "--image-opts", options]
        self.running.append(subprocess.Popen(command))
        deadline = time.monotonic() + 120.0
        while not socket.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return f"unix:{socket}"

    def stop(self) -> None:
        for process in self.running:
            process.kill()
            process.wait(60.0)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    file = tmp_path / "disk.raw"
    with file.open("wb") as new:
        new.truncate(64 * MIB)
    made = Servers(file)
    yield made
    made.stop()


def resize(servers: Servers, vm: GuestVm, name: str, size: int) -> None:
    with servers.file.open("r+b") as file:
        file.truncate(size)
    vm.follow_size(size, lasting_node(servers.serve(name), "db"))


def test_the_ledger_goes_on_through_a_grow_a_shrink_and_a_server_that_dies(
    images: GuestImages, servers: Servers, tmp_path: Path
) -> None:
    disk = lasting_disk(servers.serve("first"), "db")
    options = {"format": 1, "seed": 4}
    plan = GuestPlan(images, "workload", options, [disk], tmp_path / "log", monitored=True)
    big, small = 160 * MIB, 48 * MIB + 512
    with GuestVm(plan) as vm:
        vm.wait_for("ack", PATIENCE)
        resize(servers, vm, "second", big)
        vm.say(f"grow {big}")
        assert vm.wait_for("resized", PATIENCE).text == f"resized grow {big} filesystem={big}"
        vm.wait_for("ack", PATIENCE)
        vm.say(f"shrink {small}")
        said = vm.wait_for("resized", PATIENCE).text
        assert said == f"resized shrink {small} filesystem={small - 512}"
        vm.wait_for("ack", PATIENCE)
        resize(servers, vm, "third", small)
        vm.wait_for("ack", PATIENCE)
        servers.running[-1].kill()
        servers.running[-1].wait(60.0)
        servers.file.with_name("third").unlink(missing_ok=True)
        servers.serve("third")
        for _ in range(5):
            last = vm.wait_for("ack", PATIENCE)
        vm.kill()
        rest = [line.text.split() for line in vm.lines(PATIENCE)]
    acknowledged = [int(words[1]) for words in rest if words[0] == "ack"]
    least = max([int(last.text.split()[1]), *acknowledged])
    proof = GuestPlan(images, "prove", {}, [raw_file_disk(servers.file)], tmp_path / "proof")
    with GuestVm(proof) as vm:
        steps = [line.text for line in vm.lines(PATIENCE)]
    ledger = next(text for text in steps if text.startswith("step ledger"))
    assert int(ledger.partition("entries=")[2].split()[0]) >= least
    assert any(text.startswith("end verdict=good") for text in steps), steps


def test_an_impossible_shrink_is_told(
    images: GuestImages, servers: Servers, tmp_path: Path
) -> None:
    disk = lasting_disk(servers.serve("first"), "db")
    plan = GuestPlan(images, "workload", {"format": 1}, [disk], tmp_path / "log", monitored=True)
    with GuestVm(plan) as vm:
        vm.wait_for("ack", PATIENCE)
        vm.say(f"shrink {MIB}")
        assert vm.wait_for("error", PATIENCE).text == f"error resize shrink {MIB}"
