"""The second pass: an attention model hears whole utterances, and the best of all texts wins."""


class SecondPassError(Exception):
    """A model or a device that the second pass cannot use; the message is one line."""
