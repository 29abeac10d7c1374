"""`mountproof bench`: names, services and bounds; one bench for real."""

import json
import subprocess
import sys

import pytest

from harness.bench.catalogue import BENCHES, Bound
from harness.bench.pairs import Measurements
from harness.bench.record import BenchResult
from harness.command_line.bench import find_azurite, find_bench, report_lines
from harness.errors import UsageError


def test_every_bench_can_be_loaded_and_none_lacks_a_bound() -> None:
    assert {"seed", "put", "tap", "rto", "sparse", "sim"} <= set(BENCHES)
    for bench in BENCHES.values():
        assert callable(bench.load())
        assert bench.bounds


def test_an_unknown_name_or_service_is_a_usage_error_that_lists_the_known() -> None:
    with pytest.raises(UsageError, match="seed, put, tap, rto, sparse, "):
        find_bench("sed")
    with pytest.raises(UsageError, match=r"3\.35, 3\.37"):
        find_azurite("3.36", BENCHES["seed"])


def test_raw_speed_is_measured_on_the_service_that_checks_no_sums() -> None:
    assert find_azurite("", BENCHES["seed"]) == "3.35"
    assert find_azurite("3.37", BENCHES["seed"]) == "3.37"


@pytest.mark.parametrize(
    ("limit", "measured", "kept"),
    [("at most", 0.22, True), ("at most", 0.23, False), ("at least", 0.22, True),
     ("at least", 0.21, False)],
)  # fmt: skip
def test_a_bound_is_kept_up_to_and_with_its_value(limit: str, measured: float, kept: bool) -> None:
    direction = "at most" if limit == "at most" else "at least"
    bound = Bound("r", direction, {"3.35": 0.22, "3.37": 0.75})  # type: ignore[arg-type]
    assert bound.holds(measured, "3.35") is kept


def test_the_report_says_which_promise_is_missed_and_by_how_much() -> None:
    found = Measurements(figures={"ours_seconds": 2.0})
    found.add_ratio("time_vs_convert_upload", [2.0], [10.0])
    found.add_ratio("time_vs_ceiling", [2.0], [1.0])
    result = BenchResult("seed", found.ratios, found.figures, {"disturbed": "no"})
    lines = report_lines(result, BENCHES["seed"], "3.35")
    promises = {line.split()[1]: line for line in lines if line.startswith(("kept", "MISSED"))}
    assert promises["time_vs_convert_upload"].startswith("kept")
    assert "at most 0.22" in promises["time_vs_convert_upload"]
    assert promises["time_vs_ceiling"].startswith("MISSED")
    assert any("ours_seconds" in line for line in lines)


@pytest.mark.real
def test_a_quick_bench_prints_one_object_and_owns_up_to_being_quick() -> None:
    command = [sys.executable, "-m", "harness.command_line.main", "bench", "seed", "--quick"]
    done = subprocess.run(
        [*command, "--json"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told.keys() == {"bench", "ratios", "figures", "environment"}
    assert told["bench"] == "seed"
    assert told["ratios"].keys() >= {
        "time_vs_convert_upload", "time_vs_convert_upload_spread",
        "time_vs_ceiling", "time_vs_ceiling_spread",
    }  # fmt: skip
    figures, environment = told["figures"], told["environment"]
    assert all(isinstance(value, int | float) for value in (told["ratios"] | figures).values())
    assert figures["ours_seconds"] > figures["ceiling_seconds"] * 0.5 > 0
    assert figures["data_bytes"] <= figures["ours_sent_bytes"] < 1.1 * figures["data_bytes"]
    # Its state, a few KiB, and what measures its coverage leaves; never the data.
    assert figures["ours_written_to_local_disk_bytes"] < figures["data_bytes"] / 8
    assert figures["traditional_written_to_local_disk_bytes"] >= figures["data_bytes"]
    assert environment["blob service"] == "Azurite 3.35.0"
    assert environment["complete"].startswith("no")
    assert environment["disturbed"]
    assert "round 1 of 1" in done.stderr


@pytest.mark.real
def test_an_unknown_bench_ends_with_the_usage_status() -> None:
    command = [sys.executable, "-m", "harness.command_line.main", "bench", "nothing", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 64
    assert done.stdout == ""
    assert "choose from seed" in done.stderr
