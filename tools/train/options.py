"""The command line of the recipe: one subcommand per stage, every option once."""

from __future__ import annotations

import argparse
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Final

from models import BUNDLED_MODEL
from tools.train.readers import READERS
from tools.train.recipe import Recipe

EXAMPLES: Final = """\
stages, in order:
  speak     text in, a corpus spoken by one voice out; may be left out
  prepare   corpora in, one data directory out
  outputs   what the lower layers make of the data, for `train --outputs`; may be left out
  train     resumable; a time budget with --minutes
  average   the mean of several checkpoints' weights; may be left out
  priors    what the network says before it hears anything, taken out of a checkpoint
  evaluate  word error rates through the windows that the engine serves
  export    a model directory for the engine, with its provenance
  pack, unpack   a data directory as Ogg Opus, small enough to carry

docs/TRAINING.md walks through all of them."""

_RECIPE_HELP: Final = {
    "steps": "steps of the whole run; resuming with another number stretches or shortens it",
    "batch": "seconds of windows in a step, about",
    "seed": "of everything random",
    "encoder_rate": "peak learning rate of the encoder",
    "head_rate": "peak learning rate of the head",
    "warm_up_steps": "steps until the encoder's peak",
    "head_warm_up_steps": "steps until the head's peak",
    "whole_steps": "so many first steps see whole segments only, which cost less than windows",
    "decay_share": "the last part of the steps, in which the rate falls to zero along a cosine",
    "average": "decay of the weights' moving average, which is what is exported",
    "weight_decay": "AdamW's, on matrices only",
    "clip_norm": "largest norm of a step's gradient",
    "frozen_layers": "lower encoder layers left as they are, with the convolutions; 0 trains all",
    "worst_loss": "leave out segments with a loss above so many nats per letter: wrong transcripts",
}


def parser() -> argparse.ArgumentParser:
    """The parser; ``stage`` names the subcommand."""
    top = argparse.ArgumentParser(
        prog="python -m tools.train",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    stages = top.add_subparsers(dest="stage", required=True, metavar="stage")
    _speak(stages.add_parser("speak", help="speech from text, a corpus for prepare"))
    _prepare(stages.add_parser("prepare", help="corpora to a data directory"))
    _outputs(stages.add_parser("outputs", help="run the layers that do not learn, once"))
    _train(stages.add_parser("train", help="train, or go on training"))
    _average(stages.add_parser("average", help="the mean of several checkpoints"))
    _priors(stages.add_parser("priors", help="take the priors of the tokens out of a checkpoint"))
    _evaluate(stages.add_parser("evaluate", help="word error rates"))
    _export(stages.add_parser("export", help="a model directory for the engine"))
    for name, text in (("pack", "to Ogg Opus"), ("unpack", "from Ogg Opus")):
        stage = stages.add_parser(name, help=f"a data directory {text}")
        stage.add_argument("source", type=Path, help="the folder to read")
        stage.add_argument("output", type=Path, help="the folder to write")
    return top


def _speak(stage: argparse.ArgumentParser) -> None:
    stage.add_argument("text", type=Path, help="running text, one sentence a line; .gz is unpacked")
    stage.add_argument("output", type=Path, help="the folder to write; goes on in one begun")
    stage.add_argument("--hours", type=float, required=True, help="of speech")
    stage.add_argument("--seed", type=int, default=1, help="of everything random (default 1)")


def _prepare(stage: argparse.ArgumentParser) -> None:
    stage.add_argument("output", type=Path, help="the data directory to write")
    stage.add_argument(
        "--corpus",
        action="append",
        required=True,
        metavar="NAME=KIND:PATH",
        help=f"a corpus, may be repeated; KIND is one of {', '.join(READERS)}",
    )
    stage.add_argument(
        "--speed",
        action="append",
        type=float,
        metavar="FACTOR",
        help="also a copy of every clip at this speed, may be repeated (0.9 to 1.1 is usual)",
    )
    stage.add_argument("--longest", type=float, default=25.0, metavar="SECONDS")


def _outputs(stage: argparse.ArgumentParser) -> None:
    stage.add_argument("data", type=Path, help="a data directory")
    stage.add_argument("output", type=Path, help="the folder to write: 90 MB an hour and variant")
    _beginning_options(stage)
    stage.add_argument("--layers", type=int, default=6, help="how many do not learn (default 6)")
    stage.add_argument(
        "--variants", type=int, default=2, help="augmented versions of every clip (default 2)"
    )
    stage.add_argument("--seed", type=int, default=1, help="of everything random")
    stage.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")


def _train(stage: argparse.ArgumentParser) -> None:
    stage.add_argument("data", type=Path, help="a data directory")
    stage.add_argument("output", type=Path, help="checkpoints; goes on from the newest one there")
    _beginning_options(stage)
    stage.add_argument(
        "--outputs",
        type=Path,
        metavar="DIR",
        help="learn from what `outputs` made of the data: --frozen-layers must be its --layers",
    )
    _device_options(stage)
    stage.add_argument(
        "--float32", action="store_true", help="not in bfloat16, for processors without it"
    )
    for field in fields(Recipe):
        assert field.default is not MISSING
        stage.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=type(field.default),
            default=field.default,
            help=f"{_RECIPE_HELP[field.name]} (default {field.default})",
        )
    stage.add_argument("--minutes", type=float, help="stop at the first checkpoint after so long")
    stage.add_argument("--save-every", type=int, default=100, metavar="STEPS")
    stage.add_argument("--keep-every", type=int, default=1000, metavar="STEPS")
    stage.add_argument(
        "--workers", type=int, default=0, help="processes that prepare batches (default 0)"
    )


