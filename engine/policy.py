"""The policy file: which volumes are protected, where their blobs live, how sites watch each other.

This is the identification step of the patent (us9110965.txt, claim 1, steps 1 and 2).
`parse_policy` is pure: text in, a checked `Policy` out. Unknown keys, no volumes, the same blob or
tap twice and impossible values are errors that name the file and the key.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from engine.core.epochs import Order
from engine.core.settings import Fence, Mode
from engine.errors import PolicyError
from engine.units import MIB

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_BLOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}")
_PORT = re.compile(r"[0-9]{1,5}")
_CONTAINER = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}")
_LABEL = re.compile(r"(?:[!-~](?:[ -~]{0,98}[!-~])?)?")
INTERVAL_SECONDS_MIN = 0.5
POINTS_KEPT_MAX = 100
"""A premium page blob has at most so many snapshots (facts.md)."""
LEASE_SECONDS = range(15, 61)
"""Finite leases last 15 to 60 seconds (Azure REST, Lease Blob)."""

Choice = TypeVar("Choice", bound=StrEnum)
Table = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StorePolicy:
    """Where the blobs are. One source of credentials is set; a SAS URL may say the container."""

    container: str
    connection_string_env: str = ""
    connection_string_file: str = ""
    container_sas_url_env: str = ""
    container_sas_url_file: str = ""


@dataclass(frozen=True, slots=True)
class HeartbeatPolicy:
    """Where the standby listens (UDP), how often the primary speaks, what silence is failure."""

    listen: str
    interval_seconds: float = 0.5
    timeout_seconds: float = 3.0


@dataclass(frozen=True, slots=True)
class SitePolicy:
    """One site's state folder and node name; `fence` and `listen` (UDP) are a standby's only."""

    state: str
    node: str
    fence: Fence = Fence.EXPIRY
    listen: str = ""


@dataclass(frozen=True, slots=True)
class PointsPolicy:
    """Recovery points: one every so many seconds (0: on request only), so many of them kept."""

    interval_seconds: float = 0.0
    keep: int = 4


@dataclass(frozen=True, slots=True)
class VolumePolicy:
    """One protected volume: the local file or device, its blob, and what is promised for it."""

    name: str
    path: str
    blob: str
    mode: Mode
    order: Order
    listen: str
    max_lag_seconds: float = 5.0
    max_lag_bytes: int = 64 * MIB
    connections: int = 4
    label: str = ""
    points: PointsPolicy = PointsPolicy()


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole file; `where` names it in messages."""

    where: str
    store: StorePolicy
    heartbeat: HeartbeatPolicy
    lease_seconds: int
    primary: SitePolicy
    standbys: tuple[SitePolicy, ...]
    volumes: tuple[VolumePolicy, ...]

    @property
    def standby(self) -> SitePolicy:
        """The first standby, which a command means that names no node."""
        return self.standbys[0]

    def standby_of(self, node: str) -> SitePolicy:
        """The standby of this node, the first for "". Raises PolicyError listing the nodes."""
        for standby in self.standbys:
            if node in ("", standby.node):
                return standby
        nodes = ", ".join(standby.node for standby in self.standbys)
        raise PolicyError(f"{self.where}: there is no standby {node!r}; there are: {nodes}")

    def volume(self, name: str) -> VolumePolicy:
        """The volume of this name. Raises PolicyError listing the names there are."""
        for volume in self.volumes:
            if volume.name == name:
                return volume
        names = ", ".join(volume.name for volume in self.volumes)
        raise PolicyError(f"{self.where}: there is no volume {name!r}; there are: {names}")


