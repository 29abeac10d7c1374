"""Whatever is logged, however loudly, and whatever goes wrong: no key, no signature."""

import logging
import traceback
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from engine.errors import EngineError
from engine.shell.page_blob import PageBlob
from engine.shell.store_account import StoreAccount, open_account
from tests.store.conftest import RunningAzurite
from tests.store.leased_blob import LeasedBlob
from tests.store.test_refusals import EVERY_COMMAND

pytestmark = pytest.mark.real


def test_no_key_in_the_loudest_log(
    azurite: RunningAzurite,
    account: StoreAccount,
    container: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    key = azurite.connection_string.partition("AccountKey=")[2].partition(";")[0]
    assert len(key) > 20
    caplog.set_level(logging.DEBUG)
    logging.getLogger("azure").setLevel(logging.DEBUG)
    store = PageBlob(account, container, "b.vhd")
    answers = [repr(store.execute(command)) for command in EVERY_COMMAND]
    assert key not in caplog.text
    assert key not in "".join(answers)


def test_no_signature_in_the_loudest_log(
    blob: LeasedBlob, caplog: pytest.LogCaptureFixture
) -> None:
    url = blob.store.read_url(60)
    signature = parse_qs(urlsplit(url).query)["sig"][0]
    caplog.set_level(logging.DEBUG)
    logging.getLogger("azure").setLevel(logging.DEBUG)
    account = open_account(url)
    store = PageBlob(account, blob.store.container, blob.store.blob)
    answers = [repr(store.execute(command)) for command in EVERY_COMMAND]
    account.close()
    for text in (caplog.text, "".join(answers)):
        assert signature not in text
        assert signature not in unquote(text)


def test_no_signature_in_a_traceback(blob: LeasedBlob) -> None:
    url = blob.store.read_url(-60)
    signature = parse_qs(urlsplit(url).query)["sig"][0]
    account = open_account(url)
    store = PageBlob(account, blob.store.container, blob.store.blob)
    with pytest.raises(EngineError) as caught:
        store.read_range(0, 512)
    account.close()
    assert signature not in unquote("".join(traceback.format_exception(caught.value)))
