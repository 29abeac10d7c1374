"""Both sites of the engine as real processes: a policy, `python -m engine`, their event lines.

Whatever a test does, `Site.close` looks for the store's secrets in all that the processes have said
and written.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from azure.storage.blob import BlobClient

from engine.shell.control import Answer, ask
from harness.lab.ports import free_udp_port
from tests.tap.nbd_client import NbdClient

VARIABLE: Final = "TEST_STORE"
MIB: Final = 1 << 20
WAIT_SECONDS: Final = 120.0
"""Only guards against hanging."""

POLICY: Final = """\
[store]
{store}
[lease]
seconds = 15
[heartbeat]
listen = "127.0.0.1:{port}"
interval_seconds = {interval}
timeout_seconds = {timeout}
[primary]
state = "primary"
node = "primary-1"
[standby]
state = "standby"
node = "standby-1"
fence = "{fence}"
"""
VOLUME: Final = """\
[[volume]]
name = "{name}"
path = "{name}.raw"
blob = "{name}.vhd"
mode = "{mode}"
order = "{order}"
listen = "unix:{folder}/{name}.sock"
"""

Event = dict[str, Any]


def fetch(url: str) -> bytes:
    """Read a URL."""
    with urllib.request.urlopen(url) as answer:
        body: bytes = answer.read()
        return body


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str


class EngineProcess:
    """One `python -m engine ...`."""

    def __init__(self, site: "Site", arguments: list[str], log: Path) -> None:
        self._out, self._err = log.with_suffix(".out"), log.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._popen = subprocess.Popen(
                [sys.executable, *site.program, *arguments, "--policy", str(site.policy)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=site.environment,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def events(self, name: str = "") -> list[Event]:
        """All events so far, or those of one name; a line that is half written is left."""
        lines = self._out.read_bytes().split(b"\n")[:-1]
        events = [json.loads(line) for line in lines]
        return [event for event in events if name in ("", event["event"])]

    def wait_for(self, name: str, *, count: int = 1, seconds: float = WAIT_SECONDS) -> Event:
        """Wait for the `count`-th event of this name."""
        deadline = time.monotonic() + seconds
        while len(found := self.events(name)) < count:
            if not self.running or time.monotonic() > deadline:
                complaint = f"no {name!r} from {self._out.name}: {self.said()}"
                raise AssertionError(complaint)
            time.sleep(0.02)
        return found[count - 1]

    def send(self, number: int) -> None:
        self._popen.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; return the exit code."""
        self._popen.send_signal(number)
        return self._popen.wait(WAIT_SECONDS)

    def wait(self, seconds: float = WAIT_SECONDS) -> Ended:
        """Wait until it ends by itself."""
        code = self._popen.wait(seconds)
        return Ended(code, self._out.read_text(), self._err.read_text())

    def said(self) -> str:
        return self._out.read_text() + self._err.read_text()

    def clean_up(self, seconds: float = 3.0) -> None:
        """End it: in order if it can, so that what that says is seen too."""
        if self.running:
            self._popen.send_signal(signal.SIGCONT)
            self._popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(seconds)
            self._popen.kill()
            self._popen.wait()


