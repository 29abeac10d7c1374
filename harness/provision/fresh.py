"""Proves set-up itself: everything from nothing, inside a brand-new Debian root.

A machine that has been worked on hides a missing install step. So: a minimal bookworm root made by
mmdebstrap in a temporary folder, the committed checkout unpacked into it, and there `make setup`,
`mountproof doctor` and one `mountproof prove` with its VM. Mounts live in a mount namespace of
their own, so nothing stays behind whatever ends the run. How this machine reaches its package
registries is read when it runs and goes into the root only. Needs root.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness.provision.places import Places
from harness.provision.progress import SetupError, run_logged, say

__all__ = ["prove_on_fresh_debian"]

_SUITE = "bookworm"
_PASSED_ON = re.compile(
    r"(?i)(pip|npm_config)_.+|node_extra_ca_certs|ssl_cert_(file|dir)|(requests|curl)_ca_bundle"
    r"|(https?|all|no)_proxy"
)
_APT_OPTION = re.compile(r'Acquire::(?:https?|Check-|Retries|ForceIPv).*";')
_SETTINGS = (
    ("/etc/resolv.conf", "etc/resolv.conf"),
    ("/etc/hosts", "etc/hosts"),
    ("/etc/pip.conf", "etc/pip.conf"),
    ("/usr/local/share/ca-certificates", "usr/local/share/ca-certificates"),
    ("~/.npmrc", "root/.npmrc"),
    ("~/.config/pip/pip.conf", "root/.config/pip/pip.conf"),
)
_INSIDE = "/srv/mountproof"
_ENTER = """
mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" && mount -t sysfs sysfs "$1/sys" \
&& mount -t tmpfs tmpfs "$1/tmp" && shift && exec chroot "$@"
"""
_MAKE_DISK = """
set -e
mke2fs -q -t ext4 /srv/disk.vhd 64M
.venv/bin/python - <<'END'
from pathlib import Path
from engine.vhd import Footer, build_footer
with Path("/srv/disk.vhd").open("r+b") as disk:
    size = disk.seek(0, 2)
    disk.write(build_footer(Footer(size, 1_700_000_000, b"fresh Debian 12!")))
END
"""


def prove_on_fresh_debian(places: Places) -> None:
    """Run it all; SetupError tells which step failed, with its last words."""
    if os.geteuid() != 0:
        raise SetupError("a new Debian root can be made by root only: sudo make fresh")
    scratch = Path(tempfile.mkdtemp(prefix="mountproof-fresh-"))
    scratch.chmod(0o755)  # apt drops its privileges and still has to get in
    root = scratch / "root"
    try:
        _make_root(root, places)
        _unpack_checkout(root, places)
        _run_inside(root, places, "setup", "Set-up inside it: make setup", "make setup")
        _run_inside(root, places, "doctor", "mountproof doctor", ".venv/bin/mountproof doctor")
        _run_inside(root, places, "disk", "Making a disk to prove", _MAKE_DISK)
        _run_inside(root, places, "prove", "mountproof prove, with its VM",
                    ".venv/bin/mountproof prove /srv/disk.vhd")  # fmt: skip
        for step in ("doctor", "prove"):
            say(places.log(f"fresh-{step}").read_text("utf-8", "replace").rstrip())
        say("==> A brand-new Debian root sets itself up and proves a disk")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _make_root(root: Path, places: Places) -> None:
    sources = [path for path in _apt_sources() if path.is_file() and path.stat().st_size]
    run_logged(
        f"Making a minimal Debian root ({_SUITE})",
        ["mmdebstrap", "--mode=root", "--variant=minbase", "--include=make",
         "--dpkgopt=force-unsafe-io",  # the root is thrown away: no need to wait for the disk
         *[f"--aptopt={option}" for option in _apt_options()],
         _SUITE, str(root), *map(str, sources)],
        places.log("fresh-root"),
    )  # fmt: skip
    for source, target in _SETTINGS:
        _copy_setting(Path(source).expanduser(), root / target)


def _copy_setting(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy(source, target)


def _apt_sources() -> list[Path]:
    apt = Path("/etc/apt")
    parts = apt / "sources.list.d"
    return [apt / "sources.list", *sorted(parts.glob("debian*.sources")),
            *sorted(parts.glob("debian*.list"))]  # fmt: skip


def _apt_options() -> list[str]:
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True)
    return [line for line in dump.stdout.splitlines() if _APT_OPTION.fullmatch(line)]


def _unpack_checkout(root: Path, places: Places) -> None:
    target = root / _INSIDE.lstrip("/")
    target.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "-C", str(places.checkout), "archive", "--format=tar", "HEAD"],
        capture_output=True,
        check=False,
    )
    if archive.returncode != 0:
        reason = archive.stderr.decode("utf-8", "replace").strip()
        raise SetupError(f"make fresh needs a git checkout to take the files from: {reason}")
    subprocess.run(["tar", "-x", "-C", str(target)], input=archive.stdout, check=True)


def _run_inside(root: Path, places: Places, name: str, title: str, script: str) -> None:
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        **{key: value for key, value in os.environ.items() if _PASSED_ON.fullmatch(key)},
    }
    run_logged(
        title,
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, "sh",
         str(root), str(root), "sh", "-c", f"cd {_INSIDE} && {script}"],
        places.log(f"fresh-{name}"),
        env=environment,
    )  # fmt: skip
