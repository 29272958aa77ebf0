"""KenLM's programs `lmplz` (estimates a model from text) and `build_binary` (packs one for use).

They are looked for in the environment's and the system's folders of programs; where they are
missing, the message says how to get them. Text goes to `lmplz` through a pipe, so no copy of the
corpus is written.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Final

from tools.lm.errors import LmError

PROGRAMS: Final = ("lmplz", "build_binary")
QUANTISED_BITS: Final = 8
COMPRESS_POINTERS: Final = ("-a", "64")  # as far as it makes the file smaller
MEMORY: Final = "30%"  # of the machine's, for sorting; more goes to temporary files
# Kneser-Ney discounts for text so small that they cannot be estimated from it: KenLM's defaults.
FALLBACK: Final = ("--discount_fallback",)


def find_program(name: str) -> str:
    """The path of one of `PROGRAMS`.

    Raises:
        LmError: that it is missing, and the command that installs it.
    """
    beside_python = Path(sys.prefix) / "bin"
    found = shutil.which(name, path=str(beside_python)) or shutil.which(name)
    if found is None:
        raise LmError(
            f"KenLM's {name} is not installed: python -m tools.lm install-kenlm (it builds it, "
            f"into {beside_python}), or put it on the PATH"
        )
    return found


def estimate(
    lines: Iterable[str], words: Iterable[str], arpa: Path, order: int, prune: Sequence[int]
) -> None:
    """Writes the ARPA model of modified interpolated Kneser-Ney smoothing of these lines.

    Words that are not among ``words`` become the unknown word. ``prune`` are counts up to which
    n-grams are dropped, for each n from 1; the last is for all longer ones.

    Raises:
        LmError: with lmplz's own reason.
    """
    thresholds = [str(count) for count in prune]
    with tempfile.TemporaryDirectory(prefix="lmplz-") as scratch, arpa.open("wb") as out:
        vocabulary = Path(scratch) / "words"
        vocabulary.write_text(" ".join(words), encoding="utf-8")
        command = [find_program("lmplz"), "-o", str(order), "-S", MEMORY, "-T", scratch]
        command += ["--limit_vocab_file", str(vocabulary), "--prune", *thresholds, *FALLBACK]
        with (
            tempfile.TemporaryFile() as log,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=log) as process,
        ):
            assert process.stdin is not None
            _feed(process.stdin, lines)
            if process.wait() != 0:
                log.seek(0)
                raise LmError(f"lmplz failed: {_reason(log.read())}")


def pack(arpa: Path, binary: Path) -> None:
    """Writes the quantised trie that the engine maps.

    Raises:
        LmError: with build_binary's own reason.
    """
    bits = str(QUANTISED_BITS)
    result = subprocess.run(
        [
            *(find_program("build_binary"), "-q", bits, "-b", bits, *COMPRESS_POINTERS),
            *("trie", str(arpa), str(binary)),
        ],
        capture_output=True,
        check=False,
    )
    if result.returncode != 0:
        raise LmError(f"build_binary failed: {_reason(result.stderr)}")


def _feed(pipe: IO[bytes], lines: Iterable[str]) -> None:
    with contextlib.suppress(BrokenPipeError):  # it has ended early; its exit status says why
        for line in lines:
            pipe.write(line.encode() + b"\n")
    with contextlib.suppress(BrokenPipeError):  # what was left in the buffer
        pipe.close()


def _reason(log: bytes) -> str:
    """What KenLM says about its end, without its source positions."""
    lines = [line.strip() for line in log.decode("utf-8", "replace").splitlines() if line.strip()]
    said = [line for line in lines if "threw" in line or "rror" in line] or lines[-1:]
    return (said[-1].rpartition(" threw ")[2] if said else "no message")[:200]
