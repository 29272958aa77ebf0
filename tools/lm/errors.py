"""The one kind of error that the language model tools report."""

from __future__ import annotations


class LmError(Exception):
    """A file or a setting that cannot be used; one line that says what would be right."""
