"""Acoustic models: audio in, log-probabilities out, behind one contract."""
