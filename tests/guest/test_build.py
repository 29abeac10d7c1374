"""The images: what is in the archive, in which order modules load, when it is built anew."""

import gzip
import subprocess
from pathlib import Path

import pytest

from harness.errors import Inconclusive
from harness.guest.build import GuestImages, find_guest_images, guest_images, main
from harness.guest.initramfs import cpio_archive, initramfs_key, write_initramfs
from harness.guest.kernel import Kernel, cached_kernel, obtain_kernel, run_tool
from harness.parts import guest_cache


def test_the_archive_is_one_that_cpio_reads(tmp_path: Path) -> None:
    archive = cpio_archive({"init": b"x" * 5, "lib/x86/libc.so": b"", "sbin/tool": b"y" * 4096})
    subprocess.run(["cpio", "-id", "--quiet"], input=archive, cwd=tmp_path, check=True)
    assert (tmp_path / "init").read_bytes() == b"x" * 5
    assert (tmp_path / "sbin/tool").read_bytes() == b"y" * 4096
    assert (tmp_path / "lib/x86/libc.so").stat().st_mode & 0o777 == 0o755


def test_the_initramfs_is_small_and_holds_only_what_the_guest_runs(images: GuestImages) -> None:
    assert images.initramfs.stat().st_size < 3 << 20
    archive = gzip.decompress(images.initramfs.read_bytes())
    listed = subprocess.run(
        ["cpio", "-t", "--quiet"], input=archive, capture_output=True, check=True
    )
    names = listed.stdout.decode().split()
    assert {"init", "sbin/mke2fs", "sbin/e2fsck", "sbin/resize2fs", "modules/order"} <= set(names)
    assert not [name for name in names if "btrfs" in name or "raid" in name]


def test_every_module_comes_after_those_it_needs(images: GuestImages) -> None:
    kernel = cached_kernel(images.kernel.parent.parent)
    assert kernel is not None
    order = [path.stem for path in kernel.modules]
    assert order.index("virtio_ring") < order.index("virtio") < order.index("virtio_pci")
    assert order.index("virtio_pci_modern_dev") < order.index("virtio_pci")
    assert order.index("virtio_ring") < order.index("virtio_blk")


def test_the_same_inputs_give_the_same_file_and_others_another_name(
    images: GuestImages, tmp_path: Path
) -> None:
    module, program = tmp_path / "a.ko", tmp_path / "tool"
    module.write_bytes(b"module")
    program.write_bytes(b"program")
    kernel = Kernel(images.kernel, (module,), "1")
    write_initramfs(tmp_path / "one", kernel, {"sbin/tool": program})
    write_initramfs(tmp_path / "two", kernel, {"sbin/tool": program})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    key = initramfs_key(kernel, {"sbin/tool": program})
    program.write_bytes(b"another")
    assert initramfs_key(kernel, {"sbin/tool": program}) != key


def test_a_second_build_does_nothing_and_says_nothing(images: GuestImages) -> None:
    said: list[str] = []
    before = images.initramfs.stat().st_mtime_ns
    assert guest_images(guest_cache(), said.append) == images
    assert find_guest_images(guest_cache()) == images
    assert said == []
    assert images.initramfs.stat().st_mtime_ns == before


def test_an_empty_cache_has_no_images(tmp_path: Path) -> None:
    assert find_guest_images(tmp_path) is None


def test_a_missing_tool_and_a_failing_tool_are_named(tmp_path: Path) -> None:
    with pytest.raises(Inconclusive, match=r"no-such-tool is not installed.*make setup"):
        run_tool(["no-such-tool"], seconds=1.0)
    with pytest.raises(Inconclusive, match=r"ended with status 2: .*cannot access"):
        run_tool(["ls", str(tmp_path / "nothing")], seconds=5.0)
    with pytest.raises(Inconclusive, match="sleep gave no result"):
        run_tool(["sleep", "5"], seconds=0.05)


def test_without_apt_the_build_ends_with_2_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--cache", str(tmp_path / "cache")]) == 2
    assert "apt-cache is not installed" in capsys.readouterr().err
    with pytest.raises(Inconclusive):
        obtain_kernel(tmp_path / "cache", print)
    assert not list((tmp_path / "cache").glob("kernel-*")), "nothing half made is left"
