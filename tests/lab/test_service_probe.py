"""How long the blob service left the lab's own question unanswered before a kill."""

from collections.abc import Callable

from harness.errors import Inconclusive
from harness.lab.service_probe import ServiceProbe


class Service:
    """Answers after a time of its own on a clock that it moves, or fails after it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.takes_s = 0.0
        self.fails = False
        self.inside: Callable[[], None] = lambda: None

    def clock(self) -> float:
        return self.now

    def ask(self) -> None:
        self.inside()
        self.now += self.takes_s
        if self.fails:
            raise Inconclusive("no answer")

    def play(self, probe: ServiceProbe, *times_s: float, fails: bool = False) -> None:
        self.fails = fails
        for takes_s in times_s:
            self.takes_s = takes_s
            probe.take()


def made() -> tuple[Service, ServiceProbe]:
    service = Service()
    return service, ServiceProbe(service.ask, service.clock)


def test_a_service_that_answers_is_silent_for_the_time_of_an_answer_only() -> None:
    service, probe = made()
    service.play(probe, 0.1, 0.3, 0.1)
    assert round(probe.silence(service.now, 5.0), 6) == 0.3


def test_a_stall_before_the_kill_counts_and_one_long_ago_does_not() -> None:
    service, probe = made()
    service.play(probe, 9.0)
    stalled_until = service.now
    service.play(probe, *[0.5] * 20)
    assert probe.silence(stalled_until + 4.0, 5.0) == 9.0
    assert probe.silence(stalled_until + 6.0, 5.0) == 0.5


def test_a_question_that_is_open_at_the_kill_counts_up_to_it() -> None:
    service, probe = made()
    heard: list[float] = []
    service.inside = lambda: heard.append(probe.silence(service.now + 7.0, 5.0))
    service.play(probe, 20.0)
    assert heard == [7.0]
    assert probe.silence(107.0, 5.0) == 7.0, "the answer that came later changes nothing"


def test_questions_that_fail_are_one_silence_until_the_next_answer() -> None:
    service, probe = made()
    service.play(probe, 3.0, 3.0, fails=True)
    assert probe.silence(service.now, 5.0) == 6.0
    service.play(probe, 1.0)
    assert probe.silence(service.now, 5.0) == 7.0


def test_nothing_asked_is_no_silence() -> None:
    _service, probe = made()
    assert probe.silence(100.0, 5.0) == 0.0
