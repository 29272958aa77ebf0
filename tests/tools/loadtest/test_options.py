from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tools.loadtest import cli
from tools.loadtest.clips import BUNDLED_AUDIO
from tools.loadtest.options import API_KEY_VARIABLE, UsageError, parse_options
from tools.loadtest.verdict import Bounds


def test_the_defaults_ask_for_what_the_contract_promises() -> None:
    options = parse_options([])
    assert (options.url, options.streams) == ("ws://localhost:4444", 6)
    assert (options.duration_s, options.sample_rate_hz, options.text2int) == (60, 8000, False)
    assert options.bounds == Bounds(1000, 6000, 2500, None)
    assert options.audio == (BUNDLED_AUDIO,)
    assert options.request_url == "ws://localhost:4444/"


def test_the_bounds_are_read() -> None:
    argv = ["--max-done-final-ms", "1", "--max-partial-gap-ms", "2", "--max-lag-ms", "3"]
    assert parse_options([*argv, "--max-wer", "4"]).bounds == Bounds(1, 2, 3, 4)


def test_parameters_join_those_of_the_url() -> None:
    argv = ["--url", "wss://host/path?token=a%26b", "--sample-rate", "16000", "--text2int", "yes"]
    assert parse_options(argv).request_url == (
        "wss://host/path?token=a%26b&downsample=True&sampleRate=16000&text2int=True"
    )


@pytest.mark.parametrize(
    ("protocol", "url", "rate_hz"),
    [("vosk", "ws://localhost:2700", 8000), ("sherpa-onnx", "ws://localhost:6006", 16_000)],
)
def test_another_protocol_has_its_own_port_and_rate(protocol: str, url: str, rate_hz: int) -> None:
    options = parse_options(["--protocol", protocol])
    assert (options.request_url, options.sample_rate_hz) == (url, rate_hz)
    assert parse_options(["--protocol", protocol, "--url", "ws://h:1"]).request_url == "ws://h:1"


def test_a_trial_of_a_search_is_longer_than_a_run_unless_it_is_said() -> None:
    assert not parse_options([]).find_max
    options = parse_options(["--find-max"])
    assert (options.find_max, options.duration_s, options.most_streams) == (True, 120, 1000)
    assert parse_options(["--find-max", "--duration", "5"]).duration_s == 5


def test_only_in_a_search_do_refused_streams_come_back_unless_it_is_said() -> None:
    assert parse_options([]).patience_s == 0
    assert parse_options(["--find-max"]).patience_s == 60
    assert parse_options(["--find-max", "--patience", "0"]).patience_s == 0
    assert parse_options(["--patience", "7.5"]).patience_s == 7.5


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--streams", "0"], "should be a whole number from 1 to 10000, not '0'"),
        (["--streams", "many"], "should be a whole number from 1 to 10000, not 'many'"),
        (["--duration", "-1"], "should be a number above 0, not '-1'"),
        (["--duration", "nan"], "should be a number above 0, not 'nan'"),
        (["--patience", "-1"], "should be 0 or a number above, not '-1'"),
        (["--patience", "long"], "should be 0 or a number above, not 'long'"),
        (["--max-lag-ms", "inf"], "should be a number above 0, not 'inf'"),
        (["--protocol", "vosk", "--text2int", "yes"], "--text2int is for --protocol ours"),
        (["--sample-rate", "44100"], "choose from 8000, 16000"),
        (["--url", "http://host"], "--url should be like ws://host:4444"),
        (["--url", "localhost:4444"], "--url should be like ws://host:4444"),
        (["--url", "ws://host:port"], "--url should be like ws://host:4444"),
        (["--url", "ws://[::1"], "--url should be like ws://host:4444"),
        (["--url", "ws://host?sampleRate=8000"], "use --sample-rate"),
        (["--json", "/no/such/folder/a.json"], "no such folder for the result: /no/such/folder"),
        (["--audio", "/no/such/audio"], "no such file or folder: /no/such/audio"),
        (["--api-key", "two words"], "--api-key should be letters, digits and"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_wrong_usage_ends_with_one_line_and_status_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("loadtest: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


def test_a_plot_without_matplotlib_is_refused_before_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'realtime-engine\[plot\]'"):
        parse_options(["--plot", "a.png"])


def test_help_explains_every_option_and_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_options(["--help"])
    assert ended.value.code == 0
    text = re.sub(r"\s+", " ", capsys.readouterr().out)
    for default in ("(default: 6)", "(default: ours)", "(default: 1000.0)"):
        assert default in text
    assert "exit status: 0 when every bound holds" in text
    assert str(Path.cwd()) not in text


def test_a_key_by_its_option_or_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_options([]).api_key is None
    monkeypatch.setenv(API_KEY_VARIABLE, "of-the-environment")
    assert parse_options([]).api_key == "of-the-environment"
    assert parse_options(["--api-key", "of-the-option"]).api_key == "of-the-option"
