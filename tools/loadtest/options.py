"""The command line: every option once, checked before anything starts."""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tools.loadtest.clips import BUNDLED_AUDIO
from tools.loadtest.dialects import DEFAULT_URLS, DIALECTS
from tools.loadtest.verdict import Bounds

EXIT_STATUSES = """\
exit status: 0 when every bound holds (with --find-max: for as many streams as --streams says), 1
when one does not, 2 when the options are wrong or the server cannot be reached, 130 after Ctrl-C
(the figures so far are still printed)."""

EXAMPLES = """\
examples:
  loadtest --streams 6                      does the server on this machine hold 6 streams?
  loadtest --streams 6 --url wss://asr.example:443 --sample-rate 16000
  loadtest --streams 40 --duration 300 --json run.json --plot run.png
  loadtest --audio my-recordings/ --max-wer 15
  loadtest --find-max --json trials.json    how many streams does it hold?
  loadtest --protocol vosk --sample-rate 16000        and how many a server of another kind?

A file transcripts.jsonl beside the audio ({"audio": "a.wav", "text": "what is said"} on each line)
or transcripts.tsv (file name, tab, text) adds the word error rate to the figures."""

DURATION_S: Final = 60.0
TRIAL_DURATION_S: Final = 120.0
TRIAL_PATIENCE_S: Final = 60.0
MOST_STREAMS: Final = 1000
DEFAULT_RATES_HZ: Final = {"ours": 8000, "vosk": 8000, "sherpa-onnx": 16_000}
API_KEY_VARIABLE: Final = "LOADTEST_API_KEY"

_BEARER_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750


class UsageError(ValueError):
    """What was asked cannot be done; the text says what would be right."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is to do."""

    url: str
    streams: int
    audio: tuple[Path, ...]
    duration_s: float
    sample_rate_hz: int
    text2int: bool
    seed: int
    timeout_s: float
    bounds: Bounds
    json_path: Path | None
    plot_path: Path | None
    find_max: bool = False
    most_streams: int = MOST_STREAMS
    protocol: str = "ours"
    api_key: str | None = None
    patience_s: float = 0.0

    @property
    def request_url(self) -> str:
        """The URL with the parameters that the protocol wants for this run."""
        if self.protocol != "ours":
            return self.url
        parts = urlsplit(self.url)
        query = parse_qsl(parts.query, keep_blank_values=True)
        if self.sample_rate_hz != 8000:
            query += [("downsample", "True"), ("sampleRate", str(self.sample_rate_hz))]
        if self.text2int:
            query.append(("text2int", "True"))
        return urlunsplit(parts._replace(path=parts.path or "/", query=urlencode(query)))


def parse_options(argv: Sequence[str] | None) -> Options:
    """Reads the command line (None: the process's own).

    Raises UsageError; ends the process for --help.
    """
    given = _parser().parse_args(argv)
    if given.patience is None:
        given.patience = TRIAL_PATIENCE_S if given.find_max else 0.0
    options = Options(
        url=given.url or DEFAULT_URLS[given.protocol],
        streams=given.streams,
        audio=tuple(given.audio),
        duration_s=given.duration or (TRIAL_DURATION_S if given.find_max else DURATION_S),
        sample_rate_hz=given.sample_rate or DEFAULT_RATES_HZ[given.protocol],
        text2int=given.text2int == "yes",
        seed=given.seed,
        timeout_s=given.timeout,
        bounds=Bounds(
            done_final_ms=given.max_done_final_ms,
            partial_gap_ms=given.max_partial_gap_ms,
            lag_ms=given.max_lag_ms,
            word_error_percent=given.max_wer,
        ),
        json_path=given.json,
        plot_path=given.plot,
        find_max=given.find_max,
        most_streams=given.most_streams,
        protocol=given.protocol,
        api_key=given.api_key,
        patience_s=given.patience,
    )
    _check(options)
    return options


def _check(options: Options) -> None:
    try:
        parts = urlsplit(options.url)
        is_websocket = parts.scheme in ("ws", "wss") and bool(parts.hostname)
        _ = parts.port  # reading it raises where it is no number
    except ValueError:
        is_websocket = False
    if not is_websocket:
        raise UsageError(f"--url should be like ws://host:4444 or wss://host, not {options.url!r}")
    for name, _value in parse_qsl(parts.query, keep_blank_values=True):
        if name in ("downsample", "sampleRate", "text2int"):
            raise UsageError(f"{name} does not belong in --url: use --sample-rate and --text2int")
    if options.text2int and options.protocol != "ours":
        raise UsageError("--text2int is for --protocol ours")
    if options.api_key is not None and not _BEARER_TOKEN.fullmatch(options.api_key):
        raise UsageError("--api-key should be letters, digits and -._~+/ without blanks")
    for path in (options.json_path, options.plot_path):
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"no such folder for the result: {path.parent}")
    if options.plot_path is not None and importlib.util.find_spec("matplotlib") is None:
        raise UsageError("--plot needs matplotlib: pip install 'realtime-engine[plot]'")


