"""The bundled models, as package data: a directory each, with a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Final

BUNDLED_MODEL: Final = Path(__file__).parent / "whisper-tiny-ctc-en"
MOONSHINE_GEOMETRY: Final = Path(__file__).parent / "moonshine-tiny-ctc-en"
"""What `tools.train` trains, and its weights so far."""
ECHO_MODEL: Final = Path(__file__).parent / "echo"
