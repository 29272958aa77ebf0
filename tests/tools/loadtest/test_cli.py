"""The command as it is used, against servers that keep the contract and servers that do not."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.tools.loadtest.fake_server import Behaviour, FakeServer
from tools.loadtest import cli, ledger, schedule
from tools.loadtest.cli import main

CLIP_S = 0.4
CLIP_WORDS = "word word"  # what the fake server hears in it
LoadTest = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    folder = tmp_path / "audio"
    folder.mkdir()
    soundfile.write(folder / "clip.wav", np.zeros(int(8000 * CLIP_S), np.int16), 8000)
    (folder / "transcripts.tsv").write_text(f"clip.wav\t{CLIP_WORDS}\n")
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here is about pauses."""
    monkeypatch.setattr(schedule, "CHUNK_CYCLE_S", 0.05)
    monkeypatch.setattr(ledger, "SETTLE_S", 0.1)
    monkeypatch.setattr(cli, "BETWEEN_TRIALS_S", 0.1)


@pytest.fixture
def loadtest(audio: Path, tmp_path: Path) -> LoadTest:
    """Runs the command against a fake server; returns its exit status and JSON document."""

    def run(behaviour: Behaviour, *more: str) -> tuple[int, dict[str, Any]]:
        result = tmp_path / "run.json"
        with FakeServer(behaviour) as server:
            options = ["--url", server.url, "--streams", "2", "--duration", str(CLIP_S)]
            # Roomy bounds: the machine of the tests may be slow, and only lateness is tested here.
            options += ["--max-done-final-ms", "60000", "--max-lag-ms", "60000"]
            options += ["--max-partial-gap-ms", "60000", "--timeout", "30"]
            status = main([*options, "--audio", str(audio), "--json", str(result), *more])
        return status, json.loads(result.read_text())

    return run


def missed(document: dict[str, Any]) -> list[str]:
    return [check["name"] for check in document["checks"] if not check["holds"]]


def test_a_correct_server_passes(
    loadtest: LoadTest, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    picture = tmp_path / "run.png"
    status, document = loadtest(
        Behaviour(), "--duration", "1.2", "--max-wer", "5", "--plot", str(picture)
    )
    assert missed(document) == []
    assert status == 0
    assert document["verdict"] == "pass"
    assert document["finals"] == 2 * 3
    assert document["partials"] > 0
    assert document["word_errors"] == {"errors": 0, "words": 2 * 3 * 2, "rate": 0}
    assert document["latencies"]["done_final_ms"]["summary"]["count"] == 2 * 3
    assert len(document["latencies"]["lag_ms"]["values"]) > 0
    assert document["configuration"]["streams"] == 2
    output = capsys.readouterr().out
    assert "PASS" in output
    assert re.search(r"word error rate +0\.0 %", output)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_late_final_fails_and_says_by_how_much(
    loadtest: LoadTest, capsys: pytest.CaptureFixture[str]
) -> None:
    status, document = loadtest(Behaviour(final_delay_s=0.5), "--max-done-final-ms", "1")
    assert status == 1
    assert missed(document) == ["done to final p99 (ms)"]
    assert document["latencies"]["done_final_ms"]["summary"]["p50"] >= 499
    said = re.compile(r"done to final p99 \(ms\): .*, bound 1: [\d.]+ ms over the bound")
    assert said.search(capsys.readouterr().out)


def test_partials_off_schedule_fail(loadtest: LoadTest) -> None:
    status, document = loadtest(Behaviour(partial_every_ms=10_000), "--max-partial-gap-ms", "100")
    assert status == 1
    assert missed(document) == ["longest speech without a partial (ms)"]
    assert document["partials"] == 0


def test_lagging_partials_fail(loadtest: LoadTest) -> None:
    status, document = loadtest(Behaviour(partial_every_ms=250), "--max-lag-ms", "0.001")
    assert status == 1
    assert missed(document) == ["partial lag p99 (ms)"]


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (Behaviour(loses_finals=True), {"lost finals", "done to final p99 (ms)"}),
        (Behaviour(says_ready=False), {"dropped connections", "done to final p99 (ms)"}),
    ],
)
def test_silence_where_an_answer_is_due_fails(
    loadtest: LoadTest, behaviour: Behaviour, expected: set[str]
) -> None:
    status, document = loadtest(behaviour, "--timeout", "0.5")
    assert status == 1
    assert expected <= set(missed(document))
    assert not any(document["faults"]["failed_connections"])


@pytest.mark.parametrize(
    ("behaviour", "name", "fault", "reason"),
    [
        (
            Behaviour(repeats_final_text=True),
            "duplicated responses",
            "duplicated_responses",
            "a final that came before",
        ),
        (
            Behaviour(repeats_final_id=True),
            "duplicated responses",
            "duplicated_responses",
            "a msgId that was used before",
        ),
        (
            Behaviour(hears_words=False, repeats_final_text=True),
            "duplicated responses",
            "duplicated_responses",
            "an empty final that no done asked for",
        ),
        (
            Behaviour(sends_error=True),
            "error messages",
            "error_messages",
            "internal_error: something broke",
        ),
        (Behaviour(sends_nonsense=True), "malformed messages", "malformed_messages", "not JSON"),
        (
            Behaviour(closes_on_done=True),
            "dropped connections",
            "dropped_connections",
            "closed by the server with 1011 (gone)",
        ),
        (
            Behaviour(closes_on_audio=True),
            "dropped connections",
            "dropped_connections",
            "closed by the server with 1013 (later)",
        ),
        (
            Behaviour(slots=0),
            "refused connections",
            "refused_connections",
            "HTTP 503: all 6 slots are taken",
        ),
    ],
)
def test_faults_are_counted_with_their_reason_and_fail(
    loadtest: LoadTest, behaviour: Behaviour, name: str, fault: str, reason: str
) -> None:
    status, document = loadtest(behaviour)
    assert status == 1
    assert name in missed(document)
    assert document["faults"][fault] == {reason: 2}


