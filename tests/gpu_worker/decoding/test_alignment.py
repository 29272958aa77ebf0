from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.decoding import Vocabulary
from gpu_worker.decoding.alignment import Aligner, AlignmentError
from tests.gpu_worker.decoding.synthetic import log_probs

SMALL = Vocabulary(("_", " ", "a", "b"), 0)
PIECES = Vocabulary(("▁a", "b", "▁b", "<blank>"), 3)


def frames_of(vocabulary: Vocabulary, *said: tuple[str, float]) -> NDArray[np.float32]:
    """Frames in which the named token has this probability and the others share the rest."""
    rest = len(vocabulary.tokens) - 1
    frames = np.empty((len(said), rest + 1), np.float32)
    for frame, (token, probability) in zip(frames, said, strict=True):
        frame[:] = np.log((1 - probability) / rest)
        frame[vocabulary.tokens.index(token)] = np.log(probability)
    return frames


def test_words_with_their_frames_and_log_probabilities() -> None:
    spoken = [("_", 0.9), ("a", 0.6), ("a", 0.8), ("_", 0.9), ("b", 0.5), (" ", 0.9), ("_", 0.9)]
    first, second = Aligner(SMALL).align(frames_of(SMALL, *spoken, ("a", 0.7)), " ab  a")
    assert (first.text, first.start_frame, first.end_frame) == ("ab", 1, 5)
    assert first.mean_log_prob == pytest.approx(np.log(0.8 * 0.5) / 2, abs=1e-6)
    assert first.min_log_prob == pytest.approx(np.log(0.5), abs=1e-6)
    assert (second.text, second.start_frame, second.end_frame) == ("a", 7, 8)
    assert second.mean_log_prob == second.min_log_prob == pytest.approx(np.log(0.7), abs=1e-6)


def test_a_text_that_is_not_the_likeliest_is_aligned_too() -> None:
    frames = frames_of(SMALL, ("a", 0.9), (" ", 0.9), ("a", 0.9))
    assert [word.start_frame for word in Aligner(SMALL).align(frames, "b b")] == [0, 2]


def test_word_pieces() -> None:
    frames = frames_of(PIECES, ("<blank>", 0.9), ("▁a", 0.9), ("b", 0.9), ("▁b", 0.9))
    words = Aligner(PIECES).align(frames, "ab b")
    assert [(word.start_frame, word.end_frame) for word in words] == [(1, 3), (3, 4)]
    right, wrong = Aligner(PIECES).log_likelihoods(frames, ["ab b", "a b"])
    assert right == pytest.approx(4 * np.log(0.9), abs=0.05)  # and a few less likely alignments
    assert wrong < right


def test_no_words() -> None:
    frames = frames_of(SMALL, ("_", 0.9), ("_", 0.8))
    assert Aligner(SMALL).align(frames, " ") == ()
    found = Aligner(SMALL).log_likelihoods(frames, [""])
    assert found == pytest.approx([np.log(0.9 * 0.8)], abs=1e-6)
    assert Aligner(SMALL).log_likelihoods(frames, []).shape == (0,)
    assert Aligner(SMALL).log_likelihoods(frames[:0], ["", "a"]).tolist() == [0.0, -np.inf]


def test_texts_that_cannot_be() -> None:
    frames = frames_of(SMALL, ("a", 0.9), ("a", 0.9))
    aligner = Aligner(SMALL)
    assert aligner.log_likelihoods(frames, ["a c", "aa", "A"]).tolist() == [-np.inf] * 3
    with pytest.raises(AlignmentError, match="'c' cannot be spelled"):
        aligner.align(frames, "a c")
    with pytest.raises(AlignmentError, match="2 frames are too few for the text 'aa'"):
        aligner.align(frames, "aa")


def test_frames_of_another_vocabulary_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(frames, 4\)"):
        Aligner(SMALL).align(np.zeros((3, 5), np.float32), "a")
    with pytest.raises(ValueError, match="NaN"):
        Aligner(SMALL).log_likelihoods(np.full((3, 4), np.nan, np.float32), ["a"])


def test_real_speech_fits_its_own_text_best(
    characters: Vocabulary, clips: list[NDArray[np.float32]], texts: list[str]
) -> None:
    aligner = Aligner(characters)
    for clip, text in zip(clips[:8], texts, strict=False):
        others = [other for other in texts if other != text][:5]
        assert aligner.log_likelihoods(clip, [text, *others]).argmax() == 0
        words = aligner.align(clip, text)
        assert [word.text for word in words] == text.split()
        edges = [edge for word in words for edge in (word.start_frame, word.end_frame)]
        assert edges == sorted(edges)
        assert edges[-1] <= len(clip)
        assert all(word.min_log_prob <= word.mean_log_prob <= 0 for word in words)


def test_the_best_alignment_is_one_of_all(characters: Vocabulary) -> None:
    frames = log_probs(characters, 30, 4)
    aligner = Aligner(characters)
    words = aligner.align(frames, "ab cd")
    best = sum(len(word.text) * word.mean_log_prob for word in words)
    assert aligner.log_likelihoods(frames, ["ab cd"])[0] < best
