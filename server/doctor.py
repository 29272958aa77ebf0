"""Checks a machine: device, model files, language model, port, TLS, shared memory, clock.

Every finding is a line; one that is not in order says what to do. Device and models are checked in
a process of their own, because this side loads no framework.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from models.spec import ModelSpec
from server.config import EngineConfig, ServeConfig
from server.engine import geometry_of
from server.supervisor import ServeError, bind, bind_operators
from server.tls import TlsError, server_context
from shm.layout import Layout
from shm.plane import Plane, PlaneError

FDS_PER_STREAM: Final = 2
FDS_BESIDES: Final = 128
CLOCK_PROBES: Final = 20
CLOCK_SLEEP_S: Final = 0.001
CLOCK_LATE_MS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome; ``detail`` says what was found or what to do."""

    ok: bool
    what: str
    detail: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.ok else 'FAIL'}  {self.what:<15} {self.detail}"


def examine(serve: ServeConfig, engine: EngineConfig, spec: ModelSpec) -> Iterator[Finding]:
    """All checks, one finding after the other."""
    yield from _framework(engine)
    yield _port(serve)
    yield from _tls(serve)
    yield _shared_memory(engine, spec)
    yield _descriptors(engine)
    yield _clock()


def _framework(engine: EngineConfig) -> Iterator[Finding]:
    settings = {
        "model": str(engine.model),
        "language_model": str(engine.language_model) if engine.language_model else None,
        "second_pass": str(engine.second_pass) if engine.second_pass else None,
        "device": engine.device,
        "precision": engine.precision,
    }
    result = subprocess.run(
        [sys.executable, "-m", "gpu_worker.check", json.dumps(settings)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    for line in result.stdout.splitlines():
        yield Finding(**json.loads(line))
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no message"])[-1]
        yield Finding(False, "framework", f"the check itself ended early: {reason}")


def _port(serve: ServeConfig) -> Finding:
    try:
        for bound in filter(None, (bind(serve), bind_operators(serve))):
            bound.close()
    except ServeError as error:
        return Finding(False, "port", str(error))
    return Finding(True, "port", f"{serve.host}:{serve.port} is free")


def _tls(serve: ServeConfig) -> Iterator[Finding]:
    if serve.ssl_cert is None or serve.ssl_key is None:
        return
    try:
        server_context(serve.ssl_cert, serve.ssl_key)
    except TlsError as error:
        yield Finding(False, "TLS", str(error))
    else:
        yield Finding(True, "TLS", f"{serve.ssl_cert} and its key belong together")


def _shared_memory(engine: EngineConfig, spec: ModelSpec) -> Finding:
    geometry = geometry_of(engine, spec, frontends=1)
    try:
        Plane.create(geometry).close()
    except PlaneError as error:
        return Finding(False, "shared memory", str(error))
    size_mib = Layout(geometry).total / 2**20
    return Finding(True, "shared memory", f"{size_mib:.0f} MiB for {engine.slots} slots")


def _descriptors(engine: EngineConfig) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = engine.slots * FDS_PER_STREAM + FDS_BESIDES
    if soft < needed:
        return Finding(
            False, "open files", f"limit is {soft}, {needed} are needed: ulimit -n {needed}"
        )
    return Finding(True, "open files", f"limit {soft} (hard {hard})")


def _clock() -> Finding:
    """How late a sleep ends: a machine that is starved or paused cannot hold a latency bound."""
    late_ms = []
    for _ in range(CLOCK_PROBES):
        started = time.monotonic()
        time.sleep(CLOCK_SLEEP_S)
        late_ms.append((time.monotonic() - started - CLOCK_SLEEP_S) * 1000)
    worst_ms, cores = max(late_ms), len(os.sched_getaffinity(0))
    detail = f"a sleep ends at most {worst_ms:.1f} ms late, {cores} cores"
    if worst_ms > CLOCK_LATE_MS:
        return Finding(False, "clock", f"{detail}: the machine is overloaded or throttled")
    return Finding(True, "clock", detail)
