"""The policy file: what it says, and every way in which it can be wrong."""

import re

import pytest

from engine.core.epochs import Order
from engine.core.settings import Fence, Mode
from engine.errors import PolicyError
from engine.policy import PointsPolicy, Policy, StorePolicy, parse_policy

GOOD = """\
[store]
connection_string_env = "DR_STORE"
container = "volumes"
[lease]
seconds = 20
[heartbeat]
listen = "127.0.0.1:7402"
interval_seconds = 0.25
timeout_seconds = 2
[primary]
state = "primary"
node = "alpha"
[standby]
state = "standby"
node = "beta"
fence = "break"
[[volume]]
name = "db"
path = "db.raw"
blob = "db.vhd"
mode = "sync-on-flush"
order = "strict"
listen = "unix:/run/db.sock"
max_lag_seconds = 7.5
max_lag_bytes = 2097152
connections = 8
[[volume]]
name = "log"
path = "/dev/log"
mode = "async"
order = "flush"
listen = "127.0.0.1:10809"
"""


def parse(text: str) -> Policy:
    return parse_policy(text, "dr.toml")


def complaint(old: str, new: str, *, count: int = 1) -> str:
    """Return what is said about the good policy after one change."""
    assert old in GOOD
    with pytest.raises(PolicyError) as caught:
        parse(GOOD.replace(old, new, count))
    assert caught.value.exit_code == 64
    assert str(caught.value).startswith("dr.toml: ")
    return str(caught.value)


def test_everything_that_is_said_is_read() -> None:
    policy = parse(GOOD)
    assert policy.store == StorePolicy("volumes", connection_string_env="DR_STORE")
    assert policy.lease_seconds == 20
    assert (policy.heartbeat.interval_seconds, policy.heartbeat.timeout_seconds) == (0.25, 2.0)
    assert (policy.primary.state, policy.primary.node) == ("primary", "alpha")
    assert (policy.standby.node, policy.standby.fence) == ("beta", Fence.BREAK)
    volume = policy.volume("db")
    assert (volume.mode, volume.order) == (Mode.SYNC_ON_FLUSH, Order.STRICT)
    assert (volume.max_lag_seconds, volume.max_lag_bytes, volume.connections) == (7.5, 2097152, 8)


def test_what_is_not_said_has_a_default() -> None:
    policy = parse(
        GOOD.replace("[lease]\nseconds = 20\n", "")
        .replace("interval_seconds = 0.25\ntimeout_seconds = 2\n", "")
        .replace('node = "alpha"\n', "")
        .replace('fence = "break"\n', "")
    )
    assert policy.lease_seconds == 15
    assert (policy.heartbeat.interval_seconds, policy.heartbeat.timeout_seconds) == (0.5, 3.0)
    assert policy.primary.node == "primary-1"
    assert policy.standby.fence is Fence.EXPIRY
    log = policy.volume("log")
    assert log.blob == "log.vhd"
    assert (log.max_lag_seconds, log.max_lag_bytes, log.connections) == (5.0, 64 << 20, 4)


def test_a_sas_url_needs_no_container() -> None:
    text = GOOD.replace("connection_string_env", "container_sas_url_file")
    assert parse(text.replace('container = "volumes"\n', "")).store.container == ""


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ("[store]", "store.surprise"),
        ("[lease]", "lease.surprise"),
        ("[heartbeat]", "heartbeat.surprise"),
        ("[primary]", "primary.surprise"),
        ("[standby]", "standby.surprise"),
        ("[[volume]]", "volume[0].surprise"),
    ],
)
def test_an_unknown_key_is_named_with_the_known_ones(table: str, path: str) -> None:
    said = complaint(table, f"{table}\nsurprise = 1")
    assert f"unknown key {path}; known here: " in said


def test_an_unknown_table_is_named() -> None:
    assert "unknown key surprise" in complaint("[lease]", "[surprise]\nx = 1\n[lease]")


