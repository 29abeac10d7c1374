"""The NBD wire format and the server's side of its fixed newstyle handshake; pure, no sockets.

Source: the NBD project's doc/proto.md. All integers are big-endian. What we offer and why:

- simple replies only: STRUCTURED_REPLY is answered "unsupported", which every client accepts;
- requests are whole 512-byte sectors, because a page blob can store nothing smaller;
- at most 32 MiB of payload a request, the limit that clients assume when nobody tells them one;
- no CAN_MULTI_CONN: one client at a time, so that arrival order is the order of the writes.
"""

import errno
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag
from typing import Final

from engine.errors import ProtocolError
from engine.units import MIB, PAGE_BYTES

SECTOR_BYTES: Final = PAGE_BYTES
PREFERRED_BYTES: Final = 4096
PAYLOAD_BYTES_MAX: Final = 32 * MIB
"""Largest read or write; trim and write-zeroes carry no payload and may be as long as 2**32 - 1."""

NAME_BYTES_MAX: Final = 4096
OPTION_BYTES_MAX: Final = 64 * 1024
"""Longest option that is read and refused politely; a longer one ends the connection."""
OPTIONS_MAX: Final = 256
"""A client that haggles longer than this is broken or hostile."""

GREETING_MAGIC: Final = 0x4E42444D41474943
OPTION_MAGIC: Final = 0x49484156454F5054
OPTION_REPLY_MAGIC: Final = 0x0003E889045565A9
REQUEST_MAGIC: Final = 0x25609513
REPLY_MAGIC: Final = 0x67446698

REQUEST: Final = struct.Struct(">IHHQQI")
"""Magic, command flags, command, cookie, offset, length."""
REPLY: Final = struct.Struct(">IIQ")
"""Magic, error, cookie."""
OPTION: Final = struct.Struct(">QII")
"""Magic, option, length of the data that follows."""
OPTION_REPLY: Final = struct.Struct(">QIII")
"""Magic, option, reply type, length of the data that follows."""

_U16: Final = struct.Struct(">H")
_U32: Final = struct.Struct(">I")


class HandshakeFlag(IntFlag):
    """Flags that server and client exchange before the options; both sides use the same bits."""

    FIXED_NEWSTYLE = 1
    NO_ZEROES = 2


_HANDSHAKE_FLAGS: Final = int(HandshakeFlag.FIXED_NEWSTYLE | HandshakeFlag.NO_ZEROES)
"""An int, for the complement of an IntFlag drops the bits that have no name."""


class TransmissionFlag(IntFlag):
    """What the export can do."""

    HAS_FLAGS = 1
    SEND_FLUSH = 4
    SEND_FUA = 8
    SEND_TRIM = 32
    SEND_WRITE_ZEROES = 64


TRANSMISSION_FLAGS: Final = int(
    TransmissionFlag.HAS_FLAGS
    | TransmissionFlag.SEND_FLUSH
    | TransmissionFlag.SEND_FUA
    | TransmissionFlag.SEND_TRIM
    | TransmissionFlag.SEND_WRITE_ZEROES
)


class Option(IntEnum):
    """The options that we know; every other one is answered ERR_UNSUP."""

    EXPORT_NAME = 1
    ABORT = 2
    LIST = 3
    INFO = 6
    GO = 7


class OptionAnswer(IntEnum):
    """Reply types; errors have the top bit set."""

    ACK = 1
    SERVER = 2
    INFO = 3
    ERR_UNSUP = 0x80000001
    ERR_POLICY = 0x80000002
    ERR_INVALID = 0x80000003
    ERR_UNKNOWN = 0x80000006
    ERR_TOO_BIG = 0x80000009


class Info(IntEnum):
    """Kinds of information in an INFO reply."""

    EXPORT = 0
    NAME = 1
    BLOCK_SIZE = 3


# Commands and their flags are plain ints: they are compared for every request of the data path.
COMMAND_READ: Final = 0
COMMAND_WRITE: Final = 1
COMMAND_DISCONNECT: Final = 2
COMMAND_FLUSH: Final = 3
COMMAND_TRIM: Final = 4
COMMAND_WRITE_ZEROES: Final = 6

FLAG_FUA: Final = 1
"""Force unit access: valid with every command, means something where data is changed."""
FLAG_NO_HOLE: Final = 2
"""Only with write-zeroes: do not give the space back. Only a hint to us: a page blob has no holes
that a reader could tell from zeros."""

