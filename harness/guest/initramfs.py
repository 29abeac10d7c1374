"""The guest's initramfs: our agent as /init, the virtio modules, the e2fsprogs, nothing else.

The archive is a gzipped cpio ("newc"), written here byte for byte without time stamps, so the
same inputs give the same file. Standard library only.
"""

import gzip
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Final

from harness.errors import Inconclusive
from harness.guest.kernel import Kernel, run_tool

AGENT: Final = Path(__file__).parent / "agent"
PROGRAMS: Final = ("mke2fs", "e2fsck", "resize2fs")
SYSTEM_FOLDERS: Final = "/usr/sbin:/sbin:/usr/bin:/bin"
COMPILE: Final = ("-std=gnu11", "-D_GNU_SOURCE", "-static", "-O2", "-Wall", "-Wextra", "-s")
COMPILE_SECONDS: Final = 120.0
FORMAT: Final = b"1"  # part of the key: raise it when this file lays the archive out differently

_REGULAR: Final = 0o100755
_FOLDER: Final = 0o040755


def agent_sources() -> list[Path]:
    """Return the agent's C files and headers, in a fixed order."""
    return sorted(path for path in AGENT.iterdir() if path.suffix in {".c", ".h"})


def program_files() -> dict[str, Path]:
    """Return path in the guest -> path here, for the e2fsprogs and all they are linked to."""
    files: dict[str, Path] = {}
    for name in PROGRAMS:
        found = shutil.which(name, path=SYSTEM_FOLDERS)
        if found is None:
            raise Inconclusive(
                f"the guest cannot be built: {name} is not installed (package e2fsprogs). "
                "Run `make setup`."
            )
        files[f"sbin/{name}"] = Path(found)
        for library in _libraries(found):
            files[library.lstrip("/")] = Path(library)
    return files


def _libraries(program: str) -> list[str]:
    listed = run_tool(["ldd", program], seconds=30.0)
    return re.findall(r"(?:=> |^\s+)(/\S+) \(0x", listed, re.MULTILINE)


def initramfs_key(kernel: Kernel, programs: Mapping[str, Path]) -> str:
    """Return 16 hex digits that change when anything in the archive would change."""
    digest = sha256(FORMAT)
    digest.update(" ".join(COMPILE).encode("ascii"))
    named = [(path.name, path) for path in (*agent_sources(), *kernel.modules)]
    for name, path in [*named, *sorted(programs.items())]:
        digest.update(name.encode("utf-8") + b"\0" + sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def write_initramfs(target: Path, kernel: Kernel, programs: Mapping[str, Path]) -> None:
    """Compile the agent and write the archive to `target`, which appears complete or not at all."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="initramfs-") as scratch:
        agent = Path(scratch) / "init"
        _compile_agent(agent)
        files = {"init": agent.read_bytes()}
        files |= {f"modules/{path.name}": path.read_bytes() for path in kernel.modules}
        order = "".join(f"{path.name}\n" for path in kernel.modules)
        files["modules/order"] = order.encode("ascii")
        files |= {name: path.read_bytes() for name, path in programs.items()}
        archive = Path(scratch) / "archive"
        archive.write_bytes(gzip.compress(cpio_archive(files), compresslevel=9, mtime=0))
        archive.rename(target)


def _compile_agent(target: Path) -> None:
    sources = [str(path) for path in agent_sources() if path.suffix == ".c"]
    command = ["gcc", *COMPILE, "-o", str(target), *sources, "-lpthread"]
    run_tool(command, seconds=COMPILE_SECONDS)


def cpio_archive(files: Mapping[str, bytes]) -> bytes:
    """Return a "newc" archive with these files (path without leading slash -> bytes), all 0755."""
    parts: list[bytes] = []
    for number, folder in enumerate(_folders(files), start=1):
        parts.append(_entry(number, folder, _FOLDER, b""))
    for number, (name, data) in enumerate(sorted(files.items()), start=1 + len(parts)):
        parts.append(_entry(number, name, _REGULAR, data))
    parts.append(_entry(0, "TRAILER!!!", 0, b""))
    return b"".join(parts)


def _folders(names: Iterable[str]) -> list[str]:
    found = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    return sorted(found - {"."})


def _entry(number: int, name: str, mode: int, data: bytes) -> bytes:
    encoded = name.encode("utf-8") + b"\0"
    # inode, mode, uid, gid, links, mtime, size, four device numbers, name's length, checksum
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields)
    return _padded(header + encoded) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
