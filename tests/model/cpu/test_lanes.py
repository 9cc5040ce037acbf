"""Sixteen numbers at a time, against torch and numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model import cpu

if not cpu.available():
    pytest.skip("no kernels can be compiled here", allow_module_level=True)

import numba

from model.cpu.lanes import (
    LANES_BYTES,
    N_LANES,
    erf,
    exponential,
    firsts,
    highest_of,
    load,
    load_halves,
    scatter_pairs,
    seconds,
    store,
    store_halves,
    store_pairs,
    sum_of,
)

Numbers = NDArray[np.float32]


def over_all(function: Any) -> Callable[[Numbers], Any]:
    """What `function` makes of numbers, sixteen at a time."""

    @numba.njit
    def apply(source, target, n_bytes):  # type: ignore[no-untyped-def]
        for at in range(0, n_bytes, LANES_BYTES):
            store(target + at, function(load(source + at)))

    def applied(numbers: Numbers) -> Any:
        n_more = -len(numbers) % N_LANES
        numbers = np.concatenate([numbers, np.zeros(n_more, np.float32)])
        said = np.empty_like(numbers)
        apply(numbers.ctypes.data, said.ctypes.data, numbers.nbytes)
        return said[: len(said) - n_more]

    return applied


def test_the_exponential_has_seven_digits_and_keeps_nan() -> None:
    numbers = np.linspace(-87, 88, 20_001, dtype=np.float32)
    said = over_all(exponential)(numbers)
    wanted = np.exp(numbers.astype(np.float64))
    # The product with log2(e) is rounded, which costs a digit where x is large.
    assert np.abs(said / wanted - 1).max() < 1e-5
    near = np.abs(numbers) < 1
    assert np.abs(said[near] / wanted[near] - 1).max() < 4e-7
    beyond = over_all(exponential)(np.array([-1e30, 1e30, np.nan], np.float32))
    assert beyond[0] < 1e-37
    assert beyond[1] > 1e38
    assert np.isnan(beyond[2])


def test_the_error_function_is_within_its_bound() -> None:
    numbers = np.linspace(-5, 5, 10_001, dtype=np.float32)
    wanted = torch.erf(torch.from_numpy(numbers)).numpy()
    assert np.abs(over_all(erf)(numbers) - wanted).max() < 1e-6


@numba.njit
def _round_trip(source, target, back):  # type: ignore[no-untyped-def]
    store_halves(target, load(source))
    store(back, load_halves(target))


@numba.njit
def _pairs(source, target, apart):  # type: ignore[no-untyped-def]
    store_pairs(target, load(source), load(source + LANES_BYTES))
    store(source, firsts(target))
    store(source + LANES_BYTES, seconds(target))
    scatter_pairs(apart, 12, firsts(target), seconds(target))


def test_numbers_are_rounded_as_torch_rounds_them() -> None:
    dice = np.random.default_rng(1)
    bits = dice.integers(0, 2**32, 20_000, dtype=np.uint32)
    ties = (bits & np.uint32(0xFFFF0000)) | np.uint32(0x8000)
    for given in (bits, ties):
        numbers = given.view(np.float32)
        numbers = numbers[np.isfinite(numbers)]
        for start in range(0, len(numbers) - 2 * N_LANES, 2 * N_LANES):
            some = numbers[start : start + 2 * N_LANES].copy()
            wanted = torch.from_numpy(some).bfloat16()
            said, back = np.empty(N_LANES, np.uint16), np.empty(N_LANES, np.float32)
            _round_trip(some.ctypes.data, said.ctypes.data, back.ctypes.data)
            assert np.array_equal(said, wanted[:N_LANES].view(torch.uint16).numpy())
            assert np.array_equal(back, wanted[:N_LANES].float().numpy())


def test_pairs_lie_as_they_are_multiplied() -> None:
    numbers = np.random.default_rng(2).standard_normal(2 * N_LANES).astype(np.float32)
    wanted = torch.from_numpy(numbers).bfloat16()
    turned = wanted.view(2, N_LANES).T.contiguous().flatten()  # first, second, first, second...
    said, apart = np.zeros(2 * N_LANES, np.uint16), np.zeros((N_LANES, 6), np.uint16)
    _pairs(numbers.ctypes.data, said.ctypes.data, apart.ctypes.data)
    assert np.array_equal(said, turned.view(torch.uint16).numpy())
    assert np.array_equal(numbers, wanted.float().numpy())
    assert np.array_equal(apart[:, :2].flatten(), said)
    assert not apart[:, 2:].any()


def test_sums_and_highest_are_those_of_all_sixteen() -> None:
    @numba.njit
    def both(at):  # type: ignore[no-untyped-def]
        return sum_of(load(at)), highest_of(load(at))

    for place in range(N_LANES):
        numbers = np.arange(N_LANES, dtype=np.float32) - 40
        numbers[place] = 7
        total, highest = both(numbers.ctypes.data)
        assert total == numbers.sum()
        assert highest == 7
