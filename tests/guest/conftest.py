"""The guest's images for every test here: set-up's if they are current, else built once."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.guest.build import GuestImages, guest_images
from harness.guest.disks import Disk
from harness.guest.initramfs import AGENT, COMPILE
from harness.guest.qemu_command import GuestPlan, OptionValue
from harness.guest.vm import GuestVm
from harness.parts import guest_cache

StartGuest = Callable[..., GuestVm]
CompileAgent = Callable[[str, list[str]], Path]


@pytest.fixture(scope="session")
def images() -> GuestImages:
    return guest_images(guest_cache())


@pytest.fixture
def guest(images: GuestImages, tmp_path: Path) -> StartGuest:
    """Return a function (role, disks, **options) that makes a guest, not yet started."""

    def make(role: str, disks: list[Disk], **options: OptionValue) -> GuestVm:
        log = tmp_path / f"{role}.console.log"
        return GuestVm(GuestPlan(images, role, options, disks, log))

    return make


@pytest.fixture
def compile_agent(tmp_path: Path) -> CompileAgent:
    """Return a function that links a C main with some of the agent's files, for this host."""

    def compile_main(main: str, files: list[str]) -> Path:
        source, program = tmp_path / "main.c", tmp_path / "main"
        source.write_text(main)
        parts = [str(AGENT / name) for name in files]
        command = ["gcc", *COMPILE, f"-I{AGENT}", "-Werror", "-o", str(program), str(source)]
        subprocess.run([*command, *parts], check=True)
        return program

    return compile_main
