"""The search against pyctcdecode on real and made-up log-probabilities, and its own promises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpu_worker.decoding import (
    MAX_BEAM_SIZE,
    BeamSearch,
    Calibration,
    FrameHypothesis,
    LanguageModel,
    ReferenceSearch,
    Vocabulary,
)
from models import BUNDLED_MODEL
from tests.gpu_worker.decoding.synthetic import log_probs, word_pieces

Clips = list[NDArray[np.float32]]
CHARACTERS = Vocabulary(tuple("_ 'abcdefghijklmnopqrstuvwxyz"), 0)


def chunks(frames: NDArray[np.float32], seed: int) -> Iterator[NDArray[np.float32]]:
    """The frames in chunks of 0 to 25."""
    rng = np.random.default_rng(seed)
    while len(frames):
        size = int(rng.integers(0, 26))
        yield frames[:size]
        frames = frames[size:]


def decoded(search: BeamSearch | ReferenceSearch, parts: Iterable[NDArray[np.float32]]) -> str:
    search.reset()
    for part in parts:
        search.advance(part)
    return search.final().text


def assert_same_texts(
    clips: Clips, vocabulary: Vocabulary, beam_size: int, model: LanguageModel | None
) -> None:
    search = BeamSearch(vocabulary, beam_size, model)
    reference = ReferenceSearch(vocabulary, beam_size, model)
    ours = [decoded(search, chunks(clip, seed)) for seed, clip in enumerate(clips)]
    assert ours == [decoded(reference, [clip]) for clip in clips]
    assert any(ours)


@pytest.mark.parametrize(("beam_size", "count"), [(1, 20), (100, 12), (600, 3)])
@pytest.mark.parametrize("with_model", [True, False])
def test_real_speech_gives_pyctcdecode_s_text(
    clips: Clips, language_model: LanguageModel, beam_size: int, count: int, with_model: bool
) -> None:
    model = language_model if with_model else None
    assert_same_texts(clips[:count], CHARACTERS, beam_size, model)


@pytest.mark.slow
@pytest.mark.parametrize(("beam_size", "every"), [(1, 1), (100, 1), (600, 4)])
@pytest.mark.parametrize("with_model", [True, False])
def test_all_real_speech_gives_pyctcdecode_s_text(
    clips: Clips, language_model: LanguageModel, beam_size: int, every: int, with_model: bool
) -> None:
    """At the widest beam, where pyctcdecode takes longest, every fourth clip."""
    assert len(clips) >= 100
    model = language_model if with_model else None
    assert_same_texts(clips[::every], CHARACTERS, beam_size, model)


@pytest.mark.parametrize("beam_size", [1, 7, 100])
@pytest.mark.parametrize("with_model", [True, False])
def test_noise_gives_pyctcdecode_s_text(
    language_model: LanguageModel, beam_size: int, with_model: bool
) -> None:
    noise = [log_probs(CHARACTERS, frames, seed=frames) for frames in range(1, 40, 3)]
    assert_same_texts(noise, CHARACTERS, beam_size, language_model if with_model else None)


@pytest.mark.parametrize("size", [120, 1024])
@pytest.mark.parametrize("beam_size", [1, 7, 100])
@pytest.mark.parametrize("with_model", [True, False])
def test_word_pieces_give_pyctcdecode_s_text(
    language_model: LanguageModel, size: int, beam_size: int, with_model: bool
) -> None:
    vocabulary = word_pieces(sorted(language_model.words), size, seed=size)
    noise = [log_probs(vocabulary, frames, seed=frames) for frames in range(1, 40, 3)]
    assert_same_texts(noise, vocabulary, beam_size, language_model if with_model else None)


def test_without_known_words_as_pyctcdecode(clips: Clips, language_model: LanguageModel) -> None:
    bare = LanguageModel(language_model.kenlm_model, (), 0.5, 1.5)
    assert_same_texts(clips[:5], CHARACTERS, 50, bare)


@pytest.mark.parametrize("weights", [(0.0, 0.0), (1.3, -2.0)])
def test_other_weights_as_pyctcdecode(
    clips: Clips, language_model: LanguageModel, weights: tuple[float, float]
) -> None:
    words = sorted(language_model.words)[::10]
    model = LanguageModel(language_model.kenlm_model, words, *weights)
    assert_same_texts(clips[:5], CHARACTERS, 50, model)


def test_beams_that_end_alike_score_as_the_last_of_them(language_model: LanguageModel) -> None:
    """Regression: "got" with and without a space after it are one at the end, scored as broken off.

    In these cases the first beam's score would give another text.
    """
    noise = [log_probs(CHARACTERS, 2, seed) for seed in (15, 22, 26, 34)]
    assert_same_texts(noise, CHARACTERS, 50, language_model)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 10_000))
def test_any_split_of_the_frames_gives_the_same_hypotheses(
    language_model: LanguageModel, seed: int, cut: int
) -> None:
    frames = log_probs(CHARACTERS, 40, seed)
    whole, split = (BeamSearch(CHARACTERS, 30, language_model) for _ in range(2))
    whole.advance(frames)
    for part in chunks(frames, cut):
        split.advance(part)
        split.partial()
        split.final()
    assert split.partial() == whole.partial()
    assert split.final() == whole.final()


def every_hypothesis(
    search: BeamSearch, parts: Iterable[NDArray[np.float32]]
) -> list[FrameHypothesis]:
    """All partials and, last, the final."""
    search.reset()
    shown = []
    for part in parts:
        search.advance(part)
        shown.append(search.partial())
    return [*shown, search.final()]


def stable_words(hypothesis: FrameHypothesis) -> int:
    count = sum(word.stable for word in hypothesis.words)
    assert all(word.stable for word in hypothesis.words[:count])
    return count


def assert_stable_words_stay(shown: list[FrameHypothesis]) -> None:
    for index, earlier in enumerate(shown):
        settled = earlier.words[: stable_words(earlier)]
        for later in shown[index + 1 :]:
            assert later.words[: len(settled)] == settled


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), pieces=st.booleans(), with_model=st.booleans())
def test_a_stable_word_never_changes(
    language_model: LanguageModel, seed: int, pieces: bool, with_model: bool
) -> None:
    vocabulary = word_pieces(["the", "cat", "sat"], 60, seed) if pieces else CHARACTERS
    search = BeamSearch(vocabulary, 20, language_model if with_model else None)
    assert_stable_words_stay(every_hypothesis(search, chunks(log_probs(vocabulary, 60, seed), 1)))


def test_words_of_real_speech_become_stable_and_stay(
    clips: Clips, language_model: LanguageModel
) -> None:
    search = BeamSearch(CHARACTERS, 100, language_model, Calibration.load(BUNDLED_MODEL))
    settled = words = 0
    for seed, clip in enumerate(clips[:15]):
        shown = every_hypothesis(search, chunks(clip, seed))
        assert_stable_words_stay(shown)
        settled += stable_words(shown[-2])
        words += len(shown[-1].words)
        assert all(word.stable for word in shown[-1].words)
    assert settled > words / 2


def test_times_and_confidences_of_real_speech_are_sound(
    clips: Clips, language_model: LanguageModel
) -> None:
    search = BeamSearch(CHARACTERS, 100, language_model)
    reference = ReferenceSearch(CHARACTERS, 100, language_model)
    off = []
    for clip in clips[:10]:
        for decoder in (search, reference):
            decoder.reset()
            decoder.advance(clip)
        final, theirs = search.final(), reference.final()
        edges = [edge for word in final.words for edge in (word.start_frame, word.end_frame)]
        assert edges == sorted(edges)
        assert edges[-1] <= len(clip)
        confidences = [*(word.confidence for word in final.words), final.confidence]
        assert all(0 < confidence <= 1 for confidence in confidences)
        starts = zip(final.words, theirs.words, strict=True)
        off += [abs(ours.start_frame - other.start_frame) for ours, other in starts]
    assert np.median(off) <= 1


def test_word_times_and_confidences_by_hand() -> None:
    """ "ab a": a held for two frames, a blank, b, the space, a."""
    vocabulary = Vocabulary(("_", " ", "a", "b"), 0)
    frames = np.full((8, 4), np.log(0.001), np.float32)
    for frame, (token, probability) in enumerate(
        [(0, 0.9), (2, 0.6), (2, 0.8), (0, 0.9), (3, 0.5), (1, 0.9), (0, 0.9), (2, 0.7)]
    ):
        frames[frame] = np.log((1 - probability) / 3)
        frames[frame, token] = np.log(probability)
    search = BeamSearch(vocabulary, 50, None)
    search.advance(frames)
    first, second = search.final().words
    assert (first.text, first.start_frame, first.end_frame) == ("ab", 0, 5)
    assert first.confidence == pytest.approx(np.sqrt(0.8 * 0.5))
    assert (second.text, second.start_frame, second.end_frame) == ("a", 5, 8)
    assert second.confidence == pytest.approx(0.7)
    assert search.final().confidence == pytest.approx((np.sqrt(0.8 * 0.5) + 0.7) / 2)


def test_a_partial_s_and_a_final_s_last_word_are_judged_alike(
    clips: Clips, language_model: LanguageModel
) -> None:
    """Both ask the language model about the word, which the partial has not completed."""
    search = BeamSearch(CHARACTERS, 50, language_model, Calibration.load(BUNDLED_MODEL))
    compared = 0
    for clip in clips[:10]:
        search.reset()
        search.advance(clip)
        partial, final = search.partial(), search.final()
        if partial.text == final.text:
            last, settled = partial.words[-1], final.words[-1]
            assert (last.stable, settled.stable) == (False, True)
            assert last.confidence == settled.confidence
            compared += 1
    assert compared


def test_a_partial_shows_an_unfinished_word() -> None:
    vocabulary = Vocabulary(("_", " ", "a", "b"), 0)
    search = BeamSearch(vocabulary, 50, None)
    seen = []
    for token in (2, 3, 1, 3):
        frame = np.full((1, 4), np.log(0.0001), np.float32)
        frame[0, token] = np.log(0.9997)
        search.advance(frame)
        seen.append([(word.text, word.stable) for word in search.partial().words])
    # Every other beam lies further behind than a beam may, so what is complete is certain.
    assert seen == [
        [("a", False)],
        [("ab", False)],
        [("ab", True)],
        [("ab", True), ("b", False)],
    ]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), with_model=st.booleans())
def test_n_best_begins_with_the_final(
    language_model: LanguageModel, seed: int, with_model: bool
) -> None:
    search = BeamSearch(CHARACTERS, 30, language_model if with_model else None)
    search.advance(log_probs(CHARACTERS, 40, seed))
    found = search.n_best(40)
    assert found[0].text == search.final().text
    assert len({text.text for text in found}) == len(found)
    totals = [text.total for text in found]
    assert totals == sorted(totals, reverse=True)
    assert search.n_best(3) == found[:3]


def test_n_best_scores_pyctcdecode_s_texts_as_it_does(
    clips: Clips, language_model: LanguageModel
) -> None:
    search = BeamSearch(CHARACTERS, 100, language_model)
    reference = ReferenceSearch(CHARACTERS, 100, language_model)
    common = 0
    for clip in clips[:6]:
        for decoder in (search, reference):
            decoder.reset()
            decoder.advance(clip)
        ours = {found.text: found for found in search.n_best(300)}
        for theirs in reference.n_best(10):
            if (found := ours.get(theirs.text)) is not None:
                assert found.language_score == pytest.approx(theirs.language_score, abs=1e-3)
                assert found.acoustic_log_prob == pytest.approx(theirs.acoustic_log_prob, abs=1e-3)
                common += 1
    assert common > 30


def test_n_best_reaches_further_back_than_the_last_beams(
    clips: Clips, language_model: LanguageModel
) -> None:
    """The last beams of a 3-gram model agree on all words but the last few."""
    search = BeamSearch(CHARACTERS, 100, language_model)
    first_words = set()
    for clip in clips[:5]:
        search.reset()
        search.advance(clip)
        first_words.add(len({found.text.split()[0] for found in search.n_best(100)}))
    assert max(first_words) > 1


def test_n_best_has_bounds() -> None:
    search = BeamSearch(CHARACTERS, 5, None)
    assert [found.text for found in search.n_best(3)] == [""]
    with pytest.raises(ValueError, match="at least 1, not 0"):
        search.n_best(0)


def test_silence_has_no_words(language_model: LanguageModel) -> None:
    silence = np.full((200, 29), -15.0, np.float32)
    silence[:, 0] = 0.0
    search = BeamSearch(CHARACTERS, 600, language_model)
    search.advance(silence)
    assert search.partial() == search.final() == FrameHypothesis((), 0.0)


def test_reset_leaves_nothing_behind(clips: Clips, language_model: LanguageModel) -> None:
    used, fresh = (BeamSearch(CHARACTERS, 50, language_model) for _ in range(2))
    used.advance(clips[0])
    used.reset()
    for search in (used, fresh):
        search.advance(clips[1])
    assert used.final() == fresh.final()


@pytest.mark.parametrize("beam_size", [0, -1, MAX_BEAM_SIZE + 1])
def test_the_beam_size_has_bounds(beam_size: int) -> None:
    with pytest.raises(ValueError, match=f"from 1 to 2000, not {beam_size}"):
        BeamSearch(CHARACTERS, beam_size, None)


def test_the_widest_beam_works(clips: Clips, language_model: LanguageModel) -> None:
    assert_same_texts(clips[:1], CHARACTERS, MAX_BEAM_SIZE, language_model)


def test_frames_of_another_vocabulary_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(frames, 29\)"):
        BeamSearch(CHARACTERS, 5, None).advance(np.zeros((3, 30), np.float32))
