"""`python -m tools.train STAGE`: reads the options, runs the stage, prints what came of it."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

from gpu_worker.acoustic.contract import AcousticModel
from gpu_worker.acoustic.load import load_model
from gpu_worker.acoustic.moonshine_ctc import MoonshineCtc, shape_of
from gpu_worker.decoding import LanguageModelError
from gpu_worker.second_pass import SecondPassError
from models.spec import ModelSpec, ModelSpecError
from tools.train.averaging import averaged
from tools.train.batches import Batches, Lesson, loader
from tools.train.beginning import with_encoder_of
from tools.train.dataset import Dataset, DatasetError, sha256_of
from tools.train.evaluate import Decoding, evaluate
from tools.train.export import export
from tools.train.heard_batches import HeardBatches
from tools.train.options import parser
from tools.train.outputs import Outputs, compute_outputs
from tools.train.pack import pack, unpack
from tools.train.prepare import Corpus, prepare
from tools.train.priors import label_priors, without_priors
from tools.train.readers import READERS, CorpusError, manifest
from tools.train.recipe import Recipe, RecipeError
from tools.train.run import Pace, run, validation_batches
from tools.train.segments import SegmentSampler
from tools.train.speak import hibari, lines_of, speak
from tools.train.trainer import Trainer, load_checkpoint, save_checkpoint

_SAID: Final = (
    CorpusError,
    DatasetError,
    RecipeError,
    ModelSpecError,
    LanguageModelError,
    SecondPassError,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one stage; 0, or 2 with one line on stderr where it cannot be done."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(arguments)
    try:
        _STAGES[options.stage](options, arguments)
    except _SAID as error:
        print(f"tools.train {options.stage}: {error}", file=sys.stderr)
        return 2
    return 0


def _speak(options: argparse.Namespace, _: list[str]) -> None:
    lines = lines_of(options.text)
    _print(speak(lines, hibari(), options.output, options.hours, options.seed))


def _prepare(options: argparse.Namespace, _: list[str]) -> None:
    corpora = [corpus(text) for text in options.corpus]
    speeds = (1.0, *(options.speed or ()))
    _print(prepare(corpora, options.output, speeds, options.longest))


def _train(options: argparse.Namespace, arguments: list[str]) -> None:
    device = _device(options)
    recipe = Recipe(**{field.name: getattr(options, field.name) for field in fields(Recipe)})
    torch.manual_seed(recipe.seed)
    spec, model = _trainable(options, device)
    data = Dataset.load(options.data)
    sampler = SegmentSampler(data)
    about = {
        "data": data.summary,
        "initial_weights": _weights_facts(options, spec),
        "runs": [{"command": _command(arguments), "commit": _commit(), "device": _named(device)}],
    }
    if options.outputs is not None:
        outputs = _outputs_for(options, data, recipe)
        about["outputs"] = outputs.summary
        batches: Callable[[int], Iterable[Lesson]] = HeardBatches(outputs, spec, recipe).since
    else:
        of_audio = Batches(sampler, spec, recipe)
        batches = partial(loader, of_audio, workers=options.workers, pinned=device.type == "cuda")
    trainer = Trainer(model, recipe, device, about, bfloat16=not options.float32)
    pace = Pace(options.minutes, options.save_every, options.keep_every)
    run(trainer, batches, validation_batches(sampler, spec), options.output, pace)


def _outputs(options: argparse.Namespace, arguments: list[str]) -> None:
    torch.set_num_threads(options.threads)
    spec, model = _trainable(options, torch.device("cpu"))
    data = Dataset.load(options.data)
    about = {
        "data": data.summary["sha256"],
        "weights": _weights_facts(options, spec),
        "command": _command(arguments),
        "commit": _commit(),
    }
    summary = compute_outputs(
        model.eval(),
        SegmentSampler(data),
        spec,
        options.output,
        layers=options.layers,
        variants=options.variants,
        seed=options.seed,
        about=about,
    )
    _print(summary)


def _outputs_for(options: argparse.Namespace, data: Dataset, recipe: Recipe) -> Outputs:
    outputs = Outputs.load(options.outputs)
    layers = outputs.summary["layers"]
    if recipe.frozen_layers != layers:
        raise RecipeError(f"{options.outputs} is of {layers} layers: give --frozen-layers {layers}")
    if outputs.summary["data"] != data.summary["sha256"]:
        raise RecipeError(f"{options.outputs} was made of other data than {options.data}")
    return outputs


def _average(options: argparse.Namespace, _: list[str]) -> None:
    state = averaged(options.checkpoints)
    save_checkpoint(state, options.output)
    _print({"steps": [part["steps"] for part in state["about"]["averaged"]]})


def _priors(options: argparse.Namespace, _: list[str]) -> None:
    if options.clips < 1:
        raise RecipeError(f"--clips must be at least 1, not {options.clips}")
    device = _device(options)
    state = load_checkpoint(options.checkpoint)
    spec = ModelSpec.load(options.model)
    model = _network(spec, state["average"], device)
    data = Dataset.load(options.data)
    clips = SegmentSampler(data).training
    chosen = clips[:: max(1, len(clips) // options.clips)][: options.clips]
    priors = label_priors(spec, model, device, [data.audio(clip) for clip in chosen])
    save_checkpoint(without_priors(state, priors, options.weight), options.output)
    named = zip(spec.vocabulary, priors.tolist(), strict=True)
    _print({token or "blank": round(prior, 5) for token, prior in named})


def _evaluate(options: argparse.Namespace, arguments: list[str]) -> None:
    device = _device(options)
    spec, model = _model(options, device)
    recordings = list(manifest(options.manifest))[:: options.every]
    alpha = spec.alpha if options.alpha is None else options.alpha
    beta = spec.beta if options.beta is None else options.beta
    decoding = Decoding(options.beam, spec.language_model_path, alpha, beta)
    accuracies = evaluate(spec, model, device, recordings, decoding, options.rates)
    figures = [
        {
            "manifest": options.manifest.name,
            "clips": len(recordings),
            "rate_hz": accuracy.rate_hz,
            "greedy_wer": accuracy.greedy.rate,
            "beam_wer": accuracy.beam.rate,
            "words": accuracy.beam.words,
            "weights": _weights_facts(options, spec),
            "command": _command(arguments),
        }
        for accuracy in accuracies
    ]
    if options.json is not None:
        texts = [list(accuracy.texts) for accuracy in accuracies]
        whole = {"figures": figures, "texts": texts}
        options.json.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    for figure in figures:
        _print(figure)


def _export(options: argparse.Namespace, _: list[str]) -> None:
    results = []
    for path in options.results:
        results += json.loads(path.read_text(encoding="utf-8"))["figures"]
    spec = ModelSpec.load(options.model)
    provenance = export(options.checkpoint, spec, options.output, options.name, results)
    _print({"weights_sha256": provenance["weights_sha256"], "steps": provenance["steps"]})


def _pack(options: argparse.Namespace, _: list[str]) -> None:
    for shard in pack(Dataset.load(options.source), options.output):
        print(shard, f"{shard.stat().st_size / 2**20:.1f} MiB")


def _unpack(options: argparse.Namespace, _: list[str]) -> None:
    _print(unpack(options.source, options.output))


_STAGES: Final[dict[str, Callable[[argparse.Namespace, list[str]], None]]] = {
    "speak": _speak,
    "prepare": _prepare,
    "outputs": _outputs,
    "train": _train,
    "average": _average,
    "priors": _priors,
    "evaluate": _evaluate,
    "export": _export,
    "pack": _pack,
    "unpack": _unpack,
}


def corpus(text: str) -> Corpus:
    """NAME=KIND:PATH.

    Raises:
        CorpusError: it is not that.
    """
    name, equals, rest = text.partition("=")
    kind, colon, path = rest.partition(":")
    if not (name and equals and colon and path) or kind not in READERS:
        kinds = ", ".join(READERS)
        raise CorpusError(f"--corpus must be NAME=KIND:PATH with KIND one of {kinds}, not {text}")
    return Corpus(name, kind, Path(path))


def _device(options: argparse.Namespace) -> torch.device:
    if options.device == "cuda" and not torch.cuda.is_available():
        raise RecipeError("--device cuda: this machine or this torch has no CUDA device")
    torch.set_num_threads(options.threads)
    return torch.device(options.device)


def _trainable(options: argparse.Namespace, device: torch.device) -> tuple[ModelSpec, MoonshineCtc]:
    """What a run begins with."""
    if options.encoder is not None:
        spec = ModelSpec.load(options.model)
        return spec, with_encoder_of(options.encoder, spec, options.new_layers)
    if options.new_layers:
        raise RecipeError("--new-layers needs --encoder: other weights have their layers already")
    spec, model = _model(options, device)
    if not isinstance(model, MoonshineCtc):
        raise RecipeError(f"{options.model}: only models of moonshine-ctc can be trained")
    return spec, model


def _model(options: argparse.Namespace, device: torch.device) -> tuple[ModelSpec, AcousticModel]:
    """The model directory's network with its own weights, or a checkpoint's average."""
    spec = ModelSpec.load(options.model)
    if options.checkpoint is not None:
        return spec, _network(spec, load_checkpoint(options.checkpoint)["average"], device)
    return spec, load_model(spec, device)


def _network(
    spec: ModelSpec, weights: dict[str, torch.Tensor], device: torch.device
) -> MoonshineCtc:
    """Of a checkpoint's weights."""
    model = MoonshineCtc(spec, shape_of(weights)).to(device).eval()
    model.load_state_dict(weights)
    return model


def _weights_facts(options: argparse.Namespace, spec: ModelSpec) -> dict[str, str]:
    """Which weights these are, by name and hash."""
    path, name = options.checkpoint, spec.name
    if path is None and getattr(options, "encoder", None) is not None:
        path, name = options.encoder / "model.safetensors", options.encoder.resolve().name
    if path is None:
        assert spec.weights is not None
        path = spec.directory / spec.weights
    return {"name": name, "file": path.name, "sha256": sha256_of(path)}


def _command(arguments: list[str]) -> str:
    return shlex.join(["python", "-m", "tools.train", *arguments])


def _commit() -> str:
    """The commit of this checkout, with "+" where files were changed; "" outside of git."""
    folder = Path(__file__).parent
    git = ["git", "-C", str(folder)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, check=True)
        changes = subprocess.run(
            [*git, "status", "--porcelain", "--", "."], capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit.stdout.decode().strip() + ("+" if changes.stdout else "")


def _named(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else "cpu"


def _print(facts: dict[str, Any]) -> None:
    print(json.dumps(facts, indent=1))
