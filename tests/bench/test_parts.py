"""The benches' parts: volumes, loops of puts, the bare loop, and what the tap's worst depth is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from azure.storage.blob import BlobClient

from harness.bench.bare_put import put_extents
from harness.bench.pairs import Measurements
from harness.bench.put_rate import LOOPS
from harness.bench.scene import write_url
from harness.bench.sparse_volume import (
    EXTENT_BYTES,
    GIB,
    MIB,
    make_volume,
    spread_extents,
    striped_extents,
)
from harness.bench.tap import lowest
from harness.errors import Inconclusive
from harness.lab.azurite import Azurite

PAGE_RUN = 4096


def test_a_quarter_of_a_striped_volume_is_data() -> None:
    extents = striped_extents(2 * GIB)
    assert len(extents) == 128
    assert sum(length for _offset, length in extents) == GIB // 2
    assert extents[1] == (16 * MIB, EXTENT_BYTES)


@pytest.mark.parametrize("size", [GIB, 1024 * GIB])
def test_spread_data_is_the_same_amount_in_any_volume(size: int) -> None:
    extents = spread_extents(size, 64 * MIB)
    assert sum(length for _offset, length in extents) == 64 * MIB
    ends = [offset + length for offset, length in extents]
    assert all(end <= start for end, (start, _) in zip(ends, extents[1:], strict=False))
    assert ends[-1] <= size
    assert ends[-1] > size // 2


def test_a_volume_holds_data_where_it_should_and_holes_elsewhere(tmp_path: Path) -> None:
    path = make_volume(tmp_path / "v", 16 * MIB, [(4 * MIB, MIB)])
    assert path.stat().st_size == 16 * MIB
    assert path.stat().st_blocks * 512 <= 2 * MIB
    with path.open("rb") as file:
        assert not any(file.read(4 * MIB))
        assert len(set(file.read(4096))) > 200


def test_the_tap_s_promise_is_judged_at_its_worst_depth() -> None:
    found = Measurements(
        ratios={"a": 0.7, "a_spread": 0.3, "b": 0.6, "b_spread": 0.1},
    )
    lowest(found, "worst", ("a", "b"))
    assert found.ratios["worst"] == 0.6
    assert found.ratios["worst_spread"] == 0.1


def client(azurite: Azurite, container: str, blob: str) -> BlobClient:
    return BlobClient.from_connection_string(azurite.connection_string, container, blob)


@pytest.mark.real
@pytest.mark.parametrize("who", LOOPS)
@pytest.mark.parametrize("connections", [1, 3])
def test_a_loop_of_puts_tells_what_it_put(
    azurite: Azurite, container: str, who: str, connections: int
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", LOOPS[who], "--store-env", "STORE", "--container", container),
            *("--blob", f"{who}{connections}", "--put-bytes", str(PAGE_RUN)),
            *("--connections", str(connections), "--seconds", "0.2"),
        ],
        env={**os.environ, "STORE": azurite.connection_string},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["seconds"] == pytest.approx(0.2, abs=0.5)
    assert told["bytes"] == told["puts"] * PAGE_RUN > 0
    with client(azurite, container, f"{who}{connections}") as blob:
        written = sum(
            int(run.end or 0) - int(run.start or 0) + 1 for run in blob.list_page_ranges()
        )
    # The warm-up's puts are not counted; nothing else may have been put, and nothing be missing.
    assert written == told["bytes"] + 20 * PAGE_RUN


@pytest.mark.real
def test_our_loop_says_why_it_could_not_put(azurite: Azurite, container: str) -> None:
    with client(azurite, container, "there") as blob:
        blob.create_page_blob(512)
    done = subprocess.run(
        [
            *(sys.executable, "-m", LOOPS["ours"], "--store-env", "STORE"),
            *("--container", container, "--blob", "there"),
        ],
        env={**os.environ, "STORE": azurite.connection_string},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "Create was not applied" in done.stderr
    assert done.stdout == ""


@pytest.mark.real
def test_the_ceiling_puts_exactly_the_extents(
    azurite: Azurite, container: str, tmp_path: Path
) -> None:
    extents = [(0, MIB), (4 * MIB, 2 * MIB)]
    volume = make_volume(tmp_path / "v", 8 * MIB, extents)
    with client(azurite, container, "ceiling") as blob:
        blob.create_page_blob(8 * MIB)
        url = write_url(azurite, container, "ceiling")
        assert put_extents(url, volume, extents, 2, "crc64") > 0
        assert blob.download_blob().readall() == volume.read_bytes()
        blob.delete_blob()
    with pytest.raises(Inconclusive, match="404"):
        put_extents(url, volume, extents, 2, "crc64")
