"""The resampler: cutting, lengths, level, delay."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from server.resampler import Resampler

INPUT_RATES_HZ = [8000, 11025, 16000, 22050, 44100, 48000]
RATES_HZ = [(given_hz, model_hz) for given_hz in INPUT_RATES_HZ for model_hz in (8000, 16000)]
CONVERTED_RATES_HZ = [
    (given_hz, model_hz) for given_hz, model_hz in RATES_HZ if given_hz != model_hz
]


def noise(n_samples: int, seed: int = 0) -> bytes:
    samples = np.random.default_rng(seed).integers(-32768, 32768, n_samples)
    return samples.astype("<i2").tobytes()


def tone(frequency_hz: float, rate_hz: int, amplitude: float) -> bytes:
    """One second of a sine."""
    turn = 2 * np.pi * frequency_hz * np.arange(rate_hz) / rate_hz
    samples: NDArray[np.int16] = np.rint(amplitude * np.sin(turn)).astype("<i2")
    return samples.tobytes()


def convert(resampler: Resampler, *messages: bytes) -> NDArray[np.int16]:
    return np.concatenate([*map(resampler.feed, messages), resampler.flush()])


@given(
    rates_hz=st.sampled_from(RATES_HZ),
    n_samples=st.integers(0, 6000),
    cuts=st.lists(st.integers(0, 6000), max_size=12),
    seed=st.integers(0, 99),
)
def test_any_cut_gives_the_same_samples(
    rates_hz: tuple[int, int], n_samples: int, cuts: list[int], seed: int
) -> None:
    pcm = noise(n_samples, seed)
    edges = [0, *sorted(2 * min(cut, n_samples) for cut in cuts), len(pcm)]
    messages = [pcm[start:end] for start, end in pairwise(edges)]
    whole = convert(Resampler(*rates_hz), pcm)
    in_pieces = convert(Resampler(*rates_hz), *messages)
    assert in_pieces.dtype == np.int16
    np.testing.assert_array_equal(in_pieces, whole)


@given(
    input_rate_hz=st.integers(8000, 48000),
    output_rate_hz=st.sampled_from([8000, 16000]),
    n_samples=st.integers(0, 6000),
)
def test_length_after_flush(input_rate_hz: int, output_rate_hz: int, n_samples: int) -> None:
    output = convert(Resampler(input_rate_hz, output_rate_hz), noise(n_samples))
    assert abs(len(output) - round(n_samples * output_rate_hz / input_rate_hz)) <= 1


@pytest.mark.parametrize("rates_hz", CONVERTED_RATES_HZ)
def test_flush_starts_afresh(rates_hz: tuple[int, int]) -> None:
    used = Resampler(*rates_hz)
    convert(used, noise(5000, seed=1))
    assert len(used.flush()) == 0
    np.testing.assert_array_equal(
        convert(used, noise(5000)), convert(Resampler(*rates_hz), noise(5000))
    )


@pytest.mark.parametrize("rate_hz", INPUT_RATES_HZ)
def test_equal_rates_pass_through_without_a_copy(rate_hz: int) -> None:
    resampler, pcm = Resampler(rate_hz, rate_hz), noise(1000)
    output = resampler.feed(pcm)
    assert output.tobytes() == pcm
    assert np.shares_memory(output, np.frombuffer(pcm, np.uint8))
    assert len(resampler.flush()) == 0


@pytest.mark.parametrize("rates_hz", RATES_HZ)
def test_full_scale_square_does_not_wrap_around(rates_hz: tuple[int, int]) -> None:
    input_rate_hz, output_rate_hz = rates_hz
    half_period = input_rate_hz // 100
    half = np.array([32767] * half_period + [-32768] * half_period, "<i2")
    output = convert(Resampler(*rates_hz), np.tile(half, 25).tobytes())
    # Away from the edges a wrapped sample would be of the other sign.
    period = output_rate_hz // 50
    margin = period // 10
    position = np.arange(len(output)) * input_rate_hz / output_rate_hz % (2 * half_period)
    position *= output_rate_hz / input_rate_hz
    in_top = (position > margin) & (position < period / 2 - margin)
    in_bottom = (position > period / 2 + margin) & (position < period - margin)
    assert output[in_top].min() > 25000
    assert output[in_bottom].max() < -25000
    assert output.max() == 32767
    assert output.min() == -32768


@pytest.mark.parametrize("rates_hz", RATES_HZ)
@pytest.mark.parametrize("of_lower_rate", [0.0125, 0.125, 0.4])
def test_tone_keeps_its_level_and_place(rates_hz: tuple[int, int], of_lower_rate: float) -> None:
    """Within 0.1 dB and 1 ms, and what is not the tone is 60 dB below it."""
    input_rate_hz, output_rate_hz = rates_hz
    frequency_hz = of_lower_rate * min(rates_hz)
    output = convert(Resampler(*rates_hz), tone(frequency_hz, input_rate_hz, 10000.0))
    middle = slice(output_rate_hz // 4, 3 * output_rate_hz // 4)
    turn = 2 * np.pi * frequency_hz * np.arange(len(output))[middle] / output_rate_hz
    basis = np.stack([np.sin(turn), np.cos(turn)], axis=1)
    fit, *_ = np.linalg.lstsq(basis, output[middle].astype(np.float64), rcond=None)
    assert 20 * abs(np.log10(np.hypot(*fit) / 10000.0)) < 0.1
    if of_lower_rate == 0.0125:  # slow enough for its phase to tell the place
        assert abs(np.arctan2(fit[1], fit[0])) < 2 * np.pi * frequency_hz * 0.001
    rest = output[middle] - basis @ fit
    assert np.sqrt(np.mean(rest**2)) < 10.0


@pytest.mark.parametrize("rates_hz", RATES_HZ)
@pytest.mark.parametrize("level", [-1000, -1, 0, 1, 1000])
def test_constant_stays_what_it_is(rates_hz: tuple[int, int], level: int) -> None:
    """Rounded to the nearest: the filter's 999.9999 is not cut off to 999."""
    output = convert(Resampler(*rates_hz), np.full(rates_hz[0], level, "<i2").tobytes())
    middle = output[len(output) // 4 : -len(output) // 4]
    np.testing.assert_array_equal(middle, np.full_like(middle, level))


@pytest.mark.parametrize(
    ("rates_hz", "frequency_hz"), [((48000, 16000), 9000.0), ((44100, 8000), 5000.0)]
)
def test_tone_above_the_band_is_gone(rates_hz: tuple[int, int], frequency_hz: float) -> None:
    output = convert(Resampler(*rates_hz), tone(frequency_hz, rates_hz[0], 30000.0))
    assert np.abs(output[1000:-1000]).max() <= 1


@pytest.mark.parametrize("rates_hz", CONVERTED_RATES_HZ)
def test_delay_is_at_most_30_ms(rates_hz: tuple[int, int]) -> None:
    """In audio, not in time: how much of the input its output lacks, after each millisecond."""
    input_rate_hz, output_rate_hz = rates_hz
    resampler, step = Resampler(*rates_hz), input_rate_hz // 1000
    n_in = n_out = 0
    for _ in range(500):
        n_in += step
        n_out += len(resampler.feed(noise(step)))
        assert n_in / input_rate_hz - n_out / output_rate_hz < 0.0305
    assert n_out > 0


def test_half_a_sample_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="even"):
        Resampler(8000, 16000).feed(b"abc")


