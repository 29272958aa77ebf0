"""The processes behind the WebSocket: one worker per GPU and the decoders, around one plane.

Owned by the supervisor (or by `transcribe`, which is its own frontend).
"""

from __future__ import annotations

from typing import Any, Final

from models.spec import ModelSpec
from server.config import EngineConfig
from server.language_files import LanguageFilesError
from server.language_reload import LanguageReload
from server.processes import EngineError, Processes
from shm.layout import Geometry
from shm.logs import LogSettings

DECODER: Final = "decoder"


class Engine(Processes):
    """Workers, decoders and second passes."""

    def __init__(
        self,
        config: EngineConfig,
        spec: ModelSpec,
        frontends: int,
        logs: LogSettings = LogSettings(),  # noqa: B008 - frozen
    ) -> None:
        try:
            self._languages = LanguageReload(config.language_model)
        except LanguageFilesError as error:
            raise EngineError(str(error)) from error
        super().__init__(geometry_of(config, spec, frontends), logs)
        self.config = config
        self.spec = spec
        self._add_workers()
        self._add_decoders()
        self._add_second_passes()

    @property
    def devices(self) -> list[str]:
        """What the workers run on, once they are ready."""
        return [managed.line.device for managed in self._processes if managed.name == "worker"]

    def _add_workers(self) -> None:
        settings = {
            "model": str(self.config.model),
            "device": self.config.device,
            "trailing_silence_ms": self.config.trailing_silence_ms,
            "nothing_spoken_ms": self.config.nothing_spoken_ms,
            "precision": self.config.precision,
        }
        for index in range(self.config.workers):
            line = self.plane.layout.worker_process(index)
            self._add("worker", "gpu_worker", index, line, settings, stands_by=self.config.standby)

    def _add_decoders(self) -> None:
        settings, fds = self._decoder_settings(), self._languages.fds
        for index in range(self.config.decoders):
            line = self.plane.layout.decoder_process(index)
            self._add(
                DECODER, "gpu_worker.decoder", index, line, settings, fds,
                stands_by=self.config.standby,
            )  # fmt: skip

    def _decoder_settings(self) -> dict[str, Any]:
        config = self.config
        return {
            "model": str(config.model),
            "language_models": self._languages.settings,
            "beam_size": config.beam_size,
            "search": config.search,
            "intermed_partials": config.intermed_partials,
            "second_pass": config.second_pass is not None,
        }

    def read_again(self) -> None:
        """The language model's files may have changed; `watch` sees to it."""
        self._languages.ask()

    def watch(self, now_s: float) -> list[str]:
        """See `Processes.watch`; besides, lets decoders have a language model that has changed."""
        events = super().watch(now_s)
        languages = self._languages
        if languages.takes():
            settings = self._decoder_settings()
            languages.follow(self.exchange(DECODER, settings, languages.fds))
        elif languages.sheds(self.plane):
            self.renew(DECODER, self._decoder_settings(), languages.fds)
        return events

    def close(self) -> None:
        """See `Processes.close`."""
        super().close()
        self._languages.close()

    def _add_second_passes(self) -> None:
        """One beside each worker on its GPU, or several on the CPU.

        Without them finals come late, with the first pass's text: the engine goes on.
        """
        settings = {
            "model": str(self.config.second_pass),
            "device": self.config.device,
            "precision": self.config.precision,
        }
        for index in range(self.plane.geometry.second_passes):
            line = self.plane.layout.second_pass_process(index)
            self._add(
                "second pass", "gpu_worker.second_pass", index, line, settings,
                stands_by=self.config.standby, essential=False,
            )  # fmt: skip


def geometry_of(config: EngineConfig, spec: ModelSpec, frontends: int) -> Geometry:
    """The shared plane's geometry for these settings and this model."""
    return Geometry(
        slots=config.slots,
        frontends=frontends,
        workers=config.workers,
        decoders=config.decoders,
        sample_rate_hz=spec.sample_rate_hz,
        chunk_frames=spec.chunk_frames,
        frame_samples=spec.frame_samples,
        vocabulary_size=len(spec.vocabulary),
        second_passes=config.second_passes,
    )
