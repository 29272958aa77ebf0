from __future__ import annotations

from gpu_worker.decoding.beams import Beams, Identities, first_beams


def test_the_first_beam_is_empty_and_ends_in_a_blank() -> None:
    beams = first_beams(blank=7)
    assert {len(column) for column in beams} == {1}
    assert (beams.sentence[0], beams.length[0], beams.last[0], beams.score[0]) == (0, 0, 7, 0.0)


def test_beams_begin_with_what_identifies_them() -> None:
    assert Beams._fields[: len(Identities._fields)] == Identities._fields
