"""Other servers' protocols, by hand, and through the command against servers that speak them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.loadtest.fake_peers import RATE_HZ, FakeSherpaOnnx, FakeVosk
from tests.tools.loadtest.fake_server import FakeServer
from tools.loadtest import schedule
from tools.loadtest.cli import main
from tools.loadtest.dialects import DIALECTS, Ours, SherpaOnnx, Vosk, untimed
from tools.loadtest.messages import Hypothesis, MalformedMessageError, Notice
from tools.loadtest.schedule import MESSAGE_MS

CLIP_S = 1.2
PCM = np.array([0, 16384, -32768], "<i2").tobytes()


def test_ours_goes_on_after_done() -> None:
    dialect = Ours()
    assert dialect.opening(8000) is None
    assert dialect.audio(PCM) == PCM
    assert dialect.done() == "done"
    ready = dialect.read('{"status": "ready", "info": "", "msgId": "1"}')
    assert ready == Notice("1", "ready", "")
    assert not dialect.is_over


def test_vosk_is_told_the_rate_and_gets_pcm() -> None:
    dialect = Vosk()
    opening = dialect.opening(16_000)
    assert opening is not None
    assert json.loads(opening)["config"]["sample_rate"] == 16_000
    assert dialect.audio(PCM) == PCM
    assert dialect.done() == '{"eof" : 1}'


def test_vosk_answers_every_message_and_the_last_answer_is_eof_s() -> None:
    dialect = Vosk()
    for _ in range(5):
        dialect.audio(PCM)
    assert dialect.read('{"partial": ""}') is None
    assert dialect.read('{"partial": "one"}') == untimed("one", is_final=False)
    assert dialect.read('{"partial": "one"}') is None, "no news"
    dialect.done()
    assert dialect.read('{"text": "one two", "result": []}') == untimed("one two", is_final=True)
    assert not dialect.is_over, "an endpoint's: another message was still unanswered"
    assert dialect.read('{"text": ""}') is None, "an endpoint in silence"
    assert dialect.read('{"text": ""}') == untimed("", is_final=True)
    assert dialect.is_over
    with pytest.raises(MalformedMessageError, match="an answer to nothing"):
        dialect.read('{"partial": "more"}')


def test_sherpa_onnx_gets_floats() -> None:
    dialect = SherpaOnnx()
    assert dialect.opening(16_000) is None
    assert np.frombuffer(dialect.audio(PCM), "<f4").tolist() == [0, 0.5, -1]
    assert dialect.done() == "Done"


def sherpa(text: str, **more: Any) -> str:
    return json.dumps({"text": text, "tokens": [], "segment": 0, **more})


def test_sherpa_onnx_says_finals_and_then_done() -> None:
    dialect = SherpaOnnx()
    assert dialect.read(sherpa("")) is None
    assert dialect.read(sherpa(" ONE")) == untimed("ONE", is_final=False)
    assert dialect.read(sherpa(" ONE")) is None, "no news"
    assert dialect.read(sherpa(" ONE", is_final=True)) == untimed("ONE", is_final=True)
    dialect.done()
    assert dialect.read(sherpa(" TWO", is_final=True, is_eof=True)) == untimed("TWO", is_final=True)
    assert not dialect.is_over
    assert dialect.read("Done!") is None
    assert dialect.is_over


def test_sherpa_onnx_may_say_goodbye_before_its_last_word() -> None:
    dialect = SherpaOnnx()
    dialect.read(sherpa("ONE"))
    dialect.done()
    assert dialect.read("Done!") is None
    last = sherpa("ONE TWO", is_final=True, is_eof=True)
    assert dialect.read(last) == untimed("ONE TWO", is_final=True)


@pytest.mark.parametrize("said", ["", "ONE"])
def test_where_nothing_was_left_to_decode_what_was_said_last_is_the_final(said: str) -> None:
    dialect = SherpaOnnx()
    dialect.read(sherpa(said))
    dialect.done()
    assert dialect.read("Done!") is None
    assert dialect.last_said() == untimed(said, is_final=True)


@pytest.mark.parametrize(
    ("dialect", "raw", "why"),
    [
        (Vosk, "{", "not JSON"),
        (Vosk, b"{}", "a binary message"),
        (Vosk, "[]", "not a JSON object"),
        (Vosk, "{}", "partial is not a text"),
        (SherpaOnnx, '{"text": 1}', "text is not a text"),
        (SherpaOnnx, '{"text": "", "is_final": 1}', "is_final is not true or false"),
    ],
)
def test_what_is_wrong_is_said(dialect: Callable[[], Any], raw: str | bytes, why: str) -> None:
    speaking = dialect()
    speaking.audio(PCM)
    with pytest.raises(MalformedMessageError, match=why):
        speaking.read(raw)


@given(
    st.sampled_from(sorted(DIALECTS)),
    st.text()
    | st.binary()
    | st.dictionaries(
        st.sampled_from(["text", "partial", "is_final", "result"]),
        st.booleans() | st.text() | st.none() | st.lists(st.none()),
    ).map(json.dumps),
)
def test_anything_is_read_or_refused(name: str, raw: str | bytes) -> None:
    dialect = DIALECTS[name]()
    dialect.done()
    with contextlib.suppress(MalformedMessageError):
        found = dialect.read(raw)
        assert found is None or isinstance(found, Hypothesis | Notice)


# -- through the command


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Any]]:
    monkeypatch.setattr(schedule, "CHUNK_CYCLE_S", 0.05)
    words = int(CLIP_S * 1000 // 150)
    for number in range(2):
        samples = np.full(int(RATE_HZ * CLIP_S), 16384, np.int16)
        soundfile.write(tmp_path / f"clip{number}.wav", samples, RATE_HZ)
    # An endpoint falls between words and the rest of the clip holds whole words again.
    transcript = " ".join(["word"] * (words - 1))
    lines = [f"clip{number}.wav\t{transcript}" for number in range(2)]
    (tmp_path / "transcripts.tsv").write_text("\n".join(lines))

    def command(server: FakeServer, protocol: str, *more: str) -> tuple[int, Any]:
        result = tmp_path / "run.json"
        with server:
            options = ["--url", server.url, "--protocol", protocol, "--streams", "2"]
            options += ["--duration", str(2 * CLIP_S), "--sample-rate", str(RATE_HZ)]
            options += ["--max-done-final-ms", "60000", "--max-partial-gap-ms", "60000"]
            options += ["--audio", str(tmp_path), "--json", str(result), *more]
            status = main(options)
        return status, json.loads(result.read_text())

    return command


@pytest.mark.parametrize("make", [FakeVosk, FakeSherpaOnnx])
def test_a_server_of_another_protocol_is_measured(
    make: Callable[[], FakeServer], run: Callable[..., tuple[int, Any]]
) -> None:
    server = make()
    protocol = "vosk" if isinstance(server, FakeVosk) else "sherpa-onnx"
    status, document = run(server, protocol)
    assert [check["name"] for check in document["checks"] if not check["holds"]] == []
    assert status == 0
    assert document["configuration"]["protocol"] == protocol
    assert document["latencies"]["done_final_ms"]["summary"]["count"] == 2 * 2
    assert document["latencies"]["lag_ms"]["summary"] is None
    assert document["latencies"]["partial_gap_ms"]["summary"]["count"] > 0
    assert document["finals"] == 2 * 2 * 2, "an endpoint's and the last, of each clip"
    assert document["streams_ready"] == 2
    assert document["word_errors"]["errors"] <= 2 * 2, "at most one at each endpoint"
    assert len(server.requests) == 2 * 2, "a connection for each clip"
    sample = 2 if protocol == "vosk" else 4
    assert max(server.message_bytes) == sample * RATE_HZ * MESSAGE_MS // 1000
    if isinstance(server, FakeVosk):
        assert {config["sample_rate"] for config in server.configs} == {RATE_HZ}
    if isinstance(server, FakeSherpaOnnx):
        assert server.loudest == 0.5


def test_a_server_with_nothing_left_to_decode(run: Callable[..., tuple[int, Any]]) -> None:
    status, document = run(FakeSherpaOnnx(has_tail=False), "sherpa-onnx")
    assert status == 0
    assert document["finals"] == 2 * 2 * 2


def test_a_goodbye_that_overtakes_the_final(run: Callable[..., tuple[int, Any]]) -> None:
    status, document = run(FakeSherpaOnnx(in_order=False), "sherpa-onnx")
    assert status == 0
    assert document["finals"] == 2 * 2 * 2, "the final is neither missed nor counted twice"
    assert document["word_errors"]["errors"] <= 2 * 2, "at most one at each endpoint"


def test_an_eof_that_is_not_answered_is_a_lost_final(run: Callable[..., tuple[int, Any]]) -> None:
    status, document = run(FakeVosk(answers_eof=False), "vosk")
    assert status == 1
    assert document["lost_finals"] == 2 * 2
    assert sum(document["faults"]["dropped_connections"].values()) == 2 * 2
