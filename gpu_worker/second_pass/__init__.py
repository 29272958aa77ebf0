"""The second pass: an attention model hears whole utterances, and the best of all texts wins."""
