"""Matrix products with weights, the bulk of writing a token, in the form each device does best.

Every kind here keeps a model's words: on film plots none moves the default model's loss by 0.1 %,
nor its likeliest next token at two places in a hundred (bench/RESULTS.md). On a CPU, bfloat16 is
`model.cpu`'s. Knows no architecture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from model import cpu
from model.engine import Precision

_BATCH_HINT = 16
"""Rows that oneDNN lays the weights out for."""


class Linear(Protocol):
    """x (N, in) -> (N, out). The result may be of another dtype than x."""

    def __call__(self, x: Tensor) -> Tensor: ...


def best_precision(device: torch.device) -> Precision:
    """What `auto` means: the fastest that `device` has in hardware."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    if device.type != "cpu":
        return "float16"
    if cpu.available():
        return "bfloat16"
    return "float16" if _has_fbgemm() else "float32"


def runnable(precision: Precision, device: torch.device) -> bool:
    """Whether `device` has a fast way in `precision`."""
    if device.type != "cpu" or precision == "float32":
        return True
    return _has_fbgemm() if precision == "float16" else cpu.available()


def pack(weight: Tensor, bias: Tensor | None, precision: Precision) -> Linear:
    """A product with `weight` (out, in), which need not be kept after it.

    On a CPU in float16 or float32; bfloat16 there is `model.cpu`'s.
    """
    if weight.device.type == "cpu" and precision == "float16":
        return _fbgemm(weight, bias)
    weight = weight.to(getattr(torch, precision))
    if weight.device.type == "cpu" and _has_onednn():
        return _onednn(weight, bias)
    return _plain(weight, bias)


def _plain(weight: Tensor, bias: Tensor | None) -> Linear:
    bias = None if bias is None else bias.to(weight.dtype)
    return lambda x: F.linear(x.to(weight.dtype), weight, bias)


def _onednn(weight: Tensor, bias: Tensor | None) -> Linear:
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _BATCH_HINT)
    product: Callable[..., Tensor] = torch.ops.mkldnn._linear_pointwise

    def multiply(x: Tensor) -> Tensor:
        if len(x) == 1:
            # A single row has a kernel of its own, that sums in another order: a story would
            # depend on whether it is alone.
            return product(x.expand(2, -1), packed, bias, "none", [], "")[:1]
        return product(x, packed, bias, "none", [], "")

    return multiply


def _fbgemm(weight: Tensor, bias: Tensor | None) -> Linear:
    bias = None if bias is None else bias.float()
    packed = torch.ops.quantized.linear_prepack_fp16(weight.float(), bias)
    product: Callable[..., Tensor] = torch.ops.quantized.linear_dynamic_fp16
    return lambda x: product(x.float(), packed)


def _has_onednn() -> bool:
    has_it: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return has_it and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")


def _has_fbgemm() -> bool:
    return "fbgemm" in torch.backends.quantized.supported_engines
