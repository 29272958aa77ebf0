"""Small language models for the tests, written by hand, and their oracle: ARPA scoring by dicts."""

from __future__ import annotations

from pathlib import Path

FARM = """\\data\\
ngram 1=7
ngram 2=6
ngram 3=2

\\1-grams:
-1.2\t<unk>\t0
-99\t<s>\t-0.4
-0.9\t</s>\t0
-0.6\tthe\t-0.3
-0.8\tcow\t-0.2
-0.8\tcan't\t-0.1
-1.1\tfly\t-0.15

\\2-grams:
-0.3\t<s> the\t-0.2
-0.2\tthe cow\t-0.25
-0.7\tthe fly\t0
-0.4\tcow can't\t-0.1
-0.5\tcan't fly\t0
-0.1\tfly </s>

\\3-grams:
-0.1\t<s> the cow
-0.15\tthe cow can't

\\end\\
"""

TOWN = """\\data\\
ngram 1=6
ngram 2=3

\\1-grams:
-1.0\t<unk>\t0
-99\t<s>\t-0.2
-0.7\t</s>\t0
-0.5\tthe\t-0.3
-0.6\ttram\t-0.2
-0.9\tfly\t-0.1

\\2-grams:
-0.2\t<s> the
-0.25\tthe tram
-0.2\ttram </s>

\\end\\
"""


def write(directory: Path, text: str, name: str = "lm.arpa") -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def naive_log10(arpa: str, words: list[str]) -> float:
    """The score of the last word after the others, by the definition of back-off."""
    scores: dict[tuple[str, ...], tuple[float, float]] = {}
    n = 0
    for line in arpa.splitlines():
        fields = line.split()
        if line.endswith("-grams:"):
            n = int(line[1])
        elif n and len(fields) > n:
            backoff = float(fields[n + 1]) if len(fields) > n + 1 else 0.0
            scores[tuple(fields[1 : n + 1])] = float(fields[0]), backoff
    gram = tuple(words[-n:])
    total = 0.0
    while gram not in scores:
        total += scores.get(gram[:-1], (0.0, 0.0))[1]
        gram = gram[1:]
    return total + scores[gram][0]
