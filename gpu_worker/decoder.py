"""A decoder process: ``python -m gpu_worker.decoder JSON``. Beam search for its share of the slots.

A process of its own because the search holds the interpreter's lock and must never delay the next
step of the model. It writes the decoder lines and outboxes of its slots. It takes one record of
each slot in turn, so that no stream waits for another's backlog.

A language model that changes comes with another process: the successor of this one, which has
loaded it and takes its place (`server.exchange`).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

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
from gpu_worker.decoding.unigrams import WORDS_FILE, find_words
from gpu_worker.figures import DecoderFigures
from gpu_worker.languages import NO_MODEL, Language, Languages, LanguageSettings
from gpu_worker.partials import INTERMED_PARTIAL_MS, PARTIAL_MS, PartialSchedule
from gpu_worker.second_pass.rescoring import Rescorer
from gpu_worker.second_pass.taught_words import TaughtWords
from gpu_worker.slot_decoder import SecondPass, SlotDecoder
from models.spec import ModelSpec, ModelSpecError
from shm.child import ROUND_TIMEOUT_MS, Child, run_child
from shm.decoder_slot import DecoderSlot
from shm.language import numbers_in_use
from shm.process_line import ProcessLine

MakeDecoder: TypeAlias = Callable[[DecoderSlot, DecoderFigures], SlotDecoder]


@dataclass(frozen=True, slots=True)
class DecoderSettings:
    """What the supervisor decides for a decoder. ``language_models``: the newest one last, none to
    decode without.
    """

    model: str
    language_models: Sequence[Mapping[str, Any]]
    beam_size: int
    search: str
    intermed_partials: bool
    second_pass: bool


def main(child: Child) -> None:
    """Loads the language model, reports ready, then decodes until told to stop."""
    child.stop_on_sigterm()
    line = ProcessLine(child.plane, child.plane.layout.decoder_process(child.index))
    child.announce(line)
    settings = DecoderSettings(**child.settings)
    languages, make_decoder = _loaded(settings)
    its_slots = child.index, child.plane.geometry.decoders
    loaded_ahead = languages.ahead(numbers_in_use(child.plane, *its_slots))
    if not child.take_turn(line, can_fork=True):
        return
    decoders = _decoders(child, make_decoder)
    del loaded_ahead  # what a slot needs it holds
    languages.settle()
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


def _loaded(settings: DecoderSettings) -> tuple[Languages, MakeDecoder]:
    """Loads what the slots share, and says how one is decoded."""
    spec = ModelSpec.load(Path(settings.model))
    vocabulary = Vocabulary(spec.vocabulary, spec.blank)
    calibration = Calibration.load(spec.directory)

    def language(number: int, model: LanguageModel | None) -> Language:
        make_search = _search_factory(vocabulary, model, calibration, settings)
        rescorer = None
        if settings.second_pass:
            taught = taught_words(spec, model)
            rescorer = Rescorer(spec, model, calibration, taught)
        return Language(number, make_search, rescorer)

    def load(files: LanguageSettings) -> Language:
        return language(files.number, _language_model(files, spec))

    known = [LanguageSettings(**fields) for fields in settings.language_models]
    newest = load(known[-1]) if known else language(NO_MODEL, None)
    languages = Languages(newest, known, load)
    second_pass = None
    if newest.rescorer is not None:
        second_pass = SecondPass(newest.rescorer, partials=not settings.intermed_partials)
    interval_ms = INTERMED_PARTIAL_MS if settings.intermed_partials else PARTIAL_MS

    def make_decoder(slot: DecoderSlot, figures: DecoderFigures) -> SlotDecoder:
        partials = PartialSchedule(spec, interval_ms)
        search = newest.make_search()
        return SlotDecoder(spec, slot, search, partials, second_pass, figures, languages)

    return languages, make_decoder


def _language_model(files: LanguageSettings, spec: ModelSpec) -> LanguageModel:
    """The model behind inherited descriptors; errors name the file that it is a copy of."""
    path = Path(f"/proc/self/fd/{files.model_fd}")
    words = None if files.words_fd is None else Path(f"/proc/self/fd/{files.words_fd}")
    try:
        return LanguageModel.load(path, spec.alpha, spec.beta, words)
    except LanguageModelError as error:
        said = str(error).replace(str(path), files.name)
        if words is not None:
            said = said.replace(str(words), str(Path(files.name).with_name(WORDS_FILE)))
        raise LanguageModelError(said) from error


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