_WIRE_ERRORS: Final = {
    errno.EPERM: errno.EPERM,
    errno.EROFS: errno.EPERM,
    errno.EIO: errno.EIO,
    errno.ENOMEM: errno.ENOMEM,
    errno.EINVAL: errno.EINVAL,
    errno.ENOSPC: errno.ENOSPC,
    errno.EDQUOT: errno.ENOSPC,
    errno.EFBIG: errno.ENOSPC,
    errno.EOVERFLOW: errno.EOVERFLOW,
    errno.ENOTSUP: errno.ENOTSUP,
    errno.ESHUTDOWN: errno.ESHUTDOWN,
}


def wire_error(error: int) -> int:
    """Return the NBD error for an errno: 0 stays 0, whatever NBD has no number for becomes EIO."""
    return _WIRE_ERRORS.get(error, errno.EIO) if error else 0


def encode_reply(cookie: int, error: int) -> bytes:
    """Encode a simple reply; `error` is an errno. The data of a successful read follows it."""
    return REPLY.pack(REPLY_MAGIC, wire_error(error), cookie)


def request_error(command: int, flags: int, offset: int, length: int, size_bytes: int) -> int:
    """Errno with which to refuse a request against a disk of `size_bytes`; 0 if it is in order.

    Past the end is ENOSPC where data would be stored and EINVAL elsewhere, as the protocol asks.
    """
    if flags & ~(FLAG_FUA | FLAG_NO_HOLE) or (
        flags & FLAG_NO_HOLE and command != COMMAND_WRITE_ZEROES
    ):
        return errno.EINVAL
    if command == COMMAND_FLUSH:
        return errno.EINVAL if offset or length else 0
    if command not in (COMMAND_READ, COMMAND_WRITE, COMMAND_TRIM, COMMAND_WRITE_ZEROES):
        return errno.EINVAL
    if length == 0 or (offset | length) % SECTOR_BYTES:
        return errno.EINVAL
    if command == COMMAND_READ and length > PAYLOAD_BYTES_MAX:
        return errno.EINVAL
    if offset + length > size_bytes:
        stores = command in (COMMAND_WRITE, COMMAND_WRITE_ZEROES)
        return errno.ENOSPC if stores else errno.EINVAL
    return 0


class Outcome(Enum):
    """What the connection does after a step of the handshake."""

    NEED_MORE = "need more"
    """The message is incomplete; call again with more bytes."""
    CONTINUE = "continue"
    """One message was consumed; there may be another one behind it."""
    TRANSMIT = "transmit"
    """The export is open: requests follow."""
    CLOSE = "close"
    """Send the answer, then close."""


@dataclass(frozen=True, slots=True)
class Step:
    """`consumed` bytes are done with; send `answer`; then do what `outcome` says."""

    consumed: int
    answer: bytes
    outcome: Outcome


_NEED_MORE: Final = Step(0, b"", Outcome.NEED_MORE)


