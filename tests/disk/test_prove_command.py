"""`mountproof prove`: what it prints and how it ends."""

import io
import json
from pathlib import Path
from typing import Protocol

import pytest
from rich.console import Console

from harness.command_line.main import main
from harness.command_line.prove import parse_consumers, parse_without, print_table
from harness.disk.findings import ALL_CONSUMERS, Consumer
from harness.disk.proof import prove
from harness.errors import UsageError
from tests.disk.disks import MIB, footer, noise, write_disk
from tests.disk.range_server import serve

SIZE = 19 * MIB


class Run(Protocol):
    """Runs `mountproof prove` with arguments; the exit code, and all that was printed."""

    def __call__(self, *arguments: str) -> tuple[int, str]: ...


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run_it(*arguments: str) -> tuple[int, str]:
        code = main(["prove", *arguments])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run_it


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return write_disk(tmp_path / "d.vhd", SIZE, {0: noise(MIB)})


def test_prints_a_line_a_prover_and_a_last_line(run: Run, disk: Path) -> None:
    code, text = run(str(disk), "--without", "vm")
    assert code == 2
    lines = text.splitlines()
    assert lines[-1].startswith(f"{disk}: inconclusive")
    assert [line.split()[0] for line in lines if " s  " in line].count("good") == 5
    assert any(line.startswith("warning") and "under 20 MiB" in line for line in lines)


def test_prints_one_json_object(run: Run, disk: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, text = run(str(disk), "--without", "vm", "--json", "--out", str(out))
    told = json.loads(text)
    assert (code, told["exit_code"], told["verdict"]) == (2, 2, "inconclusive")
    assert told["facts"]["size_bytes"] == SIZE
    assert told["findings"][0]["code"] == "small"
    assert all((out / step["raw"]).is_file() for step in told["steps"])


def test_a_bad_disk_ends_with_1(run: Run, tmp_path: Path) -> None:
    disk = write_disk(tmp_path / "d", SIZE, last=footer(SIZE, checksum=9))
    code, text = run(str(disk), "--without", "vm")
    assert code == 1
    assert "BAD for azure and qemu" in text.splitlines()[-1]
    assert run(str(disk), "--without", "vm", "--consumer", "azure")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["/nowhere/at/all.vhd"], "No such file"),
        (["/nowhere/at/all.vhd", "--consumer", "xen"], "xen"),
        (["/nowhere/at/all.vhd", "--consumer", ","], "nothing is no consumer"),
        (["/nowhere/at/all.vhd", "--without", "qemu"], "no such prover"),
        (["/dev/null"], "neither a file nor a block device"),
    ],
)
def test_wrong_arguments_end_with_64(run: Run, arguments: list[str], word: str) -> None:
    code, text = run(*arguments)
    assert code == 64
    assert word in text


def test_a_folder_that_cannot_be_made_ends_with_64(run: Run, disk: Path) -> None:
    assert run(str(disk), "--out", str(disk / "below-a-file"))[0] == 64


def test_a_service_that_is_down_ends_with_2(run: Run, disk: Path) -> None:
    with serve(disk) as served:
        url = served.url
    code, text = run(url)
    assert code == 2
    assert "Zm9yLXRlc3Rz" not in text


def test_no_output_tells_the_sas(run: Run, disk: Path, tmp_path: Path) -> None:
    with serve(disk) as served:
        for arguments in ([], ["--json"], ["--out", str(tmp_path / "out")]):
            _, text = run(served.url, "--without", "vm", *arguments)
            assert "disk.vhd" in text
            assert "Zm9yLXRlc3Rz" not in text
    for file in (tmp_path / "out").rglob("*"):
        assert file.is_dir() or b"Zm9yLXRlc3Rz" not in file.read_bytes()


def test_a_terminal_gets_a_table(disk: Path) -> None:
    screen = io.StringIO()
    print_table(
        Console(file=screen, force_terminal=True, width=120),
        prove(str(disk), without=frozenset({"vm"})),
    )
    shown = screen.getvalue()
    for word in ("Prover", "libvhdi", "dissect.hypervisor", "good", "inconclusive", "20 MiB"):
        assert word in shown


def test_options_are_read() -> None:
    assert parse_consumers("azure, qemu") == ALL_CONSUMERS
    assert parse_consumers("qemu") == {Consumer.QEMU}
    assert parse_without(["vm", "libvhdi"]) == {"vm", "libvhdi"}
    with pytest.raises(UsageError, match="strict validator"):
        parse_without(["strict validator"])
