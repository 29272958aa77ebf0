"""Written English as the words that are said: one convention for all that compares texts.

The first pass, the language model and the second pass only agree on words when they spell them
alike; `to_spoken` is where that spelling is decided.
"""

from spoken_form.spoken import to_spoken

__all__ = ["to_spoken"]
