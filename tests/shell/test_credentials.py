"""Where the store's credentials come from, and that no message repeats them."""

from pathlib import Path

import pytest

from engine.errors import ConfigurationError, StoreUnavailable
from engine.policy import Policy, parse_policy
from engine.shell.credentials import Store
from engine.shell.redaction import redact
from harness.lab.azurite import Azurite
from tests.shell.test_policy import GOOD

pytestmark = pytest.mark.real

LINES = 'connection_string_env = "DR_STORE"\ncontainer = "volumes"'


def policy(source: str, container: str) -> Policy:
    lines = f'{source}\ncontainer = "{container}"'
    return parse_policy(GOOD.replace(LINES, lines), "dr.toml")


def test_each_volume_gets_its_blob(azurite: Azurite, container: str, tmp_path: Path) -> None:
    asked = policy('connection_string_env = "DR_STORE"', container)
    store = Store(asked, tmp_path, {"DR_STORE": f"  {azurite.connection_string}\n"})
    assert {name: blob.blob for name, blob in store.blobs.items()} == {
        "db": "db.vhd",
        "log": "log.vhd",
    }
    assert azurite.connection_string not in redact(f"see {azurite.connection_string}")
    store.close()


def test_a_file_is_looked_for_beside_the_policy(
    azurite: Azurite, container: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(azurite.connection_string + "\n")
    Store(policy('connection_string_file = "key"', container), tmp_path, {}).close()


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_is_named(tmp_path: Path, value: str | None) -> None:
    environment = {} if value is None else {"DR_STORE": value}
    with pytest.raises(ConfigurationError, match="environment variable DR_STORE"):
        Store(policy('connection_string_env = "DR_STORE"', "volumes"), tmp_path, environment)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    asked = policy('connection_string_file = "key"', "volumes")
    with pytest.raises(ConfigurationError, match=r"read from .*/key: No such file"):
        Store(asked, tmp_path, {})
    (tmp_path / "key").write_bytes(b"\xff\xff")
    with pytest.raises(ConfigurationError, match="it is not UTF-8 text"):
        Store(asked, tmp_path, {})


@pytest.mark.parametrize(
    "text",
    [
        "sup3rs3cret",
        "AccountName=lab;AccountKey=sup3rs3cret;Nonsense",
        "AccountName=lab;AccountKey=sup3rs3cret",
        "http://127.0.0.1:1/lab?sig=sup3rs3cret",
        "https://sup3rs3cret@lab.example/volumes?sig=sup3rs3cret",
    ],
)
def test_credentials_that_are_none_are_not_repeated(tmp_path: Path, text: str) -> None:
    asked = policy('connection_string_env = "DR_STORE"', "volumes")
    with pytest.raises((ConfigurationError, StoreUnavailable)) as caught:
        Store(asked, tmp_path, {"DR_STORE": text})
    assert "sup3rs3cret" not in str(caught.value)
