"""Where a tap listens: "unix:/path" or "host:port" on the loopback, opened with clear errors.

NBD has no authentication of its own, so a tap is never offered on another interface, and a socket
file belongs to its owner alone.
"""

import errno
import ipaddress
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.errors import ConfigurationError

_UNIX_PREFIX: Final = "unix:"
_BACKLOG: Final = 16


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket and how clients name it."""

    sock: socket.socket
    address: str
    path: Path | None
    """The socket file, if there is one."""
    inode: int

    def remove(self) -> None:
        """Remove the socket file, unless somebody else has put another one there since."""
        if self.path is None:
            return
        try:
            if self.path.lstat().st_ino == self.inode:
                self.path.unlink()
        except FileNotFoundError:
            pass


def open_listener(address: str) -> Listener:
    """Listen at `address`; raises ConfigurationError that says what is wrong with it."""
    if address.startswith(_UNIX_PREFIX):
        return _listen_unix(address, Path(address.removeprefix(_UNIX_PREFIX)))
    return _listen_tcp(address)


def _listen_unix(address: str, path: Path) -> Listener:
    if not path.is_absolute():
        raise ConfigurationError(f"tap address {address!r}: the socket path must be absolute")
    _clear_stale(address, path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        path.chmod(0o600)  # before listen(), so nobody can come in between
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise ConfigurationError(
            f"tap address {address!r}: cannot listen there: {error.strerror or error}; "
            "choose a short path in a folder that exists and can be written"
        ) from error
    sock.setblocking(False)
    return Listener(sock, address, path, path.lstat().st_ino)


def _clear_stale(address: str, path: Path) -> None:
    """Remove what a killed engine has left; refuse to touch what is in use or no socket."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # nothing there, or bind() will say what is wrong
    if not stat.S_ISSOCK(mode):
        raise ConfigurationError(
            f"tap address {address!r}: there is a file that is no socket; it is left alone, "
            "choose another path"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        result = probe.connect_ex(str(path))
    if result != errno.ECONNREFUSED:
        raise ConfigurationError(
            f"tap address {address!r}: another process listens there ({os.strerror(result)}); "
            "stop it or choose another path"
            if result
            else f"tap address {address!r}: another process listens there; "
            "stop it or choose another path"
        )
    path.unlink(missing_ok=True)


def _listen_tcp(address: str) -> Listener:
    host, port = _parse_tcp(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        taken = error.errno == errno.EADDRINUSE
        reason = "another process listens there" if taken else (error.strerror or str(error))
        raise ConfigurationError(
            f"tap address {address!r}: {reason}; choose another port or stop that process"
        ) from error
    sock.setblocking(False)
    shown = f"[{host}]" if family == socket.AF_INET6 else host
    return Listener(sock, f"{shown}:{sock.getsockname()[1]}", None, 0)


def _parse_tcp(address: str) -> tuple[str, int]:
    host, colon, port_text = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if host == "localhost":
        host = "127.0.0.1"
    if not colon or not port_text.isascii() or not port_text.isdigit() or int(port_text) > 65535:
        raise ConfigurationError(f'tap address {address!r} is neither "unix:/path" nor "host:port"')
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigurationError(
            f"tap address {address!r}: NBD has no password, so the tap listens on the loopback "
            'only; use "127.0.0.1:PORT" or "unix:/path"'
        )
    return host, int(port_text)
