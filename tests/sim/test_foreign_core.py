"""Another replication core: one that works and has a weakness, and those that do not even work."""

from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.messages import Command, Event, Reply, SetTimer
from engine.core.settings import StandbySettings, VolumeSettings
from harness.checkers.observation import Observer, Operation
from harness.errors import UsageError
from harness.schedule import Fault, Point, Resize, Schedule, Write
from harness.sim.disaster import CORE_ERROR, ObserverError, run_disaster
from harness.sim.drawing import draw_schedule
from harness.sim.system import REFERENCE, Primary, Standby, System, load_system
from tests.sim.minimal_core import Minimal, make

SOON: Any = "soon"


def for_the_minimal_core(seed: int) -> Schedule:
    """What it can do: mode sync, no resize, no points."""
    drawn = draw_schedule(seed)
    setup = replace(drawn.setup, mode="sync", order="strict", point_interval_us=0)
    steps = tuple(step for step in drawn.steps if not isinstance(step, Resize | Point))
    return replace(drawn, setup=setup, steps=steps)


def test_the_minimal_core_protects_a_volume_when_nothing_goes_wrong() -> None:
    steps = tuple(Write(at_us=500_000 + at * 9_000, page=at % 5, pages=2) for at in range(20))
    outcome = run_disaster(Schedule(seed=1, steps=steps), make())
    assert outcome.findings == ()
    assert outcome.exercised["no-acked-loss"] > 0


def test_its_weakness_is_found_under_the_right_claim() -> None:
    """A late first copy of a put that was sent again lands on newer data."""
    at_us = 500_000
    schedule = Schedule(
        seed=1,
        steps=(
            Fault(at_us=at_us, fault="zombie", on="put", for_us=10_000_000),
            Write(at_us=at_us, page=3),
            Write(at_us=at_us + 5_000_000, page=3),
            Write(at_us=at_us + 20_000_000, page=7),
        ),
    )
    found = {finding.claim for finding in run_disaster(schedule, Minimal()).findings}
    assert "ordered-once" in found
    assert run_disaster(schedule).findings == ()


def test_drawn_disasters_find_it_too() -> None:
    claims = set()
    for seed in range(60):
        outcome = run_disaster(for_the_minimal_core(seed), Minimal())
        claims |= {finding.claim for finding in outcome.findings}
    assert "ordered-once" in claims
    assert CORE_ERROR not in claims


@dataclass
class Odd:
    """Ours, but its primary answers its first event in its own way."""

    answer: Any

    def primary(self, settings: VolumeSettings) -> Primary:
        inner = REFERENCE.primary(settings)
        answer = self.answer

        class OddPrimary:
            def handle(self, now_us: int, event: Event) -> list[Command]:
                given: list[Command] = answer(inner, now_us, event)
                return given

            def status(self, now_us: int) -> Any:  # noqa: ANN401
                return inner.status(now_us)

        return OddPrimary()

    def standby(self, settings: StandbySettings) -> Standby:
        return REFERENCE.standby(settings)


def raises(_inner: Primary, _now_us: int, _event: Event) -> list[Command]:
    raise ZeroDivisionError("odd")


def circles(_inner: Primary, now_us: int, _event: Event) -> list[Command]:
    return [SetTimer("again", now_us)]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (raises, "raised-ZeroDivisionError"),
        (circles, "endless"),
        (lambda *_: [42], "nonsense-int"),
        (lambda *_: [Reply(77, 0)], "answers-twice"),
        (lambda *_: None, "impossible-TypeError"),
        (lambda *_: [SetTimer("x", SOON)], "impossible-TypeError"),
    ],
)
def test_a_core_that_does_not_work_is_a_finding_and_no_crash(answer: object, cause: str) -> None:
    outcome = run_disaster(Schedule(seed=1), Odd(answer))
    assert [(f.claim, f.cause) for f in outcome.findings] == [(CORE_ERROR, f"core-error-{cause}")]
    assert outcome.digest == run_disaster(Schedule(seed=1), Odd(answer)).digest


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tests.sim.minimal_core", "is not MODULE:FACTORY"),
        (":make", "is not MODULE:FACTORY"),
        ("no.such.module:make", "importing no.such.module failed: ModuleNotFoundError"),
        ("tests.sim.minimal_core:none", "has no callable none"),
        ("tests.sim.minimal_core:EIO", "has no callable EIO"),
        ("builtins:dict", "has no method primary(settings)"),
        ("builtins:range", "range() failed: TypeError"),
    ],
)
def test_a_core_that_cannot_be_loaded_is_told(text: str, told: str) -> None:
    with pytest.raises(UsageError) as error:
        load_system(text)
    assert told in str(error.value)


class Dizzy(Observer):
    """Breaks down at the first answer to a client."""

    def completed(self, now_us: int, operation: Operation) -> None:
        raise KeyError(operation.op)


@pytest.mark.parametrize("system", [REFERENCE, Minimal()])
def test_an_observer_that_breaks_down_is_blamed_itself_and_no_core(system: System) -> None:
    schedule = Schedule(seed=5, steps=(Write(at_us=90_000, page=1),))
    with pytest.raises(ObserverError, match=r"Dizzy\.completed broke down .* seed 5: KeyError: 1"):
        run_disaster(schedule, system, observers=[Dizzy()])


def test_a_core_is_loaded_by_its_name() -> None:
    assert run_disaster(Schedule(seed=1), load_system("tests.sim.minimal_core:make")).findings == ()
