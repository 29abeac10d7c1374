"""Watches a run for a story: requests, replies and what nodes say of themselves, in words.

It is an observer beside the checkers, and the recording that the runner tells its notes to; so one
list holds everything in the order in which it happened.
"""

from collections.abc import Callable
from typing import Any, Final

from harness.checkers.observation import BASE, Observer, Operation, StatusSample
from harness.explore.determinism import Recording
from harness.explore.wording import say_pages, say_size
from harness.sim.blob_requests import Metadata, PutPages, Request, SetProperties

__all__ = ["Witness"]

PAGE_BYTES: Final = 512
PREFIX: Final = "mp_"
TELLING: Final = ("term", "owner", "mark", "pin", "intent", "doomed", "point")
VALUES_SHOWN: Final = 3
NUMBER_BITS: Final = 32
OUTCOMES: Final = {"done": "", "unknown": "no answer: it may be applied or not"}


class Witness(Recording, Observer):
    """Everything that happens, and the last word of each node."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, tuple[str, bool]] = {}

    def sent(self, now_us: int, node: str, request: Request) -> None:
        """A request leaves."""
        self.tell(now_us, "request", node, f"→ {say_request(request)}")

    def answered(self, now_us: int, node: str, request: Request, outcome: str) -> None:
        """An answer that is not plain success is worth a word; success of a put is not."""
        said = OUTCOMES.get(outcome, f"refused: {outcome}")
        if said:
            self.tell(now_us, "reply", node, f"← {say_request(request)}: {said}")

    def completed(self, now_us: int, operation: Operation) -> None:
        """A client has its answer."""
        how = f"fails with error {operation.error}" if operation.error else "is acknowledged"
        promise = ", under protection" if operation.promised else ""
        self.tell(now_us, "reply", "client", f"{say_operation(operation)} {how}{promise}")

    def status(self, now_us: int, sample: StatusSample) -> None:
        """Kept when it changes in more than its lag."""
        key = (sample.phase, sample.protected)
        if self._said.get(sample.node) != key:
            self._said[sample.node] = key
            protected = "what it acknowledges is protected" if sample.protected else "not protected"
            lag = f", {sample.lag_bytes} bytes behind" if sample.lag_bytes else ""
            self.tell(now_us, "status", sample.node, f"says: {sample.phase}, {protected}{lag}")


def say_operation(operation: Operation) -> str:
    """An operation by its number, as page values name it."""
    extent = say_pages(operation.first_page, operation.pages)
    what = {
        "write": f"write of {extent}",
        "zero": f"trim of {extent}",
        "flush": "flush",
        "resize": f"resize to {say_size(operation.volume_bytes)}",
        "point": "recovery point",
    }[operation.kind]
    return f"operation {operation.op} ({what})"


def say_request(request: Request) -> str:
    """A request in a few words."""
    name = type(request).__name__
    say = _SENTENCES.get(name)
    return say(request) if say else _NAMES.get(name, name)


def _say_properties(request: SetProperties) -> str:
    if request.length is not None:
        return f"resize the blob to {say_size(request.length)}"
    term, counter = divmod(request.number or 0, 1 << NUMBER_BITS)
    return f"raise the sequence number to {counter} of term {term}"


def _say_put(request: PutPages) -> str:
    return f"put {_extent(request.offset, request.length)} {_say_values(request.pages)}"


_SENTENCES: Final[dict[str, Callable[[Any], str]]] = {
    "PutPages": _say_put,
    "ClearPages": lambda request: f"clear {_extent(request.offset, request.length)}",
    "ReadPages": lambda request: f"read {_extent(request.offset, request.length)}",
    "SetProperties": _say_properties,
    "SetMetadata": lambda request: f"set metadata {_say_metadata(request.metadata)}",
    "AcquireLease": lambda request: f"acquire the lease for {request.seconds} s",
}

_NAMES: Final = {
    "CreateBlob": "create the blob", "DeleteBlob": "delete a snapshot",
    "ReadProperties": "read the blob's state", "ListRequest": "list snapshots",
    "RenewLease": "renew the lease", "ChangeLease": "change the lease's id",
    "TakeSnapshot": "take a snapshot",
    "ReleaseLease": "release the lease", "BreakLease": "break the lease",
}  # fmt: skip


def _extent(offset: int, length: int) -> str:
    return say_pages(offset // PAGE_BYTES, length // PAGE_BYTES)


def _say_values(pages: tuple[object, ...]) -> str:
    """Where the bytes come from: the operations whose values they are."""
    origins = list(dict.fromkeys(_origin(value) for value in pages))
    shown = ", ".join(origins[:VALUES_SHOWN])
    return f"({shown}{', ...' if len(origins) > VALUES_SHOWN else ''})"


def _origin(value: object) -> str:
    if isinstance(value, bytes):
        return "footer"
    if isinstance(value, int) and value:
        return "what was there before" if value >= BASE else f"operation {value}"
    return "zeros"


def _say_metadata(metadata: Metadata) -> str:
    known = {name.removeprefix(PREFIX): value for name, value in metadata}
    said = [f"{name} {known[name]}" for name in TELLING if known.get(name)]
    return f"({', '.join(said)})" if said else "(nothing of note)"
