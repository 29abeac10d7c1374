"""What cannot be protected: every bad start ends with the right exit code and says what to do."""

import datetime as dt
import fcntl
import socket

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from harness.lab.azurite import Azurite
from tests.shell.engine_site import MIB, VARIABLE, Site

pytestmark = pytest.mark.real


def refuse(site: Site, command: str = "primary", code: int = 64) -> str:
    """Run a command that must end at once with `code`; return its one line of complaint."""
    ended = site.run(command)
    assert ended.code == code, ended.err
    assert "Traceback" not in ended.err
    assert ended.err.startswith(f"engine {command}: ")
    assert len(ended.err.strip().splitlines()) == 1
    return ended.err


# ── the command line and the policy file ──────────────────────────────────────────────────────────


def test_a_policy_file_that_is_missing_is_named(site: Site) -> None:
    site.policy.unlink()
    assert f"{site.policy}: cannot be read: No such file" in refuse(site)


def test_a_policy_that_is_no_text_is_named(site: Site) -> None:
    site.policy.write_bytes(b"\xff\xfe\x00")
    assert "it is not UTF-8 text" in refuse(site)


@pytest.mark.parametrize("command", ["standby", "status"])
def test_an_unknown_key_is_named_with_its_file(site: Site, command: str) -> None:
    site.write_policy(extra="compress = true\n")
    said = refuse(site, command)
    assert str(site.policy) in said
    assert "unknown key volume[0].compress" in said


def test_usage_errors_end_with_64(site: Site) -> None:
    for arguments in (["primary", "--fast"], ["nonsense"], ["failover"]):
        ended = site.run(*arguments)
        assert ended.code == 64
        assert "usage:" in ended.err


# ── the volume, the state folder, the ports ───────────────────────────────────────────────────────


def test_a_missing_volume_is_named(site: Site) -> None:
    said = refuse(site)
    assert "volume 'db'" in said
    assert str(site.folder / "db.raw") in said
    assert "No such file" in said


@pytest.mark.parametrize("size", [0, MIB + 1])
def test_a_volume_of_no_whole_sectors_is_refused(site: Site, size: int) -> None:
    site.make_volume(size=size)
    assert f"has {size} bytes" in refuse(site)


def test_a_folder_is_no_volume(site: Site) -> None:
    (site.folder / "db.raw").mkdir()
    assert "Is a directory" in refuse(site)


def test_a_volume_that_another_engine_holds_is_refused(site: Site) -> None:
    path = site.make_volume()
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "in use by another engine process" in refuse(site)


def test_a_volume_that_grew_since_an_orderly_stop_needs_reseed(site: Site) -> None:
    path = site.make_volume(size=4 * MIB)
    assert site.protect().end() == 0
    with path.open("r+b") as file:
        file.truncate(5 * MIB)
    assert "the volume was changed since" in refuse(site)
    site.protect("--reseed")
    assert len(site.disk()) == 5 * MIB


@pytest.mark.parametrize("command", ["primary", "standby"])
def test_a_state_folder_in_use_is_refused_and_its_owner_goes_on(site: Site, command: str) -> None:
    site.make_volume()
    first = site.start(command)
    first.wait_for({"primary": "protected", "standby": "watching"}[command])
    said = refuse(site, command)
    assert str(site.folder / command) in said
    assert "another engine process of this site is running" in said
    assert site.status(command)
    assert first.running


def test_a_state_folder_that_is_a_file_is_refused(site: Site) -> None:
    (site.folder / "standby").write_text("")
    assert "correct `state` in the policy" in refuse(site, "standby")


def test_a_tap_port_that_is_taken_is_refused(site: Site) -> None:
    site.make_volume()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        text = site.policy.read_text().replace(f"unix:{site.folder}/db.sock", address)
        site.policy.write_text(text)
        said = refuse(site)
    assert address in said
    assert "another process listens there" in said


def test_a_tap_on_another_interface_is_refused(site: Site) -> None:
    site.make_volume()
    text = site.policy.read_text().replace(f"unix:{site.folder}/db.sock", "0.0.0.0:0")
    site.policy.write_text(text)
    assert "loopback" in refuse(site)


def test_a_heartbeat_port_that_is_taken_is_refused(site: Site) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", site.port))
        said = refuse(site, "standby")
    assert f"heartbeat.listen 127.0.0.1:{site.port}" in said


