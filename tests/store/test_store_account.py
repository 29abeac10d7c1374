"""Connection strings and SAS URLs: what is understood, and what a mistake is told."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from engine.errors import ConfigurationError
from engine.shell.blob_auth import SasToken, SharedKey
from engine.shell.page_blob import PageBlob
from engine.shell.store_account import open_account

KEY = base64.b64encode(b"a key that nobody may ever see, 32+").decode()
AZURE = (
    f"DefaultEndpointsProtocol=https;AccountName=acct;AccountKey={KEY};"
    "EndpointSuffix=core.windows.net"
)
LOCAL = f"AccountName=acct;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:10000/acct;"
SAS = "sv=2025-11-05&sr=c&sp=rwl&sig=signature%2Bof%2Fsomebody%3D"


def test_a_connection_string_of_azure() -> None:
    account = open_account(AZURE)
    assert (account.name, account.url) == ("acct", "https://acct.blob.core.windows.net")
    assert isinstance(account.credential, SharedKey)
    assert account.blob_path("box", "a b/c+d.vhd") == "/box/a%20b/c%2Bd.vhd"


def test_a_path_style_connection_string() -> None:
    account = open_account(LOCAL)
    assert account.url == "http://127.0.0.1:10000/acct"
    assert account.blob_path("box", "b.vhd") == "/acct/box/b.vhd"


def test_a_connection_string_with_a_sas() -> None:
    text = f"BlobEndpoint=https://acct.blob.core.windows.net/;SharedAccessSignature={SAS}"
    account = open_account(text)
    assert (account.name, account.container) == ("acct", None)
    assert isinstance(account.credential, SasToken)


def test_the_order_case_and_other_services_settings_do_not_matter() -> None:
    text = (
        f"accountkey={KEY};QueueEndpoint=http://h/q;ACCOUNTNAME=acct;BlobEndpoint=http://h:1/acct"
    )
    assert open_account(text).url == "http://h:1/acct"


@pytest.mark.parametrize(
    ("url", "name", "base", "container", "blob"),
    [
        ("https://acct.blob.core.windows.net/box", "acct", "https://acct.blob.core.windows.net",
         "box", None),
        ("https://acct.blob.core.windows.net/box/a/b%20c.vhd", "acct",
         "https://acct.blob.core.windows.net", "box", "a/b c.vhd"),
        ("http://127.0.0.1:10000/acct/box", "acct", "http://127.0.0.1:10000/acct", "box", None),
        ("http://localhost:1/acct/box/b.vhd", "acct", "http://localhost:1/acct", "box", "b.vhd"),
        ("http://[::1]:1/acct/box", "acct", "http://[::1]:1/acct", "box", None),
    ],
)  # fmt: skip
def test_a_sas_url(url: str, name: str, base: str, container: str, blob: str | None) -> None:
    account = open_account(f" {url}?{SAS}\n")
    assert (account.name, account.url) == (name, base)
    assert (account.container, account.blob) == (container, blob)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("AccountName", "Part 1 of the connection string"),
        (f"AccountName=acct;AccountKeys={KEY}", "Part 2 of the connection string"),
        (f"{LOCAL}AccountName=acct", "gives AccountName twice"),
        (f"AccountKey={KEY}", "neither AccountName nor BlobEndpoint"),
        ("AccountName=acct", "neither AccountKey nor SharedAccessSignature"),
        ("AccountName=acct;AccountKey=%%%", "not base64"),
        (f"AccountName=A_B;AccountKey={KEY}", "is no account name"),
        (f"AccountName=acct;AccountKey={KEY};BlobEndpoint=ftp://h/", "BlobEndpoint is no http"),
        (f"AccountName=acct;AccountKey={KEY};BlobEndpoint=http://h:99999/", "BlobEndpoint is no"),
        (f"AccountName=acct;AccountKey={KEY};BlobEndpoint=http://u:p@h/", "user name or password"),
        (f"AccountName=acct;AccountKey={KEY};BlobEndpoint=http://h/a?{SAS}", "has a query"),
        (f"https://acct.blob.core.windows.net/?{SAS}", "names no container"),
        (f"http://127.0.0.1:1/acct?{SAS}", "names no container"),
        ("https://acct.blob.core.windows.net/box?sv=1", "no `sig` field"),
        (f"https:///box?{SAS}", "no http or https URL"),
    ],
)
def test_a_mistake_is_named_and_no_secret_shown(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_account(text)
    assert KEY not in str(caught.value)
    assert "somebody" not in str(caught.value)
    assert caught.value.exit_code == 64


@pytest.mark.parametrize("name", ["", "ab", "Upper", "a--b", "-ab", "ab-", "a" * 64, "a/b", "a\nb"])
def test_a_bad_container_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="no container name"):
        PageBlob(open_account(LOCAL), name, "b.vhd")


@pytest.mark.parametrize("name", ["", "/b", "b/", "b.", "b" * 1025])
def test_a_bad_blob_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="no blob name"):
        PageBlob(open_account(LOCAL), "box", name)


def test_a_sas_url_for_something_else_is_refused() -> None:
    account = open_account(f"https://acct.blob.core.windows.net/box/b.vhd?{SAS}")
    with pytest.raises(ConfigurationError, match="for container 'box'"):
        PageBlob(account, "other", "b.vhd")
    with pytest.raises(ConfigurationError, match=r"for blob 'b\.vhd'"):
        PageBlob(account, "box", "c.vhd")


def test_a_read_url_by_key_allows_reading_this_blob_only() -> None:
    url = PageBlob(open_account(LOCAL), "box", "a b.vhd").read_url(60, "2026-11-22T22:29:06.9Z")
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    assert (parts.netloc, parts.path) == ("127.0.0.1:10000", "/acct/box/a%20b.vhd")
    assert (query["sp"], query["sr"]) == (["r"], ["bs"])
    assert query["snapshot"] == ["2026-11-22T22:29:06.9Z"]


def test_a_read_url_by_sas_reuses_it() -> None:
    account = open_account(f"https://acct.blob.core.windows.net/box?{SAS}")
    url = PageBlob(account, "box", "b.vhd").read_url(60)
    assert url == f"https://acct.blob.core.windows.net/box/b.vhd?{SAS}"


def test_a_sas_that_may_not_read_gives_no_read_url() -> None:
    account = open_account("https://acct.blob.core.windows.net/box?sp=wl&sig=abcdefghij")
    with pytest.raises(ConfigurationError, match="does not allow reading"):
        PageBlob(account, "box", "b.vhd").read_url(60)


@pytest.mark.parametrize("text", [LOCAL, f"https://acct.blob.core.windows.net/box?{SAS}"])
def test_no_secret_in_repr_or_str(text: str) -> None:
    account = open_account(text)
    shown = repr(account) + str(account) + repr(PageBlob(account, "box", "b")) + repr(vars(account))
    assert KEY not in shown
    assert "somebody" not in shown
