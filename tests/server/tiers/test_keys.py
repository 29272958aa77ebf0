"""Where the key comes from, and proofs that are of no use elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from server.tiers.frames import Challenge, Hello
from server.tiers.greeting import offer
from server.tiers.keys import KeyFileError, link_proof, load_key, same, server_proof
from tests.server.tiers.examples import KEY, NONCE

SECRET = "0123456789abcdef"
HELLO, CHALLENGE = Hello(1, NONCE), Challenge(1, NONCE[::-1])
OFFER = offer(bytes(16), 16_000, 4, 4)


def test_a_key_comes_from_a_file_or_from_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{SECRET}\n")
    assert load_key(path, {}) == SECRET.encode()
    assert load_key(None, {"MODELSERVER_KEY": f" {SECRET} "}) == SECRET.encode()


def test_what_is_no_key_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(" \n")
    for file, environment, said in (
        (None, {}, "openssl rand"),
        (None, {"MODELSERVER_KEY": "short"}, "a key of 5 bytes"),
        (path, {}, "a key of 0 bytes"),
        (path, {"MODELSERVER_KEY": SECRET}, "are both set"),
        (tmp_path / "none", {}, "cannot be read"),
        (tmp_path, {}, "cannot be read"),
    ):
        with pytest.raises(KeyFileError, match=said) as refused:
            load_key(file, environment)
        assert len(str(refused.value).splitlines()) == 1


def test_a_proof_is_for_one_connection_one_side_and_one_key() -> None:
    proofs = [
        link_proof(KEY, HELLO, CHALLENGE),
        link_proof(KEY + b"!", HELLO, CHALLENGE),
        link_proof(KEY, replace(HELLO, nonce=bytes(32)), CHALLENGE),
        link_proof(KEY, HELLO, replace(CHALLENGE, nonce=bytes(32))),
        server_proof(KEY, HELLO, CHALLENGE, OFFER),
        server_proof(KEY, HELLO, CHALLENGE, replace(OFFER, sample_rate_hz=8000)),
        server_proof(KEY, HELLO, CHALLENGE, replace(OFFER, free=3)),
    ]
    assert len(set(proofs)) == len(proofs)
    assert all(len(proof) == 32 for proof in proofs)


def test_a_proof_covers_an_offer_but_itself() -> None:
    proof = server_proof(KEY, HELLO, CHALLENGE, OFFER)
    assert same(server_proof(KEY, HELLO, CHALLENGE, replace(OFFER, proof=proof)), proof)
    assert not same(proof, bytes(32))
