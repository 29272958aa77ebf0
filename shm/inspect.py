"""Looks into a live engine: ``python -m shm.inspect PID [--watch SECONDS]``.

Any process of the engine will do, the supervisor or a child: the plane is the memfd that it holds
open. It is mapped read-only, so looking changes nothing. The words are read one after the other
while their writers go on, so figures of one slot may be a few microseconds apart.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

from shm import layout
from shm.plane import NAME, Plane, PlaneError
from shm.process_line import ProcessLine, ProcessState
from shm.seal import CorruptRecordError
from shm.session import SessionReader
from shm.trace import found_in

_PROCESS_ROW: Final = "{:<14} {:>8} {:>10} {:>9} {:>12} {:>12}"
_SLOT_ROW: Final = "{:>4} {:>12} {:>5} {:>10} {:>10} {:>6} {:>21} {:>13} {:>5}"


class InspectError(Exception):
    """There is no plane to look into; the message is one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the plane, once or again and again; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        plane = plane_of(options.pid)
    except (InspectError, PlaneError) as error:
        print(error, file=sys.stderr)
        return 1
    _print(options.pid, plane)
    try:
        while options.watch is not None and os.path.exists(f"/proc/{options.pid}"):
            time.sleep(options.watch)
            print()
            _print(options.pid, plane)
    except KeyboardInterrupt:
        print()
    return 0


def plane_of(pid: int) -> Plane:
    """The plane that process ``pid`` holds open, mapped read-only.

    Not for a process that itself holds slots: closing the plane's second descriptor would drop its
    record locks.

    Raises:
        InspectError: no such process, no permission to look into it, or no plane in it.
        PlaneError: a plane of another version.
    """
    descriptors = f"/proc/{pid}/fd"
    try:
        for name in os.listdir(descriptors):
            path = f"{descriptors}/{name}"
            if _target(path).startswith(f"/memfd:{NAME} "):
                return Plane.attach(os.open(path, os.O_RDONLY | os.O_CLOEXEC), writable=False)
    except (FileNotFoundError, ProcessLookupError):
        raise InspectError(f"there is no process {pid}: give the pid of a running engine") from None
    except PermissionError:
        raise InspectError(
            f"no permission to look into process {pid}: run this as the engine's user or as root"
        ) from None
    raise InspectError(
        f"process {pid} holds no plane: give the pid of an engine's supervisor, frontend, worker, "
        "decoder, second pass or link"
    )


def report(plane: Plane, now_ns: int) -> Iterator[str]:
    """The plane as lines of text; ``now_ns`` is the monotonic clock's."""
    yield from _geometry(plane)
    yield ""
    yield from _processes(plane, now_ns)
    yield ""
    yield from _slots(plane)
    yield from _traces(plane)


def _geometry(plane: Plane) -> Iterator[str]:
    geometry = plane.geometry
    rate = geometry.sample_rate_hz
    yield (
        f"{geometry.slots} slots, {geometry.frontends} frontends, {geometry.workers} workers, "
        f"{geometry.decoders} decoders, {geometry.second_passes} second passes, "
        f"{plane.layout.total >> 20} MiB"
        f"{', shutting down' if plane.shutting_down else ''}"
    )
    yield (
        f"{rate} Hz, {geometry.frame_samples} samples a frame, {geometry.chunk_frames} frames a "
        f"chunk, {geometry.vocabulary_size} tokens"
    )
    yield (
        f"a slot's rings: {geometry.ring_samples / rate:.1f} s of audio, "
        f"{geometry.emission_records} emissions, {layout.OUTBOX_RECORDS} results, "
        f"{layout.MARK_RECORDS} marks"
    )


