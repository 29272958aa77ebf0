from __future__ import annotations

import builtins
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pyctcdecode import build_ctcdecoder

from gpu_worker.decoding import LanguageModel, ReferenceSearch, Vocabulary
from gpu_worker.decoding.beam_search import BEAM_PRUNE_LOG_PROB, TOKEN_MIN_LOG_PROB


def test_gives_what_pyctcdecode_s_own_constructor_gives(
    characters: Vocabulary, clips: list[NDArray[np.float32]]
) -> None:
    theirs = build_ctcdecoder(list(characters.tokens))
    search = ReferenceSearch(characters, 50, None)
    for clip in clips[:5]:
        search.reset()
        for start in range(0, len(clip), 16):
            search.advance(clip[start : start + 16])
        expected = theirs.decode(
            clip,
            beam_width=50,
            beam_prune_logp=BEAM_PRUNE_LOG_PROB,
            token_min_logp=float(TOKEN_MIN_LOG_PROB),
        )
        assert search.final().text == expected != ""


def test_partials_are_of_what_was_heard_so_far(
    characters: Vocabulary, clips: list[NDArray[np.float32]]
) -> None:
    search = ReferenceSearch(characters, 50, None)
    search.advance(clips[0][:40])
    partial = search.partial()
    assert partial.words
    assert not any(word.stable for word in partial.words)
    search.advance(clips[0][40:])
    final = search.final()
    assert len(final.words) > len(partial.words)
    assert all(word.stable for word in final.words)
    assert all(0 < word.confidence <= 1 for word in final.words)
    edges = [edge for word in final.words for edge in (word.start_frame, word.end_frame)]
    assert edges == sorted(edges)
    assert edges[-1] <= len(clips[0])


def test_n_best_is_what_pyctcdecode_gives(
    characters: Vocabulary, clips: list[NDArray[np.float32]], language_model: LanguageModel
) -> None:
    search = ReferenceSearch(characters, 50, language_model)
    assert [found.text for found in search.n_best(3)] == [""]
    search.advance(clips[0])
    found = search.n_best(5)
    assert found[0].text == search.final().text
    assert len({text.text for text in found}) == 5
    totals = [text.total for text in found]
    assert totals == sorted(totals, reverse=True)
    assert all(text.language_score < 0 for text in found)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        search.n_best(0)


def test_bad_frames_are_refused_at_once(characters: Vocabulary) -> None:
    with pytest.raises(ValueError, match=r"\(frames, 29\)"):
        ReferenceSearch(characters, 5, None).advance(np.zeros((3, 28), np.float32))


def test_the_package_works_without_pyctcdecode(
    monkeypatch: pytest.MonkeyPatch, characters: Vocabulary
) -> None:
    real_import = builtins.__import__

    def refuse(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("pyctcdecode"):
            raise ModuleNotFoundError(name)
        return real_import(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for name in [name for name in sys.modules if name.startswith("gpu_worker.decoding")]:
        monkeypatch.delitem(sys.modules, name)
    import gpu_worker.decoding as fresh

    fresh.BeamSearch(fresh.Vocabulary(characters.tokens, 0), 5, None)
    with pytest.raises(ModuleNotFoundError):
        fresh.ReferenceSearch(fresh.Vocabulary(characters.tokens, 0), 5, None)
