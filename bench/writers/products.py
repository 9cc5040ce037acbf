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
    from model.architecture import Weights
    from model.engine import Precision
    from model.linears import Linear

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
        from model.linears import head_precision
        from model.runtime import precision_for

        cpu = torch.device("cpu")
        model: Any = AutoModelForCausalLM.from_pretrained(ready.path, dtype=torch.float32)
        if architecture_of(model) is None:
            raise BenchError("our own loop does not run this model")
        kind = precision_for(cpu, plan.precision)
        with torch.inference_mode():
            self._products = [
                _product(weights, name, kind)
                for weights in layer_weights(model)
                for name in _OF_LAYER
            ]
            head = _product(outer_weights(model), "head", head_precision(kind, cpu))
        self._products.append(head)

    def write(
        self, stories: Sequence[Asked], new_tokens: int, shown: Callable[[int], None]
    ) -> list[int]:
        import torch

        rows = {n: torch.rand(len(stories), n) for n in {wide for _, wide in self._products}}
        with torch.inference_mode():
            for _ in range(new_tokens):
                for product, n_inputs in self._products:
                    product(rows[n_inputs])
        for place in range(len(stories)):
            shown(place)
        return [new_tokens] * len(stories)

    def close(self) -> None:
        self._products.clear()


def _product(weights: Weights, name: str, precision: Precision) -> tuple[Linear, int]:
    from model.linears import pack

    weight = weights[f"{name}.weight"]
    return pack(weight, weights.get(f"{name}.bias"), precision), weight.shape[1]
