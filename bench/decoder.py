"""Beam searches side by side on stored log-probabilities: CPU time and text.

    python -m bench.decoder [--clips 110]

decodes the utterances of tests/data/log_probs_dev.npz with the bundled language model: pyctcdecode
and ctc-beam-decoder (if installed) each utterance at once, this repository's search in chunks of
640 ms with a partial after each. Times are of this process's CPU, in ms per second of audio,
without loading; run it on an idle machine.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpu_worker.decoding import BeamSearch, LanguageModel, ReferenceSearch, Vocabulary
from gpu_worker.decoding.beam_search import BEAM_PRUNE_LOG_PROB, TOKEN_MIN_LOG_PROB
from models import BUNDLED_MODEL

LOG_PROBS = Path(__file__).parents[1] / "tests" / "data" / "log_probs_dev.npz"
VOCABULARY = Vocabulary(tuple("_ 'abcdefghijklmnopqrstuvwxyz"), blank=0)
FRAME_S = 0.04
CHUNK_FRAMES = 16
ALPHA, BETA = 0.5, 1.5

Decode = Callable[[NDArray[np.float32]], str]


def main() -> None:
    """Print one line for each beam size and decoder."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--clips", type=int, default=110, help="how many utterances, up to 110")
    clips = load_clips()[: options.parse_args().clips]
    seconds = FRAME_S * sum(map(len, clips))
    model = LanguageModel.load(BUNDLED_MODEL / "lm.bin", ALPHA, BETA)
    logging.disable(logging.WARNING)  # pyctcdecode's advice about unigrams
    print(f"{len(clips)} utterances, {seconds:.0f} s of audio, language model {model.order}-gram")
    print(f"{'beam':>4}  {'decoder':<17}  {'CPU ms per s':>12}  {'of pyctcdecode':>14}  same text")
    for beam_size in (1, 100, 600):
        decoders: dict[str, Decode | None] = {
            "pyctcdecode": pyctcdecode(model, beam_size),
            "ctc-beam-decoder": ctc_beam_decoder(model, beam_size),
            "BeamSearch": beam_search(model, beam_size),
        }
        reference: tuple[float, list[str]] | None = None
        for name, decode in decoders.items():
            if decode is None:
                print(f"{beam_size:>4}  {name:<17}  not installed")
                continue
            ms, texts = measured(decode, clips, seconds)
            reference = reference or (ms, texts)
            same = sum(ours == theirs for ours, theirs in zip(texts, reference[1], strict=True))
            print(
                f"{beam_size:>4}  {name:<17}  {ms:>12.2f}  {ms / reference[0]:>14.2f}"
                f"  {same}/{len(clips)}",
                flush=True,
            )


def measured(
    decode: Decode, clips: list[NDArray[np.float32]], seconds: float
) -> tuple[float, list[str]]:
    """CPU ms per second of audio, and the texts. The first clip is decoded once before."""
    decode(clips[0])
    start = time.process_time()
    texts = [decode(clip) for clip in clips]
    return 1000 * (time.process_time() - start) / seconds, texts


def beam_search(model: LanguageModel, beam_size: int) -> Decode:
    """This repository's search, fed as a decoder process feeds it."""
    search = BeamSearch(VOCABULARY, beam_size, model)

    def decode(clip: NDArray[np.float32]) -> str:
        search.reset()
        for start in range(0, len(clip), CHUNK_FRAMES):
            search.advance(clip[start : start + CHUNK_FRAMES])
            search.partial()
        return search.final().text

    return decode


def pyctcdecode(model: LanguageModel, beam_size: int) -> Decode:
    """The reference, once for each utterance."""
    search = ReferenceSearch(VOCABULARY, beam_size, model)

    def decode(clip: NDArray[np.float32]) -> str:
        search.reset()
        search.advance(clip)
        return search.final().text

    return decode


def ctc_beam_decoder(model: LanguageModel, beam_size: int) -> Decode | None:
    """The C++ port of pyctcdecode, None where it is not installed."""
    try:
        from ctc_beam_decoder import build_ctcdecoder  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        return None
    decoder = build_ctcdecoder(
        list(VOCABULARY.labels),
        str(BUNDLED_MODEL / "lm.bin"),
        unigrams=sorted(model.words),
        alpha=ALPHA,
        beta=BETA,
    )

    def decode(clip: NDArray[np.float32]) -> str:
        found = decoder.decode(
            clip,
            beam_width=beam_size,
            beam_prune_logp=BEAM_PRUNE_LOG_PROB,
            token_min_logp=float(TOKEN_MIN_LOG_PROB),
        )
        return str(found)

    return decode


def load_clips() -> list[NDArray[np.float32]]:
    """The stored log-probabilities, (frames, 29) for each utterance."""
    with np.load(LOG_PROBS) as stored:
        ends = np.cumsum(stored["lengths"])[:-1]
        return list(np.split(stored["log_probs"].astype(np.float32), ends))


if __name__ == "__main__":
    main()