@pytest.mark.parametrize("command", ["primary", "standby"])
def test_a_heartbeat_host_that_does_not_exist_is_refused(site: Site, command: str) -> None:
    site.make_volume()
    text = site.policy.read_text().replace("127.0.0.1:", "no-such-host.invalid:")
    site.policy.write_text(text)
    assert "heartbeat.listen no-such-host.invalid" in refuse(site, command)


# ── the store ─────────────────────────────────────────────────────────────────────────────────────


def test_an_environment_variable_that_is_not_set_is_named(site: Site) -> None:
    site.make_volume()
    del site.environment[VARIABLE]
    assert VARIABLE in refuse(site)


def test_a_file_of_credentials_that_is_missing_is_named(site: Site) -> None:
    site.make_volume()
    site.write_policy(store=f'connection_string_file = "k.secret"\ncontainer = "{site.container}"')
    assert str(site.folder / "k.secret") in refuse(site)


def test_credentials_from_a_file_work(site: Site) -> None:
    site.make_volume(b"x" * 512)
    (site.folder / "k.secret").write_text(site.connection_string + "\n")
    site.write_policy(store=f'connection_string_file = "k.secret"\ncontainer = "{site.container}"')
    del site.environment[VARIABLE]
    site.protect()
    assert site.disk() == site.volume()


@pytest.mark.parametrize("command", ["primary", "standby"])
def test_a_wrong_key_is_refused(site: Site, command: str) -> None:
    key = site.secrets[0]
    wrong = key[:10][::-1] + key[10:]
    site.secrets.append(wrong)
    site.environment[VARIABLE] = site.connection_string.replace(key, wrong)
    said = refuse(site, command)
    assert "key" in said


def test_a_container_that_does_not_exist_is_named(site: Site) -> None:
    site.make_volume()
    site.container = "no-such-container"
    site.write_policy()
    assert "no-such-container" in refuse(site)


def sas_url(site: Site, azurite: Azurite, hours: int) -> str:
    """Sign a URL of the container, valid for so many hours from now."""
    now = dt.datetime.now(dt.UTC)
    token = generate_container_sas(
        azurite.account,
        site.container,
        account_key=site.secrets[0],
        permission=ContainerSasPermissions.from_string("rwdl"),
        start=now - dt.timedelta(days=2),
        expiry=now + dt.timedelta(hours=hours),
    )
    return f"{azurite.blob_endpoint}/{site.container}?{token}"


def test_a_sas_that_has_expired_is_refused(site: Site, azurite: Azurite) -> None:
    site.make_volume()
    site.environment[VARIABLE] = sas_url(site, azurite, hours=-24)
    site.write_policy(store=f'container_sas_url_env = "{VARIABLE}"')
    assert "expired" in refuse(site)


def test_a_sas_is_enough_to_protect_a_volume(site: Site, azurite: Azurite) -> None:
    site.make_volume(b"x" * 512)
    site.environment[VARIABLE] = sas_url(site, azurite, hours=1)
    site.write_policy(store=f'container_sas_url_env = "{VARIABLE}"')
    assert site.protect().end() == 0
    assert site.disk() == site.volume()


@pytest.mark.parametrize("command", ["primary", "standby"])
def test_a_store_that_is_down_at_the_start_is_inconclusive(site: Site, command: str) -> None:
    site.make_volume()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    site.environment[VARIABLE] = (
        f"DefaultEndpointsProtocol=http;AccountName=lab;AccountKey={site.secrets[0]};"
        f"BlobEndpoint=http://127.0.0.1:{port}/lab;"
    )
    assert f"127.0.0.1:{port}" in refuse(site, command, code=2)


def test_a_damaged_identity_is_named(site: Site) -> None:
    site.make_volume()
    (site.folder / "primary").mkdir()
    (site.folder / "primary" / "db.identity").write_bytes(b"\xff\xfe\xfd")
    assert "db.identity is damaged" in refuse(site)


def test_damaged_state_is_never_trusted(site: Site) -> None:
    """Without the record of the stop nothing is known; a lease id that is none is not used."""
    site.make_volume()
    assert site.protect().end() == 0
    (site.folder / "primary" / "db.lease").write_bytes(b"a\r\nx-evil: 1")
    assert site.protect().end() == 0
    (site.folder / "primary" / "db.stopped").write_bytes(b"[]")
    assert "--reseed" in refuse(site)
