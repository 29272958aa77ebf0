"""Preparing Whisper models for the second pass."""
