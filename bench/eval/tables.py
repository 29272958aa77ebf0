"""A report as Markdown: the one table of the README, and the details behind it.

Works on the JSON of a report, so a table can be made again from a file; sections that were not run
are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from bench.eval.audio import BANDS_HZ

Report = dict[str, Any]
Row = tuple[str, ...]
Rows = list[Row]
NOT_MEASURED: Final = "-"
FIRST_ROW: Final = ("what", *(f"{band_hz // 1000} kHz" for band_hz in BANDS_HZ))
NAMES: Final = {"finals": "finals", "first_pass": "first pass alone"}


def summary(report: Report) -> str:
    """The one table: what a user gets, by band."""
    rows = [
        *_accuracy_rows(report),
        *_baseline_rows(report),
        *_stream_rows(report),
        *_realtime_rows(report),
        *_changed_rows(report),
        *_made_up_rows(report),
    ]
    title = f"{report['clips']} clips, {report['seconds'] / 60:.0f} minutes of speech"
    return f"{title}\n\n{table([FIRST_ROW, *rows])}"


def details(report: Report) -> str:
    """Tables by source and by speaker, the reliability of confidences, and every kind of noise."""
    parts = []
    for name, bands in report.get("accuracy", {}).items():
        parts += [_by_source(name, bands), _by_speaker(name, bands)]
    confidence = report.get("stream", {}).get("confidence")
    if confidence:
        rows: Rows = [("confidence", "words", "mean", "right")]
        rows += [
            (
                f"from {b['low']:.1f}",
                str(b["words"]),
                f"{b['confidence']:.2f}",
                f"{b['right']:.2f}",
            )
            for b in confidence["bins"]
        ]
        parts.append("Reliability of confidences\n\n" + table(rows))
    if report.get("made_up"):
        rows = [("audio", "minutes", "words", "a minute", "mean confidence", "words said")]
        rows += [
            (
                row["kind"],
                f"{row['minutes']:.1f}",
                str(row["words"]),
                f"{row['words_per_minute']:.1f}",
                NOT_MEASURED if row["confidence"] is None else f"{row['confidence']:.2f}",
                str(row["words_said"]),
            )
            for row in report["made_up"]
        ]
        parts.append("Audio in which nothing English is said\n\n" + table(rows))
    return "\n\n".join(part for part in parts if part)


def table(rows: Sequence[Row]) -> str:
    """A Markdown table with columns padded to equal width, the first row its head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _accuracy_rows(report: Report) -> Rows:
    rows = []
    for name, bands in report.get("accuracy", {}).items():
        rows.append((f"WER (CER), {NAMES[name]}", *_by_band(bands, _wer_and_cer)))
        if any(score["by_speaker"] for score in bands.values()):
            rows.append((f"WER of the worst speaker, {NAMES[name]}", *_by_band(bands, _worst)))
    return rows


def _baseline_rows(report: Report) -> Rows:
    """The engine on the same clips first."""
    baselines = report.get("baselines")
    if not baselines:
        return []
    return [
        (f"WER (CER) on {baselines['clips']} clips: {name}", *_by_band(bands, _wer_and_cer))
        for name, bands in baselines["scores"].items()
    ]


def _stream_rows(report: Report) -> Rows:
    stream = report.get("stream")
    if not stream:
        return []
    rows: Rows = []
    if stream["confidence"]:
        rows.append(
            _wide("confidence: expected calibration error", _percent(stream["confidence"]["error"]))
        )
    times, stable = stream["word_times"], stream["stable_words"]
    rows += [
        _wide(f"error of a word's {name}, median / p90", _ms(times[f"{name}_ms"]))
        for name in ("start", "end")
        if times[f"{name}_ms"]
    ]
    if stable["words"]:
        rows.append(
            _wide(
                "words called stable before the final", _percent(stable["early"] / stable["words"])
            )
        )
    if stable["foretold"]:
        share = stable["exactly"] / stable["foretold"]
        rows.append(_wide("finals that equal the last partial", _percent(share)))
    return rows


def _realtime_rows(report: Report) -> Rows:
    realtime = report.get("realtime")
    if not realtime:
        return []
    rows: Rows = []
    endings, stable = realtime["endings"], realtime["stable_words"]
    if endings["delay_ms"]:
        rows.append(_wide("last word to final, median / p90", _ms(endings["delay_ms"])))
    if endings["utterances"]:
        answered = f"{endings['answered_in_pause']} of {endings['utterances']}"
        rows.append(_wide("utterances whose final came in their pause", answered))
        share = endings["cut_in_word"] / endings["utterances"]
        rows.append(_wide("utterances cut inside a word", _percent(share)))
    if stable["delay_ms"]:
        rows.append(_wide("word to stable, median / p90", _ms(stable["delay_ms"])))
    return rows


def _changed_rows(report: Report) -> Rows:
    """What must be 0, over all streams of both sections."""
    counts = [
        report[section]["stable_words"]["changed"]
        for section in ("stream", "realtime")
        if section in report
    ]
    return [_wide("stable words that changed afterwards", str(sum(counts)))] if counts else []


def _made_up_rows(report: Report) -> Rows:
    return [
        _wide(f"words a minute from {row['kind']}", f"{row['words_per_minute']:.1f}")
        for row in report.get("made_up", [])
        if not row["words_said"]
    ]


def _by_source(name: str, bands: dict[str, Any]) -> str:
    sources = sorted({source for score in bands.values() for source in score["by_source"]})
    rows: Rows = [("source", *FIRST_ROW[1:])]
    for source in sources:
        cells = {band: score["by_source"][source] for band, score in bands.items()}
        rows.append((source, *_by_band(cells, _rates)))
    return f"WER (CER) by source, {NAMES[name]}\n\n{table(rows)}"


def _by_speaker(name: str, bands: dict[str, Any]) -> str:
    speakers = {
        band: {speaker["name"]: speaker["wer"] for speaker in score["by_speaker"]}
        for band, score in bands.items()
    }
    names = sorted({speaker for band in speakers.values() for speaker in band})
    if not names:
        return ""
    rows: Rows = [("speaker", *FIRST_ROW[1:])]
    rows += [
        (speaker, *_by_band({b: w[speaker] for b, w in speakers.items()}, _percent))
        for speaker in names
    ]
    return f"WER by speaker, {NAMES[name]}\n\n{table(rows)}"


def _by_band(bands: dict[str, Any], cell: Callable[[Any], str]) -> list[str]:
    keys = [str(band_hz) for band_hz in BANDS_HZ]
    return [cell(bands[key]) if key in bands else NOT_MEASURED for key in keys]


def _wide(what: str, figure: str) -> Row:
    """A row of something that is measured at 16 kHz alone."""
    return (what, figure, NOT_MEASURED)


def _wer_and_cer(score: dict[str, Any]) -> str:
    return _rates(score["overall"])


def _rates(rates: dict[str, Any]) -> str:
    return f"{_percent(rates['wer'])} ({_percent(rates['cer'])})"


def _worst(score: dict[str, Any]) -> str:
    worst = score["by_speaker"][-1]
    return f"{_percent(worst['wer'])} ({worst['name']})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _ms(quantiles: dict[str, float]) -> str:
    return f"{quantiles['median']:.0f} / {quantiles['p90']:.0f} ms"
