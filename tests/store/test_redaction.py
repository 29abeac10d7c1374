"""No key and no signature survives redaction, however it is spelt."""

from urllib.parse import quote

import pytest

from engine.shell.redaction import MASK, redact, register_secret


@pytest.mark.parametrize(
    "text",
    [
        "GET /c/b?sp=r&sig=aB3%2Fdef%3D&se=1 HTTP/1.1",
        "https://h/c?SIG=aB3/def=",
        "AccountName=a;AccountKey=aB3/def==;EndpointSuffix=x",
        "authorization: SharedKey acct:aB3/def=",
        "{'Authorization': 'SharedKeyLite acct:aB3/def='}",
    ],
)
def test_the_known_patterns_are_masked_though_nobody_registered_them(text: str) -> None:
    shown = redact(text)
    assert "aB3" not in shown
    assert MASK in shown


def test_what_stands_beside_a_secret_stays() -> None:
    assert redact("a?sp=r&sig=xyz&se=1") == f"a?sp=r&sig={MASK}&se=1"
    assert redact("AccountName=a;AccountKey=k==;X=y") == f"AccountName=a;AccountKey={MASK};X=y"
    assert redact("design=good, nothing secret") == "design=good, nothing secret"


def test_a_registered_secret_is_masked_in_every_spelling() -> None:
    secret = "qL8/+registered+secret/=="
    register_secret(secret)
    for spelling in (secret, quote(secret), quote(secret, safe="")):
        assert redact(f"before {spelling} after") == f"before {MASK} after"


def test_a_short_word_is_no_secret() -> None:
    register_secret("abc")
    assert redact("abcdef") == "abcdef"
