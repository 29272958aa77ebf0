"""What may be written in the opening request, and what is said to a client that wrote otherwise."""

from __future__ import annotations

import json
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.handshake import (
    Parameters,
    RequestError,
    error_body,
    max_message_bytes,
    parse_request,
    query_of,
)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/", Parameters(8000, text2int=False)),
        ("/?", Parameters(8000, text2int=False)),
        ("/?text2int=True", Parameters(8000, text2int=True)),
        ("/?downsample=True&sampleRate=16000&text2int=True", Parameters(16000, text2int=True)),
        ("/?sampleRate=48000&downsample=1", Parameters(48000, text2int=False)),
        ("/?sampleRate=08000", Parameters(8000, text2int=False)),
        ("/?sampleRate=8000&downsample=False", Parameters(8000, text2int=False)),
        ("/?downsample=tRuE", Parameters(8000, text2int=False)),
        ("/?downsample=TRUE&sampleRate=11025&", Parameters(11025, text2int=False)),
        ("/?text2int=0", Parameters(8000, text2int=False)),
        ("/?&&text2int=1", Parameters(8000, text2int=True)),
        ("/?%74ext2int=%54rue", Parameters(8000, text2int=True)),
        ("/?downsample=true&sample%52ate=16%30%30%30", Parameters(16000, text2int=False)),
    ],
)
def test_accepted(target: str, expected: Parameters) -> None:
    assert parse_request(target).parameters == expected


@pytest.mark.parametrize(
    ("target", "http_status", "said"),
    [
        ("", 404, "connect to /"),
        ("/stream?text2int=True", 404, "'/stream', connect to /"),
        ("//?text2int=True", 404, "connect to /"),
        (
            "/?lang=en",
            400,
            "'lang', the parameters are downsample, sampleRate, text2int, apiKey, "
            "session, lastMsgId",
        ),
        ("/?session=", 400, "session must be new, or what a ready message had as session"),
        ("/?lastMsgId=1", 400, "lastMsgId needs the session that the message was of"),
        ("/?lastMsgId=1&session=new", 400, "lastMsgId needs the session"),
        ("/?session=%ff", 400, "the value of session is not percent-encoded UTF-8"),
        ("/?Text2Int=True", 400, "case-sensitive: write text2int"),
        ("/?samplerate=16000&downsample=True", 400, "case-sensitive: write sampleRate"),
        ("/?text2int=True&text2int=True", 400, "text2int is given more than once"),
        ("/?text2int", 400, "text2int has no value, write text2int=..."),
        ("/?text2int=", 400, "text2int must be True or False, not ''"),
        ("/?text2int=yes", 400, "text2int must be True or False, not 'yes'"),
        ("/?downsample=2", 400, "downsample must be True or False, not '2'"),
        ("/?text2int=True+", 400, "not 'True+'"),
        ("/?sampleRate=16000", 400, "sampleRate=16000 needs downsample=True"),
        ("/?sampleRate=16000&downsample=False", 400, "needs downsample=True"),
        ("/?downsample=True&sampleRate=7999", 400, "from 8000 to 48000, not '7999'"),
        ("/?downsample=True&sampleRate=48001", 400, "from 8000 to 48000, not '48001'"),
        ("/?downsample=True&sampleRate=-16000", 400, "whole number"),
        ("/?downsample=True&sampleRate=+16000", 400, "whole number"),
        ("/?downsample=True&sampleRate=16000.0", 400, "whole number"),
        ("/?downsample=True&sampleRate=16_000", 400, "whole number"),
        ("/?downsample=True&sampleRate=16k", 400, "whole number"),
        ("/?downsample=True&sampleRate=%D9%A8%D9%A0%D9%A0%D9%A0", 400, "whole number"),
        ("/?downsample=True&sampleRate=" + "9" * 6000, 400, "whole number"),
        ("/?text2int%3DTrue", 400, "unknown parameter 'text2int=True'"),
        ("/?text2int=True%26downsample=True", 400, "not 'True&downsample=True'"),
        ("/?text2int=%ff", 400, "not percent-encoded UTF-8"),
        ("/?text2int=%zz", 400, "not '%zz'"),
        ("/?text2int=\ud800", 400, r"not '\ud800'"),
    ],
)
def test_refused(target: str, http_status: int, said: str) -> None:
    with pytest.raises(RequestError) as refusal:
        parse_request(target)
    assert refusal.value.http_status == http_status
    assert said in refusal.value.message
    assert "\n" not in refusal.value.message


@given(
    st.one_of(
        st.text(st.characters()),
        st.text(st.characters()).map("/?".__add__),
        st.lists(
            st.tuples(
                st.sampled_from(["downsample", "sampleRate", "text2int", "SAMPLERATE", "%C3"]),
                st.sampled_from(["True", "0", "16000", "8000", "48001", "", "%", "\ud800", "é"]),
            ).map("=".join),
            max_size=4,
        ).map(lambda pieces: "/?" + "&".join(pieces)),
    )
)
@example("/?%")
def test_any_string_is_understood_or_refused(target: str) -> None:
    refusal: RequestError | None = None
    try:
        assert 8000 <= parse_request(target).parameters.sample_rate_hz <= 48000
    except RequestError as error:
        refusal = error
    if refusal is not None:
        body = json.loads(error_body(refusal.http_status, refusal.message))
        assert body["info"] == refusal.message
        assert len(body["info"]) < 600


@pytest.mark.parametrize(
    ("http_status", "name"),
    [
        (400, "bad_request"),
        (401, "unauthorized"),
        (404, "not_found"),
        (503, "service_unavailable"),
    ],
)
def test_error_body(http_status: int, name: str) -> None:
    body = json.loads(error_body(http_status, "the server is full"))
    assert list(body) == ["status", "info", "msgId"]
    assert body["status"] == name
    assert body["info"] == "the server is full"
    assert uuid.UUID(body["msgId"]).version == 4


@pytest.mark.parametrize(
    ("sample_rate_hz", "expected"),
    [(8000, 2048), (16000, 4096), (48000, 12288), (11025, 2822), (44100, 11288), (8001, 2048)],
)
def test_max_message_bytes(sample_rate_hz: int, expected: int) -> None:
    assert max_message_bytes(sample_rate_hz) == expected


@given(st.integers(8000, 48000))
def test_largest_message_is_whole_samples_of_at_most_128_ms(sample_rate_hz: int) -> None:
    n_bytes = max_message_bytes(sample_rate_hz)
    assert n_bytes % 2 == 0
    assert 0 <= 0.128 * sample_rate_hz - n_bytes / 2 < 1


def test_a_session_and_the_last_message_of_it() -> None:
    opening = parse_request("/?session=a-token&lastMsgId=an-id")
    assert (opening.session, opening.last_message_id) == ("a-token", "an-id")
    assert opening.comes_back
    assert "a-token" not in repr(opening)
    assert not parse_request("/?session=new").comes_back
    assert not parse_request("/").comes_back


@given(st.integers(8000, 48_000), st.booleans())
def test_parameters_are_written_as_they_are_read(rate_hz: int, text2int: bool) -> None:
    parameters = Parameters(rate_hz, text2int)
    assert parse_request("/" + query_of(parameters)).parameters == parameters
