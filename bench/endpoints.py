"""Where utterances are ended, over streams of concatenated clips with pauses of their room's noise.

    python -m bench.endpoints MANIFEST.jsonl [--noise-db 10] [--telephone] [--silence-ms 500 600]
    python -m bench.endpoints MANIFEST.jsonl --url ws://localhost:4444 --speakers 3

A line of the manifest is ``{"audio": PATH, "text": TRANSCRIPT, "speaker": NAME}``, paths relative
to it. A stream is some utterances of one speaker; after each comes a pause, random from 0.3 to 3 s
besides the clip's own, of the quietest 150 ms at the clip's edges, cross-faded with itself. When
words were spoken is known from a forced alignment (pocketsphinx, the `eval` extra), narrowed to
where it is 10 dB above that noise; clips with words that its dictionary lacks are left out.

Without ``--url`` the lane and the model run here, as fast as they can, over all of a stream, and
delays are in audio: from the last word's end to the sample that decides. With it the streams are
sent in real time, and delays are to the arrival of the final message.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from websockets.asyncio.client import connect

from gpu_worker.acoustic.load import load_model
from gpu_worker.endpointing import EndpointRules, EndpointTimes
from gpu_worker.lane import Lane, Plan
from gpu_worker.stepper import EagerStepper
from models import BUNDLED_MODEL
from models.spec import ModelSpec
from shm.emissions import Emission, SegmentEnd
from shm.outbox import ResumePoint

RATE_HZ: Final = 16_000
MS: Final = RATE_HZ // 1000
TOLERANCE: Final = 60 * MS
"""How much of a word may lie beyond a cut: alignments are no better than that."""
JOINED_PAUSE: Final = 1_000 * MS
"""Two utterances that are further apart than this are to have finals of their own."""
NEAR: Final = 500 * MS
"""A final is an utterance's last if its last word ends no earlier than this before the truth."""
MESSAGE: Final = 128 * MS

