"""Every parser of bytes from outside, as a function of bytes that raises nothing.

A parser may raise the error that its documentation names; that is caught here. Whatever else comes
out of a target is a fault: an exception, an assertion, a time-out, memory without end. Seeds are
well-formed, so that changes of them get further than noise does.
"""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from gpu_worker.decoding.confidence import CONFIDENCE_FILE, Calibration, ConfidenceError
from gpu_worker.decoding.unigrams import LanguageModelError, arpa_fault, find_words
from gpu_worker.second_pass import SecondPassError
from gpu_worker.second_pass.moonshine import load_shape
from models.spec import ModelSpec, ModelSpecError
from realtime_client.messages import ProtocolError, parse
from server.api_keys import ApiKeys, ApiKeysError, load_keys
from server.clients_config import CLIENT_SETTINGS
from server.config import ENGINE_SETTINGS, SERVE_SETTINGS, ConfigError, read
from server.connection import CLOSE_TIMEOUT_S, PING_INTERVAL_S, PING_TIMEOUT_S
from server.handshake import RequestError, parse_request
from server.tiers.channel import Channel, ChannelError
from server.tiers.config import LINK_SETTINGS
from server.tiers.frames import Audio, Mark, Open, encode
from server.tiers.greeting import LinkGreeting, ServerGreeting, offer
from server.tiers.keys import KeyFileError, load_key
from server.wav import WavError, WavHeaderSkipper
from shm.emissions import ends_segment, read_emission, write_emission
from shm.heard import Heard, read_heard, write_heard
from shm.layout import ANSWER_BYTES, OUTBOX_RECORD_BYTES
from shm.outbox import ResumePoint, read_outbox, write_outbox
from shm.seal import CorruptRecordError
from tests.conformance.raw_frames import BINARY, CONT, PING, TEXT, closing, wire
from tests.server.peers import TARGET, Peer
from tests.shm.planes import SMALL, emission, final
from tools.lm.arpa import load_arpa
from tools.lm.errors import LmError
from tools.lm.trie import read_trie
from tools.loadtest.dialects import DIALECTS
from tools.loadtest.messages import MalformedMessageError
from tools.moonshine.ort_file import OrtFileError, read_graph

ROOT: Final = Path(__file__).parents[2]
_FOLDER: Final = TemporaryDirectory(prefix="fuzz-")
_FILE: Final = Path(_FOLDER.name) / "input"
_KEY: Final = bytes(range(32))
_ARPA: Final = (
    b"\\data\\\nngram 1=3\nngram 2=1\n\n\\1-grams:\n-1\t<unk>\t0\n-1\t<s>\t-0.5\n-1\ta\n\n"
    b"\\2-grams:\n-0.5\t<s> a\n\n\\end\\\n"
)


@dataclass(frozen=True, slots=True)
class Target:
    """One parser."""

    name: str
    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]


def _connection(data: bytes, *, opened: bool) -> None:
    """The connection ends, once, and its slot is free."""
    peer = Peer(TARGET)
    if opened:
        peer.connection.data_received(peer.request())
    for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
        if not peer.transport.closed and peer.transport.reading:
            peer.connection.data_received(piece)
    while peer.pool.held and peer.slot.unanswered and not peer.transport.closed:
        peer.slot.answer()
        peer.connection.pump()
    peer.loop.advance(PING_INTERVAL_S + PING_TIMEOUT_S + CLOSE_TIMEOUT_S)
    assert peer.transport.closed, "a client that says no more is let go"
    peer.connection.connection_lost(None)
    assert not peer.pool.held
    assert peer.times_closed == 1


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _file(data: bytes) -> Path:
    _FILE.write_bytes(data)
    return _FILE


def _query(data: bytes) -> None:
    with suppress(RequestError):
        opening = parse_request(_text(data))
        ApiKeys(["k" * 20]).refusal(_text(data), opening.api_key)


def _channel(data: bytes) -> None:
    def sides() -> list[Channel]:
        link = Channel(LinkGreeting(_KEY, bytes(16)), 0.0)
        host = Channel(ServerGreeting(_KEY, bytes(16), lambda: offer(bytes(16), 16_000, 4, 4)), 0.0)
        return [link, host]

    greeted = sides()
    for _ in range(4):
        for one, other in (greeted, greeted[::-1]):
            list(other.receive(one.outgoing(), 0.0))
    assert all(channel.is_open for channel in greeted)
    for channel in (*sides(), *greeted):
        with suppress(ChannelError):
            for _ in channel.receive(data, 0.0):
                """Whoever gets it checks it further."""


def _settings(data: bytes) -> None:
    """One setting a line, by number and text."""
    settings = (*ENGINE_SETTINGS, *SERVE_SETTINGS, *CLIENT_SETTINGS, *LINK_SETTINGS)
    if data:
        setting = settings[data[0] % len(settings)]
        with suppress(ConfigError):
            read([setting], {setting.name: _text(data[1:])}, {})


def _api_keys(data: bytes) -> None:
    with suppress(ApiKeysError):
        load_keys(_file(data), {})


def _link_key(data: bytes) -> None:
    with suppress(KeyFileError):
        load_key(_file(data), {})


def _model_json(data: bytes) -> None:
    path = Path(_FOLDER.name) / "model" / "model.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    with suppress(ModelSpecError):
        ModelSpec.load(path.parent)


def _confidence(data: bytes) -> None:
    path = Path(_FOLDER.name) / CONFIDENCE_FILE
    path.write_bytes(data)
    with suppress(ConfidenceError):
        Calibration.load(path.parent)


