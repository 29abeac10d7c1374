"""The distribution: what a wheel of it holds, and what its command line is."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_wheel_holds_the_code_and_its_data(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("mountproof-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry,) = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
        assert "mountproof = harness.command_line.main:run" in archive.read(entry).decode()
    assert {
        "engine/__main__.py",
        "engine/vhd.py",
        "harness/evidence.py",
        "harness/provision/node/package-lock.json",
        "scenarios/profiles/first.toml",
    } <= names
    assert any(name.startswith("harness/guest/agent/") and name.endswith(".c") for name in names)
    assert not any(name.startswith(("tests/", ".")) or "__pycache__" in name for name in names)