Signal = NDArray[np.float64]
Audio = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Clip:
    """An utterance: its samples, the noise of its room, and its words as (first, end) samples."""

    audio: Audio
    noise: Audio
    words: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Stream:
    """Utterances of one speaker, and the words of each as samples of the stream."""

    audio: Audio
    utterances: list[list[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class End:
    """Where a segment ended, where the next began, and the sample at which that was decided."""

    at: int
    resumed: int
    decided: int


def main() -> None:
    """One line of results for each trailing silence, or for the running server."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--speakers", type=int, default=10)
    parser.add_argument("--utterances", type=int, default=7, help="of each speaker")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--noise-db", type=float, help="add pink noise at this ratio to the speech")
    parser.add_argument("--telephone", action="store_true", help="through 8 kHz")
    parser.add_argument("--silence-ms", type=int, nargs="+", default=[600])
    parser.add_argument("--chunks-alone", action="store_true", help="without early ends")
    parser.add_argument("--url", help="measure a running server in real time")
    options = parser.parse_args()
    streams = [disturbed(stream, options) for stream in streams_of(options)]
    seconds = sum(stream.audio.shape[0] for stream in streams) / RATE_HZ
    count = sum(len(stream.utterances) for stream in streams)
    print(f"{len(streams)} streams, {count} utterances, {seconds:.0f} s", flush=True)
    if options.url:
        delays = asyncio.run(live(options.url, streams))
        print(f"last word to final at the client: {quantiles(delays)}")
        return
    torch.set_num_threads(1)
    worker = Offline()
    for silence_ms in options.silence_ms:
        times = EndpointTimes(trailing_silence_ms=silence_ms)
        rules = EndpointRules.of_model(worker.spec, times, early=not options.chunks_alone)
        print(f"{silence_ms} ms: {worker.measure(streams, rules)}", flush=True)


class Offline:
    """The bundled model and a lane, without processes around them."""

    def __init__(self) -> None:
        self.spec = ModelSpec.load(BUNDLED_MODEL)
        device = torch.device("cpu")
        self.stepper = EagerStepper(load_model(self.spec, device), self.spec, 1, device)

    def measure(self, streams: list[Stream], rules: EndpointRules) -> str:
        """Shares of the utterances, delays and what it cost, as a line."""
        self.steps = self.denied = 0
        score = Score()
        for stream in streams:
            score.add(stream, self.ends_of(stream.audio, rules))
        return f"{score}; {self.denied} of {self.steps} steps were questions denied"

    def ends_of(self, audio: Audio, rules: EndpointRules) -> list[End]:
        """The ends of all segments but the last, which the end of the audio ends."""
        lane = Lane(self.spec, rules, 1, ResumePoint.of_session(0, 0))
        head = audio.shape[0]
        ends = []
        while True:
            while (unheard := lane.unheard(head, head)) is not None:
                lane.listen(audio[slice(*unheard)])
            plan = lane.plan(head, head)
            assert plan is not None, "all of the audio is there"
            emission = self.step(lane, plan, audio)
            if emission is None or emission.end is SegmentEnd.NONE:
                continue
            if emission.end is SegmentEnd.MARK:
                return ends
            ends.append(End(emission.covered_sample, emission.next_sample, plan.stop))

    def step(self, lane: Lane, plan: Plan, audio: Audio) -> Emission | None:
        """Computes one step of the lane."""
        window = self.stepper.stage(0, 1, first=plan.first)
        begin, end = plan.start - plan.window_start, plan.stop - plan.window_start
        self.stepper.bound(0, begin, end)
        window[begin:end] = audio[plan.start : plan.stop]
        emission = lane.complete(plan, self.stepper.run(1)[0, : plan.frames])
        self.steps += 1
        self.denied += emission is None
        return emission


class Score:
    """What the ends did to the utterances."""

    def __init__(self) -> None:
        self.utterances = self.inside_word = self.damaged = self.split = self.joined = 0
        self.pauses = 0
        self.delays_ms: list[float] = []

    def add(self, stream: Stream, ends: list[End]) -> None:
        """Counts one stream. What lies before an utterance's first word is the pause before it."""
        starts = [words[0][0] for words in stream.utterances] + [stream.audio.shape[0]]
        for number, words in enumerate(stream.utterances):
            spoken_to, next_start = words[-1][1], starts[number + 1]
            near = [end for end in ends if words[0][0] <= end.at < next_start]
            after = [end for end in near if end.at >= spoken_to - TOLERANCE]
            self.utterances += 1
            self.split += len(after) < len(near)
            self.inside_word += any(is_inside(word, end) for word in words for end in near)
            self.damaged += any(is_damaged(word, end) for word in words for end in near)
            if number + 1 < len(stream.utterances) and next_start - spoken_to > JOINED_PAUSE:
                self.pauses += 1
                self.joined += not after
            if after:
                self.delays_ms.append((after[0].decided - spoken_to) / MS)

    def __str__(self) -> str:
        def share(count: int) -> str:
            return f"{100 * count / self.utterances:.1f}%"

        return (
            f"end inside a word {share(self.inside_word)}, a word whole on neither side "
            f"{share(self.damaged)}, split at a pause {share(self.split)}, "
            f"joined {self.joined} of {self.pauses}, delay {quantiles(self.delays_ms)}"
        )


def is_inside(word: tuple[int, int], end: End) -> bool:
    """Whether the end lies in the word by more than an alignment's error."""
    return word[0] + TOLERANCE < end.at < word[1] - TOLERANCE


def is_damaged(word: tuple[int, int], end: End) -> bool:
    """Whether neither segment holds all of the word: the next begins before this one's end."""
    return word[1] > end.at + TOLERANCE and word[0] < end.resumed - TOLERANCE


def quantiles(delays_ms: list[float]) -> str:
    """Median and 90th percentile."""
    if not delays_ms:
        return "none"
    median, high = np.percentile(delays_ms, [50, 90])
    return f"p50 {median:.0f} ms, p90 {high:.0f} ms ({len(delays_ms)} ends)"


async def live(url: str, streams: list[Stream]) -> list[float]:
    """Milliseconds from each last word's end to the arrival of the final with it, in real time."""
    found = await asyncio.gather(*(live_stream(url, stream) for stream in streams))
    return [delay for delays in found for delay in delays]


async def live_stream(url: str, stream: Stream) -> list[float]:
    """One connection's delays."""
    finals: list[tuple[float, int]] = []  # when it arrived and where its last word ends, in samples
    async with connect(
        f"{url}/?downsample=True&sampleRate={RATE_HZ}",
        compression=None,
        proxy=None,
        close_timeout=120,
    ) as client:
        await client.recv()  # ready
        started = time.monotonic()

        async def send() -> None:
            for begin in range(0, stream.audio.shape[0], MESSAGE):
                part = stream.audio[begin : begin + MESSAGE]
                due = started + (begin + part.shape[0]) / RATE_HZ
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await client.send(part.astype("<i2").tobytes())
            await client.close()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send())
            async for message in client:
                fields = json.loads(message)
                if fields.get("isFinal") and fields["words"]:
                    arrived = (time.monotonic() - started) * RATE_HZ
                    finals.append((arrived, fields["words"][-1]["end"] * MS))
    delays = []
    starts = [words[0][0] for words in stream.utterances[1:]] + [stream.audio.shape[0]]
    for words, next_start in zip(stream.utterances, starts, strict=True):
        spoken_to = words[-1][1]
        heard = [at for at, end in finals if spoken_to - NEAR <= end < next_start]
        if heard:
            delays.append((heard[0] - spoken_to) / MS)
    return delays


def streams_of(options: argparse.Namespace) -> Iterator[Stream]:
    """Streams of the manifest's first speakers."""
    rng = np.random.default_rng(options.seed)
    by_speaker: dict[str, list[dict[str, str]]] = defaultdict(list)
    for line in options.manifest.read_text().splitlines():
        fields = json.loads(line)
        by_speaker[fields["speaker"]].append(fields)
    aligner = Aligner()
    for speaker in sorted(by_speaker)[: options.speakers]:
        fields_of = by_speaker[speaker]
        clips: list[Clip] = []
        for choice in rng.permutation(len(fields_of)):
            fields = fields_of[choice]
            clip = aligner.clip(options.manifest.parent / fields["audio"], fields["text"])
            clips += [clip] if clip else []
            if len(clips) == options.utterances:
                break
        yield joined(clips, rng)


def joined(clips: list[Clip], rng: np.random.Generator) -> Stream:
    """The clips one after the other, each followed by a pause."""
    parts: list[NDArray[np.generic]] = []
    utterances = []
    begin = 0
    for clip in clips:
        pause = room_noise(clip.noise, int(RATE_HZ * rng.uniform(0.3, 3.0)))
        utterances.append([(begin + first, begin + end) for first, end in clip.words])
        parts += [clip.audio, pause]
        begin += clip.audio.shape[0] + pause.shape[0]
    return Stream(np.concatenate(parts).astype(np.int16), utterances)


def disturbed(stream: Stream, options: argparse.Namespace) -> Stream:
    """The stream in noise or through a telephone line's rate, if so wished."""
    audio = stream.audio.astype(np.float64)
    if options.noise_db is not None:
        spectrum = np.fft.rfft(np.random.default_rng(options.seed).normal(size=audio.shape[0]))
        pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(spectrum.shape[0]))))
        pink = np.resize(pink, audio.shape[0])
        audio = audio + pink * audio.std() / pink.std() * 10 ** (-options.noise_db / 20)
    if options.telephone:
        audio = soxr.resample(soxr.resample(audio, RATE_HZ, 8_000), 8_000, RATE_HZ)
    return Stream(pcm_of(audio), stream.utterances)


