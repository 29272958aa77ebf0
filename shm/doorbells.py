"""All doorbells of an engine, as the descriptors that every child inherits."""

from __future__ import annotations

from dataclasses import dataclass

from shm.doorbell import Doorbell
from shm.layout import Geometry


@dataclass(frozen=True, slots=True)
class Doorbells:
    """One per frontend, worker, decoder and second pass, in the order of their indices."""

    frontends: tuple[Doorbell, ...]
    workers: tuple[Doorbell, ...]
    decoders: tuple[Doorbell, ...]
    second_passes: tuple[Doorbell, ...] = ()

    @staticmethod
    def create(geometry: Geometry) -> Doorbells:
        counts = (
            geometry.frontends,
            geometry.workers,
            geometry.decoders,
            geometry.second_passes,
        )
        return Doorbells(*(tuple(Doorbell.create() for _ in range(n)) for n in counts))

    @staticmethod
    def from_fds(geometry: Geometry, fds: tuple[int, ...]) -> Doorbells:
        bells = tuple(Doorbell(fd) for fd in fds)
        workers_at = geometry.frontends
        decoders_at = workers_at + geometry.workers
        second_passes_at = decoders_at + geometry.decoders
        return Doorbells(
            bells[:workers_at],
            bells[workers_at:decoders_at],
            bells[decoders_at:second_passes_at],
            bells[second_passes_at:],
        )

    @property
    def fds(self) -> tuple[int, ...]:
        return tuple(bell.fd for bell in self._all)

    @property
    def _all(self) -> tuple[Doorbell, ...]:
        return (*self.frontends, *self.workers, *self.decoders, *self.second_passes)

    def worker_of(self, slot: int) -> Doorbell:
        return self.workers[slot % len(self.workers)]

    def decoder_of(self, slot: int) -> Doorbell:
        return self.decoders[slot % len(self.decoders)]

    def second_pass_of(self, slot: int) -> Doorbell:
        return self.second_passes[slot % len(self.second_passes)]

    def close(self) -> None:
        for bell in self._all:
            bell.close()
