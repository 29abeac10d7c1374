"""Signatures: the documented examples, the SDK as an independent signer, and bad secrets."""

import base64
import time
from datetime import UTC, datetime
from urllib.parse import parse_qs, parse_qsl, unquote

import pytest
from azure.storage.blob import BlobSasPermissions, generate_blob_sas

from engine.errors import ConfigurationError
from engine.shell import blob_auth
from engine.shell.blob_auth import SasToken, SharedKey, string_to_sign

KEY = base64.b64encode(bytes(range(64))).decode()


def test_the_text_signed_is_that_of_azures_documentation() -> None:
    # Azure REST, "Authorize with Shared Key", the worked example of Get Container Metadata.
    headers = {
        "x-ms-date": "Fri, 26 Jun 2015 23:39:12 GMT",
        "x-ms-version": "2015-02-21",
    }
    query = {"timeout": "20", "restype": "container", "comp": "metadata"}
    assert string_to_sign("myaccount", "GET", "/mycontainer", query, headers) == (
        "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n"
        "x-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"
    )


def test_length_checksum_and_condition_have_lines_of_their_own() -> None:
    headers = {
        "content-length": "512",
        "content-md5": "bWQ1",
        "if-match": '"0x1"',
        "x-ms-range-get-content-md5": "true",
        "x-ms-range": "bytes=0-511",
    }
    lines = string_to_sign("a", "PUT", "/a/c/b", {"comp": "page"}, headers).split("\n")
    assert lines[:12] == ["PUT", "", "", "512", "bWQ1", "", "", "", '"0x1"', "", "", ""]
    # The account stands twice for a path-style endpoint; a name goes before those it begins.
    assert lines[12:] == [
        "x-ms-range:bytes=0-511", "x-ms-range-get-content-md5:true", "/a/a/c/b", "comp:page",
    ]  # fmt: skip


def test_an_empty_body_is_signed_as_an_empty_line() -> None:
    assert string_to_sign("a", "PUT", "/", {}, {"content-length": "0"}).split("\n")[3] == ""


@pytest.mark.parametrize("snapshot", ["", "2026-11-22T22:29:06.9730000Z"])
def test_our_sas_has_the_signature_that_the_sdk_computes(
    snapshot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expires_at = 1_900_000_000.0
    name = "disk one+ä.vhd"
    theirs = generate_blob_sas(
        "acct", "box", name, account_key=KEY, snapshot=snapshot or None,
        permission=BlobSasPermissions(read=True), expiry=datetime.fromtimestamp(expires_at, UTC),
    )  # fmt: skip
    expected = dict(parse_qsl(theirs))
    monkeypatch.setattr(blob_auth, "API_VERSION", expected["sv"])
    ours = SharedKey("acct", KEY).read_token("box", name, expires_at, snapshot)
    assert dict(parse_qsl(ours)) == expected


def test_a_signed_request_carries_date_and_signature_but_no_key() -> None:
    headers = {"x-ms-version": "2025-11-05"}
    target = SharedKey("acct", KEY).authorize("GET", "/c/b", {"snapshot": "a:b"}, headers)
    assert target == "/c/b?snapshot=a%3Ab"
    assert headers["authorization"].startswith("SharedKey acct:")
    assert headers["x-ms-date"].endswith(" GMT")
    assert KEY not in str(headers)


def test_a_sas_is_appended_untouched() -> None:
    sas = SasToken("?sv=2025&sp=rw&sig=a%2Fb%3D")
    assert sas.authorize("GET", "/c/b", {}, {}) == "/c/b?sv=2025&sp=rw&sig=a%2Fb%3D"
    assert sas.authorize("PUT", "/c/b", {"comp": "page"}, {}) == (
        "/c/b?comp=page&sv=2025&sp=rw&sig=a%2Fb%3D"
    )
    assert sas.permissions == "rw"


def test_no_secret_in_repr() -> None:
    key, sas = SharedKey("acct", KEY), SasToken("sp=r&sig=topsecretsignature")
    assert KEY not in repr(key)
    assert "topsecret" not in repr(sas)


@pytest.mark.parametrize("key", ["", "not base64!", "abc"])
def test_a_mistyped_key_is_a_configuration_error_that_does_not_show_it(key: str) -> None:
    with pytest.raises(ConfigurationError, match="not base64") as caught:
        SharedKey("acct", key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("token", ["", "sv=2025&sp=r", "sv=2025&sig="])
def test_a_cut_sas_is_a_configuration_error(token: str) -> None:
    with pytest.raises(ConfigurationError, match="no `sig` field"):
        SasToken(token)


def test_the_read_sas_ends_when_asked() -> None:
    token = SharedKey("acct", KEY).read_token("c", "b", time.time() + 3600)
    expiry = datetime.fromisoformat(unquote(parse_qs(token)["se"][0]))
    left = (expiry - datetime.now(UTC)).total_seconds()
    assert 3590 < left <= 3600
    assert parse_qs(token)["sp"] == ["r"]