def parse_policy(text: str, where: str) -> Policy:
    """Check a policy file's text. Raises PolicyError naming file, key and what is allowed."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise PolicyError(f"{where}: not valid TOML: {wrong}") from wrong
    top = _Reader(where, "", document)
    top.allow("store", "heartbeat", "lease", "primary", "standby", "volume")
    lease = top.table("lease", required=False)
    lease.allow("seconds")
    lease_seconds = lease.integer("seconds", 15)
    if lease_seconds not in LEASE_SECONDS:
        raise lease.wrong("seconds", "15 to 60, the service's limits for a lease")
    heartbeat = _heartbeat(top.table("heartbeat"))
    volumes = tuple(_volume(entry) for entry in top.tables("volume"))
    if not volumes:
        raise PolicyError(f"{where}: no [[volume]] is named, so there is nothing to protect")
    for key in ("name", "path", "blob", "listen"):
        _refuse_twice(where, key, (getattr(volume, key) for volume in volumes))
    primary = _site(top.table("primary"), "primary-1")
    standbys = _standbys(top, primary, heartbeat.listen)
    return Policy(
        where=where,
        store=_store(top.table("store")),
        heartbeat=heartbeat,
        lease_seconds=lease_seconds,
        primary=primary,
        standbys=standbys,
        volumes=volumes,
    )


def _store(table: "_Reader") -> StorePolicy:
    sources = (
        "connection_string_env",
        "connection_string_file",
        "container_sas_url_env",
        "container_sas_url_file",
    )
    table.allow("container", *sources)
    given = {key: table.text(key, "") for key in sources}
    if sum(bool(value) for value in given.values()) != 1:
        raise PolicyError(
            f"{table.where}: [store] must name exactly one of {', '.join(sources)};"
            " the secret itself never stands in the policy"
        )
    container = table.text("container", "")
    if given["connection_string_env"] or given["connection_string_file"] or container:
        table.match("container", container, _CONTAINER, "a container's name (3 to 63 of a-z 0-9 -)")
    return StorePolicy(container, **given)


def _heartbeat(table: "_Reader") -> HeartbeatPolicy:
    table.allow("listen", "interval_seconds", "timeout_seconds")
    policy = HeartbeatPolicy(
        table.text("listen"),
        table.seconds("interval_seconds", 0.5),
        table.seconds("timeout_seconds", 3.0),
    )
    _check_address(table, policy.listen)
    if policy.timeout_seconds < 2 * policy.interval_seconds:
        raise table.wrong("timeout_seconds", "at least twice interval_seconds")
    return policy


def _check_address(table: "_Reader", address: str) -> None:
    host, colon, port = address.rpartition(":")
    if not (host and colon and _PORT.fullmatch(port) and 0 < int(port) < 65536):
        raise table.wrong("listen", 'an address "HOST:PORT" for UDP')


def _site(table: "_Reader", node: str) -> SitePolicy:
    table.allow("state", "node", "fence")
    named = table.text("node", node)
    table.match("node", named, _NAME, "a name of letters, digits and . _ -")
    return SitePolicy(table.text("state"), named, table.choice("fence", Fence, Fence.EXPIRY))


def _standbys(top: "_Reader", primary: SitePolicy, listen: str) -> tuple[SitePolicy, ...]:
    """One table [standby], or an array [[standby]] in which each may listen elsewhere."""
    found: list[SitePolicy] = []
    for number, table in enumerate(top.one_or_more("standby"), start=1):
        table.allow("state", "node", "fence", "listen")
        node = table.text("node", f"standby-{number}")
        table.match("node", node, _NAME, "a name of letters, digits and . _ -")
        heard_at = table.text("listen", listen)
        _check_address(table, heard_at)
        fence = table.choice("fence", Fence, Fence.EXPIRY)
        if node == primary.node:
            raise PolicyError(
                f"{top.where}: primary.node and standby.node are both {node!r}; a blob says by the"
                " node's name who owns it, so each site needs its own"
            )
        found.append(SitePolicy(table.text("state"), node, fence, heard_at))
    for key in ("node", "state", "listen"):
        _refuse_twice(top.where, key, (getattr(site, key) for site in found), "standbys")
    return tuple(found)


def _volume(table: "_Reader") -> VolumePolicy:
    table.allow(
        "name",
        "path",
        "blob",
        "mode",
        "order",
        "listen",
        "max_lag_seconds",
        "max_lag_bytes",
        "connections",
        "label",
        "points",
    )
    name = table.text("name")
    table.match("name", name, _NAME, "a name of letters, digits and . _ -")
    blob = table.text("blob", name + ".vhd")
    table.match("blob", blob, _BLOB, "a blob's name of letters, digits and . _ - /")
    lag_bytes = table.integer("max_lag_bytes", 64 * MIB)
    if lag_bytes < MIB:
        raise table.wrong("max_lag_bytes", f"at least {MIB}")
    connections = table.integer("connections", 4)
    if not 1 <= connections <= 64:
        raise table.wrong("connections", "1 to 64")
    mode = table.choice("mode", Mode, None)
    order = table.choice("order", Order, None)
    lag_seconds = table.seconds("max_lag_seconds", 5.0)
    label = table.text("label", "")
    table.match(
        "label", label, _LABEL, "at most 100 printable ASCII characters, none outer a space"
    )
    return VolumePolicy(
        name=name,
        path=table.text("path"),
        blob=blob,
        mode=mode,
        order=order,
        listen=table.text("listen"),
        max_lag_seconds=lag_seconds,
        max_lag_bytes=lag_bytes,
        connections=connections,
        label=label,
        points=_points(table, mode, order, lag_seconds),
    )


def _points(volume: "_Reader", mode: Mode, order: Order, lag_seconds: float) -> PointsPolicy:
    table = volume.table("points", required=False)
    table.allow("interval_seconds", "keep")
    seconds = table.seconds("interval_seconds", 0.0) if table.has("interval_seconds") else 0.0
    if seconds and seconds < INTERVAL_SECONDS_MIN:
        raise table.wrong("interval_seconds", f"at least {INTERVAL_SECONDS_MIN}")
    keep = table.integer("keep", 4)
    if not 1 <= keep <= POINTS_KEPT_MAX:
        raise table.wrong("keep", f"1 to {POINTS_KEPT_MAX}")
    if order is Order.INTERVAL:
        if mode is not Mode.ASYNC:
            raise volume.wrong(
                "mode",
                'async with order = "interval": a write is safe only with'
                " the point that closes its interval",
            )
        if not seconds:
            raise table.wrong("interval_seconds", 'given with order = "interval"')
        if lag_seconds < 2 * seconds:
            raise volume.wrong(
                "max_lag_seconds", 'at least twice points.interval_seconds with order = "interval"'
            )
    return PointsPolicy(seconds, keep)


def _refuse_twice(where: str, key: str, values: Iterable[str], what: str = "volumes") -> None:
    seen: list[str] = []
    for value in values:
        if value in seen:
            raise PolicyError(
                f"{where}: two {what} have {key} = {value!r}; each needs its own, or they would"
                " overwrite each other"
            )
        seen.append(value)


class _Reader:
    """One table of the file; every complaint names file, table and key."""

    def __init__(self, where: str, name: str, table: Table) -> None:
        self.where = where
        self._name = name
        self._table = table

    def wrong(self, key: str, allowed: str) -> PolicyError:
        value = self._table.get(key)
        return PolicyError(f"{self.where}: {self._path(key)} = {value!r} must be {allowed}")

    def allow(self, *keys: str) -> None:
        unknown = [key for key in self._table if key not in keys]
        if unknown:
            raise PolicyError(
                f"{self.where}: unknown key {self._path(unknown[0])}; known here: {', '.join(keys)}"
            )

    def table(self, key: str, *, required: bool = True) -> "_Reader":
        value = self._table.get(key, None if required else {})
        if value is None:
            raise PolicyError(f"{self.where}: the table [{key}] is missing")
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        return _Reader(self.where, self._path(key), value)

    def tables(self, key: str) -> list["_Reader"]:
        value = self._table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise self.wrong(key, "an array of tables, [[volume]]")
        return [_Reader(self.where, f"{key}[{i}]", entry) for i, entry in enumerate(value)]

    def one_or_more(self, key: str) -> list["_Reader"]:
        if isinstance(self._table.get(key), list):
            found = self.tables(key)
            if not found:
                raise self.wrong(key, f"at least one [[{key}]]")
            return found
        return [self.table(key)]

    def has(self, key: str) -> bool:
        return key in self._table

    def text(self, key: str, default: str | None = None) -> str:
        value = self._table.get(key, default)
        if value is None:
            raise PolicyError(f"{self.where}: {self._path(key)} is missing")
        if not isinstance(value, str) or (default is None and not value):
            raise self.wrong(key, "a text")
        return value

    def integer(self, key: str, default: int) -> int:
        value = self._table.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(key, "a whole number")
        return value

    def seconds(self, key: str, default: float) -> float:
        value = self._table.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 86_400:
            raise self.wrong(key, "a positive number of seconds, at most a day")
        return float(value)

    def choice(self, key: str, kind: type[Choice], default: Choice | None) -> Choice:
        value = self._table.get(key, default)
        if value is None:
            raise PolicyError(f"{self.where}: {self._path(key)} is missing")
        try:
            return kind(str(value))
        except ValueError:
            raise self.wrong(key, "one of " + ", ".join(member.value for member in kind)) from None

    def match(self, key: str, value: str, pattern: re.Pattern[str], allowed: str) -> None:
        if not pattern.fullmatch(value):
            raise PolicyError(f"{self.where}: {self._path(key)} = {value!r} must be {allowed}")

    def _path(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key
