"""No writer at all, but the limit of ours: its stories if all but the products cost nothing.

The same products with weights as the decode loop's, of prompts and of new tokens, in the same
precision and order, each with weights of its own, so that they come from memory as they do there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.writers.base import Asked, Plan, Ready
from bench.writers.weights import prompt_ids, whole_model

if TYPE_CHECKING:
    from torch import Tensor

    from model.engine import Precision

Step = Callable[[int, int], None]
"""Multiplies so many rows by every matrix of the layers, and so many by the last, the logits'."""

_READ_TOKENS = 48
"""Rows of a pass over prompts: as many as our loop reads in a step."""
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
        precision = precision_for(torch.device("cpu"), plan.precision)
        return Ready(str(folder), precision, prompt_ids(folder, plan))

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

        n_stories, to_read = len(stories), sum(len(story.prompt_ids) for story in stories)
        with torch.inference_mode():
            while to_read > _READ_TOKENS:
                self._step(_READ_TOKENS, 0)
                to_read -= _READ_TOKENS
            self._step(to_read, n_stories)  # each prompt's last token gives the first new one
            for _ in range(new_tokens - 1):
                self._step(n_stories, n_stories)
        for place in range(len(stories)):
            shown(place)
        return [new_tokens] * len(stories)

    def close(self) -> None:
        del self._step


def _by_torch(matrices: Sequence[Tensor], precision: Precision) -> Step:
    import torch

    from model.linears import pack

    products = [(pack(matrix, None, precision), matrix.shape[1]) for matrix in matrices]

    def step(n_rows: int, n_ends: int) -> None:
        rows = {n_inputs: torch.rand(n_rows, n_inputs) for _, n_inputs in products}
        for product, n_inputs in products[:-1]:
            product(rows[n_inputs])
        head, n_inputs = products[-1]
        head(rows[n_inputs][:n_ends])

    return step


def _by_kernel(matrices: Sequence[Tensor]) -> Step:
    """The kernels' own products, in all of torch's threads."""
    import numba
    import numpy as np
    import torch
    from numba import carray, types

    from model import cpu
    from model.cpu.compiler import barrier, raw, run_in_team, share, thread_count, thread_number
    from model.cpu.decoder import packed
    from model.cpu.products import BLOCK, BLOCK_BYTES, multiply

    if not cpu.available():
        raise BenchError("the CPU kernels do not run here")
    names = ("n_products", "products", "n_rows", "n_ends", "rows", "own")
    plan_type = np.dtype([(name, np.int64) for name in names])
    product_type = np.dtype([(name, np.int64) for name in ("weights", "n_inputs", "n_blocks")])

    def run(data):  # type: ignore[no-untyped-def]
        plan = carray(data, 1, plan_type)[0]
        thread, n_threads = thread_number(), thread_count()
        own = plan.own + thread * max(plan.n_rows, plan.n_ends) * BLOCK_BYTES
        products = carray(raw(plan.products), plan.n_products, product_type)
        for number in range(plan.n_products):
            product = products[number]
            n_rows = plan.n_rows if number + 1 < plan.n_products else plan.n_ends
            wide, n_blocks = product.n_inputs, product.n_blocks
            first, stop = share(n_blocks, thread, n_threads)
            following = products[number + 1 if number + 1 < plan.n_products else 0]
            n_before, _ = share(following.n_blocks, thread, n_threads)
            then = following.weights + n_before * BLOCK * following.n_inputs * 2
            for block in range(first, stop):
                weights = product.weights + block * BLOCK * wide * 2
                ahead = weights + BLOCK * wide * 2 if block + 1 < stop else then
                if n_rows > 0:
                    multiply(
                        plan.rows, wide * 2, n_rows, weights, wide // 2, own, BLOCK_BYTES, ahead
                    )
            barrier()

    kernel = numba.cfunc(types.void(types.voidptr))(run)
    kept = [packed(matrix) for matrix in matrices]
    sizes = [(matrix.shape[1], len(block)) for matrix, block in zip(matrices, kept, strict=True)]
    table = np.array(
        [(block.data_ptr(), *size) for block, size in zip(kept, sizes, strict=True)], product_type
    )
    widest = max(matrix.shape[1] for matrix in matrices)

    def step(n_rows: int, n_ends: int) -> None:
        n_threads = torch.get_num_threads()
        n_most = max(n_rows, n_ends)
        rows, own = torch.rand(n_most, widest).bfloat16(), torch.empty(n_threads * n_most * BLOCK)
        addresses = rows.data_ptr(), own.data_ptr()
        plan = np.array([(len(kept), table.ctypes.data, n_rows, n_ends, *addresses)], plan_type)
        run_in_team(kernel.address, plan.ctypes.data, n_threads)

    return step
