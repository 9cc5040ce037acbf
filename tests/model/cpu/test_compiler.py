"""What the kernels are made of, each for itself."""

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

from model.cpu.compiler import BLOCK, exponential, multiply, rounded, widened
from model.cpu.decoder import packed
from model.cpu.kernels import _erf

Numbers = NDArray[np.float32]


def over_all(function: Any) -> Callable[[Numbers], Any]:
    @numba.njit
    def apply(numbers):  # type: ignore[no-untyped-def]
        return [function(number) for number in numbers]

    return lambda numbers: np.array(apply(numbers))


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
    assert np.abs(over_all(_erf)(numbers) - wanted).max() < 1e-6


def test_numbers_are_rounded_as_torch_rounds_them() -> None:
    dice = np.random.default_rng(1)
    bits = dice.integers(0, 2**32, 20_000, dtype=np.uint32)
    ties = (bits & np.uint32(0xFFFF0000)) | np.uint32(0x8000)
    for given in (bits, ties):
        numbers = given.view(np.float32)
        numbers = numbers[np.isfinite(numbers)]
        wanted = torch.from_numpy(numbers).bfloat16()
        said = over_all(rounded)(numbers).astype(np.uint16)
        assert np.array_equal(said, wanted.view(torch.uint16).numpy())
        assert np.array_equal(over_all(widened)(said), wanted.float().numpy())


@pytest.mark.parametrize("n_inputs", [2, 34, 160])
def test_a_row_times_a_block_is_the_same_in_any_company(n_inputs: int) -> None:
    dice = torch.Generator().manual_seed(n_inputs)
    weights = torch.randn(BLOCK, n_inputs, generator=dice).bfloat16()
    rows = torch.randn(27, n_inputs, generator=dice).bfloat16()
    wanted = rows.float() @ weights.float().T
    block, first = packed(weights), {}
    for n_rows in range(1, 28):
        result = torch.full((n_rows, BLOCK), torch.nan)
        multiply(
            rows.data_ptr(), n_inputs * 2, n_rows, block.data_ptr(), n_inputs // 2,
            result.data_ptr(), block.data_ptr(),
        )  # fmt: skip
        torch.testing.assert_close(result, wanted[:n_rows], rtol=1e-5, atol=1e-4)
        for row in range(n_rows):
            assert torch.equal(result[row], first.setdefault(row, result[row]))
