"""The handshake: options, their answers, and clients that get it wrong."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ProtocolError
from engine.shell import nbd_protocol as nbd
from tests.tap import nbd_client
from tests.tap.conftest import SIZE_BYTES
from tests.tap.nbd_client import NbdClient, go_data, open_export
from tests.tap.running import RunningTap, eventually


def test_go_opens_the_export_by_name_or_as_the_default(tap: RunningTap) -> None:
    for name in ("db", ""):
        with NbdClient(tap.address) as client:
            client.hello().go(name)
            assert client.size_bytes == SIZE_BYTES
            assert client.flags == 1 | 4 | 8 | 32 | 64
        assert eventually(lambda: tap.server.active is None)


@pytest.mark.parametrize(("flags", "padding"), [(0, 124), (1, 124), (3, 0)])
def test_export_name_opens_it_for_old_clients(tap: RunningTap, flags: int, padding: int) -> None:
    with NbdClient(tap.address) as client:
        client.hello(flags).send_option(nbd_client.EXPORT_NAME, b"db")
        size, export_flags = struct.unpack(">QH", client.take(10))
        assert (size, export_flags) == (SIZE_BYTES, 109)
        assert client.take(padding) == bytes(padding)
        assert client.ask(nbd_client.FLUSH, 0, 0) == 0


def test_info_answers_without_opening(tap: RunningTap) -> None:
    with NbdClient(tap.address) as client:
        replies = client.hello().option(nbd_client.INFO, go_data("db", (1, 3)))
        assert [kind for kind, _ in replies] == [3, 3, 3, 1]
        infos = {data[:2]: data[2:] for _, data in replies[:-1]}
        assert infos[b"\0\1"] == b"db"
        assert struct.unpack(">III", infos[b"\0\3"]) == (512, 4096, 32 << 20)
        assert tap.server.active is None


def test_list_names_the_only_export(tap: RunningTap) -> None:
    with NbdClient(tap.address) as client:
        replies = client.hello().option(nbd_client.LIST)
        assert replies == [(2, b"\0\0\0\2db"), (1, b"")]
        assert client.option(nbd_client.LIST, b"x")[-1][0] == nbd_client.INVALID


@pytest.mark.parametrize("option", [nbd_client.STARTTLS, nbd_client.STRUCTURED_REPLY, 9, 10, 4242])
def test_an_option_that_is_not_known_is_refused_and_the_client_goes_on(
    tap: RunningTap, option: int
) -> None:
    with NbdClient(tap.address) as client:
        assert client.hello().option(option, b"data")[-1][0] == nbd_client.UNSUPPORTED
        client.go()
        assert len(client.read(0, 512)) == 512


def test_abort_is_acknowledged_and_ends_the_connection(tap: RunningTap) -> None:
    with NbdClient(tap.address) as client:
        assert client.hello().option(nbd_client.ABORT) == [(1, b"")]
        assert client.is_closed()


def test_a_name_that_does_not_exist_is_refused(tap: RunningTap) -> None:
    with NbdClient(tap.address) as client:
        for option in (nbd_client.INFO, nbd_client.GO):
            replies = client.hello() if option == nbd_client.INFO else client
            assert replies.option(option, go_data("nope"))[-1][0] == nbd_client.UNKNOWN
        client.go()
    with NbdClient(tap.address) as client:
        client.hello().send_option(nbd_client.EXPORT_NAME, b"nope")
        assert client.is_closed()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0",
        b"\0\0\0\2db",
        b"\xff\xff\xff\xffdb\0\0",
        go_data("db")[:-1] + b"\1",
        b"\0" * 7,
    ],
)
def test_an_option_whose_lengths_contradict_is_invalid(tap: RunningTap, data: bytes) -> None:
    with NbdClient(tap.address) as client:
        assert client.hello().option(nbd_client.GO, data)[-1][0] == nbd_client.INVALID
        client.go()


def test_a_name_longer_than_4096_bytes_is_too_big(tap: RunningTap) -> None:
    with NbdClient(tap.address) as client:
        reply = client.hello().option(nbd_client.GO, go_data("x" * 4097))
        assert reply[-1][0] == 0x80000009


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack(">I", 4),
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">IQII", 3, 0x1234, 7, 0),
        struct.pack(">IQII", 3, nbd_client.IHAVEOPT, 7, 0xFFFFFFFF),
        struct.pack(">IQII", 3, nbd_client.IHAVEOPT, 99, 64 * 1024 + 1),
    ],
    ids=["client-flags", "http", "option-magic", "4-gib-option", "just-too-long-option"],
)
def test_garbage_ends_the_connection_and_harms_nobody(
    tap: RunningTap, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with open_export(tap.address) as innocent, NbdClient(tap.address) as client:
        client.take(18)
        client.send(raw)
        assert client.is_closed()
        assert len(innocent.read(0, 4096)) == 4096
    assert "closed a connection" in caplog.text


def test_endless_haggling_is_cut_off(tap: RunningTap) -> None:
    with NbdClient(tap.address) as client:
        client.hello()
        for _ in range(nbd.OPTIONS_MAX):
            client.option(nbd_client.LIST)
        with pytest.raises(ConnectionError):
            client.option(nbd_client.LIST)


def test_a_handshake_that_takes_too_long_is_cut_off(
    tap: RunningTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.shell.tap_connection.HANDSHAKE_SECONDS_MAX", 0.05)
    with NbdClient(tap.address) as client, NbdClient(tap.address) as quick:
        quick.hello().go()
        client.hello()
        assert client.is_closed()
        assert quick.ask(nbd_client.FLUSH, 0, 0) == 0  # the limit ends with the handshake


def steps(raw: bytes, cuts: list[int]) -> tuple[bytes, str]:
    """Feed `raw` in pieces; all answers and how it ended."""
    negotiation = nbd.Negotiation("db", 1 << 20, lambda: True)
    answers, buffered = b"", b""
    bounds = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    for start, end in pairwise(bounds):
        buffered += raw[start:end]
        while True:
            try:
                step = negotiation.step(memoryview(buffered))
            except ProtocolError:
                return answers, "refused"
            buffered = buffered[step.consumed :]
            answers += step.answer
            if step.outcome in (nbd.Outcome.TRANSMIT, nbd.Outcome.CLOSE):
                return answers, step.outcome.value
            if step.outcome is nbd.Outcome.NEED_MORE:
                break
    return answers, "open"


option_bytes = st.builds(
    lambda option, data: struct.pack(">QII", nbd_client.IHAVEOPT, option, len(data)) + data,
    st.integers(0, 11),
    st.one_of(st.binary(max_size=24), st.sampled_from([go_data("db"), go_data("x"), b"db"])),
)
conversation = st.builds(
    lambda flags, options, tail: struct.pack(">I", flags) + b"".join(options) + tail,
    st.integers(0, 4),
    st.lists(option_bytes, max_size=5),
    st.binary(max_size=30),
)


@given(conversation, st.lists(st.integers(0, 500), max_size=6))
def test_how_bytes_are_cut_into_pieces_changes_no_answer(raw: bytes, cuts: list[int]) -> None:
    assert steps(raw, cuts) == steps(raw, [])
