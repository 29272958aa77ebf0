"""A decoder process: ``python -m gpu_worker.decoder JSON``. Beam search for its share of the slots.

A process of its own because the search holds the interpreter's lock and must never delay the next
step of the model. It writes the decoder lines and outboxes of its slots. It takes one record of
each slot in turn, so that no stream waits for another's backlog.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from gpu_worker.decoding import (
    BeamSearch,
    Calibration,
    ConfidenceError,
    LanguageModel,
    LanguageModelError,
    ReferenceSearch,
    Search,
    Vocabulary,
)
from gpu_worker.decoding.unigrams import find_words
from gpu_worker.figures import DecoderFigures
from gpu_worker.partials import INTERMED_PARTIAL_MS, PARTIAL_MS, PartialSchedule
from gpu_worker.second_pass.rescoring import Rescorer
from gpu_worker.second_pass.taught_words import TaughtWords
from gpu_worker.slot_decoder import SecondPass, SlotDecoder
from models.spec import ModelSpec, ModelSpecError
from shm.child import ROUND_TIMEOUT_MS, Child, run_child
from shm.decoder_slot import DecoderSlot
from shm.process_line import ProcessLine

ALPHA: Final = 0.7
"""Weight of the language model, over natural logarithms."""
BETA: Final = 2.5
"""What each word adds to the score; both chosen on development speech (docs/LOG.md)."""

MakeDecoder: TypeAlias = Callable[[DecoderSlot, DecoderFigures], SlotDecoder]


@dataclass(frozen=True, slots=True)
class DecoderSettings:
    """What the supervisor decides for a decoder. ``language_model`` None decodes without one."""

    model: str
    language_model: str | None
    beam_size: int
    search: str
    intermed_partials: bool
    second_pass: bool


def main(child: Child) -> None:
    """Loads the language model, reports ready, then decodes until told to stop."""
    child.stop_on_sigterm()
    line = ProcessLine(child.plane, child.plane.layout.decoder_process(child.index))
    child.announce(line)
    make_decoder = _loaded(DecoderSettings(**child.settings))
    if not child.take_turn(line):
        return
    decoders = _decoders(child, make_decoder)
    bell = child.bells.decoders[child.index]
    gc.collect()
    gc.freeze()
    line.ready()
    while child.goes_on:
        line.beat()
        worked = [decoder.work() for decoder in decoders]
        if not any(worked):
            bell.wait(ROUND_TIMEOUT_MS)


def _decoders(child: Child, make_decoder: MakeDecoder) -> list[SlotDecoder]:
    geometry = child.plane.geometry
    figures = DecoderFigures(child.plane, child.index)
    return [
        make_decoder(DecoderSlot(child.plane, child.bells, slot), figures)
        for slot in range(child.index, geometry.slots, geometry.decoders)
    ]


def _loaded(settings: DecoderSettings) -> MakeDecoder:
    """Loads what the slots share, and says how one is decoded."""
    spec = ModelSpec.load(Path(settings.model))
    vocabulary = Vocabulary(spec.vocabulary, spec.blank)
    path = settings.language_model
    language_model = LanguageModel.load(Path(path), ALPHA, BETA) if path is not None else None
    calibration = Calibration.load(spec.directory)
    make_search = _search_factory(vocabulary, language_model, calibration, settings)
    second_pass = None
    if settings.second_pass:
        taught = taught_words(spec, language_model)
        rescorer = Rescorer(vocabulary, language_model, calibration, taught)
        second_pass = SecondPass(rescorer, partials=not settings.intermed_partials)
    interval_ms = INTERMED_PARTIAL_MS if settings.intermed_partials else PARTIAL_MS

    def make_decoder(slot: DecoderSlot, figures: DecoderFigures) -> SlotDecoder:
        partials = PartialSchedule(spec, interval_ms)
        return SlotDecoder(spec, slot, make_search(), partials, second_pass, figures)

    return make_decoder


def taught_words(spec: ModelSpec, language_model: LanguageModel | None) -> TaughtWords:
    """What the language model knows and the bundled one does not."""
    bundled = spec.language_model_path
    if language_model is None or bundled is None:
        return TaughtWords()
    return TaughtWords(language_model.words.difference(find_words(bundled, None)))


def _search_factory(
    vocabulary: Vocabulary,
    language_model: LanguageModel | None,
    calibration: Calibration,
    settings: DecoderSettings,
) -> Callable[[], Search]:
    """A maker of searches over what the slots share."""

    def make_search() -> Search:
        kind = ReferenceSearch if settings.search == "pyctcdecode" else BeamSearch
        return kind(vocabulary, settings.beam_size, language_model, calibration)

    return make_search


if __name__ == "__main__":
    run_child(main, (ModelSpecError, LanguageModelError, ConfidenceError))