class Negotiation:
    """The server's side of one handshake: bytes in, answers out.

    `admit()` is asked once a client wants to open the export; it opens it for this connection and
    returns True, or returns False while somebody else has it. INFO and LIST never ask.
    """

    def __init__(self, export_name: str, size_bytes: int, admit: Callable[[], bool]) -> None:
        self._name = export_name.encode()
        assert len(self._name) <= NAME_BYTES_MAX, "NBD limits names to 4096 bytes"
        self._size_bytes = size_bytes
        self._admit = admit
        self._client_flags: int | None = None
        self._options_count = 0

    @staticmethod
    def greeting() -> bytes:
        """Return what the server says first."""
        return struct.pack(">QQH", GREETING_MAGIC, OPTION_MAGIC, _HANDSHAKE_FLAGS)

    def step(self, received: memoryview) -> Step:
        """Take at most one message off the front of `received`.

        Raises ProtocolError for what is no NBD, or what leaves no way to answer.
        """
        if self._client_flags is None:
            return self._take_client_flags(received)
        if len(received) < OPTION.size:
            return _NEED_MORE
        magic, option, length = OPTION.unpack_from(received)
        if magic != OPTION_MAGIC:
            raise ProtocolError(f"option magic is {magic:#018x}, not IHAVEOPT: this is no NBD")
        if length > OPTION_BYTES_MAX:
            raise ProtocolError(f"option {option} announces {length} bytes: too long to be serious")
        total = OPTION.size + length
        if len(received) < total:
            return _NEED_MORE
        self._options_count += 1
        if self._options_count > OPTIONS_MAX:
            raise ProtocolError(f"more than {OPTIONS_MAX} options and still no export opened")
        answer, outcome = self._answer(option, bytes(received[OPTION.size : total]))
        return Step(total, answer, outcome)

    def _take_client_flags(self, received: memoryview) -> Step:
        if len(received) < _U32.size:
            return _NEED_MORE
        (flags,) = _U32.unpack_from(received)
        if flags & ~_HANDSHAKE_FLAGS:
            raise ProtocolError(f"client flags {flags:#x} were never offered: this is no NBD")
        self._client_flags = flags
        return Step(_U32.size, b"", Outcome.CONTINUE)

    def _answer(self, option: int, data: bytes) -> tuple[bytes, Outcome]:
        match option:
            case Option.EXPORT_NAME:
                return self._export_name(data), Outcome.TRANSMIT
            case Option.ABORT:
                return _option_reply(option, OptionAnswer.ACK), Outcome.CLOSE
            case Option.LIST:
                return self._list(data), Outcome.CONTINUE
            case Option.INFO | Option.GO:
                return self._info_or_go(option, data)
            case _:
                text = b"this server does not know the option"
                return _option_reply(option, OptionAnswer.ERR_UNSUP, text), Outcome.CONTINUE

    def _is_ours(self, name: bytes) -> bool:
        """Compare with our only export, which is the default one (the empty name) as well."""
        return name in (b"", self._name)

    def _export_name(self, name: bytes) -> bytes:
        # This option has no error reply: all that the protocol leaves is to close.
        if not self._is_ours(name):
            raise ProtocolError(f"there is no export named {_printable(name)}")
        if not self._admit():
            raise ProtocolError("the export is in use by another connection")
        zeroes = 0 if (self._client_flags or 0) & HandshakeFlag.NO_ZEROES else 124
        return struct.pack(">QH", self._size_bytes, TRANSMISSION_FLAGS) + bytes(zeroes)

    def _list(self, data: bytes) -> bytes:
        if data:
            return _option_reply(Option.LIST, OptionAnswer.ERR_INVALID, b"LIST takes no data")
        entry = _U32.pack(len(self._name)) + self._name
        return _option_reply(Option.LIST, OptionAnswer.SERVER, entry) + _option_reply(
            Option.LIST, OptionAnswer.ACK
        )

    def _info_or_go(self, option: int, data: bytes) -> tuple[bytes, Outcome]:
        refusal = self._refusal(option, data)
        if refusal is not None:
            return _option_reply(option, *refusal), Outcome.CONTINUE
        export = struct.pack(">HQH", Info.EXPORT, self._size_bytes, TRANSMISSION_FLAGS)
        blocks = struct.pack(
            ">HIII", Info.BLOCK_SIZE, SECTOR_BYTES, PREFERRED_BYTES, PAYLOAD_BYTES_MAX
        )
        name = _U16.pack(Info.NAME) + self._name
        infos = b"".join(
            _option_reply(option, OptionAnswer.INFO, info) for info in (export, blocks, name)
        )
        outcome = Outcome.TRANSMIT if option == Option.GO else Outcome.CONTINUE
        return infos + _option_reply(option, OptionAnswer.ACK), outcome

    def _refusal(self, option: int, data: bytes) -> tuple[OptionAnswer, bytes] | None:
        name = _requested_name(data)
        if name is None:
            return OptionAnswer.ERR_INVALID, b"the lengths inside the option contradict each other"
        if len(name) > NAME_BYTES_MAX:
            return OptionAnswer.ERR_TOO_BIG, b"a name has at most 4096 bytes"
        if not self._is_ours(name):
            return OptionAnswer.ERR_UNKNOWN, b"there is no export of that name"
        if option == Option.GO and not self._admit():
            return OptionAnswer.ERR_POLICY, b"the export is in use by another connection"
        return None


def _requested_name(data: bytes) -> bytes | None:
    """Find the export name in an INFO or GO option; None if the option is malformed."""
    if len(data) < _U32.size + _U16.size:
        return None
    (name_bytes,) = _U32.unpack_from(data)
    after_name = _U32.size + name_bytes
    if after_name + _U16.size > len(data):
        return None
    (infos_count,) = _U16.unpack_from(data, after_name)
    if after_name + _U16.size * (1 + infos_count) != len(data):
        return None
    return data[_U32.size : after_name]


def _option_reply(option: int, answer: OptionAnswer, data: bytes = b"") -> bytes:
    return OPTION_REPLY.pack(OPTION_REPLY_MAGIC, option, answer, len(data)) + data


def _printable(name: bytes) -> str:
    """Shorten and escape a client's name for a log line."""
    return repr(name[:64].decode("utf-8", "replace"))
