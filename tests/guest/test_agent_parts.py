"""Parts of the agent that need no guest: hashes, pages and the ledger's judgement, on this host."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from harness.oracle.pages import encode_pages
from tests.guest.conftest import CompileAgent

HASH_MAIN = """
#include "agent.h"
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    size_t length = (size_t)atol(argv[1]), step = (size_t)atol(argv[2]);
    struct sha256 hash; uint8_t digest[SHA256_BYTES]; char hex[SHA256_HEX];
    uint8_t *data = calloc(1, length + 1);
    for (size_t i = 0; i < length; i++) data[i] = (uint8_t)(i * 7);
    sha256_start(&hash);
    for (size_t at = 0; at < length; at += step)
        sha256_add(&hash, data + at, length - at < step ? length - at : step);
    sha256_finish(&hash, digest); sha256_hex(digest, hex);
    return argc == 3 && puts(hex) < 0;
}
"""
PAGE_MAIN = """
#include "agent.h"
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    uint8_t page[PAGE];
    page_fill(page, (uint32_t)strtoul(argv[1], NULL, 10), strtoull(argv[2], NULL, 10),
              strtoull(argv[3], NULL, 10));
    return argc == 4 && fwrite(page, PAGE, 1, stdout) != 1;
}
"""
LEDGER_MAIN = """
#include "agent.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) {
    struct ledger_record record; struct ledger_reading reading; char hex[SHA256_HEX];
    int file = open(argv[1], O_RDWR | O_CREAT, 0644);
    memset(&reading, 0, sizeof reading);
    for (int i = 1; argc == 3 && i <= atoi(argv[2]); i++) {
        ledger_make(&record, (uint64_t)i, reading.last, 5);
        memcpy(reading.last, record.hash, SHA256_BYTES);
        if (write(file, &record, sizeof record) != (ssize_t)sizeof record) return 1;
    }
    ledger_read(file, &reading);
    sha256_hex(reading.last, hex);
    printf("%llu %d %llu %s %s\\n", (unsigned long long)reading.entries, reading.intact,
           (unsigned long long)reading.tail, reading.reason, hex);
    return 0;
}
"""


def test_sha256_agrees_with_hashlib_at_every_edge(compile_agent: CompileAgent) -> None:
    program = compile_agent(HASH_MAIN, ["sha256.c"])
    for length in (0, 1, 55, 56, 63, 64, 65, 119, 128, 1000):
        data = bytes(i * 7 % 256 for i in range(length))
        for step in (1, 64, 1000):
            shown = subprocess.check_output([program, str(length), str(step)], text=True)
            assert shown.strip() == hashlib.sha256(data).hexdigest(), (length, step)


@pytest.mark.parametrize(
    ("volume", "write", "page"), [(1, 1, 0), (7, 123456789, 4095), (2**32 - 1, 2**62 - 1, 2**40)]
)
def test_a_page_is_what_the_oracle_expects(
    compile_agent: CompileAgent, volume: int, write: int, page: int
) -> None:
    program = compile_agent(PAGE_MAIN, ["page.c", "random.c"])
    made = subprocess.check_output([program, str(volume), str(write), str(page)])
    assert made == encode_pages(volume, write, page, 1)


@pytest.fixture
def ledger(compile_agent: CompileAgent, tmp_path: Path) -> tuple[Path, Path]:
    """Return (program that judges, a whole ledger of 20 entries)."""
    program = compile_agent(LEDGER_MAIN, ["ledger.c", "sha256.c", "random.c"])
    subprocess.run([program, tmp_path / "ledger", "20"], check=True, capture_output=True)
    return program, tmp_path / "ledger"


def judged(program: Path, path: Path, content: bytes) -> list[str]:
    path.write_bytes(content)
    return subprocess.check_output([program, path], text=True).split()[:4]


def test_a_whole_ledger_and_an_empty_one_hold(ledger: tuple[Path, Path]) -> None:
    program, path = ledger
    content = path.read_bytes()
    assert judged(program, path, content) == ["20", "1", "0", "none"]
    assert judged(program, path, b"") == ["0", "1", "0", "none"]


def test_an_unwritten_last_record_is_legal_and_only_that(ledger: tuple[Path, Path]) -> None:
    program, path = ledger
    content = path.read_bytes()
    cut = content[: 19 * 512]
    assert judged(program, path, cut + bytes(512)) == ["19", "1", "512", "unwritten-tail"]
    assert judged(program, path, cut + bytes(1024))[1] == "0"
    assert judged(program, path, cut + bytes(512) + content[-512:])[1] == "0"


def test_every_kind_of_damage_is_found_and_named(ledger: tuple[Path, Path]) -> None:
    program, path = ledger
    whole = path.read_bytes()
    records = [whole[i : i + 512] for i in range(0, len(whole), 512)]
    flipped = bytearray(whole)
    flipped[3 * 512 + 100] ^= 1
    assert judged(program, path, bytes(flipped)) == ["3", "0", str(17 * 512), "record-hash"]
    missing = b"".join(records[:5] + records[6:])
    assert judged(program, path, missing)[::3] == ["5", "index"]
    assert judged(program, path, whole + b"x" * 100) == ["20", "0", "100", "partial-record"]
    assert judged(program, path, b"y" * 512)[::3] == ["0", "not-a-record"]
    lost_page = b"".join(records[:8]) + bytes(8 * 512) + b"".join(records[16:])
    assert judged(program, path, lost_page)[:2] == ["8", "0"]


def test_an_entry_of_another_history_breaks_the_chain(ledger: tuple[Path, Path]) -> None:
    program, path = ledger
    whole = path.read_bytes()
    forged = bytearray(whole[5 * 512 : 6 * 512])
    forged[16:48] = bytes(32)  # names no predecessor, and its own hash is right
    forged[480:] = hashlib.sha256(forged[:480]).digest()
    content = whole[: 5 * 512] + bytes(forged)
    assert judged(program, path, content) == ["5", "0", "512", "chain"]
