"""The protocol's table of settings, against the real server.

What INTERMED_PARTIALS and the two TLS paths do together is tested where it is felt: the servers of
lines 12 and 1 are set by these variables.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.client import Client
from tests.conformance.conftest import echo_flags
from tests.conformance.server_process import ECHO, ServerProcess, refusal_to_start
from tests.conformance.spelling import SPEC, spell

pytestmark = pytest.mark.server

TINY_LANGUAGE_MODEL = """\\data\\
ngram 1=4
ngram 2=1

\\1-grams:
-1.0\t<unk>
0.0\t<s>\t-0.3
-1.0\t</s>
-0.5\thello\t-0.3

\\2-grams:
-0.1\t<s> hello

\\end\\
"""


def test_defaults_of_the_table(echo_server: ServerProcess) -> None:
    """Without INTERMED_PARTIALS two seconds of speech are too short for a partial."""
    with Client(echo_server.url) as client:
        client.send_audio(spell("this takes about two seconds to spell to the end"))
        client.done()
    assert len(client.received) == 2


def test_decoder_beam_size_and_language_model_take_effect(tmp_path: Path) -> None:
    path = tmp_path / "tiny.arpa"
    path.write_text(TINY_LANGUAGE_MODEL)
    environment = {
        "DECODER_BEAM_SIZE": "7",
        "CUSTOM_LANG_MODEL_PATH": str(path),
        "WEBSOCKET_SERVER_LOGLEVEL": "info",
    }
    flags = ("--model", str(ECHO), "--slots", "1")
    with ServerProcess(*flags, environment=environment) as server:
        banner = server.log
        with Client(server.url) as client:
            client.send_audio(spell("hello"))
            assert client.done()["text"] == "hello"
        log = server.log
    assert "beam            7" in banner
    assert f"language model  {path}" in banner
    assert "INFO stream begins" in log


def test_log_level_is_warning_by_default(echo_server: ServerProcess) -> None:
    with Client(echo_server.url):
        pass
    assert "INFO" not in echo_server.log


def test_a_flag_wins_over_its_variable() -> None:
    environment = {"DECODER_BEAM_SIZE": "7"}
    with ServerProcess(*echo_flags(), "--beam-size", "9", environment=environment) as server:
        assert "beam            9" in server.log


@pytest.mark.parametrize(
    ("variable", "value", "right"),
    [
        ("INTERMED_PARTIALS", "sometimes", "True or False"),
        ("WEBSOCKET_SERVER_LOGLEVEL", "LOUD", "DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("DECODER_BEAM_SIZE", "0", "from 1 to 2000"),
        ("DECODER_BEAM_SIZE", "2001", "from 1 to 2000"),
        ("DECODER_BEAM_SIZE", "wide", "from 1 to 2000"),
        ("CUSTOM_LANG_MODEL_PATH", "/no/such.arpa", "no such file"),
        ("MODELSERVER_HOSTNAME", "http://gpu-1:9123", "without a scheme"),
        ("MODELSERVER_PROTOCOL", "grpc", "http, https"),
    ],
)
def test_an_unusable_value_is_refused(variable: str, value: str, right: str) -> None:
    line = refusal_to_start(*echo_flags()[:2], environment={variable: value})
    assert variable in line or value in line
    assert right in line


def test_a_file_that_is_no_language_model_is_refused() -> None:
    """The decoder says why, then the server that it cannot start."""
    with pytest.raises(AssertionError, match="the server gave up") as refused:
        ServerProcess(
            *echo_flags(), environment={"CUSTOM_LANG_MODEL_PATH": str(SPEC.directory / "README.md")}
        ).__enter__()
    assert "README.md" in str(refused.value)


@pytest.mark.parametrize("half", ["SSL_CERT_PATH", "SSL_CERT_KEY"])
def test_one_half_of_tls_is_refused(certificate: tuple[Path, Path], half: str) -> None:
    cert, key = certificate
    path = {"SSL_CERT_PATH": cert, "SSL_CERT_KEY": key}[half]
    line = refusal_to_start(environment={half: str(path)})
    assert "TLS needs both" in line


def test_a_certificate_with_the_wrong_key_is_refused(certificate: tuple[Path, Path]) -> None:
    cert, _ = certificate
    environment = {"SSL_CERT_PATH": str(cert), "SSL_CERT_KEY": str(cert)}
    assert str(cert) in refusal_to_start(environment=environment)
