"""Transcripts of the shipper: chains, concurrency, Raises, and every kind of answer."""

from itertools import count

import pytest

from engine.core.epochs import Batch, EpochQueue, Order
from engine.core.messages import (
    BlobState,
    Clear,
    Command,
    Done,
    Failed,
    Head,
    LeaseState,
    Put,
    Raise,
    Refusal,
    SetTimer,
    Unknown,
)
from engine.core.shipping import Shipper, Trouble

NOW = 1_000_000
LATER = 60_000_000


class Bench:
    """A shipper that owns a blob at number 100, ETag e0, and its queue."""

    def __init__(
        self, *, connections: int = 2, etag: str | None = "e0", linger_us: int = 0
    ) -> None:
        self.queue = EpochQueue(Order.FLUSH)
        self.finished: list[Batch] = []
        ids = count(1)
        self.shipper = Shipper(
            self.queue, connections, lambda: next(ids), self.finished.append, linger_us=linger_us
        )
        self.shipper.own("L", 100, etag)
        self.shipper.open = True

    def write(self, *offsets: int) -> None:
        """One epoch of single pages."""
        for offset in offsets:
            self.queue.write(NOW, offset, 512, (offset,), barrier=False)
        self.queue.seal()

    def pump(self, now_us: int = NOW) -> list[Command]:
        return self.shipper.pump(now_us)

    def answer(self, event: Done | Failed | Unknown, now_us: int = NOW) -> list[Command]:
        return self.shipper.handle(now_us, event)


def puts(commands: list[Command]) -> list[tuple[int, int, int, str | None]]:
    """id, offset, number, If-Match of each; nothing but puts is expected."""
    out = []
    for command in commands:
        assert isinstance(command, Put), command
        out.append((command.id, command.offset, command.number, command.if_match))
    return out


def raised(commands: list[Command]) -> Raise:
    """The one Raise among the commands."""
    (found,) = [command for command in commands if isinstance(command, Raise)]
    return found


def head(number: int, etag: str = "e9") -> BlobState:
    return BlobState(etag, number, 1 << 20, (), LeaseState.LEASED)


def test_single_requests_chain_from_etag_to_etag_without_a_raise() -> None:
    bench = Bench()
    bench.write(0)
    bench.write(8192)
    bench.write(0)
    assert puts(bench.pump()) == [(1, 0, 100, "e0")]
    assert puts(bench.answer(Done(1, "e1"))) == [(2, 8192, 100, "e1")]
    assert puts(bench.answer(Done(2, "e2"))) == [(3, 0, 100, "e2")]
    assert bench.answer(Done(3, "e3")) == []
    assert len(bench.finished) == 3
    assert bench.shipper.is_idle()


def test_the_requests_of_a_chain_go_one_after_another() -> None:
    bench = Bench(connections=4)
    bench.write(0, 8192)
    assert puts(bench.pump()) == [(1, 0, 100, "e0")]
    assert bench.finished == []
    assert puts(bench.answer(Done(1, "e1"))) == [(2, 8192, 100, "e1")]
    bench.answer(Done(2, "e2"))
    assert len(bench.finished) == 1


def test_a_wide_epoch_goes_concurrently_and_the_next_waits_for_all_of_it() -> None:
    bench = Bench(connections=2)
    bench.write(0, 8192, 16384)
    bench.write(65536)
    assert puts(bench.pump()) == [(1, 0, 100, None), (2, 8192, 100, None)]
    assert puts(bench.answer(Done(2, "e1"))) == [(3, 16384, 100, None)]
    assert bench.answer(Done(1, "e2")) == []
    assert puts(bench.answer(Done(3, "e3"))) == [(4, 65536, 100, None)]


def test_p1_a_page_of_living_requests_is_touched_only_after_a_raise() -> None:
    bench = Bench(connections=3)
    bench.write(0, 8192, 16384)
    bench.write(8192)
    bench.pump()
    for command_id in (1, 2):
        bench.answer(Done(command_id, "e"))
    raise_ = raised(bench.answer(Done(3, "e3")))
    assert (raise_.number, raise_.lease) == (101, "L")
    assert puts(bench.answer(Done(raise_.id, "e4"))) == [(5, 8192, 101, "e4")]


def test_unknown_is_repeated_only_after_a_raise_and_nothing_else_goes_before() -> None:
    bench = Bench(connections=3)
    bench.write(0, 8192, 16384)
    bench.write(65536)
    bench.pump()
    bench.answer(Unknown(2, "timeout"))
    assert bench.answer(Done(1, "e1"), LATER) == []
    raise_ = raised(bench.answer(Done(3, "e3"), LATER))
    assert bench.finished == []
    assert puts(bench.answer(Done(raise_.id, "e4"), LATER)) == [(5, 8192, 101, None)]
    assert puts(bench.answer(Done(5, "e5"), LATER)) == [(6, 65536, 101, None)]


