"""What a frontend has read from files and reads again when told: API keys, certificate and key.

A file that cannot be used any more changes nothing: what was read before stays, and the log says
what is wrong. Streams that are open go on, whatever the files say.
"""

from __future__ import annotations

import logging
import os
import ssl
from pathlib import Path

from server.api_keys import ApiKeys, ApiKeysError, load_keys
from server.frontend_settings import FrontendSettings
from server.tls import Certificate, TlsError

log = logging.getLogger("realtime_engine.frontend")


class ReadFiles:
    """The files of one process.

    Raises (when made):
        TlsError, ApiKeysError: one that cannot be used.
    """

    def __init__(self, settings: FrontendSettings) -> None:
        path = settings.clients.api_key_file
        self._key_path = None if path is None else Path(path)
        self.keys: ApiKeys = load_keys(self._key_path, os.environ)
        self._certificate = Certificate(settings.ssl_cert, settings.ssl_key)

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The same one always: what it presents changes."""
        return self._certificate.context

    def read_again(self) -> None:
        """Takes what the files hold now, each by itself."""
        try:
            self.keys = load_keys(self._key_path, os.environ)
        except ApiKeysError as error:
            log.error("the API keys stay as they were: %s", error)
        try:
            self._certificate.read_again()
        except TlsError as error:
            log.error("the certificate stays as it was: %s", error)
        log.warning("API keys and certificate were read again")
