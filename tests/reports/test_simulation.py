"""The simulated part in the three reports."""

import re
from pathlib import Path

import msgspec

from reports.certificate import Certificate
from reports.junit import junit_xml
from reports.page import render_page
from reports.simulated import simulation_section
from reports.writing import CERTIFICATE_NAME, write_all
from tests.reports.sample_run import sample_record, sample_run, with_simulation


def page(tmp_path: Path, *, stale: bool = False) -> str:
    return render_page(tmp_path, with_simulation(sample_record(), stale=stale), {})


def test_the_page_tells_counts_findings_and_the_power_behind_them(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert "4000 drawn disasters" in text
    assert "2937 runs, 2000 of them with two crashes" in text
    assert "2 of 3 planted bugs caught, 2 missed with their claims unchecked" in text
    assert "missed; with the first alone: by live" in text
    assert re.search(r"never</td>", text), "a fault that never struck is told"
    assert "mountproof replay evidence/simulation/findings/swarm-1-fenced.json" in text
    assert "disasters simulated" in text
    assert "<b>had</b>" not in text


def test_a_stale_kill_matrix_says_so(tmp_path: Path) -> None:
    assert ">stale<" not in page(tmp_path)
    text = page(tmp_path, stale=True)
    assert ">stale<" in text
    assert "nothing of this run" in text


def test_a_run_without_simulation_has_no_such_section(tmp_path: Path) -> None:
    record = sample_record()
    assert simulation_section(record) is None
    assert 'id="simulation"' not in render_page(tmp_path, record, {})


def test_bars_grow_with_the_count_and_an_empty_one_has_no_width() -> None:
    section = simulation_section(with_simulation(sample_record()))
    assert section is not None
    widths = {bar.name: bar.width for bar in section.fired}
    assert round(widths["kill"]) == 1000
    assert 0 == widths["clock-jump"] < widths["torn-cache"] < widths["zombie"] < 999


def test_certificate_and_junit_carry_it(tmp_path: Path) -> None:
    record = with_simulation(sample_record())
    sample_run(tmp_path, record)
    write_all(tmp_path)
    certificate = msgspec.json.decode((tmp_path / CERTIFICATE_NAME).read_bytes(), type=Certificate)
    assert certificate.simulation == record.simulation
    told = junit_xml(record).decode()
    assert 'name="planted_bugs_caught" value="2 of 3"' in told
    assert 'name="simulated_disasters" value="6937"' in told