def test_a_lost_connection_loses_its_final(loadtest: LoadTest) -> None:
    _, document = loadtest(Behaviour(closes_on_done=True))
    assert document["lost_finals"] == 2


def test_the_answer_after_an_endpoint_final_is_the_one_that_counts(
    loadtest: LoadTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "SETTLE_S", 2)  # here the pause matters
    behaviour = Behaviour(endpoint_after_done=True, final_delay_s=0.2)
    status, document = loadtest(behaviour)
    assert status == 0
    assert document["finals"] == 4
    assert document["latencies"]["done_final_ms"]["summary"]["p50"] >= 199


def test_silence_recognised_as_nothing_fails_where_words_were_said(loadtest: LoadTest) -> None:
    status, document = loadtest(Behaviour(hears_words=False))
    assert status == 1
    assert missed(document) == ["longest speech without a partial (ms)"]


def test_the_word_error_rate_can_be_bounded(loadtest: LoadTest, audio: Path) -> None:
    (audio / "transcripts.tsv").write_text("clip.wav\tword sword\n")
    status, document = loadtest(Behaviour(), "--max-wer", "49")
    assert status == 1
    assert missed(document) == ["word error rate (%)"]
    assert document["word_errors"]["rate"] == 0.5


@pytest.mark.parametrize(
    ("rate_hz", "query", "full_bytes"),
    [
        (8000, "/?text2int=True", 2048),
        (16000, "/?downsample=True&sampleRate=16000&text2int=True", 4096),
    ],
)
def test_what_is_sent(audio: Path, rate_hz: int, query: str, full_bytes: int) -> None:
    with FakeServer(Behaviour(rate_hz=rate_hz)) as server:
        options = ["--streams", "1", "--duration", str(CLIP_S), "--text2int", "yes"]
        main([*options, "--url", server.url, "--audio", str(audio), "--sample-rate", str(rate_hz)])
    assert server.requests == [query]
    *full, last = server.message_bytes
    assert full == [full_bytes] * 3
    assert sum(full) + last == 2 * CLIP_S * rate_hz


def test_an_unreachable_server_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer(Behaviour()) as server:
        url = server.url
    assert main(["--url", url, "--streams", "3", "--duration", "1"]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(rf"loadtest: cannot connect to {url}: .+\n", error)


def test_find_max_finds_the_slots_of_a_server(
    loadtest: LoadTest, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    picture = tmp_path / "trials.png"
    status, document = loadtest(Behaviour(slots=3), "--find-max", "--plot", str(picture))
    assert status == 0
    assert (document["capacity"], document["missed"]) == (3, 4)
    trials = [trial["configuration"]["streams"] for trial in document["trials"]]
    assert trials == [2, 4, 3]
    assert [trial["verdict"] for trial in document["trials"]] == ["pass", "fail", "pass"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(trials) + 2
    assert lines[2].endswith("missed: refused connections")
    assert lines[-1] == "CAPACITY: 3 streams hold every bound; 4 missed a bound."


def test_find_max_fails_where_not_even_streams_hold(loadtest: LoadTest) -> None:
    status, document = loadtest(Behaviour(slots=1), "--find-max")
    assert status == 1
    assert document["capacity"] == 1


def test_who_is_refused_for_now_comes_back_and_is_waited_for(
    loadtest: LoadTest, capsys: pytest.CaptureFixture[str]
) -> None:
    status, document = loadtest(Behaviour(refusals=2), "--find-max", "--most-streams", "2")
    assert status == 0
    assert document["capacity"] == 2
    trial = document["trials"][0]
    assert (trial["returns"], trial["streams_ready"]) == (2, 2)
    assert not any(trial["faults"].values())
    assert "held (after 2 refusals at the start)" in capsys.readouterr().out
    # Both play for as long as was asked, not to the end of lists that last their patience, too.
    assert {turn["stream"] for turn in trial["turns"]} == {1, 2}
    assert len(trial["turns"]) < trial["configuration"]["patience_s"] / CLIP_S


@pytest.mark.parametrize(
    ("retry_after", "more"),
    [
        ("0", ()),  # no patience was asked for
        ("3600", ("--patience", "5")),
        ("Wed, 21 Oct 2026 07:28:00 GMT", ("--patience", "5")),  # no number of seconds
    ],
)
def test_who_is_to_come_back_too_late_is_refused(
    loadtest: LoadTest, retry_after: str, more: tuple[str, ...]
) -> None:
    status, document = loadtest(Behaviour(refusals=1, retry_after=retry_after), *more)
    assert status == 1
    assert missed(document) == ["refused connections"]
    assert document["faults"]["refused_connections"] == {"HTTP 503: Service Unavailable": 1}
    assert document["returns"] == 0


@contextmanager
def interruptible() -> Iterator[None]:
    """Children take SIGINT, also where the tests run in a shell's background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_interrupted_it_still_prints_its_figures(audio: Path) -> None:
    command = [sys.executable, "-m", "tools.loadtest", "--streams", "2", "--duration", "600"]
    with FakeServer(Behaviour()) as server:
        command += ["--url", server.url, "--audio", str(audio)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with (
            interruptible(),
            subprocess.Popen(
                command, stdout=subprocess.PIPE, text=True, env=environment
            ) as process,
        ):
            try:
                assert server.audio_came.wait(60)
                process.send_signal(signal.SIGINT)
                output, _ = process.communicate(timeout=60)
            finally:
                process.kill()
    assert process.returncode == 130
    assert "INTERRUPTED" in output
    assert "send lateness" in output
