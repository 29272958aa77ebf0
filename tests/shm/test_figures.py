"""Counters and histograms: what is added by one process is read by another, and outlives both."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shm import figures, layout
from shm.figures import FIGURES, MICRO, Block, Counter, Distribution, Histogram
from shm.plane import Plane

ALL = [(kind, figure) for kind, declared in FIGURES.items() for figure in declared]
BOUNDS = (0.1, 1.0, 10.0)


def block_of(plane: Plane, kind: str = "frontend", index: int = 0) -> Block:
    offset_of = {
        "frontend": plane.layout.frontend_process,
        "worker": plane.layout.worker_process,
        "decoder": plane.layout.decoder_process,
        "second pass": plane.layout.second_pass_process,
        "link": lambda _: plane.layout.link_process,
    }[kind]
    return Block(plane, kind, offset_of(index))


def test_what_is_added_is_read_in_another_mapping(plane: Plane) -> None:
    admitted = block_of(plane).counter(figures.ADMITTED)
    admitted.add()
    admitted.add(41)
    other = block_of(Plane.attach(plane.fd, writable=False))
    assert other.read(figures.ADMITTED) == [42]


def test_a_successor_goes_on_from_what_was_left(plane: Plane) -> None:
    for _ in range(2):
        block_of(plane, "decoder", 1).histogram(figures.DECODE).add(MICRO)
    assert sum(block_of(plane, "decoder", 1).read(figures.DECODE)[:-1]) == 2
    assert block_of(plane, "decoder", 0).read(figures.DECODE) == [0] * figures.DECODE.words


def test_a_label_has_a_word_for_each_value(plane: Plane) -> None:
    block = block_of(plane)
    for count, reason in enumerate(figures.REFUSED.values, start=1):
        block.counter(figures.REFUSED, reason).add(count)
    assert block.read(figures.REFUSED) == [*range(1, len(figures.REFUSED.values) + 1)]
    with pytest.raises(ValueError, match="tuple"):
        block.counter(figures.REFUSED, "mood")


def test_every_figure_has_words_of_its_own(plane: Plane) -> None:
    """Each is given its own pattern; none is found in another's."""
    for kind, declared in FIGURES.items():
        block = block_of(plane, kind)
        for number, figure in enumerate(declared, start=1):
            if isinstance(figure, Counter):
                for value in figure.values:
                    block.counter(figure, value).add(number)
            else:
                for bound in (*figure.bounds, figure.bounds[-1] + 1):
                    for _ in range(number):
                        block.histogram(figure).add(round(bound * MICRO))
        for number, figure in enumerate(declared, start=1):
            words = block.read(figure)
            counts = words if isinstance(figure, Counter) else words[:-1]
            assert counts == [number] * len(counts), figure.name


def test_blocks_do_not_overlap(plane: Plane) -> None:
    geometry, offsets = plane.geometry, plane.layout
    lines = [
        offset_of(index)
        for count, offset_of in (
            (geometry.frontends, offsets.frontend_process),
            (geometry.workers, offsets.worker_process),
            (geometry.decoders, offsets.decoder_process),
            (geometry.second_passes, offsets.second_pass_process),
        )
        for index in range(count)
    ]
    begins = [offsets.figures_of(line) for line in lines]
    for before, after in itertools.pairwise(sorted(begins)):
        assert after - before >= layout.FIGURE_WORDS * 8
    assert lines[-1] + layout.LINE_BYTES <= min(begins)
    assert max(begins) + layout.FIGURE_WORDS * 8 <= offsets.slots


def test_names_are_unique_and_say_their_unit() -> None:
    names = [figure.name for _, figure in ALL]
    assert len(set(names)) == len(names)
    for _, figure in ALL:
        if getattr(figure, "scale", 1) == MICRO:
            assert figure.name.endswith("_seconds"), figure.name
        assert not figure.help.endswith(".")


@given(values=st.lists(st.integers(-5, 30 * MICRO)))
def test_a_value_is_counted_in_the_first_bucket_that_holds_it(values: list[int]) -> None:
    words = [0] * (len(BOUNDS) + 2)
    writer = figures.HistogramWriter(words, 0, BOUNDS)
    for value in values:
        writer.add(value)
    found = Distribution.of(Histogram("a", "b", BOUNDS), words)
    kept = [max(0, value) for value in values]
    assert found.count == len(values)
    assert found.sum == sum(kept) / MICRO
    expected = [sum(value <= bound * MICRO for value in kept) for bound in BOUNDS]
    assert list(found.cumulative()) == [
        *zip(map(repr, BOUNDS), expected, strict=True),
        ("+Inf", len(values)),
    ]


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ((0, 0, 0, 0), 0.5, None),
        ((10, 0, 0, 0), 0.5, 0.05),
        ((10, 10, 0, 0), 0.5, 0.1),
        ((10, 10, 0, 0), 0.75, 0.55),
        ((0, 0, 4, 0), 1.0, 10.0),
        ((1, 0, 0, 9), 0.99, 10.0),
    ],
)
def test_quantiles_are_linear_within_a_bucket(
    counts: tuple[int, ...], share: float, expected: float | None
) -> None:
    assert Distribution(BOUNDS, counts, 0.0).quantile(share) == pytest.approx(expected)
