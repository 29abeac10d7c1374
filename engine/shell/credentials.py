"""Opens the store that the policy names; the policy itself never holds a secret."""

import os
from collections.abc import Mapping
from pathlib import Path

from engine.errors import ConfigurationError
from engine.policy import Policy, StorePolicy
from engine.shell.page_blob import PageBlob
from engine.shell.redaction import register_secret
from engine.shell.store_account import open_account


class Store:
    """The blobs of a policy's volumes, by volume name; `close` drops their connections."""

    def __init__(self, policy: Policy, folder: Path, environment: Mapping[str, str]) -> None:
        """Open the account and ask every blob's container once.

        Paths are relative to `folder`. Raises ConfigurationError, StoreRefused, StoreUnavailable.
        """
        text = _read(policy.store, folder, environment)
        register_secret(text)
        self._account = open_account(text)
        container = policy.store.container or self._account.container or ""
        self.blobs = {
            volume.name: PageBlob(self._account, container, volume.blob)
            for volume in policy.volumes
        }
        for blob in self.blobs.values():
            blob.check_container()

    def preload(self) -> None:
        """Load the SDK before it is needed in a hurry."""
        for blob in self.blobs.values():
            blob.preload()

    def close(self) -> None:
        """Drop the connections."""
        self._account.close()


def _read(policy: StorePolicy, folder: Path, environment: Mapping[str, str]) -> str:
    variable = policy.connection_string_env or policy.container_sas_url_env
    if variable:
        text = environment.get(variable, "")
        if not text:
            raise ConfigurationError(
                f"the environment variable {variable}, which the policy names for the store's"
                " credentials, is not set"
            )
        return text.strip()
    path = folder / (policy.connection_string_file or policy.container_sas_url_file)
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(
            f"the store's credentials cannot be read from {path}: {reason}"
        ) from error


def process_environment() -> Mapping[str, str]:
    """This process's environment."""
    return os.environ
