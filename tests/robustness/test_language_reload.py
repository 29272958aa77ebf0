"""Another language model while streams go on: utterances keep theirs, new ones have the new one."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from bench.footprint import processes
from models import BUNDLED_MODEL
from tests.conformance.client import Client
from tests.conformance.server_process import ServerProcess
from tests.conformance.speech import clips
from tests.conformance.two_tiers import TwoTiers
from tests.conformance.waiting import wait_until
from tests.robustness.test_killing import kill

pytestmark = pytest.mark.server

FEW_WORDS = """\\data\\
ngram 1=5
ngram 2=1

\\1-grams:
-1.0\t<unk>
0\t<s>\t-0.3
-0.9\t</s>
-0.8\tmister\t-0.3
-0.8\tgospel\t-0.3

\\2-grams:
-0.1\t<s> mister

\\end\\
"""
"""With this one hears little: finals differ from those of any other model."""

FLAGS = ("--second-pass", "off", "--beam-size", "50", "--slots", "4", "--decoders", "2",
         "--intermed-partials")  # fmt: skip
CLIP = clips(1)[0].audio
HALF = len(CLIP) // 2

Heard: TypeAlias = list[tuple[str, float]]


class Reloading:
    """A server, and the files of its language model."""

    def __init__(self, server: ServerProcess, folder: Path) -> None:
        self.server = server
        self._folder = folder

    def install(self, text: str | None) -> None:
        """Another model's files, by renaming: the bundled one, or what ``text`` holds."""
        if text is None:
            for name in ("lm.bin", "words.txt"):
                shutil.copy(BUNDLED_MODEL / name, self._folder / f"new-{name}")
                (self._folder / f"new-{name}").rename(self._folder / name)
            return
        (self._folder / "words.txt").unlink(missing_ok=True)
        (self._folder / "new").write_text(text)
        (self._folder / "new").rename(self._folder / "lm.bin")

    def hang_up(self) -> None:
        os.kill(self.server.engine.pid, signal.SIGHUP)

    def said(self, what: str) -> int:
        return self.server.engine.log.count(what)

    def reload(self, text: str | None, outcome: str = "the language model was read again") -> None:
        """Returns once the log has told of the outcome."""
        before = self.said(outcome)
        self.install(text)
        self.hang_up()
        wait_until(lambda: self.said(outcome) > before, outcome, lambda: self.server.engine.log)

    def copies(self) -> list[int]:
        """How many language models each decoder has mapped."""
        found = []
        for name, pid in processes(self.server.engine.pid).items():
            if name.startswith("decoder"):
                lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
                found.append(len({x.split()[4] for x in lines if "realtime-engine-language" in x}))
        return found

    def open_copies(self) -> list[int]:
        """How many copies of files are held open, by the supervisor and by each decoder."""
        everybody = processes(self.server.engine.pid).items()
        pids = [pid for name, pid in everybody if name.startswith(("supervisor", "decoder"))]
        return sorted(sum(map(is_copy, Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


@pytest.fixture(params=[ServerProcess, TwoTiers], ids=["one-tier", "two-tiers"])
def reloading(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reloading]:
    for name in ("lm.bin", "words.txt"):
        shutil.copy(BUNDLED_MODEL / name, tmp_path / name)
    environment = {"CUSTOM_LANG_MODEL_PATH": str(tmp_path / "lm.bin")}
    with request.param(*FLAGS, environment=environment) as server:
        yield Reloading(server, tmp_path)


def is_copy(descriptor: Path) -> bool:
    try:
        return "realtime-engine-language" in os.readlink(descriptor)
    except FileNotFoundError:
        return False  # it has just been closed


def heard(final: dict[str, Any]) -> Heard:
    return [(word["text"], word["confidence"]) for word in final["words"]]


def begin(client: Client) -> None:
    """Says half of the clip; returns once some of it was heard."""
    client.send_audio(CLIP[:HALF])
    while not client.receive()["text"]:
        pass


def end(client: Client) -> Heard:
    client.send_audio(CLIP[HALF:])
    return heard(client.done())


def test_utterances_keep_their_model_and_new_ones_have_the_new_one(reloading: Reloading) -> None:
    """Also after a crash between the two."""
    with Client(reloading.server.url) as one, Client(reloading.server.url) as other:
        clients = (one, other)
        for client in clients:
            begin(client)
        (before, _) = (end(client) for client in clients)
        assert len(before) > 3
        for client in clients:
            begin(client)
        reloading.reload(FEW_WORDS)
        assert reloading.copies() == [1, 1], "it is needed still; the new one is read, not mapped"
        for index in range(2):
            kill(reloading.server.engine, f"decoder {index}")
        assert [end(client) for client in clients] == [before, before]
        for client in clients:
            begin(client)
        (after, also_after) = (end(client) for client in clients)
        assert after == also_after != before
        assert reloading.copies() == [0, 0], "the old one is gone"
        with Client(reloading.server.url) as third:
            begin(third)
            assert end(third) == after
        begin(one)
        reloading.reload("no model at all", "the language model stays as it was")
        assert end(one) == after
        begin(one)
        reloading.reload(None)
        assert end(one) == after
        begin(one)
        assert end(one) == before
        assert reloading.copies() == [1, 1]
        wait_until(
            lambda: reloading.open_copies() == [1, 1, 2],
            "the supervisor has the model and its words, each decoder the file that KenLM maps",
            reloading.open_copies,
        )


@pytest.mark.parametrize("reloading", [ServerProcess], indirect=True)
def test_asked_again_and_again(reloading: Reloading) -> None:
    """The last files count, whatever was under way; the same ones again are no news."""
    with Client(reloading.server.url) as client:

        def says() -> Heard:
            begin(client)
            return end(client)

        before = says()
        for text in (FEW_WORDS, None, FEW_WORDS, "no model", FEW_WORDS):
            reloading.install(text)
            reloading.hang_up()
            says()
        wait_until(lambda: says() != before, "the model of few words is used")
        reloading.install(None)
        reloading.hang_up()
        reloading.hang_up()
        wait_until(lambda: says() == before, "the first model is used again")
        wait_until(lambda: reloading.copies() == [1, 1], "the other one is gone")
