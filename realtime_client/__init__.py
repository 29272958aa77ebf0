"""A client for the WebSocket API of realtime-engine: asyncio and blocking, Python 3.11 or later.

It needs the standard library and `websockets`, and nothing of the engine: the folder may be copied
into a project of its own. docs/CLIENTS.md shows how it is used.
"""

from realtime_client.backoff import Backoff
from realtime_client.blocking import BlockingRecogniser, transcribe_file
from realtime_client.errors import (
    AudioError,
    ConnectionLost,
    ProtocolError,
    RecogniserError,
    Refused,
    ServerError,
    Unreachable,
)
from realtime_client.messages import Hypothesis, Word
from realtime_client.recogniser import Recogniser
from realtime_client.transcribing import transcribe
from realtime_client.transcript import Transcript

__all__ = [
    "AudioError",
    "Backoff",
    "BlockingRecogniser",
    "ConnectionLost",
    "Hypothesis",
    "ProtocolError",
    "Recogniser",
    "RecogniserError",
    "Refused",
    "ServerError",
    "Transcript",
    "Unreachable",
    "Word",
    "transcribe",
    "transcribe_file",
]
