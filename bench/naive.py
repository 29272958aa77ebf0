"""The design that one writes first, as a peer: ``python -m bench.naive --port N``.

One process, one event loop. For every chunk of a stream, one inference over its window, with all
cores, then one pyctcdecode call over the whole utterance so far, and the result goes out; `done`
does the same and begins anew. Meanwhile nothing else is done. Same protocol, weights, precision,
language model and beam as the engine without its second pass, so that what is measured is the
design. It finds no endpoints, recovers from nothing, and refuses nobody.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

import numpy as np
import torch
from numpy.typing import NDArray
from websockets.asyncio.server import ServerConnection, serve

from bench.language import language_model_of
from gpu_worker.acoustic.load import load_model
from gpu_worker.decoding import FrameHypothesis, LanguageModel, ReferenceSearch, Vocabulary
from gpu_worker.device import uses_int8
from gpu_worker.stepper import EagerStepper
from models import BUNDLED_MODEL
from models.spec import ModelSpec
from server import messages
from server.resampler import Resampler
from shm.records import Hypothesis, Word

BEAM: Final = 600
CPU: Final = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Recogniser:
    """What all streams share."""

    spec: ModelSpec
    stepper: EagerStepper
    language_model: LanguageModel | None
    beam: int

    def search(self) -> ReferenceSearch:
        vocabulary = Vocabulary(self.spec.vocabulary, self.spec.blank)
        return ReferenceSearch(vocabulary, self.beam, self.language_model)


class Stream:
    """One connection's audio and the log-probabilities of its utterance. Frames and samples count
    from the stream's begin."""

    def __init__(self, recogniser: Recogniser, rate_hz: int) -> None:
        self._recogniser = recogniser
        self._search = recogniser.search()
        self._resampler = Resampler(rate_hz, recogniser.spec.sample_rate_hz)
        self._samples = np.zeros(0, np.int16)  # of the utterance
        self._begin = 0  # of the utterance, in the stream
        self._frames = 0  # of the utterance, in the search

    def hear(self, pcm: bytes) -> Iterator[Hypothesis]:
        """A partial for every chunk that is complete, with its look-ahead."""
        self._append(self._resampler.feed(pcm))
        spec = self._recogniser.spec
        while True:
            stop = self._frames * spec.frame_samples + spec.chunk_samples + spec.right_samples
            if len(self._samples) < stop:
                return
            self._step(spec.chunk_frames)
            yield self._result(self._search.partial(), is_final=False)

    def done(self) -> Hypothesis:
        """The final, and a new utterance."""
        self._append(self._resampler.flush())
        spec = self._recogniser.spec
        left = spec.frames_of(len(self._samples)) - self._frames
        while left > 0:
            self._step(min(left, spec.chunk_frames))
            left -= spec.chunk_frames
        result = self._result(self._search.final(), is_final=True)
        self._begin += len(self._samples)
        self._samples, self._frames = np.zeros(0, np.int16), 0
        self._search.reset()
        return result

    def _append(self, samples: NDArray[np.int16]) -> None:
        self._samples = np.concatenate([self._samples, samples])

    def _step(self, frames: int) -> None:
        spec, stepper = self._recogniser.spec, self._recogniser.stepper
        window_start = self._frames * spec.frame_samples - spec.left_samples
        begin, end = (
            max(0, window_start),
            min(len(self._samples), window_start + spec.window_samples),
        )
        window = stepper.stage(0, 1, first=self._frames == 0)
        window[begin - window_start : end - window_start] = self._samples[begin:end]
        stepper.bound(0, begin - window_start, end - window_start)
        self._search.advance(stepper.run(1)[0, :frames])
        self._frames += frames

    def _result(self, found: FrameHypothesis, *, is_final: bool) -> Hypothesis:
        spec = self._recogniser.spec

        def milliseconds(frame: int) -> int:
            sample = min(frame * spec.frame_samples, len(self._samples))
            return (self._begin + sample) * 1000 // spec.sample_rate_hz

        words = (
            Word(
                word.text,
                word.confidence,
                milliseconds(word.start_frame),
                milliseconds(word.end_frame),
                is_final,
            )
            for word in found.words
        )
        return Hypothesis(tuple(words), found.confidence, is_final)


def load(beam: int) -> Recogniser:
    """The bundled model as the engine serves it on a CPU."""
    spec = ModelSpec.load(BUNDLED_MODEL)
    recogniser = Recogniser(
        spec,
        EagerStepper(load_model(spec, CPU, int8=uses_int8("auto", CPU)), spec, 1, CPU),
        language_model_of(spec),
        beam,
    )
    recogniser.search()  # the first one builds pyctcdecode's tree of known words, for seconds
    return recogniser


async def talk(connection: ServerConnection, recogniser: Recogniser) -> None:
    """One connection."""
    assert connection.request is not None
    query = parse_qs(urlsplit(connection.request.path).query)
    stream = Stream(recogniser, int(query.get("sampleRate", ["8000"])[0]))
    await connection.send(messages.ready(messages.new_id()), text=True)
    async for message in connection:
        if isinstance(message, bytes):
            for partial in stream.hear(message):
                if partial.words:
                    await connection.send(messages.hypothesis(partial), text=True)
        else:
            await connection.send(messages.hypothesis(stream.done()), text=True)


async def run(port: int, recogniser: Recogniser) -> None:
    """Until it is terminated."""
    async with serve(
        lambda connection: talk(connection, recogniser),
        "127.0.0.1",
        port,
        compression=None,
        ping_interval=None,
    ) as server:
        print(f"naive server on port {port} is ready", file=sys.stderr, flush=True)
        await server.serve_forever()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves on the loopback; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.naive", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--beam-size", type=int, default=BEAM)
    options = parser.parse_args(arguments)
    logging.getLogger("pyctcdecode").setLevel(logging.ERROR)  # its advice about unigrams
    asyncio.run(run(options.port, load(options.beam_size)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
