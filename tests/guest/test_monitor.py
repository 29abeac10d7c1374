"""QEMU's monitor, against a QEMU that is played: answers, events, refusals, an end."""

import json
import socket
import threading
from collections.abc import Callable

import pytest

from harness.errors import Inconclusive
from harness.guest import monitor as monitor_module
from harness.guest.monitor import Monitor, swap_disk

Reply = Callable[[dict[str, object]], dict[str, object] | None]
BUSY: dict[str, object] = {"error": {"class": "GenericError", "desc": "Denied by server"}}


class Qemu:
    """Greets, answers with `reply` (None: hangs up), and notes what it was asked."""

    def __init__(self, reply: Reply) -> None:
        self.asked: list[dict[str, object]] = []
        ours, theirs = socket.socketpair()
        self.monitor = Monitor(ours)
        self._thread = threading.Thread(target=self._serve, args=(theirs, reply), daemon=True)
        self._thread.start()

    def _serve(self, connection: socket.socket, reply: Reply) -> None:
        with connection, connection.makefile("rwb") as stream:
            stream.write(b'{"QMP": {}}\r\n')
            stream.flush()
            for line in stream:
                question = json.loads(line)
                self.asked.append(question)
                answer = reply(question)
                if answer is None:
                    return
                stream.write(b'{"event": "RESUME"}\r\n' + json.dumps(answer).encode() + b"\r\n")
                stream.flush()

    @property
    def commands(self) -> list[object]:
        return [question["execute"] for question in self.asked]

    def close(self) -> None:
        self.monitor.close()
        self._thread.join(120.0)


def test_commands_are_answered_between_events() -> None:
    qemu = Qemu(lambda _question: {"return": {"running": True}})
    assert qemu.monitor.command("query-status") == {"running": True}
    qemu.monitor.command("block_resize", node_name="disk0", size=512)
    assert qemu.commands == ["qmp_capabilities", "query-status", "block_resize"]
    assert qemu.asked[-1]["arguments"] == {"node-name": "disk0", "size": 512}
    qemu.close()


def test_a_refusal_and_an_end_say_nothing_of_the_disk() -> None:
    qemu = Qemu(lambda q: {"return": {}} if q["execute"] == "qmp_capabilities" else BUSY)
    with pytest.raises(Inconclusive, match="refused blockdev-add"):
        qemu.monitor.command("blockdev-add", driver="nbd")
    qemu.close()
    gone = Qemu(lambda _question: None)
    with pytest.raises(Inconclusive, match="the guest is gone"):
        gone.monitor.command("stop")
    gone.close()


def test_a_disk_is_moved_while_the_machine_stands_still() -> None:
    refusals = [BUSY, BUSY]

    def reply(question: dict[str, object]) -> dict[str, object]:
        arguments = question["arguments"]
        connects = isinstance(arguments, dict) and arguments.get("driver") == "nbd"
        return refusals.pop() if connects and refusals else {"return": {}}

    qemu = Qemu(reply)
    swap_disk(qemu.monitor, 2, {"driver": "nbd"}, 4096)
    commands = qemu.commands[1:]
    assert (commands[0], commands[-1]) == ("stop", "cont")
    assert commands.count("blockdev-reopen") == 2
    deleted = [q["arguments"] for q in qemu.asked if q["execute"] == "blockdev-del"]
    assert deleted == [{"node-name": "connection1"}, {"node-name": "nothing2"}]
    assert qemu.asked[-2]["arguments"] == {"node-name": "disk0", "size": 4096}
    qemu.close()


def test_a_server_that_never_lets_us_in_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_module, "CONNECT_SECONDS", 0.1)
    qemu = Qemu(lambda q: BUSY if "nbd" in json.dumps(q) else {"return": {}})
    with pytest.raises(Inconclusive, match="Denied"):
        swap_disk(qemu.monitor, 1, {"driver": "nbd"}, 4096)
    qemu.close()