def _average(stage: argparse.ArgumentParser) -> None:
    stage.add_argument("output", type=Path, help="the checkpoint to write")
    stage.add_argument("checkpoints", type=Path, nargs="+", help="of one network, last run last")


def _priors(stage: argparse.ArgumentParser) -> None:
    stage.add_argument("data", type=Path, help="a data directory: the training clips are heard")
    stage.add_argument("checkpoint", type=Path)
    stage.add_argument("output", type=Path, help="the checkpoint to write")
    stage.add_argument("--model", type=Path, default=BUNDLED_MODEL, help="geometry and vocabulary")
    stage.add_argument("--weight", type=float, default=0.4, help="0 to 1, how much (default 0.4)")
    stage.add_argument("--clips", type=int, default=400, help="how many are heard (default 400)")
    _device_options(stage)


def _evaluate(stage: argparse.ArgumentParser) -> None:
    stage.add_argument("manifest", type=Path, help="JSON lines with audio and text")
    _model_options(stage)
    _device_options(stage)
    stage.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth clip")
    stage.add_argument("--rates", type=int, nargs="+", default=[16_000, 8_000], metavar="HZ")
    stage.add_argument("--beam", type=int, default=100)
    stage.add_argument(
        "--alpha", type=float, help="weight of the language model (default: the model's)"
    )
    stage.add_argument("--beta", type=float, help="bonus per word (default: the model's)")
    stage.add_argument("--json", type=Path, help="write the figures, with all texts, to this file")


def _export(stage: argparse.ArgumentParser) -> None:
    stage.add_argument("checkpoint", type=Path)
    stage.add_argument("output", type=Path, help="the model directory to write")
    stage.add_argument("--model", type=Path, default=BUNDLED_MODEL, help="geometry and vocabulary")
    stage.add_argument("--name", default=BUNDLED_MODEL.name, help="the model's name")
    stage.add_argument("--results", type=Path, nargs="*", default=[], help="files of evaluate")


def _model_options(stage: argparse.ArgumentParser) -> None:
    stage.add_argument(
        "--model",
        type=Path,
        default=BUNDLED_MODEL,
        help="model directory (default: models/moonshine-tiny-ctc-en)",
    )
    stage.add_argument("--checkpoint", type=Path, help="weights of a run instead of the model's")


def _beginning_options(stage: argparse.ArgumentParser) -> None:
    _model_options(stage)
    stage.add_argument(
        "--encoder",
        type=Path,
        metavar="DIR",
        help="begin with the encoder of this Moonshine model and a new head, not with the weights "
        "of --model",
    )
    stage.add_argument(
        "--new-layers", type=int, default=0, help="between that encoder and the head (default 0)"
    )


def _device_options(stage: argparse.ArgumentParser) -> None:
    stage.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    stage.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
