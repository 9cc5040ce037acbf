"""No writer at all, but the limit of ours: a decode step if all but the products cost nothing.

The same products with weights as the decode loop's, in the same precision and order, each with
weights of its own, so that they come from memory as they do there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.writers.base import Asked, Plan, Ready
from bench.writers.weights import whole_model

if TYPE_CHECKING:
    from torch import Tensor

    from model.engine import Precision

Step = Callable[[int], None]
"""Multiplies so many rows by every matrix."""

_OF_LAYER = ("qkv", "out", "up", "down")


class ProductsWriter:
    """Multiplies random rows, one a story and token, by every matrix of the model."""

    title = "products with weights alone (what they allow)"
    install = "'cliffhanger[worker]'"
    distributions = ("torch",)
    one_by_one = False
    notes = "writes nothing: our loop's products with weights, and nothing else"

    def prepare(self, plan: Plan) -> Ready:
        import torch

        from model.runtime import precision_for

        folder, _ = whole_model(plan.model)
        return Ready(str(folder), precision_for(torch.device("cpu"), plan.precision))

    def open(self, plan: Plan, ready: Ready, n_stories: int) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        from model.architecture import architecture_of, layer_weights, outer_weights
        from model.runtime import precision_for

        kind = precision_for(torch.device("cpu"), plan.precision)
        model: Any = AutoModelForCausalLM.from_pretrained(ready.path, dtype=torch.float32)
        if architecture_of(model) is None:
            raise BenchError("our own loop does not run this model")
        matrices = [
            weights[f"{name}.weight"] for weights in layer_weights(model) for name in _OF_LAYER
        ]
        matrices.append(outer_weights(model)["head.weight"])
        with torch.inference_mode():
            self._step = _by_kernel(matrices) if kind == "bfloat16" else _by_torch(matrices, kind)

    def write(
        self, stories: Sequence[Asked], new_tokens: int, shown: Callable[[int], None]
    ) -> list[int]:
        import torch

        with torch.inference_mode():
            for _ in range(new_tokens):
                self._step(len(stories))
        for place in range(len(stories)):
            shown(place)
        return [new_tokens] * len(stories)

    def close(self) -> None:
        del self._step


def _by_torch(matrices: Sequence[Tensor], precision: Precision) -> Step:
    import torch

    from model.linears import pack

    products = [(pack(matrix, None, precision), matrix.shape[1]) for matrix in matrices]

    def step(n_rows: int) -> None:
        rows = {n_inputs: torch.rand(n_rows, n_inputs) for _, n_inputs in products}
        for product, n_inputs in products:
            product(rows[n_inputs])

    return step


def _by_kernel(matrices: Sequence[Tensor]) -> Step:
    """The kernels' own products, in all of torch's threads."""
    import numba
    import numpy as np
    import torch
    from numba import carray, types

    from model.cpu.compiler import BLOCK, barrier, multiply, raw, team, thread_count, thread_number
    from model.cpu.decoder import packed

    run_in_team = team()
    if run_in_team is None:
        raise BenchError("the CPU kernels do not run here")
    names = ("n_products", "products", "n_rows", "rows", "own")
    plan_type = np.dtype([(name, np.int64) for name in names])
    product_type = np.dtype([(name, np.int64) for name in ("weights", "n_inputs", "n_blocks")])

    def run(data):  # type: ignore[no-untyped-def]
        plan = carray(data, 1, plan_type)[0]
        thread, n_threads = thread_number(), thread_count()
        own = plan.own + thread * plan.n_rows * BLOCK * 4
        products = carray(raw(plan.products), plan.n_products, product_type)
        for number in range(plan.n_products):
            product = products[number]
            wide, n_blocks = product.n_inputs, product.n_blocks
            first, stop = n_blocks * thread // n_threads, n_blocks * (thread + 1) // n_threads
            for block in range(first, stop):
                weights = product.weights + block * BLOCK * wide * 2
                ahead = weights + BLOCK * wide * 2
                multiply(plan.rows, wide * 2, plan.n_rows, weights, wide // 2, own, ahead)
            barrier()

    kernel = numba.cfunc(types.void(types.voidptr))(run)
    kept = [packed(matrix) for matrix in matrices]
    sizes = [(matrix.shape[1], len(block)) for matrix, block in zip(matrices, kept, strict=True)]
    table = np.array(
        [(block.data_ptr(), *size) for block, size in zip(kept, sizes, strict=True)], product_type
    )
    widest = max(matrix.shape[1] for matrix in matrices)

    def step(n_rows: int) -> None:
        n_threads = torch.get_num_threads()
        rows = torch.rand(n_rows, widest).bfloat16()
        own = torch.empty(n_threads * n_rows * BLOCK)
        plan = np.array(
            [(len(kept), table.ctypes.data, n_rows, rows.data_ptr(), own.data_ptr())], plan_type
        )
        run_in_team(kernel.address, plan.ctypes.data, n_threads, 0)

    return step
