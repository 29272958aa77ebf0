"""An hour on one connection, and 500 connections: every word once, and nothing grows.

Fed as fast as the server takes it. How much memory may grow, and why, says `bench.footprint`; its
figures leave the shared plane out, whose size is fixed at start-up.
"""

from __future__ import annotations

import asyncio

import pytest

from bench.footprint import grown
from bench.soak.runs import connect_rounds, long_stream
from bench.soak.speaking import spelled_phrases
from tests.conformance.server_process import ServerProcess

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_an_hour_of_speech(server: ServerProcess) -> None:
    before, after = asyncio.run(long_stream(server.url, server.pid, spelled_phrases(), 3600))
    assert grown(before, after) == []


def test_500_connections(server: ServerProcess) -> None:
    before, after = asyncio.run(connect_rounds(server.url, server.pid, spelled_phrases(), 500))
    assert grown(before, after) == []