class Site:
    """A folder with a policy, volumes and states; it starts processes and looks at the blobs."""

    def __init__(self, folder: Path, connection_string: str, container: str) -> None:
        self.folder = folder
        self.policy = folder / "policy.toml"
        self.container = container
        self.connection_string = connection_string
        self.environment = {**os.environ, VARIABLE: connection_string}
        self.program = ["-m", "engine"]
        self.processes: list[EngineProcess] = []
        self.port = free_udp_port()
        self.secrets = [connection_string.partition("AccountKey=")[2].partition(";")[0]]

    def write_policy(
        self,
        *names: str,
        mode: str = "sync",
        order: str = "flush",
        fence: str = "break",
        timeout: float = 1.0,
        interval: float = 0.1,
        store: str = "",
        extra: str = "",
    ) -> None:
        """Write the policy; `extra` goes to the end of the last volume."""
        store = store or f'connection_string_env = "{VARIABLE}"\ncontainer = "{self.container}"'
        text = POLICY.format(
            store=store, port=self.port, interval=interval, timeout=timeout, fence=fence
        )
        for name in names or ("db",):
            text += VOLUME.format(name=name, mode=mode, order=order, folder=self.folder)
        self.policy.write_text(text + extra)

    def make_volume(
        self, content: bytes = b"", size: int = 8 * MIB, name: str = "db", offset: int = 0
    ) -> Path:
        """Make a sparse volume of `size` bytes with `content` at `offset`."""
        path = self.folder / f"{name}.raw"
        with path.open("wb") as file:
            file.truncate(size)
            file.seek(offset)
            file.write(content)
        return path

    def shorten_stops(self, seconds: float) -> None:
        """From now on an orderly stop of a primary may take only so long."""
        script = (
            "import sys; from engine.shell import primary_process; from engine.__main__ import"
            f" main; primary_process.DRAIN_SECONDS = {seconds}; sys.exit(main())"
        )
        self.program = ["-c", script]

    def start(self, command: str, *arguments: str) -> EngineProcess:
        log = self.folder / f"log-{len(self.processes)}-{command}"
        process = EngineProcess(self, [command, *arguments], log)
        self.processes.append(process)
        return process

    def run(self, command: str, *arguments: str) -> Ended:
        return self.start(command, *arguments).wait()

    def protect(self, *arguments: str) -> EngineProcess:
        """Start the primary and wait until its volume is protected."""
        primary = self.start("primary", *arguments)
        primary.wait_for("protected")
        return primary

    def client(self, name: str = "db") -> NbdClient:
        client = NbdClient(f"unix:{self.folder}/{name}.sock")
        return client.hello().go(name)

    def ask(self, request: str, site: str = "primary", **more: object) -> Answer:
        """Ask a process of the volume `db` what its command line would."""
        question = {"request": request, "volume": "db", **more}
        answer = ask(self.folder / site, question, WAIT_SECONDS)
        assert answer is not None, f"no {site} answers"
        return answer

    def status(self, site: str = "primary", name: str = "db") -> Event:
        answer: Answer | None = ask(self.folder / site, {"request": "status"}, WAIT_SECONDS)
        assert answer is not None, f"no {site} answers"
        volumes = answer["volumes"]
        assert isinstance(volumes, dict)
        found: Event = volumes[name]
        return found

    def await_status(self, key: str, value: object, site: str = "primary") -> Event:
        deadline = time.monotonic() + WAIT_SECONDS
        while (found := self.status(site))[key] != value:
            assert time.monotonic() < deadline, f"{key} is {found[key]!r}, never {value!r}"
            time.sleep(0.02)
        return found

    def volume(self, name: str = "db") -> bytes:
        return (self.folder / f"{name}.raw").read_bytes()

    def disk(self, name: str = "db") -> bytes:
        """The blob without its last page."""
        return self.blob(name)[:-512]

    def handed_over(self, state: str = "standby", name: str = "db") -> Event:
        """What the standby says of the disk that it hands over."""
        found: Event = json.loads((self.folder / state / f"{name}.mount.json").read_text())
        return found

    def mounted_disk(self, state: str = "standby", name: str = "db") -> bytes:
        """Read the disk through the URL that the standby hands over, as a stranger would."""
        handed = self.handed_over(state, name)
        disk = fetch(handed["url"])
        assert len(disk) == handed["size_bytes"] + 512
        return disk[:-512]

    def blob(self, name: str = "db") -> bytes:
        with self._open(name) as blob:
            return blob.download_blob().readall()

    def ranges(self, name: str = "db") -> list[tuple[int, int]]:
        """Return the blob's written ranges (start, end), joined where they touch."""
        with self._open(name) as blob:
            pages = sorted(
                (page.start or 0, (page.end or 0) + 1) for page in blob.list_page_ranges()
            )
        joined: list[tuple[int, int]] = []
        for start, end in pages:
            if joined and joined[-1][1] >= start:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        return joined

    def properties(self, name: str = "db") -> dict[str, Any]:
        with self._open(name) as blob:
            return dict(blob.get_blob_properties())

    def _open(self, name: str) -> BlobClient:
        return BlobClient.from_connection_string(
            self.connection_string, self.container, f"{name}.vhd"
        )

    def close(self) -> None:
        """End every process that still runs; fail if any of them let a secret out."""
        for process in self.processes:
            process.clean_up()
        assert self.leaks() == []

    def leaks(self) -> list[str]:
        """Return the files in which a key or a signature can be read, and should not."""
        spellings = {text for secret in self.secrets for text in (secret, quote(secret, safe=""))}
        found = []
        for path in sorted(self.folder.rglob("*")):
            if not path.is_file() or path.name.endswith((".raw", ".mount.json", ".secret")):
                continue
            text = path.read_text("utf-8", "replace")
            signed = re.search(r"sig=(?!REDACTED)", text)
            if signed or any(secret in text for secret in spellings):
                found.append(path.name)
        return found
