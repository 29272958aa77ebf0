"""What the clients of a chaos run say, and the finals that came back, as they were."""

from __future__ import annotations

import asyncio
import json
import math
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.conformance.speech import clips

RATE_HZ: Final = 16_000
TARGET: Final = f"/?downsample=True&sampleRate={RATE_HZ}"
MESSAGE_BYTES: Final = 4096
MESSAGE_S: Final = MESSAGE_BYTES / 2 / RATE_HZ
FINAL_TIMEOUT_S: Final = 90
DONE: Final = "done"
CLIPS: Final = 20
UTTERANCES: Final = 3
PAUSE_S: Final = 1.2
SPREAD_S: Final = 0.6
"""Rounds that begin at once would have their chunks computed at once for ever: clients do not come
in step, so they begin over about a chunk's time."""


class ChaosError(Exception):
    """A client was told of an error, cut off, or left without an answer."""


@dataclass(frozen=True, slots=True)
class Round:
    """One connection's life: after a moment messages of PCM and `DONE`; then it closes."""

    name: str
    messages: tuple[bytes | str, ...]
    moment_s: float = 0.0

    @staticmethod
    def of(name: str, utterances: Sequence[bytes], pause: bytes) -> Round:
        """Utterances that end in turn by ``pause`` and by `DONE`; the last one by the close."""
        messages: list[bytes | str] = []
        for number, pcm in enumerate(utterances):
            is_last = number == len(utterances) - 1
            by_pause = number % 2 == 0 and not is_last
            audio = pcm + pause if by_pause else pcm
            messages += (
                audio[start : start + MESSAGE_BYTES]
                for start in range(0, len(audio), MESSAGE_BYTES)
            )
            if not (by_pause or is_last):
                messages.append(DONE)
        return Round(name, tuple(messages))

    @property
    def seconds(self) -> float:
        """How long it takes to say."""
        return MESSAGE_S * sum(message is not DONE for message in self.messages)

    def until(self, share: float) -> Round:
        """So much of its beginning."""
        messages = self.messages[: max(1, round(share * len(self.messages)))]
        return replace(self, messages=messages)


@dataclass(frozen=True, slots=True)
class Door:
    """What it takes to be let in, besides the address: a key, and whom to trust for TLS."""

    key: str | None = None
    context: ssl.SSLContext | None = None

    @property
    def options(self) -> dict[str, Any]:
        headers = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        return {"additional_headers": headers, "ssl": self.context}


@dataclass(slots=True)
class Heard:
    """The finals of a round in canonical JSON, and when each came, in seconds from its start."""

    finals: list[str] = field(default_factory=list)
    came_s: list[float] = field(default_factory=list)
    asked: list[tuple[float, float]] = field(default_factory=list)
    """For each `DONE`, and the close: how much audio had been sent, and when it was, in seconds."""
    lags_s: list[float] = field(default_factory=list)
    """From when the audio of a partial's last word was sent to the partial, for those that reach
    further than all before."""
    close_code: int | None = None

    @property
    def done_to_final_s(self) -> list[float]:
        """From each `DONE` or close to the last final of the audio before it.

        What an endpoint had ended already is nothing that was waited for.
        """
        finals = [json.loads(final)["words"] for final in self.finals]
        waits: list[float] = []
        nexts = [*(asked_s for _, asked_s in self.asked[1:]), math.inf]
        for (sent_audio_s, asked_s), next_s in zip(self.asked, nexts, strict=True):
            of_before = [
                came_s
                for words, came_s in zip(finals, self.came_s, strict=True)
                if came_s >= asked_s and (not words or words[-1]["end"] <= 1000 * sent_audio_s)
            ]
            soon = [came_s for came_s in of_before if came_s < next_s]
            waits += [came_s - asked_s for came_s in (soon[-1:] or of_before[:1])]
        return waits


