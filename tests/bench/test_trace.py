"""What the bench makes of traces, and that a real server leaves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.trace import NAMES, WARM_UP, Gatherer, cpu_line, draw, stages, table, watched
from shm.inspect import plane_of
from shm.trace import STAGES, Trace
from tests.conformance.client import Client
from tests.conformance.server_process import ECHO, ServerProcess
from tests.conformance.spelling import SPEC, numbered_words, spell
from tests.conformance.waiting import wait_until


def trace(sent_ms: int, step_ms: int = 50) -> Trace:
    """One whose step took so long and everything else 1 ms."""
    spans = [1, 1, step_ms, 1, 1, 1]
    begin = sent_ms - sum(spans)
    return Trace(*(1_000_000 * (begin + sum(spans[:count])) for count in range(7)))


def test_every_stage_has_a_name() -> None:
    assert tuple(NAMES) == STAGES


def test_each_trace_is_kept_once_and_the_first_of_a_slot_not_at_all() -> None:
    gatherer = Gatherer()
    for shown in (None, trace(100), trace(100), None, trace(700), trace(700), trace(1300)):
        gatherer.look(0, shown)
    gatherer.look(1, trace(100))
    assert WARM_UP == 1
    assert gatherer.traces == [trace(700), trace(1300)]


def test_stages_are_summed_up_over_chunks() -> None:
    found = stages([trace(100 * number, 10 * number) for number in range(1, 6)])
    step = found[STAGES.index("staged_to_stepped")]
    assert (step.mean, step.p50, step.p99) == (30, 30, 50)
    assert found[0].mean == pytest.approx(1)


def test_the_table_names_the_slowest_and_adds_up() -> None:
    text = table(6, [trace(100), trace(200)])
    assert text.startswith("6 streams, 2 chunks")
    assert "slowest: step of the model" in text
    total = next(line for line in text.splitlines() if line.startswith("received to sent"))
    assert total.split()[3:] == ["55.0", "55.0", "55.0", "100.0%"]


def test_the_cost_is_told_for_a_second_of_audio() -> None:
    told = cpu_line({"worker": 6.0, "decoder": 0.3}, 60)
    assert told == "CPU ms for a second of audio: worker 100.0, decoder 5.0\n"


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "trace.png"
    draw({1: stages([trace(100)]), 6: stages([trace(100, 300)])}, path)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.server
def test_a_real_server_leaves_the_way_of_every_chunk() -> None:
    flags = ("--model", str(ECHO), "--beam-size", "20", "--slots", "2", "--intermed-partials")
    audio = spell(numbered_words(0, 60))
    gatherer = Gatherer()
    with ServerProcess(*flags) as server, Client(server.url) as client:
        plane = plane_of(server.pid)
        with watched(plane, gatherer):
            for number, start in enumerate(range(0, 4 * SPEC.chunk_samples, SPEC.chunk_samples)):
                client.send_audio(audio[start : start + SPEC.chunk_samples])
                assert not client.receive()["isFinal"]
                wait_until(lambda: len(gatherer.known(0)) == number + 1, "its trace")  # noqa: B023
        plane.close()
    for trace in gatherer.traces:
        assert list(trace) == sorted(trace)
        assert trace.received_ns > 0
