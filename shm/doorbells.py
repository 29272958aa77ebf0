"""All doorbells of an engine, as the descriptors that every child inherits."""

from __future__ import annotations

from dataclasses import dataclass

from shm.doorbell import Doorbell
from shm.layout import Geometry


@dataclass(frozen=True, slots=True)
class Doorbells:
    """One per frontend, worker and decoder, in the order of their indices."""

    frontends: tuple[Doorbell, ...]
    workers: tuple[Doorbell, ...]
    decoders: tuple[Doorbell, ...]

    @staticmethod
    def create(geometry: Geometry) -> Doorbells:
        counts = (geometry.frontends, geometry.workers, geometry.decoders)
        return Doorbells(*(tuple(Doorbell.create() for _ in range(n)) for n in counts))

    @staticmethod
    def from_fds(geometry: Geometry, fds: tuple[int, ...]) -> Doorbells:
        bells = tuple(Doorbell(fd) for fd in fds)
        workers_at = geometry.frontends
        decoders_at = workers_at + geometry.workers
        return Doorbells(bells[:workers_at], bells[workers_at:decoders_at], bells[decoders_at:])

    @property
    def fds(self) -> tuple[int, ...]:
        return tuple(bell.fd for bell in (*self.frontends, *self.workers, *self.decoders))

    def worker_of(self, slot: int) -> Doorbell:
        return self.workers[slot % len(self.workers)]

    def decoder_of(self, slot: int) -> Doorbell:
        return self.decoders[slot % len(self.decoders)]

    def close(self) -> None:
        for bell in (*self.frontends, *self.workers, *self.decoders):
            bell.close()