def _parser() -> argparse.ArgumentParser:
    bounds = Bounds()
    parser = _OneLineParser(
        prog="loadtest",
        description="Plays speech to a real-time speech server over many connections at once, in\n"
        "real time, and checks that its answers come back in time and none is lost.",
        epilog=f"{EXIT_STATUSES}\n\n{EXAMPLES}",
        formatter_class=_HelpFormatter,
    )
    add = parser.add_argument_group("the load").add_argument
    add("--streams", type=_count, default=6, metavar="N", help="connections at the same time")
    add(
        "--url",
        help="the server, ws:// or wss:// (default: localhost, on the port that is usual for the "
        "protocol)",
    )
    add(
        "--protocol",
        choices=tuple(DIALECTS),
        default="ours",
        help="what the server speaks; of the others, each clip gets a connection of its own, and "
        "no lag can be measured",
    )
    add(
        "--api-key",
        default=os.environ.get(API_KEY_VARIABLE),
        metavar="KEY",
        help=f"for a server that asks for one; {API_KEY_VARIABLE} in the environment keeps it out "
        "of the list of processes (default: no key)",
    )
    add(
        "--duration",
        type=_positive,
        metavar="S",
        help="seconds of audio on each stream; the run takes a little longer, as each clip's "
        f"final is awaited before the next (default: {DURATION_S:g}; {TRIAL_DURATION_S:g} for "
        "each trial of --find-max)",
    )
    add(
        "--find-max",
        action="store_true",
        help="search the largest number of streams that keeps every bound: trials with fresh "
        "connections, beginning with --streams, twice as many until a bound is missed, then "
        "numbers between",
    )
    add(
        "--most-streams",
        type=_count,
        default=MOST_STREAMS,
        metavar="N",
        help="--find-max never tries more",
    )
    add(
        "--audio",
        type=Path,
        nargs="+",
        default=[BUNDLED_AUDIO],
        metavar="PATH",
        help="audio files, or folders of them (WAV, FLAC, Ogg, MP3); default: 20 bundled clips of "
        "English read speech",
    )
    add(
        "--sample-rate",
        type=int,
        choices=(8000, 16000),
        help="Hz of the audio that is sent (default: 8000; 16000 for sherpa-onnx, which has to be "
        "started for it)",
    )
    add(
        "--text2int",
        choices=("yes", "no"),
        default="no",
        help="ask the server for numbers as digits (which count as word errors)",
    )
    add("--seed", type=int, default=0, help="fixes the order of clips and the streams' starts")
    add(
        "--timeout",
        type=_positive,
        default=10.0,
        metavar="S",
        help="seconds to wait for a connection, for ready, and for the final after done; one that "
        "takes longer is lost",
    )
    add(
        "--patience",
        type=_not_negative,
        metavar="S",
        help="seconds in which a stream that is refused and told when to come back does so, before "
        f"it counts as refused (default: 0; {TRIAL_PATIENCE_S:g} with --find-max, whose trials "
        "last --duration from when the last stream was let in)",
    )
    add = parser.add_argument_group("the bounds").add_argument
    add(
        "--max-done-final-ms",
        type=_positive,
        default=bounds.done_final_ms,
        metavar="MS",
        help="from done to the final that answers it, 99th percentile",
    )
    add(
        "--max-partial-gap-ms",
        type=_positive,
        default=bounds.partial_gap_ms,
        metavar="MS",
        help="longest time in which speech is sent and no partial comes; fits partials every 4 to "
        "5 s of audio; 2000 suits a server with INTERMED_PARTIALS=True",
    )
    add(
        "--max-lag-ms",
        type=_positive,
        default=bounds.lag_ms,
        metavar="MS",
        help="from sending the end of a partial's last word to the partial, 99th percentile",
    )
    add(
        "--max-wer",
        type=_positive,
        metavar="PERCENT",
        help="word error rate, for audio with transcripts; default: shown, not judged",
    )
    add = parser.add_argument_group("the results").add_argument
    add("--json", type=Path, metavar="FILE", help="also write everything measured as JSON")
    add("--plot", type=Path, metavar="FILE", help="also draw it (.png; needs matplotlib)")
    return parser


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (loadtest --help explains)")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Shows each default after its help, except where the help says it in words."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help
        if text is None or action.default in (None, argparse.SUPPRESS) or "default" in text:
            return text
        return f"{text} (default: %(default)s)"


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= 10_000:
        raise argparse.ArgumentTypeError(f"should be a whole number from 1 to 10000, not {text!r}")
    return number


def _positive(text: str) -> float:
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"should be a number above 0, not {text!r}")
    return number


def _not_negative(text: str) -> float:
    number = _number(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"should be 0 or a number above, not {text!r}")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
