"""Runs the sections one after the other, since two cores cannot measure two things at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import soundfile

from bench.eval.accuracy import Messages, accuracy, hear_bands, stream_quality
from bench.eval.alignment import Aligner
from bench.eval.audio import BANDS_HZ, WIDE_HZ
from bench.eval.baselines import Baseline, pocketsphinx, whisper
from bench.eval.cache import Cache
from bench.eval.engine import FIRST_PASS_ALONE, Engine, has_second_pass
from bench.eval.made_up import made_up_words
from bench.eval.manifest import Clip, read_manifest, spread
from bench.eval.messages import text_of
from bench.eval.options import Options
from bench.eval.progress import say
from bench.eval.realtime import realtime
from bench.eval.scoring import score

Report = dict[str, Any]


def evaluate(options: Options) -> Report:
    """The report, as JSON holds it. Raises EvalError."""
    clips = spread(read_manifest(options.manifest), options.limit)
    cache = Cache(options.cache)
    baselines = _baselines(options) if "baselines" in options.sections else []
    report: Report = {
        "manifest": options.manifest.name,
        "clips": len(clips),
        "seconds": sum(soundfile.info(clip.audio).duration for clip in clips),
    }
    heard = _measure_engine(options, clips, Aligner(cache), report)
    if baselines:
        report["baselines"] = _compare(options, clips, baselines, heard, cache)
    return report


def _measure_engine(
    options: Options, clips: Sequence[Clip], aligner: Aligner, report: Report
) -> dict[int, Messages]:
    """Adds the engine's sections to the report; what it heard of all clips, by band."""
    needed = [name for name in options.sections if name != "baselines"]
    if not needed:
        return {}
    heard: dict[int, Messages] = {}
    with _serving(options) as url:
        if "accuracy" in needed or "stream" in needed:
            heard = hear_bands(url, clips)
        if "accuracy" in needed:
            report["accuracy"] = {"finals": accuracy(clips, heard)}
        if "realtime" in needed:
            report["realtime"] = realtime(url, clips, options.realtime_streams, aligner)
        if "noise" in needed:
            report["made_up"] = made_up_words(url, clips, options.noise_seconds)
    if "stream" in needed:
        report["stream"] = stream_quality(clips, heard[WIDE_HZ], aligner)
    if "accuracy" in needed and not options.url and has_second_pass():
        say("the first pass alone")
        with Engine(*options.server_flags, *FIRST_PASS_ALONE) as engine:
            report["accuracy"]["first_pass"] = accuracy(clips, hear_bands(engine.url, clips))
    return heard


@contextmanager
def _serving(options: Options) -> Iterator[str]:
    """The address of the server that runs already, or of one for as long as the block runs."""
    if options.url is not None:
        yield options.url
    else:
        with Engine(*options.server_flags) as engine:
            yield engine.url


def _baselines(options: Options) -> list[Baseline]:
    """Those that can be had, checked before anything long begins."""
    if options.whisper is None:
        say("Whisper is left out: give its model directory by --whisper")
        return [pocketsphinx()]
    return [whisper(options.whisper), pocketsphinx()]


def _compare(
    options: Options,
    clips: Sequence[Clip],
    baselines: Sequence[Baseline],
    heard: dict[int, Messages],
    cache: Cache,
) -> Report:
    """Scores on a part of the clips, of the engine too if it has heard them."""
    places = spread(range(len(clips)), options.baseline_clips)
    chosen = [clips[place] for place in places]
    scores: dict[str, dict[str, Any]] = {}
    if heard:
        scores["this engine"] = {
            str(band_hz): score(chosen, [text_of(messages[n]) for n in places]).as_json()
            for band_hz, messages in heard.items()
        }
    for baseline in baselines:
        scores[baseline.name] = {
            str(band_hz): score(chosen, baseline.hear(chosen, band_hz, cache)).as_json()
            for band_hz in BANDS_HZ
        }
    return {"clips": len(chosen), "scores": scores}
