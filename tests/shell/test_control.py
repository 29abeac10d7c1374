"""The control socket's client and server without an engine around them."""

import asyncio
import json
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.errors import ConfigurationError
from engine.shell import control
from engine.shell.control import Answer, ControlServer, Respond, ask


@contextmanager
def serving(folder: Path, respond: Respond) -> Iterator[ControlServer]:
    """Run a server in a thread of its own."""
    loop = asyncio.new_event_loop()
    server = ControlServer(folder, respond)
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
            loop.run_until_complete(asyncio.wait([task]))
        # A transport that was closed tells its loop one turn later; until then it counts as open.
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def echo(request: Answer) -> Answer:
    if request.get("request") == "refuse":
        raise ConfigurationError("not here")
    return {"got": request}


def test_an_answer_and_a_refusal(tmp_path: Path) -> None:
    with serving(tmp_path, echo):
        assert ask(tmp_path, {"request": "status"}) == {"got": {"request": "status"}}
        assert ask(tmp_path, {"request": "refuse"}) == {"error": "not here"}


def test_an_answer_may_come_later_and_be_a_refusal(tmp_path: Path) -> None:
    async def later(request: Answer) -> Answer:
        await asyncio.sleep(0.01)
        return echo(request)

    with serving(tmp_path, later):
        assert ask(tmp_path, {"request": "points"}) == {"got": {"request": "points"}}
        assert ask(tmp_path, {"request": "refuse"}) == {"error": "not here"}


def test_a_process_that_does_not_answer_in_the_given_time_hangs(tmp_path: Path) -> None:
    async def never(request: Answer) -> Answer:
        await asyncio.sleep(30)
        return request

    with serving(tmp_path, never):
        answer = ask(tmp_path, {"request": "resize"}, seconds=0.2)
    assert answer == {"error": "the process does not answer within 0.2 s: it hangs"}


def test_one_connection_may_ask_often(tmp_path: Path) -> None:
    with serving(tmp_path, echo), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(tmp_path / "control.sock"))
        with client.makefile("rwb") as lines:
            for number in range(3):
                lines.write(b'{"n": %d}\n' % number)
                lines.flush()
                assert json.loads(lines.readline()) == {"got": {"n": number}}


def test_an_answer_of_any_length_arrives(tmp_path: Path) -> None:
    with serving(tmp_path, lambda _: {"text": "x" * 300_000}):
        answer = ask(tmp_path, {"request": "status"})
    assert answer == {"text": "x" * 300_000}


def test_the_socket_is_for_this_user_and_goes_with_its_server(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("left by a killed process")
    with serving(tmp_path, echo):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


def test_nobody_there_is_none(tmp_path: Path) -> None:
    assert ask(tmp_path, {}) is None
    assert ask(tmp_path / "no such folder", {}) is None
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / "control.sock"))
    assert ask(tmp_path, {}) is None


def test_a_process_that_hangs_is_said_to_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ANSWER_SECONDS", 0.1)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "control.sock"))
        silent.listen()
        answer = ask(tmp_path, {})
    assert answer is not None
    assert "it hangs" in str(answer["error"])


@pytest.mark.parametrize("reply", [b"nonsense\n", b"\xff\n"])
def test_an_answer_that_is_none_is_said(tmp_path: Path, reply: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as strange:
        strange.bind(str(tmp_path / "control.sock"))
        strange.listen()

        def answer() -> None:
            client, _ = strange.accept()
            with client:
                client.recv(100)
                client.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        found = ask(tmp_path, {})
        thread.join()
    assert found is not None
    assert "cannot be asked" in str(found["error"])


def test_a_path_too_long_for_a_socket_is_said_on_both_ends(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    with pytest.raises(ConfigurationError, match="too long for a Unix socket"):
        asyncio.run(ControlServer(deep, echo).start())
    answer = ask(deep, {})
    assert answer is not None
    assert "cannot be asked" in str(answer["error"])
