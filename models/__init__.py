"""The bundled models, as package data: a directory each, with a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Final

BUNDLED_MODEL: Final = Path(__file__).parent / "moonshine-tiny-ctc-en"
"""The default, and what `tools.train` trains."""
WHISPER_CTC_MODEL: Final = Path(__file__).parent / "whisper-tiny-ctc-en"
"""The default before it, over another encoder."""
ECHO_MODEL: Final = Path(__file__).parent / "echo"
