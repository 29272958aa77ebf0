"""Word and character error rate of a running server over transcribed clips, by its WebSocket.

    python -m bench.accuracy MANIFEST.jsonl [--url ws://localhost:4444] [--sample-rate 16000]

A line of the manifest is ``{"audio": PATH, "text": TRANSCRIPT}``, paths relative to the manifest.
Each clip is a connection of its own, sent as fast as the server takes it: recognition does not
depend on the clock. Clips at 8 kHz are resampled down here, and up again by the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr
from websockets.asyncio.client import connect

from tools.loadtest.wer import count_word_errors, edit_distance, plain_words


def main() -> None:
    """Prints one line of results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--url", default="ws://localhost:4444")
    parser.add_argument("--sample-rate", type=int, default=16_000)
    parser.add_argument("--streams", type=int, default=6)
    parser.add_argument("--limit", type=int, default=None, help="use only the first clips")
    parser.add_argument("--output", type=Path, default=None, help="write every hypothesis (JSONL)")
    asyncio.run(measure(parser.parse_args()))


async def measure(arguments: argparse.Namespace) -> None:
    """Streams every clip and compares what was heard with what was said."""
    lines = arguments.manifest.read_text().splitlines()[: arguments.limit]
    clips = [json.loads(line) for line in lines]
    places = asyncio.Semaphore(arguments.streams)
    started = time.monotonic()

    async def hear(clip: dict[str, str]) -> str:
        async with places:
            pcm = read_pcm(arguments.manifest.parent / clip["audio"], arguments.sample_rate)
            return await transcribe(arguments.url, pcm, arguments.sample_rate)

    heard = await asyncio.gather(*(hear(clip) for clip in clips))
    said = [clip["text"] for clip in clips]
    seconds = sum(
        soundfile.info(arguments.manifest.parent / clip["audio"]).duration for clip in clips
    )
    words = count_word_errors(zip(said, heard, strict=True))
    characters = [" ".join(plain_words(text)) for text in said]
    wrong = sum(
        edit_distance(list(reference), list(" ".join(plain_words(text))))
        for reference, text in zip(characters, heard, strict=True)
    )
    elapsed = time.monotonic() - started
    print(
        f"{len(clips)} clips, {seconds:.0f} s at {arguments.sample_rate} Hz: "
        f"WER {100 * words.errors / words.words:.1f}%, "
        f"CER {100 * wrong / sum(map(len, characters)):.1f}%, "
        f"{seconds / elapsed:.1f} times real time"
    )
    if arguments.output is not None:
        rows = (
            json.dumps({**clip, "heard": text}) for clip, text in zip(clips, heard, strict=True)
        )
        arguments.output.write_text("\n".join(rows) + "\n")


async def transcribe(url: str, pcm: bytes, rate_hz: int) -> str:
    """The finals of one clip, joined."""
    step = 2048 * rate_hz // 8000 & ~1
    finals: list[str] = []

    async with connect(
        f"{url}/?downsample=True&sampleRate={rate_hz}",
        compression=None,
        proxy=None,
        close_timeout=120,
    ) as client:
        await client.recv()  # ready

        async def send() -> None:
            for start in range(0, len(pcm), step):
                await client.send(pcm[start : start + step])
            await client.close()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send())
            async for message in client:
                fields = json.loads(message)
                if fields.get("isFinal"):
                    finals.append(fields["text"])
    return " ".join(text for text in finals if text)


def read_pcm(path: Path, rate_hz: int) -> bytes:
    """16-bit mono PCM of an audio file at ``rate_hz``."""
    samples, source_hz = soundfile.read(path, dtype="float32", always_2d=True)
    resampled = soxr.resample(samples.mean(1), source_hz, rate_hz)
    return np.clip(np.rint(resampled * 32768), -32768, 32767).astype("<i2").tobytes()


if __name__ == "__main__":
    main()
