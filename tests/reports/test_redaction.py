"""No secret passes: values we registered, and whatever has the shape of a credential."""

import base64
import json
import re
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.evidence import EvidenceFolder
from harness.redaction import REDACTED, KnownSecrets, redact, redact_value, register_secret

SIGNATURES = st.binary(min_size=16, max_size=48).map(lambda b: base64.b64encode(b).decode())
QUICK = settings(deadline=None, max_examples=30)
ONE_LINE = st.text(st.characters(exclude_characters="\n", codec="utf-8"), min_size=8)
AROUND = st.text(max_size=40)
CREDENTIALS = {
    "SAS query": lambda s: f"GET /dr/db.vhd?sv=2025-01-05&sig={quote(s, safe='')}&se=2027 200",
    "SAS encoded again": lambda s: f"url=http%3A%2F%2Fh%2Fc%3Fsig%3D{quote(quote(s), safe='')}",
    "SAS first in query": lambda s: f'"http://h/c?sig={quote(s, safe="")}"',
    "connection string": lambda s: f"AccountName=a;AccountKey={s};BlobEndpoint=http://h/a",
    "connection string in TOML": lambda s: f'account_key = "{s}"',
    "JSON member": lambda s: json.dumps({"AccountKey": s, "x": 1}),
    "shared key header": lambda s: f"authorization: SharedKey acc:{s}\r\n",
    "header as mapping": lambda s: repr({"Authorization": f"SharedKey acc:{s}", "x": "y"}),
    "header as list": lambda s: json.dumps(["Authorization", f"SharedKeyLite acc:{s}"]),
    "bearer token": lambda s: f"Authorization: Bearer {s}",
    "azurite accounts": lambda s: f"AZURITE_ACCOUNTS=acc:{s};other:{s}",
    "password in URL": lambda s: f"http://user:{quote(s, safe='')}@host/",
}


@pytest.mark.parametrize("shape", CREDENTIALS)
@QUICK
@given(secret=SIGNATURES, before=AROUND, after=AROUND)
def test_a_credential_is_redacted_by_its_shape(
    shape: str, secret: str, before: str, after: str
) -> None:
    said = CREDENTIALS[shape](secret)
    clean = redact(f"{before}\n{said}\n{after}")
    for spelling in (secret, quote(secret, safe=""), quote(quote(secret, safe=""), safe="")):
        assert spelling not in clean.replace(before, "").replace(after, "")
    assert REDACTED in clean


@QUICK
@given(secret=SIGNATURES | ONE_LINE, before=AROUND, after=AROUND)
def test_a_known_secret_is_removed_in_every_spelling(secret: str, before: str, after: str) -> None:
    known = KnownSecrets()
    known.add(secret)
    for spelling in spellings(secret):
        assert f"\n{REDACTED}\n" in known.remove_from(f"{before}\n{spelling}\n{after}")


def spellings(secret: str) -> list[str]:
    encoded = quote(secret, safe="")
    return [
        secret,
        encoded,
        re.sub("%..", lambda code: code[0].lower(), encoded),
        quote(secret),
        quote(quote(secret)),
        quote(encoded, safe=""),
        secret.replace("/", "\\/"),
        secret.replace("+", "\\u002B").replace("=", "\\u003d"),
    ]


def test_of_two_known_secrets_the_longer_goes_whole() -> None:
    known = KnownSecrets()
    known.add("abcdefgh")
    known.add("abcdefghijkl")
    assert known.remove_from("<abcdefghijkl> <abcdefgh>") == f"<{REDACTED}> <{REDACTED}>"


@QUICK
@given(text=st.text(max_size=200), secret=SIGNATURES)
def test_redacting_twice_changes_nothing(text: str, secret: str) -> None:
    once = redact(f"{text} AccountKey={secret};sig={secret}")
    assert redact(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "design=strict order=flush",
        "the signature was refused: 403 AuthenticationFailed",
        "http://127.0.0.1:10000/acc/dr/db.vhd 206",
        "keys: account, container, blob",
        "sha256 0c90d26ed45f36670c90d26ed45f3667",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_a_short_secret_is_refused_for_it_would_blank_out_words() -> None:
    with pytest.raises(ValueError, match="under 8 characters"):
        register_secret("abc")


def test_values_lose_what_a_telling_key_names_and_keep_the_rest() -> None:
    value = {"AccountKey": "Zm9vYmFy", "list": ["?sig=Zm9vYmFy&x=1", 7], "none": None}
    assert redact_value(value) == {
        "AccountKey": REDACTED,
        "list": [f"?sig={REDACTED}&x=1", 7],
        "none": None,
    }


def test_every_way_into_the_folder_redacts(tmp_path: Path) -> None:
    secret = "Qm9vPz8+K2tleS13aXRoLXNsYXNoLw=="
    register_secret(secret)
    folder = EvidenceFolder(tmp_path / "out")
    log = tmp_path / "engine.log"
    log.write_bytes(b"\xff not utf-8\r\nkey " + secret.encode() + b"\r\n" + b"x" * 100)
    folder.write_text("evidence/a.txt", f"key {secret}")
    folder.write_json("evidence/b.json", {"key": [secret], secret: 1})
    folder.adopt_file("evidence/c.log", log)
    for place in (tmp_path / "out").rglob("*"):
        if place.is_file():
            assert secret.encode() not in place.read_bytes()
            assert REDACTED.encode() in place.read_bytes()
    kept = (tmp_path / "out/evidence/c.log").read_bytes()
    assert kept.startswith(b"\xff not utf-8\r\nkey ")
    assert kept.endswith(b"\r\n" + b"x" * 100)
    assert msgspec.json.decode((tmp_path / "out/evidence/b.json").read_bytes())


@pytest.mark.parametrize("rel", ["", "/etc/passwd", "../x", "evidence/../../x"])
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, rel: str) -> None:
    with pytest.raises(ValueError, match="does not stay inside"):
        EvidenceFolder(tmp_path).path(rel)


def test_a_file_name_that_tells_a_secret_is_refused(tmp_path: Path) -> None:
    register_secret("hush-hush-hush")
    with pytest.raises(ValueError, match="tell a secret") as caught:
        EvidenceFolder(tmp_path).write_text("evidence/hush-hush-hush.log", "")
    assert "hush-hush" not in str(caught.value)
