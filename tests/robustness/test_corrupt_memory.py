"""Bytes of a live engine's shared memory change: the stream that they were of is told, no other."""

from __future__ import annotations

import os
import signal

import pytest

from bench.footprint import processes
from shm import layout
from shm.inspect import plane_of
from shm.plane import Plane
from tests.conformance.client import Client
from tests.conformance.server_process import ServerProcess
from tests.conformance.spelling import spell
from tests.conformance.waiting import wait_until

pytestmark = pytest.mark.server


def open_slots(plane: Plane) -> set[int]:
    """The slots that somebody holds."""
    lines = (plane.line(plane.layout.frontend_line(slot)) for slot in range(plane.geometry.slots))
    return {slot for slot, line in enumerate(lines) if line[layout.SLOT_SESSION] & 1}


def spoil_emissions(plane: Plane, slot: int) -> None:
    """Changes a byte of every emission record of a slot, from outside as a stray store would."""
    memory = os.open(f"/proc/self/fd/{plane.fd}", os.O_RDWR)
    try:
        for index in range(plane.geometry.emission_records):
            at = plane.layout.emission_record(slot, index) + layout.LINE_BYTES + 1
            os.pwrite(memory, bytes([os.pread(memory, 1, at)[0] ^ 0x10]), at)
    finally:
        os.close(memory)


def test_a_record_that_changes_ends_its_own_stream_and_nothing_else(server: ServerProcess) -> None:
    plane = plane_of(server.pid)
    wait_until(lambda: not open_slots(plane), "nobody is left of what was before")
    before = processes(server.pid)
    decoders = [pid for name, pid in before.items() if name.startswith("decoder")]
    assert decoders
    with Client(server.url) as victim, Client(server.url) as other:
        victim.send_audio(spell("before it"))
        assert victim.done()["text"] == "before it"
        (slot,) = {slot for slot in open_slots(plane) if audio_head(plane, slot)}
        other.send_audio(spell("first half "))
        for pid in decoders:
            os.kill(pid, signal.SIGSTOP)
        try:
            victim.send_audio(spell("what is lost with the record of several chunks"))
            worker = plane.line(plane.layout.worker_line(slot))
            decoder = plane.line(plane.layout.decoder_line(slot))
            wait_until(
                lambda: worker[layout.SLOT_EMISSION_HEAD] > decoder[layout.SLOT_EMISSION_TAIL] + 1,
                "the worker has published what nobody has read",
            )
            spoil_emissions(plane, slot)
        finally:
            for pid in decoders:
                os.kill(pid, signal.SIGCONT)
        *_, notice = victim.until_closed()
        assert notice["status"] == "error"
        assert "send what no final covers again" in notice["info"]
        assert victim.close_code == 1011
        other.send_audio(spell("second half"))
        assert other.done()["text"] == "first half second half"
    assert processes(server.pid) == before, "nobody has died of it"
    for _ in range(plane.geometry.slots):
        with Client(server.url) as client:
            client.send_audio(spell("the slot goes on"))
            assert client.done()["text"] == "the slot goes on"
            client.close()
    assert "a session is given up: a record is not as it was written" in server.log


def audio_head(plane: Plane, slot: int) -> int:
    """Samples of the slot's session so far."""
    line = plane.line(plane.layout.frontend_line(slot))
    return line[layout.SLOT_AUDIO_HEAD] - line[layout.SLOT_BASE_SAMPLES]
