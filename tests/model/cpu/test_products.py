from __future__ import annotations

import pytest
import torch

from model import cpu

if not cpu.available():
    pytest.skip("no kernels can be compiled here", allow_module_level=True)

from model.cpu.decoder import packed
from model.cpu.products import BLOCK, BLOCK_BYTES, add_product, multiply


@pytest.mark.parametrize("n_inputs", [2, 34, 160])
def test_a_row_times_a_block_is_the_same_in_any_company(n_inputs: int) -> None:
    dice = torch.Generator().manual_seed(n_inputs)
    weights = torch.randn(BLOCK, n_inputs, generator=dice).bfloat16()
    rows = torch.randn(27, n_inputs, generator=dice).bfloat16()
    wanted = rows.float() @ weights.float().T
    block, first = packed(weights), {}
    for n_rows in range(1, 28):
        result = torch.full((n_rows, 2 * BLOCK), torch.nan)
        multiply(
            rows.data_ptr(), n_inputs * 2, n_rows, block.data_ptr(), n_inputs // 2,
            result.data_ptr(), 2 * BLOCK_BYTES, block.data_ptr(),
        )  # fmt: skip
        assert torch.isnan(result[:, BLOCK:]).all()
        said = result[:, :BLOCK].clone()
        torch.testing.assert_close(said, wanted[:n_rows], rtol=1e-5, atol=1e-4)
        for row in range(n_rows):
            assert torch.equal(said[row], first.setdefault(row, said[row]))
        result[:, :BLOCK] = 3.0
        add_product(
            rows.data_ptr(), n_inputs * 2, n_rows, block.data_ptr(), n_inputs // 2,
            result.data_ptr(), 2 * BLOCK_BYTES, block.data_ptr(),
        )  # fmt: skip
        torch.testing.assert_close(result[:, :BLOCK] - 3, said, rtol=1e-4, atol=1e-4)
