"""Schedule files: what is written is read back; whatever is wrong is told with its place."""

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.schedule import (
    STEPS_MAX,
    Fault,
    Flush,
    Kill,
    Schedule,
    Setup,
    Write,
    dump_schedule,
    load_schedule,
    read_schedule,
)
from harness.sim.drawing import draw_schedule


@pytest.mark.parametrize("seed", range(20))
def test_a_drawn_schedule_survives_its_file(seed: int) -> None:
    schedule = draw_schedule(seed)
    assert read_schedule(dump_schedule(schedule)) == schedule


def test_equal_schedules_have_equal_bytes() -> None:
    steps = (Write(at_us=5, page=3), Kill(at_us=9))
    one, other = (Schedule(seed=7, steps=steps) for _ in range(2))
    assert dump_schedule(one) == dump_schedule(other)


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not a schedule"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a schedule"),
        (b'{"schedule": 2, "seed": 1}', "`$.schedule` is 2"),
        (b'{"seed": 1}', "`schedule`"),
        (b'{"schedule": 1, "seed": -1}', "`$.seed`"),
        (b'{"schedule": 1, "seed": 1, "stepz": []}', "`stepz`"),
        (b'{"schedule": 1, "seed": 1, "setup": {"mode": "fast"}}', "`$.setup.mode`"),
        (b'{"schedule": 1, "seed": 1, "setup": {"volume_bytes": 1000}}', "`$.setup.volume_bytes`"),
        (b'{"schedule": 1, "seed": 1, "setup": {"order": "interval"}}', "`$.setup.order`"),
    ],
)
def test_a_bad_head_is_told_with_its_place(raw: bytes, place: str) -> None:
    with pytest.raises(UsageError) as told:
        read_schedule(raw)
    assert place in str(told.value)


@pytest.mark.parametrize(
    ("step", "place"),
    [
        ('{"do": "boo", "at_us": 1}', "`$.steps[0].do`"),
        ('{"do": "write", "at_us": 1, "page": -1}', "`$.steps[0].page`"),
        ('{"do": "write", "at_us": 1, "page": 0, "pages": 0}', "`$.steps[0].pages`"),
        ('{"do": "write", "at_us": 1.5, "page": 0}', "`$.steps[0].at_us`"),
        ('{"do": "fault", "at_us": 1, "fault": "gremlins"}', "`$.steps[0].fault`"),
        ('{"do": "resize", "at_us": 1, "volume_bytes": -512}', "`$.steps[0].volume_bytes`"),
        ('{"do": "kill", "at_us": 1, "node": "standby-2"}', "`$.steps[0].node`"),
        ('{"do": "failover", "at_us": 1, "node": "primary"}', "`$.steps[0].node`"),
        ('{"do": "flush", "at_us": 2}, {"do": "flush", "at_us": 1}', "`$.steps[1].at_us`"),
    ],
)
def test_a_bad_step_is_told_with_its_place(step: str, place: str) -> None:
    raw = f'{{"schedule": 1, "seed": 1, "steps": [{step}]}}'.encode()
    with pytest.raises(UsageError) as told:
        read_schedule(raw)
    assert place in str(told.value)


def test_too_many_steps_are_refused() -> None:
    flushes = tuple(Flush(at_us=at) for at in range(STEPS_MAX + 1))
    with pytest.raises(UsageError, match=r"`\$\.steps`"):
        read_schedule(dump_schedule(Schedule(seed=1, steps=flushes)))


def test_a_million_steps_are_refused_before_they_are_parsed(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    path.write_bytes(b'{"schedule": 1, "seed": 1, "steps": [' + b"0," * 3_000_000 + b"0]}")
    with pytest.raises(UsageError) as told:
        load_schedule(path)
    assert str(path) in str(told.value)
    assert "MiB" in str(told.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json: cannot be read"):
        load_schedule(tmp_path / "none.json")


def test_faults_of_one_name_differ_in_their_data() -> None:
    fault = Fault(at_us=0, fault="zombie", on="put", skip=2, times=3, for_us=9)
    schedule = Schedule(seed=0, setup=Setup(standbys=2), steps=(fault,))
    assert read_schedule(dump_schedule(schedule)).steps == (fault,)
