"""A page blob on the real service, leased and numbered, with short hands for its commands."""

import itertools
import uuid
from dataclasses import dataclass

from engine.core.messages import (
    Acquire,
    BlobState,
    Clear,
    Create,
    Done,
    Failed,
    Head,
    Part,
    Put,
    Raise,
    StoreAnswer,
    Unknown,
)
from engine.shell.page_blob import PageBlob

BLOB_BYTES = 16 * 1024 * 1024
NUMBER = (7 << 32) + 1
_ids = itertools.count(1)


def next_id() -> int:
    """Return an id that no other command of this run has."""
    return next(_ids)


@dataclass(frozen=True)
class LeasedBlob:
    """`store` executes; `lease` holds the blob, whose sequence number is NUMBER."""

    store: PageBlob
    lease: str

    def put(
        self, offset: int, data: bytes, *, lease: str | None = None, number: int = NUMBER,
        if_match: str | None = None, through: PageBlob | None = None,
    ) -> StoreAnswer:  # fmt: skip
        """Put `data` as one part."""
        parts = (Part(data, 0, len(data)),)
        return (through or self.store).execute(
            Put(next_id(), offset, len(data), parts, lease or self.lease, number, if_match)
        )

    def clear(self, offset: int, length: int, *, number: int = NUMBER) -> StoreAnswer:
        """Clear a range."""
        return self.store.execute(Clear(next_id(), offset, length, self.lease, number, None))

    def state(self) -> BlobState:
        """What a HEAD under no lease says."""
        answer = done(self.store.execute(Head(next_id(), None)))
        assert answer.state is not None
        return answer.state


def leased_blob(store: PageBlob, length: int = BLOB_BYTES) -> LeasedBlob:
    """Create the blob, lease it for 60 s and raise its number, all through `store` itself."""
    lease = str(uuid.uuid4())
    done(store.execute(Create(next_id(), length, (("mark", "seed"),), 0)))
    head = done(store.execute(Head(next_id(), None)))
    done(store.execute(Acquire(next_id(), lease, 60, head.etag)))
    done(store.execute(Raise(next_id(), NUMBER, lease)))
    return LeasedBlob(store, lease)


def done(answer: StoreAnswer) -> Done:
    """Return `answer`, which must be Done."""
    assert isinstance(answer, Done), answer
    return answer


def failed(answer: StoreAnswer) -> Failed:
    """Return `answer`, which must be Failed."""
    assert isinstance(answer, Failed), answer
    return answer


def unknown(answer: StoreAnswer) -> Unknown:
    """Return `answer`, which must be Unknown."""
    assert isinstance(answer, Unknown), answer
    return answer