@pytest.mark.parametrize("table", ["store", "heartbeat", "primary", "standby"])
def test_a_missing_table_is_named(table: str) -> None:
    text = re.sub(rf"\[{table}\]\n(?:[^\[].*\n)*", "", GOOD)
    with pytest.raises(PolicyError, match=rf"the table \[{table}\] is missing"):
        parse(text)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('listen = "127.0.0.1:7402"\n', "heartbeat.listen"),
        ('state = "primary"\n', "primary.state"),
        ('state = "standby"\n', "standby.state"),
        ('name = "db"\n', "volume[0].name"),
        ('path = "db.raw"\n', "volume[0].path"),
        ('mode = "sync-on-flush"\n', "volume[0].mode"),
        ('order = "strict"\n', "volume[0].order"),
        ('listen = "unix:/run/db.sock"\n', "volume[0].listen"),
        ('mode = "async"\n', "volume[1].mode"),
    ],
)
def test_a_missing_key_is_named(line: str, path: str) -> None:
    assert f"{path} is missing" in complaint(line, "")


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("seconds = 20", "seconds = 14", "lease.seconds = 14 must be 15 to 60"),
        ("seconds = 20", "seconds = 61", "lease.seconds = 61 must be 15 to 60"),
        ("seconds = 20", "seconds = 20.0", "lease.seconds = 20.0 must be a whole number"),
        ("seconds = 20", "seconds = true", "lease.seconds = True must be a whole number"),
        ("seconds = 20", 'seconds = "20"', "lease.seconds = '20' must be a whole number"),
        ("0.25", "0", "heartbeat.interval_seconds = 0 must be a positive number"),
        ("0.25", "nan", "heartbeat.interval_seconds = nan must be"),
        ("0.25", "inf", "heartbeat.interval_seconds = inf must be"),
        ("0.25", "1.5", "heartbeat.timeout_seconds = 2 must be at least twice"),
        ("127.0.0.1:7402", "7402", "heartbeat.listen = '7402' must be an address"),
        ("127.0.0.1:7402", "127.0.0.1:0", "heartbeat.listen"),
        ("127.0.0.1:7402", "127.0.0.1:65536", "heartbeat.listen"),
        ("127.0.0.1:7402", "127.0.0.1:\u00b2", "heartbeat.listen"),
        ("127.0.0.1:7402", "127.0.0.1:\u0667", "heartbeat.listen"),
        ('"alpha"', '"../alpha"', "primary.node = '../alpha' must be a name"),
        ('"alpha"', '""', "primary.node = '' must be a name"),
        ('"break"', '"shoot"', "standby.fence = 'shoot' must be one of expiry, break"),
        ('name = "db"', 'name = "../db"', "volume[0].name = '../db' must be a name"),
        ('name = "db"', "name = 5", "volume[0].name = 5 must be a text"),
        ('path = "db.raw"', 'path = ""', "volume[0].path = '' must be a text"),
        ('"db.vhd"', '"/db.vhd"', "volume[0].blob = '/db.vhd' must be a blob's name"),
        ('"sync-on-flush"', '"always"', "volume[0].mode = 'always' must be one of sync,"),
        ('"sync-on-flush"', "1", "volume[0].mode = 1 must be one of"),
        ('"strict"', '"loose"', "volume[0].order = 'loose' must be one of strict, flush, interval"),
        ('"strict"', '"interval"', "volume[0].mode = 'sync-on-flush' must be async with order ="),
        ("connections = 8", 'label = " db"', "volume[0].label = ' db' must be at most 100"),
        ("connections = 8", 'label = "d\u00e9"', "volume[0].label = 'd\u00e9' must be"),
        ("connections = 8", f'label = "{"x" * 101}"', "must be at most 100 printable ASCII"),
        ("connections = 8", "points = 5", "volume[0].points = 5 must be a table"),
        ("= 2097152", "= 4096", "volume[0].max_lag_bytes = 4096 must be at least 1048576"),
        ("= 7.5", "= -1", "volume[0].max_lag_seconds = -1 must be"),
        ("connections = 8", "connections = 0", "volume[0].connections = 0 must be 1 to 64"),
        ("connections = 8", "connections = 65", "volume[0].connections = 65 must be 1 to 64"),
        ('"volumes"', '"Volumes"', "store.container = 'Volumes' must be"),
        ('"volumes"', '"dr"', "store.container = 'dr' must be"),
        ('"volumes"', '"a--b"', "store.container = 'a--b' must be"),
        ('container = "volumes"\n', "", "store.container = '' must be"),
        ("[lease]\nseconds = 20\n", "", "lease = 5 must be a table"),
    ],
)
def test_an_impossible_value_is_named_with_what_is_allowed(old: str, new: str, path: str) -> None:
    if path.startswith("lease = 5"):
        with pytest.raises(PolicyError, match="lease = 5 must be a table"):
            parse("lease = 5\n" + GOOD.replace(old, new))
    else:
        assert path in complaint(old, new)


def test_no_volume_is_nothing_to_protect() -> None:
    with pytest.raises(PolicyError, match=r"no \[\[volume\]\] is named"):
        parse(GOOD[: GOOD.index("[[volume]]")])
    with pytest.raises(PolicyError, match="must be an array of tables"):
        parse(GOOD[: GOOD.index("[[volume]]")] + "[volume]\nname = 'db'\n")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('name = "log"', 'name = "db"\nblob = "log.vhd"', "name = 'db'"),
        ('name = "log"', 'name = "log"\nblob = "db.vhd"', "blob = 'db.vhd'"),
        ('path = "/dev/log"', 'path = "db.raw"', "path = 'db.raw'"),
        ('"127.0.0.1:10809"', '"unix:/run/db.sock"', "listen = 'unix:/run/db.sock'"),
    ],
)
def test_two_volumes_never_share(old: str, new: str, key: str) -> None:
    assert f"two volumes have {key}" in complaint(old, new)