@pytest.mark.parametrize("input_rate_hz", [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000])
@given(out=st.integers(0, 40_000))
@settings(max_examples=12)
def test_another_goes_on_with_a_stream(input_rate_hz: int, out: int) -> None:
    """As one whose process has died; to the last bits of rounding."""
    pcm = noise(3 * input_rate_hz)
    whole = Resampler(input_rate_hz, 16_000).feed(pcm)
    begin, surplus = Resampler.restart(out, input_rate_hz, 16_000)
    assert 0 <= begin <= out * input_rate_hz // 16_000
    again = Resampler(input_rate_hz, 16_000).feed(pcm[2 * begin :])[surplus:]
    assert abs(again.shape[0] - (whole.shape[0] - out)) <= 1
    n = min(again.shape[0], whole.shape[0] - out)
    assert np.abs(again[:n].astype(int) - whole[out : out + n]).max() <= 12
    assert input_rate_hz != 16_000 or surplus == 0


@pytest.mark.parametrize("input_rate_hz", [8001, 12_345, 37_123, 47_999])
def test_at_odd_rates_it_goes_on_within_a_sample(input_rate_hz: int) -> None:
    """A tone of 300 Hz, which moves on by an eighth of a radian in a sample."""
    pcm = tone(300.0, input_rate_hz, 10000.0)
    whole = convert(Resampler(input_rate_hz, 16_000), pcm)
    begin, surplus = Resampler.restart(9000, input_rate_hz, 16_000)
    again = Resampler(input_rate_hz, 16_000).feed(pcm[2 * begin :])[surplus:]
    n = min(again.shape[0], whole.shape[0] - 9000)
    assert n > 4000
    assert np.abs(again[:n].astype(int) - whole[9000 : 9000 + n]).max() < 700
