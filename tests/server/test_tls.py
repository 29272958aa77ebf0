from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from server.tls import Certificate, TlsError, server_context
from tests.server.certificates import encrypted


def refusal(cert: Path, key: Path) -> str:
    with pytest.raises(TlsError) as refused:
        server_context(cert, key)
    message = str(refused.value)
    assert "\n" not in message
    assert str(cert) in message
    assert str(key) in message
    assert "both must be PEM, without a password, and belong together" in message
    return message


def handshake(
    server: ssl.SSLContext, client: ssl.SSLContext, to_client: ssl.MemoryBIO | None = None
) -> str | None:
    """Lets the two sides talk until both are content; gives the version that they speak.

    What the server says after that is left in ``to_client``.
    """
    to_server, to_client = ssl.MemoryBIO(), to_client or ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while sides:
        for side in list(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            version = side.version()
            sides.remove(side)
    return version


def test_a_pair_that_fits_serves(tls_pair: tuple[Path, Path]) -> None:
    client = ssl.create_default_context(cafile=tls_pair[0])
    assert handshake(server_context(*tls_pair), client) == "TLSv1.3"


def test_nothing_older_than_tls_1_2_is_spoken(tls_pair: tuple[Path, Path]) -> None:
    server = server_context(*tls_pair)
    assert server.minimum_version == ssl.TLSVersion.TLSv1_2
    client = ssl.create_default_context(cafile=tls_pair[0])
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert handshake(server, client) == "TLSv1.2"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_nothing_comes_behind_the_handshake(
    tls_pair: tuple[Path, Path], version: ssl.TLSVersion
) -> None:
    """A client that reads in one thread while another one writes would lose its request by it."""
    client = ssl.create_default_context(cafile=tls_pair[0])
    client.maximum_version = version
    to_client = ssl.MemoryBIO()
    handshake(server_context(*tls_pair), client, to_client)
    assert to_client.pending == 0


def test_another_certificates_key(
    tls_pair: tuple[Path, Path], other_tls_pair: tuple[Path, Path]
) -> None:
    assert "MISMATCH" in refusal(tls_pair[0], other_tls_pair[1])


def test_a_key_with_a_password_is_not_asked_for(tls_pair: tuple[Path, Path]) -> None:
    cert, key = tls_pair
    assert "password" in refusal(cert, encrypted(key)).partition(": both")[0]


@pytest.mark.parametrize("missing", [0, 1])
def test_a_file_that_is_not_there(tls_pair: tuple[Path, Path], missing: int) -> None:
    paths = list(tls_pair)
    paths[missing] = paths[missing].with_name("nowhere.pem")
    assert "No such file" in refusal(*paths)


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_file_that_is_not_pem(tls_pair: tuple[Path, Path], tmp_path: Path, wrong: int) -> None:
    paths = list(tls_pair)
    paths[wrong] = tmp_path / "notes.txt"
    paths[wrong].write_text("not a certificate, nor a key")
    refusal(*paths)


def test_certificate_and_key_swapped(tls_pair: tuple[Path, Path]) -> None:
    cert, key = tls_pair
    refusal(key, cert)


def test_a_renewed_certificate_is_presented_to_new_connections(
    tls_pair: tuple[Path, Path], other_tls_pair: tuple[Path, Path], tmp_path: Path
) -> None:
    paths = [tmp_path / "cert.pem", tmp_path / "key.pem"]

    def put(pair: tuple[Path, Path]) -> None:
        for source, path in zip(pair, paths, strict=True):
            path.write_bytes(source.read_bytes())

    put(tls_pair)
    certificate = Certificate(*map(str, paths))
    assert certificate.context is not None
    put(other_tls_pair)
    handshake(certificate.context, ssl.create_default_context(cafile=tls_pair[0]))
    certificate.read_again()
    handshake(certificate.context, ssl.create_default_context(cafile=other_tls_pair[0]))
    put((tls_pair[0], other_tls_pair[1]))
    with pytest.raises(TlsError, match="belong together"):
        certificate.read_again()
    handshake(certificate.context, ssl.create_default_context(cafile=other_tls_pair[0]))


def test_without_tls_there_is_nothing_to_renew() -> None:
    certificate = Certificate(None, None)
    certificate.read_again()
    assert certificate.context is None