def _second_pass(data: bytes) -> None:
    with suppress(SecondPassError):
        load_shape(_file(data))


def _words(data: bytes) -> None:
    with suppress(LanguageModelError):
        find_words(_file(data), None)
    with suppress(LanguageModelError):
        find_words(_file(data), _FILE)


def _arpa(data: bytes) -> None:
    arpa_fault(_file(data))
    with suppress(LmError):
        load_arpa(_file(data))


def _trie(data: bytes) -> None:
    with suppress(LmError):
        read_trie(_file(data))


def _ort(data: bytes) -> None:
    with suppress(OrtFileError):
        read_graph(_file(data))


def _wav(data: bytes) -> None:
    with suppress(WavError):
        skipper = WavHeaderSkipper(16_000)
        for start in range(0, len(data), 7):
            skipper.feed(data[start : start + 7])
        skipper.flush()


def _loadtest(data: bytes) -> None:
    for make in DIALECTS.values():
        for raw in (data, _text(data)):
            with suppress(MalformedMessageError):
                make().read(raw)


def _client(data: bytes) -> None:
    for message in (data, _text(data)):
        with suppress(ProtocolError):
            parse(message)


def _record(room: int, parse_record: Callable[[memoryview], object], data: bytes) -> None:
    memory = memoryview(bytearray(data[:room].ljust(room, b"\0")))
    with suppress(CorruptRecordError):
        parse_record(memory)


def _read_emission(memory: memoryview) -> None:
    ends_segment(memory)
    read_emission(memory, 5)


def _written(room: int, write: Callable[[memoryview], object]) -> bytes:
    memory = memoryview(bytearray(room))
    write(memory)
    return bytes(memory[:400])


def _targets() -> list[Target]:
    request = Peer(TARGET).request()
    final_record = final("a word", epoch=3, resume=ResumePoint(1, 2, 3, 4, 5))
    emission_bytes = SMALL.emission_record_bytes
    frames = [Open(1, 0, 0), Audio(1, bytes(64)), Mark(1)]
    model = (ROOT / "models" / "echo" / "model.json").read_bytes()
    moonshine = (ROOT / "models" / "moonshine-tiny-en" / "config.json").read_bytes()
    confidence = (ROOT / "models" / "whisper-tiny-ctc-en" / "confidence.json").read_bytes()
    binary = ROOT / "tests" / "tools" / "lm" / "data" / "plain.bin"
    message = {"msgId": "1", "text": "a", "confidence": 0.5, "isFinal": True,
               "words": [{"text": "a", "confidence": 0.5, "start": 0, "end": 1,
                          "intermed": False}]}  # fmt: skip
    other = {"result": [{"word": "a", "start": 0.1, "end": 0.2, "conf": 1}], "text": "a",
             "partial": "a", "is_final": True, "segment": 1, "timestamps": [0.1]}  # fmt: skip
    talk = wire(TEXT, b"done") + wire(BINARY, bytes(64)) + wire(PING, b"?")
    parts = wire(TEXT, b"do", fin=False) + wire(CONT, b"ne") + closing(1000, b"bye")
    json_seeds = (json.dumps(message).encode(), json.dumps(other).encode(), b"[" * 3000)
    return [
        Target("request", partial(_connection, opened=False), (request, request + talk)),
        Target("frames", partial(_connection, opened=True), (talk, parts, talk + parts)),
        Target("query", _query, (TARGET.encode(), b"/?apiKey=%41&session=new&text2int=1")),
        Target("channel", _channel, (b"".join(map(encode, frames)),)),
        Target("settings", _settings, (b"\x00127.0.0.1:9100", b"\x05True", b"\x2agpu-1:1,[::1]:2")),
        Target("api keys", _api_keys, (b"# ours\n" + b"k" * 32 + b"\n",)),
        Target("link key", _link_key, (b"k" * 64 + b"\n",)),
        Target("model.json", _model_json, (model, b"[" * 3000, b"1" * 5000)),
        Target("confidence", _confidence, (confidence, b"[" * 3000)),
        Target("second pass", _second_pass, (moonshine, b"[" * 3000)),
        Target("words", _words, (_ARPA, binary.read_bytes(), gzip.compress(_ARPA),
                                 lzma.compress(_ARPA), b"one\ntwo\n")),
        Target("arpa", _arpa, (_ARPA, gzip.compress(_ARPA), lzma.compress(_ARPA))),
        Target("trie", _trie, (binary.read_bytes(),)),
        Target("ort", _ort, (b"\x18\0\0\0ORTM" + bytes(64),)),
        Target("wav", _wav, (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0"
                             b"\2\0\x10\0data\0\0\0\0abcd",)),
        Target("loadtest", _loadtest, json_seeds),
        Target("client", _client, json_seeds),
        Target("emission", partial(_record, emission_bytes, _read_emission),
               (_written(emission_bytes, lambda m: write_emission(m, 5, emission())),)),
        Target("outbox", partial(_record, OUTBOX_RECORD_BYTES, lambda m: read_outbox(m, 5)),
               (_written(OUTBOX_RECORD_BYTES, lambda m: write_outbox(m, 5, final_record)),)),
        Target("answer", partial(_record, ANSWER_BYTES, read_heard),
               (_written(ANSWER_BYTES, lambda m: write_heard(m, [Heard("a", -1.0)])),)),
    ]  # fmt: skip


TARGETS: Final = _targets()
