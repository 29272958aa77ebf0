"""Who is let in by which key, and which keys are no keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.api_keys import (
    KEYS_VARIABLE,
    MAX_KEYS,
    MISSING,
    WRONG,
    ApiKeys,
    ApiKeysError,
    load_keys,
)

ONE = "one-key-of-the-server"
TWO = "a+second/key.of_it~123=="


def test_without_keys_everybody_is_let_in() -> None:
    keys = ApiKeys()
    assert not keys.needed
    assert keys.refusal(None, None) is None
    assert keys.refusal("Bearer whatever", "whatever") is None


@pytest.mark.parametrize(
    ("authorization", "parameter", "refusal"),
    [
        (f"Bearer {ONE}", None, None),
        (f"bearer  {TWO} ", None, None),
        (None, ONE, None),
        (f"Bearer {TWO}", "something else", None),
        ("Basic dXNlcjpwYXNz", ONE, None),
        (None, None, MISSING),
        ("", "", MISSING),
        ("Bearer", None, MISSING),
        ("Basic dXNlcjpwYXNz", None, MISSING),
        (f"Bearer {ONE[:-1]}", None, WRONG),
        (f"Bearer {ONE}x", ONE, WRONG),
        (None, ONE.upper(), WRONG),
        (None, "k\udcffey", WRONG),
    ],
)
def test_one_of_the_keys_is_needed(
    authorization: str | None, parameter: str | None, refusal: str | None
) -> None:
    assert ApiKeys([ONE, TWO]).refusal(authorization, parameter) == refusal


@given(st.text(), st.text())
def test_whatever_a_client_gives_is_answered(authorization: str, parameter: str) -> None:
    assert ApiKeys([ONE]).refusal(authorization, parameter) in {MISSING, WRONG}


def test_every_key_is_compared_whichever_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(given: bytes, known: bytes) -> bool:
        compared.append(known)
        assert len(given) == len(known)
        return given == known

    monkeypatch.setattr("server.api_keys.hmac.compare_digest", compare)
    assert ApiKeys([ONE, TWO]).refusal(None, ONE) is None
    assert len(compared) == 2


def test_a_file_has_a_key_a_line(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# of the front desk\n{ONE}\n\n  {TWO}\r\n", encoding="utf-8")
    keys = load_keys(path, {})
    assert keys.needed
    assert keys.refusal(None, ONE) is None
    assert keys.refusal(None, TWO) is None
    assert keys.refusal(None, "# of the front desk") == WRONG


def test_keys_of_the_environment() -> None:
    keys = load_keys(None, {KEYS_VARIABLE: f" {ONE},{TWO}\n"})
    assert keys.refusal(None, ONE) is keys.refusal(None, TWO) is None
    assert not load_keys(None, {KEYS_VARIABLE: ""}).needed
    assert not load_keys(None, {}).needed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 keys: give 1 to 1000"),
        (b"# nothing else\n", "has 0 keys: give 1 to 1000"),
        (b"a-key-of-the-server-%d\n" * (MAX_KEYS + 1), f"has {MAX_KEYS + 1} keys"),
        (b"fifteen-letters", "key 1 of --api-key-file .* cannot be used: a key has 16 to 512"),
        (ONE.encode() + b"\na key with blanks in it\n", "key 2 of"),
        (b"a-key-of-the-s\xc3\xa4rver", "key 1 of"),
        (b"\xff\xfe", r"cannot be read \(it is no text\): give a text file"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(ApiKeysError, match=message) as refused:
        load_keys(path, {})
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ApiKeysError, match=r"cannot be read \(No such file or directory\)"):
        load_keys(tmp_path / "keys", {})


def test_an_error_quotes_no_key(tmp_path: Path) -> None:
    with pytest.raises(ApiKeysError) as refused:
        load_keys(None, {KEYS_VARIABLE: "the secret"})
    assert "secret" not in str(refused.value)


def test_keys_in_two_places_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(ApiKeysError, match="both set: keep one"):
        load_keys(tmp_path / "keys", {KEYS_VARIABLE: ONE})
