"""Whoever dies, and whenever: the finals that a client receives are those of an undisturbed run."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

from shm.layout import MARK_RECORDS
from tests.gpu_worker.simulation import MARK, Script, Settled, Simulation
from tests.gpu_worker.tiny import TINY, spoken

SEEDS = range(300)
RING_SAMPLES = 2048


def script_of(rng: random.Random) -> Script:
    """Utterances, pauses and marks, cut into messages anywhere; some outlast the ring twice."""
    wanted = rng.choice([50, 900, 2 * RING_SAMPLES])
    pauses = rng.choice([[" "], [" ", "_" * 4, "_" * 10], ["_" * 10, "_" * 60]])
    text = ""
    while len(text) * TINY.frame_samples < wanted:
        text += "".join(rng.choice("abcd") for _ in range(rng.randint(1, 12)))
        text += rng.choice(pauses)
    audio = spoken(text)
    marks = rng.choice([0.0, 0.1, 0.6])
    script: list[np.ndarray | None] = []
    begin = 0
    while begin < audio.shape[0]:
        end = begin + rng.randint(1, rng.choice([5, 60, 600]))
        script.append(audio[begin:end])
        begin = end
        while rng.random() < marks:
            script.append(MARK)
    return [*script, MARK]


def finals_of(script: Script) -> list[Settled]:
    """What an engine gives in which nothing happens, and nobody else speaks."""
    undisturbed = Simulation([script])
    undisturbed.run()
    (client,) = undisturbed.complete
    return client.finals


def check(seed: int) -> None:
    """Raises AssertionError where ``seed`` loses, doubles or changes a final, or gets stuck."""
    rng = random.Random(seed)
    scripts = [script_of(rng) for _ in range(5)]
    simulation = Simulation(scripts, seed)
    simulation.run()
    for client in simulation.complete:
        assert client.finals == finals_of(client.script), f"seed {seed}"
    for client in simulation.cut_off:
        assert client.finals == finals_of(client.script)[: len(client.finals)], f"seed {seed}"