def rounds_of(
    clips: Sequence[bytes],
    count: int,
    seconds: float = 0,
    *,
    utterances: int = UTTERANCES,
    pause_s: float = PAUSE_S,
) -> list[Round]:
    """As many rounds of so many of the clips in turn, or of more, to last ``seconds``."""
    pause = bytes(2 * round(pause_s * RATE_HZ))
    rounds = []
    for number in range(count):
        said: list[bytes] = []
        while len(said) < utterances or sum(map(len, said)) < 2 * RATE_HZ * seconds:
            said.append(clips[(utterances * number + len(said)) % len(clips)])
        whole = Round.of(f"round {number}", said, pause)
        rounds.append(replace(whole, moment_s=SPREAD_S * number / count))
    return rounds


def spoken_rounds(count: int, seconds: float = 0, **form: Any) -> list[Round]:
    """`rounds_of` the load tester's clips, with its other arguments in ``form``."""
    return rounds_of([clip.audio.tobytes() for clip in clips(CLIPS)], count, seconds, **form)


async def play_all(url: str, rounds: Sequence[Round], *, door: Door | None = None) -> list[Heard]:
    """Every round on a connection of its own, side by side. Raises as `play` does."""
    return await asyncio.gather(*(play(url, said, door=door) for said in rounds))


async def play(
    url: str,
    said: Round,
    *,
    door: Door | None = None,
    ready: Callable[[], object] = lambda: None,
    until: asyncio.Event | None = None,
) -> Heard:
    """Says a round in real time.

    ``ready`` is called when the server is. With ``until`` the client does not close; it has said
    everything when that is set, and waits for the server's close.

    Raises:
        ChaosError: the server refused, sent an error, cut the connection, or kept a final for
            `FINAL_TIMEOUT_S`.
    """
    heard = Heard()
    options = {"proxy": None, "compression": None, "ping_timeout": None, **(door or Door()).options}
    try:
        async with connect(
            url + TARGET, open_timeout=FINAL_TIMEOUT_S, close_timeout=FINAL_TIMEOUT_S, **options
        ) as client:
            start_s = time.monotonic() + said.moment_s
            listening = asyncio.create_task(_listen(client, heard, start_s, ready))
            try:
                await _say(client, said, heard, start_s)
                if until is not None:
                    await until.wait()
                async with asyncio.timeout(FINAL_TIMEOUT_S):
                    if until is None:
                        await client.close()
                    await listening
            finally:
                listening.cancel()
            heard.close_code = client.close_code
    except TimeoutError:
        raise ChaosError(f"{said.name}: no end within {FINAL_TIMEOUT_S} s") from None
    except (ConnectionClosed, InvalidStatus, OSError) as error:
        raise ChaosError(f"{said.name}: {error}") from error
    return heard


async def _say(client: ClientConnection, said: Round, heard: Heard, start_s: float) -> None:
    due_s = start_s
    for message in said.messages:
        if message is not DONE:
            due_s += MESSAGE_S
            await asyncio.sleep(due_s - time.monotonic())
        else:
            heard.asked.append((due_s - start_s, time.monotonic() - start_s))
        await client.send(message)
    heard.asked.append((due_s - start_s, time.monotonic() - start_s))


async def _listen(
    client: ClientConnection, heard: Heard, start_s: float, ready: Callable[[], object]
) -> None:
    reached_s = 0.0
    async for text in client:
        came_s = time.monotonic() - start_s
        message = json.loads(text)
        if message.get("status", "ready") != "ready":
            raise ChaosError(str(message))
        if "status" in message:
            ready()
        elif message["isFinal"]:
            heard.finals.append(canonical(message))
            heard.came_s.append(came_s)
        elif message["words"][-1]["end"] > 1000 * reached_s:
            reached_s = message["words"][-1]["end"] / 1000
            heard.lags_s.append(came_s - MESSAGE_S * math.ceil(reached_s / MESSAGE_S))


def canonical(message: dict[str, object]) -> str:
    """Everything in a final but the id, which is its own each time."""
    return json.dumps({k: v for k, v in message.items() if k != "msgId"}, sort_keys=True)