class Aligner:
    """Finds when the words of a clip are spoken."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(samprate=RATE_HZ, lm=None, loglevel="FATAL")

    def clip(self, path: Path, text: str) -> Clip | None:
        """A clip with its words' times; None if one is unknown or they cannot be aligned."""
        if any(self._decoder.lookup_word(word) is None for word in text.split()):
            return None
        samples, source_hz = soundfile.read(path, dtype="float32", always_2d=True)
        audio = pcm_of(soxr.resample(samples.mean(1), source_hz, RATE_HZ) * 32768.0)
        noise = noise_of(audio)
        margin = room_noise(noise, 500 * MS)  # lest the last word be drawn to the clip's end
        padded = pcm_of(np.concatenate([margin, audio, margin]))
        self._decoder.set_align_text(text)
        self._decoder.start_utt()
        self._decoder.process_raw(padded.tobytes(), full_utt=True)
        self._decoder.end_utt()
        hop = 10 * MS
        words = [
            audible(
                audio, noise, unit.start_frame * hop - 500 * MS, unit.end_frame * hop - 490 * MS
            )
            for unit in self._decoder.seg() or []
            if unit.word[0] not in "<["
        ]
        return Clip(audio, noise, words) if len(words) == len(text.split()) else None


def audible(audio: Audio, noise: Audio, first: int, end: int) -> tuple[int, int]:
    """The word narrowed to its hops of 10 ms that are 10 dB above the noise."""
    hop = 10 * MS
    first, end = max(0, first), min(end, audio.shape[0] // hop * hop)
    levels = power(audio[first:end]).reshape(-1, hop).mean(1)
    loud = np.flatnonzero(levels > 10 * (power(noise).mean() + 1))
    return (first + loud[0] * hop, first + (loud[-1] + 1) * hop) if loud.size else (first, end)


def noise_of(audio: Audio) -> Audio:
    """The quietest 150 ms within 600 ms of the clip's ends."""
    size, edge = 150 * MS, 600 * MS
    begins = [*range(0, edge - size, 25 * MS)]
    begins += [audio.shape[0] - size - begin for begin in begins]
    quietest = min(begins, key=lambda begin: power(audio[begin : begin + size]).mean())
    return audio[quietest : quietest + size]


def room_noise(noise: Audio, length: int) -> Signal:
    """``length`` samples of a scrap of noise, repeated with cross-fades of equal power."""
    fade = 30 * MS
    ramp = np.sqrt(np.linspace(0, 1, fade))
    window = np.ones(noise.shape[0])
    window[:fade], window[-fade:] = ramp, ramp[::-1]
    out = np.zeros(length + noise.shape[0])
    for begin in range(0, length, noise.shape[0] - fade):
        out[begin : begin + noise.shape[0]] += noise * window
    return out[:length]


def power(audio: Audio) -> Signal:
    """Squares of the first difference, (n,)."""
    return np.square(np.diff(audio.astype(np.float64), prepend=audio[:1]))


def pcm_of(signal: NDArray[np.floating]) -> Audio:
    """Rounded to 16 bits."""
    return np.clip(np.rint(signal), -32768, 32767).astype(np.int16)


if __name__ == "__main__":
    main()
