"""The floor of a GPU step: what a model's operations and bytes would take at published peaks.

    python -m bench.floor [--model DIR ...] [--rows 1 8 32 128 512] [--write]

For the bundled model, and for a larger one's geometry (`bench.fastconformer`); or for models given.

Arithmetic, not measurement: nothing runs on a GPU. The operations and bytes of one step are counted
by running the model on the CPU (`bench.counting`), and divided by what the makers of the cards say
of them; a step cannot be shorter than the longer of the two. `--write` replaces the tables in
docs/PERFORMANCE.md. `python bench/gpu.py` measures the step on a card, with the floor beside it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from bench import fastconformer
from bench.counting import Counted, Work, counted
from gpu_worker.acoustic.load import load_model
from models import BUNDLED_MODEL
from models.spec import ModelSpec, ModelSpecError

PAGE: Final = Path(__file__).parents[1] / "docs" / "PERFORMANCE.md"
BEGIN: Final = "<!-- floor: made by `python -m bench.floor --write`; do not edit -->\n"
END: Final = "<!-- end of the floor -->\n"
ROWS: Final = (1, 8, 32, 128, 512)


@dataclass(frozen=True, slots=True)
class Card:
    """Published peaks of a GPU: operations a second, dense, and bytes a second of its memory."""

    name: str
    float32: float
    half: float
    memory: float


CARDS: Final = (
    Card("H100 SXM", float32=67e12, half=989e12, memory=3.35e12),
    Card("T4", float32=8.1e12, half=65e12, memory=0.32e12),
)
"""From NVIDIA's data sheets. Half is bfloat16 on the H100, float16 on the T4."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables or writes them into the page; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.floor", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--model", type=Path, nargs="+", default=[], metavar="DIR")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--write", action="store_true", help=f"replace those of {PAGE.name}")
    options = parser.parse_args(arguments)
    try:
        tables = [_of_directory(model, options.rows) for model in options.model or [BUNDLED_MODEL]]
    except ModelSpecError as error:
        print(error, file=sys.stderr)
        return 1
    if not options.model:
        shape = fastconformer.Shape()
        spec = fastconformer.spec_of(shape)
        found = counted(fastconformer.build(torch.device("cpu"), 2, shape), spec)
        tables.append(report(spec, found, options.rows))
    text = "\n".join(tables)
    if options.write:
        PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    else:
        print(text, end="")
    return 0


def _of_directory(directory: Path, rows: Sequence[int]) -> str:
    spec = ModelSpec.load(directory)
    return report(spec, counted(load_model(spec, torch.device("cpu")), spec), rows)


def floor_ms(work: Work, operations_a_second: float, bytes_a_second: float) -> float:
    """No step is shorter: operations and memory at their peaks, side by side."""
    return 1000 * max(work.operations / operations_a_second, work.least_bytes / bytes_a_second)


def floor_of(work: Work, half: Work, card: Card) -> tuple[float, float]:
    """Milliseconds on a card, in float32 and with half the bytes and the matrix units."""
    return (
        floor_ms(work, card.float32, card.memory),
        floor_ms(half, card.half, card.memory),
    )


def report(spec: ModelSpec, found: Counted, rows: Sequence[int]) -> str:
    """Both tables, in Markdown."""
    return "\n".join([*_model(spec, found), "", *_floors(spec, found, rows)]) + "\n"


def replaced(page: str, text: str) -> str:
    """The page with other tables."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + text + END + after


def _model(spec: ModelSpec, found: Counted) -> list[str]:
    chunk_s = spec.chunk_samples / spec.sample_rate_hz
    window_s = spec.window_samples / spec.sample_rate_hz
    one = found.work(1)
    facts = (
        ("chunk, and the audio that a step hears", f"{chunk_s * 1000:.0f} ms, {window_s:.2f} s"),
        ("operations of a window", f"{one.operations / 1e9:.2f} billion"),
        ("operations of a stream a second", f"{one.operations / chunk_s / 1e9:.2f} billion"),
        ("weights, float32", f"{found.weights_bytes / 1e6:.1f} MB"),
        ("into and out of a window, state included", f"{found.row_bytes / 1e3:.0f} kB"),
        ("read and written by its calls, unfused", f"{found.passed_row_bytes / 1e6:.0f} MB"),
        ("calls of a step", f"{found.calls}"),
    )
    return [f"| {spec.name} | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts)]


def _floors(spec: ModelSpec, found: Counted, rows: Sequence[int]) -> list[str]:
    heads = ["rows", "operations", "at least read and written, float32"]
    for card in CARDS:
        heads += [f"{card.name}, float32", f"{card.name}, 16 bits"]
    heads.append(f"streams at that, {CARDS[0].name} / {CARDS[-1].name}, float32")
    chunk_ms = spec.chunk_samples * 1000 / spec.sample_rate_hz
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for count in rows:
        work, half = found.work(count), found.work(count, 2)
        cells = [str(count), f"{work.operations / 1e9:.1f} G", f"{work.least_bytes / 1e6:.0f} MB"]
        floors = [floor_of(work, half, card) for card in CARDS]
        cells += [f"{ms:.3f} ms" for floor in floors for ms in floor]
        cells.append(" / ".join(f"{count * chunk_ms / floor[0]:.0f}" for floor in floors))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
