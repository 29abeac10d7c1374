"""What the prover guest's lines mean: each way of being bad is told, a good guest is believed."""

import subprocess
from pathlib import Path

import pytest

from harness.disk.expected_ledger import ExpectedLedger, entry_hash
from harness.disk.guest_report import Expectation, defects, read_report, summary
from tests.disk.disks import ledger_file

SIZE = 64 * 1024 * 1024
LAST = entry_hash(1, bytes(32), 7).hex()
GOOD = [
    "ready prove 700",
    f"step device size={SIZE} ms=10",
    "step filesystem type=ext4 ms=3",
    "step mount result=ok errno=0 errors=0 ms=40",
    f"step ledger present=1 entries=1 last={LAST} ok=1 tail=0 reason=none ms=5",
    "step unmount result=ok errno=0 errors=0 ms=20",
    "out e2fsck /dev/vda: 12/16384 files, 8000/65536 blocks",
    "step e2fsck exit=0 ms=200",
    "end verdict=good reason=none errors=0",
]
EXPECTED = Expectation(SIZE, "d1", ExpectedLedger(1, LAST, 7))
PLAIN = [
    f"step device size={SIZE} ms=10",
    "step filesystem type=none ms=3",
    f"step read size={SIZE} digest=d1 chunks=4 ms=90",
    "step mount result=not-applicable errno=0 errors=0 ms=0",
    "end verdict=good reason=none errors=0",
]


def defects_of(lines: list[str], expected: Expectation = EXPECTED) -> list[str]:
    return defects(read_report(lines), expected)


def test_a_good_guest_is_believed() -> None:
    assert defects_of(GOOD) == []
    assert summary(read_report(GOOD)) == (
        "the guest mounts ext4 read-write, ledger of 1 entries whole, unmounts, "
        "e2fsck -fn exits 0, in 0.28 s"
    )


def test_a_disk_without_a_file_system_is_good_by_its_digest() -> None:
    assert defects_of(PLAIN, Expectation(SIZE, "d1")) == []
    assert "mounting is not applicable" in summary(read_report(PLAIN))
    assert defects_of(PLAIN, Expectation(SIZE, "d2")) == [
        "the guest reads other content than is stored"
    ]
    assert "a ledger was expected" in defects_of(PLAIN)[0]


@pytest.mark.parametrize(
    ("step", "old", "new", "told"),
    [
        (1, f"size={SIZE}", "size=512", "sees a disk of 512 bytes"),
        (3, "result=ok errno=0", "result=failed errno=117", "mount of ext4 failed with errno 117"),
        (3, "errors=0", "errors=2", "records 2 errors at mount"),
        (4, "ok=1", "ok=0", "chain breaks after entry 1"),
        (4, "entries=1", "entries=0", "entry 1 was acknowledged, the ledger ends with 0"),
        (4, LAST, LAST[::-1], "not the one whose entry 1 was acknowledged"),
        (5, "result=ok errno=0", "result=failed errno=16", "unmount of ext4 failed"),
        (7, "exit=0", "exit=4", "e2fsck -fn after the mount exits 4: /dev/vda"),
        (8, "verdict=good reason=none", "verdict=bad reason=other", "calls it bad: other"),
    ],
)
def test_each_bad_line_is_told(step: int, old: str, new: str, told: str) -> None:
    assert old in GOOD[step]
    lines = [line.replace(old, new) if i == step else line for i, line in enumerate(GOOD)]
    found = defects_of(lines)
    assert any(told in sentence for sentence in found), found


@pytest.mark.parametrize("missing", [1, 3, 4, 5, 7])
def test_a_step_that_is_missing_is_not_good(missing: int) -> None:
    assert defects_of(GOOD[:missing] + GOOD[missing + 1 :])


def test_an_expected_entry_is_found_inside_a_longer_chain() -> None:
    first = bytes.fromhex(LAST)
    second = entry_hash(2, first, 7)
    third = entry_hash(3, second, 7).hex()
    assert ExpectedLedger(1, LAST, 7).is_in_chain_to(3, third)
    assert ExpectedLedger(2, second.hex(), 7).is_in_chain_to(3, third)
    assert not ExpectedLedger(2, LAST, 7).is_in_chain_to(3, third)
    assert not ExpectedLedger(1, LAST, 8).is_in_chain_to(3, third), "another workload's"
    assert not ExpectedLedger(4, third, 7).is_in_chain_to(3, third), "lost"
    assert ExpectedLedger(1, LAST).is_in_chain_to(3, third), "without a seed only the count"


def test_entries_are_those_of_the_guests_own_c_program(tmp_path: Path) -> None:
    agent = Path(__file__).parents[2] / "harness/guest/agent"
    main = tmp_path / "main.c"
    main.write_text(
        '#include "agent.h"\n#include <stdio.h>\n'
        "int main(void) { struct ledger_record record; uint8_t previous[32] = {0};\n"
        "for (uint64_t i = 1; i < 4; i++) { ledger_make(&record, i, previous, 12345);\n"
        "for (int j = 0; j < 32; j++) { previous[j] = record.hash[j];"
        ' printf("%02x", record.hash[j]); }\nputs(""); } return 0; }\n'
    )
    sources = [str(agent / name) for name in ("ledger.c", "random.c", "sha256.c")]
    program = tmp_path / "ledger"
    subprocess.run(
        ["gcc", "-O1", "-D_GNU_SOURCE", f"-I{agent}", "-o", str(program), str(main), *sources],
        check=True,
    )
    told = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    previous, ours = bytes(32), []
    for index in (1, 2, 3):
        previous = entry_hash(index, previous, 12345)
        ours.append(previous.hex())
    assert told.stdout.split() == ours
    assert len(ledger_file(3, 12345)) == 3 * 512
    assert ledger_file(3, 12345)[-32:].hex() == ours[-1]
