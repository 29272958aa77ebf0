"""The command line of `bench.eval`, checked before anything is started."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.eval.errors import EvalError
from bench.eval.manifest import BUNDLED
from models import BUNDLED_MODEL

SECTIONS: Final = ("accuracy", "baselines", "stream", "realtime", "noise")
WHISPER: Final = BUNDLED_MODEL.parent / "whisper-tiny-en"
CACHE: Final = Path.home() / ".cache" / "realtime-engine-eval"
NOISE_S: Final = 600.0
SHORT_NOISE_S: Final = 60.0
DESCRIPTION: Final = (
    "One table of what a user gets, beside two recognisers that could be had instead."
)


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and where to write it."""

    manifest: Path
    limit: int | None
    sections: tuple[str, ...]
    url: str | None
    server_flags: tuple[str, ...]
    whisper: Path | None
    baseline_clips: int
    realtime_streams: int
    noise_seconds: float
    cache: Path
    output: Path | None
    markdown: Path | None


def parse_options(arguments: Sequence[str] | None = None) -> Options:
    """Reads the command line. Raises EvalError for a value that cannot be."""
    values = _parser().parse_args(arguments)
    for name in ("limit", "baseline_clips", "realtime_streams", "noise_seconds"):
        value = getattr(values, name)
        if value is not None and value <= 0:
            raise EvalError(f"--{name.replace('_', '-')} should be more than 0, not {value:g}")
    if not values.sections:
        raise EvalError(f"--sections names none: it takes {', '.join(SECTIONS)}")
    unknown = sorted(set(values.sections) - set(SECTIONS))
    if unknown:
        raise EvalError(f"--sections has no {unknown[0]}: it takes {', '.join(SECTIONS)}")
    for path in (values.output, values.markdown):
        if path is not None and not path.parent.is_dir():
            raise EvalError(f"{path} cannot be written: there is no folder {path.parent}")
    if values.url and values.server_flags:
        raise EvalError(
            "--server-flags are for the server that is started, and --url names another"
        )
    if values.noise_seconds is None:
        values.noise_seconds = NOISE_S if values.limit is None else SHORT_NOISE_S
    if values.whisper is None and WHISPER.is_dir():
        values.whisper = WHISPER
    values.sections = tuple(name for name in SECTIONS if name in values.sections)
    return Options(**vars(values))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.eval", description=DESCRIPTION)
    add = parser.add_argument
    add("--manifest", type=Path, default=BUNDLED, help="clips, a JSONL file (the bundled 20)")
    add("--limit", type=int, help="use this many clips, taken at equal distances")
    add("--sections", type=_names, default=SECTIONS, help=f"of {','.join(SECTIONS)} (all)")
    add("--url", help="a running server to measure instead of starting one")
    add(
        "--server-flags",
        type=lambda text: tuple(shlex.split(text)),
        default=(),
        metavar="'FLAGS'",
        help="more flags of the server that is started, such as '--model DIR'",
    )
    add("--whisper", type=Path, help="Whisper in CTranslate2's format (the bundled second pass)")
    add("--baseline-clips", type=int, default=108, help="clips for the two others (108)")
    add("--realtime-streams", type=int, default=6, help="streams at once in real time (6)")
    add(
        "--noise-seconds",
        type=float,
        help=f"of each noise ({NOISE_S:.0f}; {SHORT_NOISE_S:.0f} with --limit)",
    )
    add("--cache", type=Path, default=CACHE, help="folder for what never changes (%(default)s)")
    add("--output", type=Path, help="write the report as JSON")
    add("--markdown", type=Path, help="write the README's table")
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