def test_two_sites_never_share_a_name() -> None:
    """Ownership of a blob is by node name: two nodes of one name would both be its writer."""
    assert "primary.node and standby.node are both 'beta'" in complaint('"alpha"', '"beta"')


@pytest.mark.parametrize("line", ["", 'connection_string_file = "k"\nconnection_string_env = "K"'])
def test_exactly_one_source_of_credentials(line: str) -> None:
    said = complaint('connection_string_env = "DR_STORE"', line)
    assert "[store] must name exactly one of connection_string_env" in said


def test_a_secret_in_the_policy_is_not_repeated() -> None:
    said = complaint('connection_string_env = "DR_STORE"', 'connection_string = "AccountKey=abc"')
    assert "unknown key store.connection_string" in said
    assert "abc" not in said


@pytest.mark.parametrize("text", ["[store", "a = 1\na = 2", "\x00", "= 5"])
def test_what_is_no_toml_is_said_to_be_none(text: str) -> None:
    with pytest.raises(PolicyError, match=r"dr\.toml: not valid TOML"):
        parse(text)


def test_an_unknown_volume_is_answered_with_the_known_ones() -> None:
    with pytest.raises(PolicyError, match="no volume 'x'; there are: db, log"):
        parse(GOOD).volume("x")


def with_points(table: str, extra: str = "") -> Policy:
    """Parse the good policy with recovery points for its last volume, `log`."""
    return parse(GOOD + extra + "[volume.points]\n" + table)


def test_points_and_label_are_optional() -> None:
    log = parse(GOOD).volume("log")
    assert (log.points, log.label) == (PointsPolicy(0.0, 4), "")
    log = with_points("interval_seconds = 2\nkeep = 9\n", 'label = "the log"\n').volume("log")
    assert (log.points, log.label) == (PointsPolicy(2.0, 9), "the log")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("keep = 0", "volume[1].points.keep = 0 must be 1 to 100"),
        ("keep = 101", "volume[1].points.keep = 101 must be 1 to 100"),
        ("keep = 2.5", "volume[1].points.keep = 2.5 must be a whole number"),
        ("interval_seconds = 0", "volume[1].points.interval_seconds = 0 must be a positive"),
        ("interval_seconds = 0.1", "volume[1].points.interval_seconds = 0.1 must be at least 0.5"),
        ("interval_seconds = 1e9", "volume[1].points.interval_seconds = 1000000000.0 must be"),
        ("age = 5", "unknown key volume[1].points.age; known here: interval_seconds, keep"),
    ],
)
def test_impossible_points_are_named(table: str, said: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(said)):
        with_points(table)


def test_order_interval_needs_points_that_close_its_intervals() -> None:
    text = GOOD.replace('"flush"', '"interval"')
    with pytest.raises(PolicyError, match='interval_seconds = None must be given with order = "in'):
        parse(text)
    with pytest.raises(PolicyError, match="max_lag_seconds = None must be at least twice points"):
        parse(text + "[volume.points]\ninterval_seconds = 3\n")
    log = parse(text + "max_lag_seconds = 6\n[volume.points]\ninterval_seconds = 3\n").volume("log")
    assert log.order is Order.INTERVAL


TWO = """\
[[standby]]
state = "near"
[[standby]]
state = "far"
listen = "127.0.0.1:7403"
fence = "break"
"""


def with_standbys(tables: str) -> Policy:
    return parse(re.sub(r"\[standby\]\n(?:[^\[].*\n)*", tables, GOOD))


def test_two_standbys_each_have_node_state_and_address() -> None:
    policy = with_standbys(TWO)
    assert [(site.node, site.state, site.listen, site.fence.value) for site in policy.standbys] == [
        ("standby-1", "near", "127.0.0.1:7402", "expiry"),
        ("standby-2", "far", "127.0.0.1:7403", "break"),
    ]
    assert policy.standby_of("") is policy.standby is policy.standbys[0]
    assert policy.standby_of("standby-2") is policy.standbys[1]
    with pytest.raises(PolicyError, match="no standby 'x'; there are: standby-1, standby-2"):
        policy.standby_of("x")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"far"', '"near"', "two standbys have state = 'near'"),
        ("7403", "7402", "two standbys have listen = '127.0.0.1:7402'"),
        ('"far"', '"far"\nnode = "standby-1"', "two standbys have node = 'standby-1'"),
        ('"far"', '"far"\nnode = "alpha"', "primary.node and standby.node are both 'alpha'"),
        ("127.0.0.1:7403", "7403", "standby[1].listen = '7403' must be an address"),
        ('"far"', '"far"\nseconds = 1', "unknown key standby[1].seconds"),
    ],
)
def test_standbys_that_would_be_one_are_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(said)):
        with_standbys(TWO.replace(old, new))


def test_no_standby_in_an_empty_array() -> None:
    with pytest.raises(PolicyError, match="standby"):
        parse("standby = []\n" + re.sub(r"\[standby\]\n(?:[^\[].*\n)*", "", GOOD))