def _processes(plane: Plane, now_ns: int) -> Iterator[str]:
    geometry, offsets = plane.geometry, plane.layout
    yield _PROCESS_ROW.format("process", "pid", "generation", "state", "heartbeat ms", "rounds")
    supervisor = plane.header[layout.HEADER_SUPERVISOR_PID]
    yield _PROCESS_ROW.format("supervisor", supervisor, "", "", "", "").rstrip()
    for name, count, offset_of in (
        ("frontend", geometry.frontends, offsets.frontend_process),
        ("worker", geometry.workers, offsets.worker_process),
        ("decoder", geometry.decoders, offsets.decoder_process),
        ("second pass", geometry.second_passes, offsets.second_pass_process),
        ("link", 1, lambda _: offsets.link_process),
    ):
        for index in range(count):
            line = ProcessLine(plane, offset_of(index))
            if line.state is ProcessState.ABSENT and name == "link":
                continue  # there is one only where the model is elsewhere
            if line.state is ProcessState.ABSENT:
                yield _PROCESS_ROW.format(f"{name} {index}", "", "", "absent", "", "").rstrip()
                continue
            yield _PROCESS_ROW.format(
                f"{name} {index}",
                line.pid,
                line.generation,
                line.state.name.lower(),
                f"{line.heartbeat_age_ms(now_ns):.1f}",
                line.rounds,
            )


def _slots(plane: Plane) -> Iterator[str]:
    """Audio in seconds since the slot's first sample, records counted since its first."""
    yield _SLOT_ROW.format(
        "slot",
        "session",
        "owner",
        "audio head",
        "commit s",
        "free",
        "emissions head/tail/c",
        "outbox head/t",
        "marks",
    )
    for slot in range(plane.geometry.slots):
        yield _slot(plane, slot)


def _slot(plane: Plane, slot: int) -> str:
    rate = plane.geometry.sample_rate_hz
    frontend = plane.line(plane.layout.frontend_line(slot))
    worker = plane.line(plane.layout.worker_line(slot))
    decoder = plane.line(plane.layout.decoder_line(slot))
    epoch = frontend[layout.SLOT_SESSION]
    head = frontend[layout.SLOT_AUDIO_HEAD]
    commit = max(decoder[layout.SLOT_AUDIO_COMMIT], frontend[layout.SLOT_BASE_SAMPLES])
    free = plane.geometry.ring_samples - (head - commit)
    emissions = (
        worker[layout.SLOT_EMISSION_HEAD],
        decoder[layout.SLOT_EMISSION_TAIL],
        decoder[layout.SLOT_EMISSION_COMMIT],
    )
    outbox = (decoder[layout.SLOT_OUTBOX_HEAD], frontend[layout.SLOT_OUTBOX_TAIL])
    return _SLOT_ROW.format(
        slot,
        f"{'open' if epoch & 1 else 'closed'} {epoch}",
        frontend[layout.SLOT_OWNER],
        f"{head / rate:.2f}",
        f"{commit / rate:.2f}",
        f"{free / rate:.1f}",
        "/".join(map(str, emissions)),
        "/".join(map(str, outbox)),
        _marks_pending(plane, slot),
    )


def _traces(plane: Plane) -> Iterator[str]:
    """The way of the chunk that each slot has sent last, where it has sent any."""
    for slot in range(plane.geometry.slots):
        trace = found_in(plane.line(plane.layout.frontend_line(slot)))
        if trace is not None:
            spans = ", ".join(f"{name} {ms:.1f}" for name, ms in trace.stages_ms().items())
            yield f"slot {slot}, its last chunk, {trace.total_ms:.1f} ms: {spans}"


def _marks_pending(plane: Plane, slot: int) -> int:
    reader = SessionReader(plane, slot)
    session = reader.session()
    if session is None:
        return 0
    written = plane.line(plane.layout.frontend_line(slot))[layout.SLOT_MARK_HEAD]
    try:
        return written - reader.resume_point(session).mark
    except CorruptRecordError:
        return 0  # the session is about to be given up


def _target(path: str) -> str:
    """What a descriptor refers to; nothing, if it was closed meanwhile."""
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""


def _print(pid: int, plane: Plane) -> None:
    print(f"plane of process {pid}")
    print("\n".join(report(plane, time.monotonic_ns())), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m shm.inspect", description="Prints the shared plane of a live engine."
    )
    parser.add_argument("pid", type=int, metavar="PID", help="any process of the engine")
    parser.add_argument(
        "--watch", type=_seconds, metavar="SECONDS", help="print it again, this often"
    )
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' must be a number of seconds above 0")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