def test_an_unknown_raise_is_repeated() -> None:
    bench = Bench(etag=None)
    bench.write(0)
    first = raised(bench.pump())
    out = bench.answer(Unknown(first.id, "timeout"))
    assert any(isinstance(command, SetTimer) for command in out)
    assert bench.pump() == []
    second = raised(bench.pump(LATER))
    assert second.number > first.number
    assert puts(bench.answer(Done(second.id, "e1"), LATER)) == [(3, 0, second.number, "e1")]


@pytest.mark.parametrize("refusal", [Refusal.UNREACHABLE, Refusal.CHECKSUM, Refusal.BUSY])
def test_a_chained_request_that_was_refused_is_sent_again_after_a_wait(refusal: Refusal) -> None:
    bench = Bench()
    bench.write(0)
    bench.pump()
    out = bench.answer(Failed(1, refusal, detail="later"))
    assert any(isinstance(command, SetTimer) for command in out)
    assert bench.pump() == []
    assert puts(bench.pump(LATER)) == [(2, 0, 100, "e0")]


@pytest.mark.parametrize("refusal", [Refusal.SEQUENCE, Refusal.ETAG])
def test_h4_a_failed_condition_is_looked_into_and_the_request_repeated(refusal: Refusal) -> None:
    bench = Bench()
    bench.write(0)
    bench.pump()
    look = bench.answer(Failed(1, refusal))[-1]
    assert isinstance(look, Head)
    raise_ = raised(bench.answer(Done(look.id, state=head(100))))
    assert puts(bench.answer(Done(raise_.id, "e7"))) == [(4, 0, 101, "e7")]


@pytest.mark.parametrize(("number", "trouble"), [(99, Trouble.REGRESSED), (101, Trouble.FENCED)])
def test_a_foreign_number_stops_the_shipper(number: int, trouble: Trouble) -> None:
    bench = Bench()
    bench.write(0)
    bench.pump()
    look = bench.answer(Failed(1, Refusal.SEQUENCE))[-1]
    assert isinstance(look, Head)
    bench.answer(Done(look.id, state=head(number)))
    assert bench.shipper.trouble is trouble
    assert bench.pump(LATER) == []


def test_a_lost_lease_stops_it_and_owning_again_repeats_what_had_no_answer() -> None:
    bench = Bench(connections=3)
    bench.write(0, 8192, 16384)
    bench.pump()
    bench.answer(Done(1, "e1"))
    bench.answer(Failed(2, Refusal.LEASE, detail="gone"))
    assert bench.shipper.trouble is Trouble.FENCED
    bench.shipper.own("M", 200, "f0")
    repeated = puts(bench.pump())
    assert [(offset, number) for _, offset, number, _ in repeated] == [(16384, 200), (8192, 200)]
    assert bench.answer(Done(3, "late")) == [], "an answer of the time before is dropped"
    for command_id, *_ in repeated:
        bench.answer(Done(command_id, "f"))
    assert len(bench.finished) == 1


@pytest.mark.parametrize("refusal", [Refusal.RANGE, Refusal.INVALID])
def test_a_refusal_that_cannot_be_is_a_bug_and_stops(refusal: Refusal) -> None:
    bench = Bench()
    bench.write(0)
    bench.pump()
    bench.answer(Failed(1, refusal))
    assert bench.shipper.trouble is Trouble.BROKEN


def test_zeros_are_cleared() -> None:
    bench = Bench()
    bench.queue.write(NOW, 4096, 1 << 20, None, barrier=True)
    assert bench.pump() == [Clear(1, 4096, 1 << 20, "L", 100, "e0")]


def test_writes_linger_until_they_are_ripe_or_the_shipper_is_in_a_hurry() -> None:
    bench = Bench(linger_us=50)
    bench.queue.write(NOW, 0, 512, ("a",), barrier=False)
    (timer,) = bench.pump(NOW + 10)
    assert isinstance(timer, SetTimer)
    assert timer.at_us == NOW + 50
    assert len(puts(bench.pump(NOW + 50))) == 1
    hurried = Bench(linger_us=50)
    hurried.shipper.hurry = True
    hurried.queue.write(NOW, 0, 512, ("a",), barrier=False)
    assert len(puts(hurried.pump())) == 1
