"""The settings of a WebSocket server that are about its clients; see `server.config`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from server.api_keys import KEYS_VARIABLE, ApiKeysError, load_keys
from server.config import ConfigError, Setting, path_or_none, read, whole_number
from server.frontend_settings import ClientSettings
from shm.layout import MAX_SLOTS

CLIENT_SETTINGS: Final = (
    Setting(
        "--api-key-file", "REALTIME_ENGINE_API_KEY_FILE", "", path_or_none,
        "file with the API keys of clients, one a line, read again at SIGHUP; instead of it, the "
        f"keys themselves may be in the variable {KEYS_VARIABLE} (neither: no key is needed)",
    ),
    Setting(
        "--keep-session-s", "REALTIME_ENGINE_KEEP_SESSION_S", "30", whole_number(0, 600),
        "seconds for which a client whose connection broke may come back to its session, if it has "
        "asked for that (0: never)",
    ),
    Setting(
        "--address-streams", "REALTIME_ENGINE_ADDRESS_STREAMS", "0", whole_number(0, MAX_SLOTS),
        "streams that one address may have at the same time, in each of --frontends; more are "
        "refused with 429 (0: any number)",
    ),
    Setting(
        "--handshake-timeout-s", "REALTIME_ENGINE_HANDSHAKE_TIMEOUT_S", "10", whole_number(1, 60),
        "seconds within which a client's opening request, and TLS before it, must have come",
    ),
    Setting(
        "--idle-timeout-s", "REALTIME_ENGINE_IDLE_TIMEOUT_S", "0", whole_number(0, 86_400),
        "seconds after which a client that sends neither audio nor done gets its final and is "
        "closed (0: never)",
    ),
    Setting(
        "--unread-timeout-s", "REALTIME_ENGINE_UNREAD_TIMEOUT_S", "30", whole_number(1, 600),
        "seconds after which a client that does not read its results is closed",
    ),
    Setting(
        "--drain-s", "REALTIME_ENGINE_DRAIN_S", "5", whole_number(0, 600),
        "seconds that utterances have to end once the server is told to stop (SIGTERM); what is "
        "still being said then is finalised as far as it was heard (0: at once)",
    ),
)  # fmt: skip


def client_settings(
    flags: Mapping[str, str | None], environment: Mapping[str, str]
) -> ClientSettings:
    """What is asked of clients.

    Raises:
        ConfigError: an unusable value, or no usable keys where there should be some.
    """
    values = read(CLIENT_SETTINGS, flags, environment)
    path: Path | None = values.pop("api_key_file")
    try:
        load_keys(path, environment)
    except ApiKeysError as error:
        raise ConfigError(str(error)) from error
    return ClientSettings(api_key_file=str(path.absolute()) if path else None, **values)
