"""The commands ``realtime-engine lm``: build a language model, and install what that needs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from models import BUNDLED_MODEL
from tools.lm.build import BINARY_FILE, Recipe, build
from tools.lm.errors import LmError
from tools.lm.install_kenlm import install_kenlm

BUNDLED: Final = BUNDLED_MODEL / BINARY_FILE
EXIT_UNUSABLE: Final = 2
MAX_ORDER: Final = 6


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; errors are one line and exit code 2."""
    options = _parser().parse_args(arguments)
    try:
        run: int = options.run(options)
    except LmError as error:
        print(f"realtime-engine lm: {error}", file=sys.stderr)
        return EXIT_UNUSABLE
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"realtime-engine lm: {where}{error.strerror}", file=sys.stderr)
        return EXIT_UNUSABLE
    except KeyboardInterrupt:
        return 130
    return run


def _build(options: argparse.Namespace) -> int:
    recipe = Recipe(
        output=options.output,
        texts=options.text,
        base=options.base,
        weights=options.weight,
        phrases=options.phrases,
        phrase_probability=options.phrase_probability,
        held_out=options.held_out,
        order=options.order,
        prune=options.prune,
        min_count=options.min_count,
        max_mb=options.max_mb,
    )
    for line in build(recipe):
        print(line, flush=True)
    return 0


def _install(options: argparse.Namespace) -> int:
    for path in install_kenlm(options.prefix):
        print(path)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="realtime-engine lm", description="Language models of your own text and phrases."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    builder = commands.add_parser(
        "build",
        help="build a language model",
        description="Builds a KenLM model from text files, mixes it with a base model, adds "
        "phrases, and writes DIR/lm.bin and DIR/words.txt. See docs/LANGUAGE_MODELS.md.",
    )
    add = builder.add_argument
    add(
        "--text",
        nargs="+",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="text in UTF-8, a sentence a line; give --text again for text of another kind, which "
        "is then weighted by itself",
    )
    add(
        "--base",
        nargs="?",
        type=Path,
        const=BUNDLED,
        metavar="FILE",
        help="mix with this model, ARPA or KenLM trie; the bundled one if no FILE is given",
    )
    add("--phrases", type=Path, metavar="FILE", help="names and terms to expect, one a line")
    add(
        "--phrase-probability",
        type=_probability,
        default=1e-4,
        metavar="P",
        help="how probable each phrase is at any place (default 0.0001)",
    )
    add(
        "--weight",
        type=_weights,
        metavar="auto|W[,W...]",
        help="what each --text counts, from 0 to 1; the base gets the rest (default auto: what "
        "suits the held-out lines best)",
    )
    add(
        "--held-out",
        type=Path,
        metavar="FILE",
        help="text to find weights and measure perplexity on (default: every 20th line of --text)",
    )
    add("--order", type=_order, default=3, metavar="N", help="n of the n-grams (default 3)")
    add(
        "--prune",
        type=_counts,
        default=(0, 0, 1),
        metavar="C,C,...",
        help="drop n-grams of the text seen this often or less, from 1-grams on; the last holds "
        "for all longer ones (default 0,0,1)",
    )
    add(
        "--min-count",
        type=_positive,
        default=1,
        metavar="N",
        help="words of the text seen less often are not known (default 1)",
    )
    add(
        "--max-mb",
        type=_size,
        default=100.0,
        metavar="MB",
        help="prune until lm.bin is at most so large (default 100)",
    )
    add("--output", type=Path, default=Path("lm"), metavar="DIR", help="default: lm")
    builder.set_defaults(run=_build)
    installer = commands.add_parser(
        "install-kenlm",
        help="build the programs that `build` needs",
        description="Builds KenLM's lmplz and build_binary from its source on PyPI. Needs a C++ "
        "compiler, CMake and Boost.",
    )
    installer.add_argument(
        "--prefix",
        type=Path,
        default=Path(sys.prefix),
        metavar="DIR",
        help="they go to DIR/bin (default: this Python environment)",
    )
    installer.set_defaults(run=_install)
    return parser


def _weights(text: str) -> tuple[float, ...] | None:
    if text == "auto":
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be auto, or a number from 0 to 1 for each --text, not {text!r}"
        ) from None


def _counts(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    counts = tuple(int(part) for part in parts if part.isdecimal())
    if len(counts) != len(parts) or list(counts) != sorted(counts):
        raise argparse.ArgumentTypeError(
            f"must be counts that do not fall, such as 0,0,1, not {text!r}"
        )
    return counts


def _order(text: str) -> int:
    if not text.isdecimal() or not 2 <= int(text) <= MAX_ORDER:
        raise argparse.ArgumentTypeError(f"must be from 2 to {MAX_ORDER}, not {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def _probability(text: str) -> float:
    return _between(text, 0.1)


def _size(text: str) -> float:
    return _between(text, 100_000)


def _between(text: str, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= most:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most {most:g}, not {text!r}")
    return value
