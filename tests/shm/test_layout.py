from __future__ import annotations

import ast
import itertools
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import shm
from shm import layout
from shm.layout import Geometry, Layout, geometry_words, power_of_two_at_least
from tests.shm.planes import SMALL

SPEECH = Geometry(
    slots=16,
    frontends=2,
    workers=2,
    decoders=3,
    sample_rate_hz=16_000,
    chunk_frames=16,
    frame_samples=640,
    vocabulary_size=29,
    second_passes=1,
)
WORD_PIECES = replace(SPEECH, chunk_frames=7, frame_samples=1280, vocabulary_size=1025)
SMALLEST = Geometry(*[1] * layout.GEOMETRY_FIELDS)
LONG_FRAMES = replace(SMALL, sample_rate_hz=8_000, chunk_frames=1, frame_samples=65_536)
ONE_PASS = replace(SPEECH, second_passes=0)
PAGE_AND_A_LINE = replace(SMALL, frontends=16, workers=5, decoders=10)  # of processes
GEOMETRIES = [SPEECH, WORD_PIECES, SMALL, SMALLEST, LONG_FRAMES, ONE_PASS, PAGE_AND_A_LINE]


def regions(plan: Layout) -> list[tuple[str, int, int]]:
    """Every part of the plane as (name, begin, end), records one by one."""
    geometry, line = plan.geometry, layout.LINE_BYTES
    found = [("header", 0, line), ("supervisor", plan.processes, plan.processes + line)]

    def add(name: str, begin: int, size: int) -> None:
        found.append((name, begin, begin + size))

    for name, count, offset_of in (
        ("frontend", geometry.frontends, plan.frontend_process),
        ("worker", geometry.workers, plan.worker_process),
        ("decoder", geometry.decoders, plan.decoder_process),
        ("second pass", geometry.second_passes, plan.second_pass_process),
        ("link", 1, lambda _: plan.link_process),
    ):
        for index in range(count):
            add(f"{name} {index}", offset_of(index), line)
            figures = plan.figures_of(offset_of(index))
            add(f"figures of {name} {index}", figures, 8 * layout.FIGURE_WORDS)
    add("figures of the supervisor", plan.figures_of(plan.processes), 8 * layout.FIGURE_WORDS)
    for slot in range(geometry.slots):
        add(f"frontend line {slot}", plan.frontend_line(slot), line)
        add(f"client line {slot}", plan.client_line(slot), line)
        add(f"worker line {slot}", plan.worker_line(slot), line)
        add(f"decoder line {slot}", plan.decoder_line(slot), line)
        add(f"second-pass line {slot}", plan.second_pass_line(slot), line)
        add(f"marks {slot}", plan.mark_ring(slot), 8 * layout.MARK_RECORDS)
        add(f"marks' origins {slot}", plan.mark_origins(slot), 8 * layout.MARK_RECORDS)
        add(f"marks' dones {slot}", plan.mark_dones(slot), 8 * layout.MARK_RECORDS)
        add(f"arrivals {slot}", plan.arrival_ring(slot), layout.ARRIVAL_BYTES * geometry.arrivals)
        add(f"audio {slot}", plan.audio_ring(slot), 2 * geometry.ring_samples)
        for index in range(geometry.emission_records):
            size = geometry.emission_record_bytes
            add(f"emission {slot}.{index}", plan.emission_record(slot, index), size)
        for index in range(layout.OUTBOX_RECORDS):
            size = layout.OUTBOX_RECORD_BYTES
            add(f"outbox {slot}.{index}", plan.outbox_record(slot, index), size)
        add(f"answer {slot}", plan.answer(slot), layout.ANSWER_BYTES)
        add(f"sheet {slot}", plan.sheet(slot), layout.SHEET_BYTES)
        add(f"said {slot}", plan.said(slot), layout.SAID_BYTES)
    return found


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_nothing_overlaps_and_everything_is_inside(geometry: Geometry) -> None:
    plan = Layout(geometry)
    in_order = sorted(regions(plan), key=lambda region: region[1])
    for (before, _, end), (after, begin, _) in itertools.pairwise(in_order):
        assert end <= begin, f"{before} runs into {after}"
    assert in_order[-1][2] <= plan.total


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_every_line_and_record_begins_a_line(geometry: Geometry) -> None:
    for name, begin, _ in regions(Layout(geometry)):
        assert begin % layout.LINE_BYTES == 0, name


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_indices_wrap_to_the_record_a_ring_before(geometry: Geometry) -> None:
    plan = Layout(geometry)
    last = geometry.slots - 1
    for index in (0, 1, 5):
        later = index + 3 * geometry.emission_records
        assert plan.emission_record(last, later) == plan.emission_record(last, index)
        later = index + 3 * layout.OUTBOX_RECORDS
        assert plan.outbox_record(last, later) == plan.outbox_record(last, index)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_segment_and_a_second_attempt_at_it_fit_the_rings(geometry: Geometry) -> None:
    chunks_of_a_segment = -(-geometry.max_segment_frames // geometry.chunk_frames)
    closing_record_without_frames = 1
    assert geometry.emission_records >= 2 * (chunks_of_a_segment + closing_record_without_frames)
    assert geometry.ring_samples >= layout.MIN_RING_S * geometry.sample_rate_hz


def test_the_speech_models_rings_are_as_the_documents_say() -> None:
    assert SPEECH.ring_samples == 2**20
    assert SPEECH.emission_records == 128
    assert SPEECH.chunk_samples == 10_240


def test_power_of_two_at_least() -> None:
    assert [power_of_two_at_least(n) for n in (1, 2, 3, 4, 5, 1023, 1024, 1025)] == [
        1,
        2,
        4,
        4,
        8,
        1024,
        1024,
        2048,
    ]


@pytest.mark.parametrize("name", [*asdict(SPEECH)])
def test_a_field_out_of_range_is_named_with_its_limits(name: str) -> None:
    lowest = 0 if name == "second_passes" else 1
    for value in (lowest - 1, -10, 10**9):
        with pytest.raises(
            ValueError, match=rf"^{name} must be from {lowest} to \d+, not {value}$"
        ):
            replace(SPEECH, **{name: value})


def test_slots_are_dealt_to_second_passes_in_turn() -> None:
    plan = Layout(replace(SPEECH, second_passes=2))
    first, second = plan.second_pass_process(0), plan.second_pass_process(1)
    assert [plan.second_pass_of(slot) for slot in range(3)] == [first, second, first]


def test_an_engine_has_no_second_pass_unless_it_is_asked_for() -> None:
    required = asdict(SPEECH)
    del required["second_passes"]
    assert Geometry(**required) == ONE_PASS
    assert len(regions(Layout(ONE_PASS))) == len(regions(Layout(SPEECH))) - 2  # line and figures


def test_the_header_holds_the_geometry_in_the_order_of_its_fields() -> None:
    assert geometry_words(SPEECH) == (16, 2, 2, 3, 16_000, 16, 640, 29, 1)
    assert Geometry(*geometry_words(SPEECH)) == SPEECH


WRITER_OF = {
    "HEADER_": {"plane.py"},
    "PROCESS_": {"process_line.py"},
    "PROCESS_WISH": {"wishes.py"},
    "LINK_": {"link_line.py"},
    "CLIENT_HEADER_BYTES": {"frontend_slot.py"},
    "CLIENT_": {"said.py"},
    "SLOT_SESSION": {"frontend_slot.py"},
    "SLOT_OWNER": {"frontend_slot.py"},
    "SLOT_BASE_SAMPLES": {"frontend_slot.py"},
    "SLOT_BASE_MARKS": {"frontend_slot.py"},
    "SLOT_AUDIO_HEAD": {"frontend_slot.py"},
    "SLOT_MARK_HEAD": {"frontend_slot.py"},
    "SLOT_OUTBOX_TAIL": {"frontend_slot.py"},
    "SLOT_ORIGIN_SAMPLES": {"frontend_slot.py"},
    "SLOT_PARTIALS": {"frontend_slot.py"},
    "SLOT_TRACE": {"frontend_slot.py"},
    "SLOT_EMISSION_HEAD": {"worker_slot.py"},
    "SLOT_POSITION_SAMPLES": {"worker_slot.py"},
    "SLOT_PAUSE_START": {"worker_slot.py"},
    "SLOT_PAUSE_STOP": {"worker_slot.py"},
    "SLOT_WORKER_GAVE_UP": {"worker_slot.py"},
    "SLOT_AUDIO_COMMIT": {"decoder_slot.py"},
    "SLOT_MARK_COMMIT": {"decoder_slot.py"},
    "SLOT_EMISSION_COMMIT": {"decoder_slot.py"},
    "SLOT_OUTBOX_HEAD": {"decoder_slot.py"},
    "SLOT_EMISSION_TAIL": {"decoder_slot.py"},
    "SLOT_ASKED": {"decoder_slot.py"},
    "SLOT_ASKED_START": {"decoder_slot.py"},
    "SLOT_ASKED_STOP": {"decoder_slot.py"},
    "SLOT_ASKED_FOR": {"decoder_slot.py"},
    "SLOT_OUTBOX_EPOCH": {"decoder_slot.py"},
    "SLOT_DECODER_GAVE_UP": {"decoder_slot.py"},
    "SLOT_LANGUAGE": {"decoder_slot.py"},
    "SLOT_ANSWERED": {"second_pass_slot.py"},
    "SLOT_HEARINGS": {"second_pass_slot.py"},
}


def word_names() -> set[str]:
    prefixes = ("HEADER_", "PROCESS_", "LINK_", "CLIENT_", "SLOT_")
    return {name for name in vars(layout) if name.startswith(prefixes)}


def stores() -> dict[str, set[str]]:
    """Which modules of shm assign to which word, read from their source."""
    found: dict[str, set[str]] = {}
    folder = Path(next(iter(shm.__path__)))
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            targets = node.targets if isinstance(node, ast.Assign) else []
            for target in targets:
                if isinstance(target, ast.Subscript):
                    for part in ast.walk(target.slice):
                        if isinstance(part, ast.Attribute) and part.attr in word_names():
                            found.setdefault(part.attr, set()).add(path.name)
    return found


def test_every_word_is_stored_by_the_module_of_its_one_writer() -> None:
    found = stores()
    assert len(found) > 12, "the source was read"
    for word, modules in found.items():
        expected = WRITER_OF.get(word) or WRITER_OF[word.split("_")[0] + "_"]
        assert modules == expected, word


@pytest.mark.parametrize(
    "prefix", ["HEADER_", "CLIENT_", ("PROCESS_", "LINK_")], ids=["header", "client", "process"]
)
def test_the_words_of_a_line_are_distinct(prefix: str | tuple[str, ...]) -> None:
    indices = [getattr(layout, name) for name in word_names() if name.startswith(prefix)]
    assert len(set(indices)) == len(indices)
    assert all(0 <= index < layout.LINE_WORDS for index in indices)


@pytest.mark.parametrize(
    "module", ["frontend_slot.py", "worker_slot.py", "decoder_slot.py", "second_pass_slot.py"]
)
def test_the_words_of_a_slots_line_are_distinct(module: str) -> None:
    names = [n for n, who in WRITER_OF.items() if who == {module} and n.startswith("SLOT_")]
    indices = [getattr(layout, name) for name in names]
    assert len(set(indices)) == len(indices)
    assert all(0 <= index < layout.LINE_WORDS for index in indices)
    assert {name for name in word_names() if name.startswith("SLOT_")} <= set(WRITER_OF)
