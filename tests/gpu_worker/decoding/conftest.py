"""What the decoder's tests share: the bundled language model and real log-probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.decoding import LanguageModel, Vocabulary
from models import BUNDLED_MODEL

LOG_PROBS = Path(__file__).parents[2] / "data" / "log_probs_dev.npz"


@pytest.fixture(scope="session")
def characters() -> Vocabulary:
    return Vocabulary(tuple("_ 'abcdefghijklmnopqrstuvwxyz"), blank=0)


@pytest.fixture(scope="session")
def language_model() -> LanguageModel:
    return LanguageModel.load(BUNDLED_MODEL / "lm.bin", 0.5, 1.5)


@pytest.fixture(scope="session")
def clips() -> list[NDArray[np.float32]]:
    """(frames, 29) for each of 110 utterances of 2 to 6 seconds."""
    with np.load(LOG_PROBS) as stored:
        ends = np.cumsum(stored["lengths"])[:-1]
        return np.split(stored["log_probs"].astype(np.float32), ends)


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """What is said in each of the clips."""
    with np.load(LOG_PROBS) as stored:
        return [str(text) for text in stored["texts"]]


ARPA = """\\data\\
ngram 1=6
ngram 2=4

\\1-grams:
-1.0\t<unk>\t0
-99\t<s>\t-0.3
-1.0\t</s>
-0.8\tcat\t-0.2
-0.9\tsat\t-0.2
-1.2\tdoes\t-0.2

\\2-grams:
-0.2\t<s> cat
-0.3\tcat sat
-0.4\tsat </s>
-2.0\tcat does

\\end\\
"""


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    path = tmp_path / "small.arpa"
    path.write_text(ARPA, "utf-8")
    return path
