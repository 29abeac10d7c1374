"""Heartbeats: datagrams both ways, and what is no heartbeat."""

import asyncio
import json
import re
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ConfigurationError
from engine.shell.heartbeat_link import (
    Heartbeat,
    HeartbeatListener,
    HeartbeatSender,
    decode_heartbeat,
)
from harness.lab.ports import free_udp_port


@settings(max_examples=50)
@given(st.text(max_size=60), st.integers(-(2**70), 2**70), st.booleans())
def test_what_is_sent_is_heard(node: str, sequence: int, leaving: bool) -> None:
    heartbeat = Heartbeat(node, sequence, leaving)
    assert decode_heartbeat(heartbeat.encode()) == heartbeat


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_random_bytes_are_no_heartbeat(datagram: bytes) -> None:
    assert decode_heartbeat(datagram) is None


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_other_json_is_no_heartbeat(value: object) -> None:
    assert decode_heartbeat(json.dumps(value).encode()) is None


@pytest.mark.parametrize(
    "datagram",
    [
        b'{"node": "a", "sequence": 1}',
        b'{"node": "a", "sequence": true, "leaving": false}',
        b'{"node": "a", "sequence": 1.0, "leaving": false}',
        b'{"node": "a", "sequence": 1, "leaving": 0}',
        b'{"node": null, "sequence": 1, "leaving": false}',
        b'{"node": "a", "sequence": ' + b"9" * 5000 + b', "leaving": false}',
        b"[" * 1024,
    ],
)
def test_what_is_nearly_a_heartbeat_is_none(datagram: bytes) -> None:
    assert decode_heartbeat(datagram) is None


async def until(condition: "asyncio.Event") -> None:
    async with asyncio.timeout(5):
        await condition.wait()


def test_the_standby_hears_and_answers_and_is_told_of_leaving() -> None:
    async def run() -> None:
        port, heard, left = free_udp_port(), asyncio.Event(), asyncio.Event()
        beats: list[Heartbeat] = []

        def hear(heartbeat: Heartbeat) -> None:
            beats.append(heartbeat)
            if len(beats) >= 3:
                heard.set()
            if heartbeat.leaving:
                left.set()

        listener = HeartbeatListener("beta", hear)
        await listener.start(f"127.0.0.1:{port}")
        sender = HeartbeatSender("alpha", 0.01)
        await sender.open(f"127.0.0.1:{port}")
        await asyncio.sleep(0.05)
        assert beats == []
        sender.start()
        sender.start()
        await until(heard)
        assert sender.answered_at is not None
        sender.leave()
        await until(left)
        count = len([beat for beat in beats if not beat.leaving])
        await asyncio.sleep(0.05)
        assert len([beat for beat in beats if not beat.leaving]) == count
        assert [beat.sequence for beat in beats] == sorted({beat.sequence for beat in beats})
        assert {beat.node for beat in beats} == {"alpha"}
        sender.close()
        listener.close()

    asyncio.run(run())


def test_every_standby_hears_one_primary() -> None:
    async def run() -> None:
        heard = [asyncio.Event(), asyncio.Event()]
        sender = HeartbeatSender("alpha", 0.01)
        listeners = []
        for number, event in enumerate(heard):
            port = free_udp_port()

            def hear(_: Heartbeat, event: asyncio.Event = event) -> None:
                event.set()

            listeners.append(HeartbeatListener(f"beta-{number}", hear))
            await listeners[-1].start(f"127.0.0.1:{port}")
            await sender.open(f"127.0.0.1:{port}")
        sender.start()
        for event in heard:
            await until(event)
        sender.close()
        for listener in listeners:
            listener.close()

    asyncio.run(run())


def test_nobody_listening_is_no_error_and_somebody_may_come_later() -> None:
    async def run() -> None:
        port, heard = free_udp_port(), asyncio.Event()
        sender = HeartbeatSender("alpha", 0.01)
        await sender.open(f"127.0.0.1:{port}")
        sender.start()
        await asyncio.sleep(0.05)
        assert sender.answered_at is None
        listener = HeartbeatListener("beta", lambda _: heard.set())
        await listener.start(f"127.0.0.1:{port}")
        await until(heard)
        sender.close()
        listener.close()

    asyncio.run(run())


def test_its_own_name_is_not_heard() -> None:
    """A standby that is sent its own answers must not answer them again, for ever."""

    async def run() -> None:
        port, heard = free_udp_port(), asyncio.Event()
        listener = HeartbeatListener("beta", lambda _: heard.set())
        await listener.start(f"127.0.0.1:{port}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(Heartbeat("beta", 1).encode(), ("127.0.0.1", port))
            await asyncio.sleep(0.05)
            assert not heard.is_set()
            sender.sendto(Heartbeat("alpha", 1).encode(), ("127.0.0.1", port))
            await until(heard)
        listener.close()

    asyncio.run(run())


def test_addresses_that_cannot_be_used_are_named() -> None:
    async def run() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            with pytest.raises(
                ConfigurationError, match=re.escape(f"heartbeat.listen {address}: cannot")
            ):
                await HeartbeatListener("beta", lambda _: None).start(address)
        for end in (
            HeartbeatListener("beta", lambda _: None).start,
            HeartbeatSender("alpha", 1).open,
        ):
            with pytest.raises(ConfigurationError, match=r"no-such-host\.invalid:5: cannot"):
                await end("no-such-host.invalid:5")

    asyncio.run(run())
