"""A loaded model made ready to write: the fastest decoder that says what the model says."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from model.architecture import (
    Architecture,
    Weights,
    architecture_of,
    layer_weights,
    outer_weights,
)
from model.decoder import Decoder
from model.engine import EngineInfo, ModelUnusable, Precision
from model.fast_decoder import FastDecoder
from model.linears import best_precision, runnable
from model.registry import cache_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from model.checkpoint import LoadedModel
    from model.cpu.decoder import CpuDecoder
    from model.prompt import PromptFormat

log = logging.getLogger(__name__)

_MOST_GAP: dict[Precision, float] = {"float32": 1e-3, "float16": 5e-2, "bfloat16": 3e-1}
"""Of the largest logit, in models of random weights; another architecture is off by about one."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What an engine needs of a model."""

    decoder: Decoder
    tokenizer: PreTrainedTokenizerBase
    format: PromptFormat
    info: EngineInfo


def runtime_of(
    loaded: LoadedModel,
    precision: Precision | Literal["auto"] = "auto",
    cache_dir: Path | None = None,
) -> Runtime:
    """`loaded` with weights in `precision`; "auto" takes the device's fastest.

    A model of another kind than `model.architecture` knows runs as it was loaded. Raises
    ModelUnusable where the device cannot do `precision`.
    """
    decoder = _fast(loaded, precision_for(loaded.model.device, precision), cache_dir)
    if decoder is None:
        from model.general_decoder import GeneralDecoder

        return Runtime(GeneralDecoder(loaded.model), loaded.tokenizer, loaded.format, loaded.info)
    info = dataclasses.replace(loaded.info, dtype=decoder.precision)
    return Runtime(decoder, loaded.tokenizer, loaded.format, info)


def precision_for(device: torch.device, wanted: Precision | Literal["auto"]) -> Precision:
    """What `wanted` means on `device`. Raises ModelUnusable where it cannot do it."""
    precision = best_precision(device) if wanted == "auto" else wanted
    if not runnable(precision, device):
        raise ModelUnusable(f"this {device.type} has no {precision}; set PRECISION to auto")
    return precision


def fast_decoder(
    architecture: Architecture,
    outer: Weights,
    layers: Iterable[Weights],
    precision: Precision,
    device: torch.device,
    cache_dir: Path | None = None,
) -> FastDecoder | CpuDecoder:
    """Our own loop for these weights: by kernels, or operation by operation.

    A model of such sizes that the kernels cannot do it has float32 in place of bfloat16.
    """
    if device.type == "cpu" and precision == "bfloat16":
        from model.cpu.decoder import CpuDecoder, can_run

        layers = iter(layers)
        first = next(layers)
        layers = itertools.chain([first], layers)
        if can_run(architecture, first):
            return CpuDecoder(architecture, outer, layers, cache_folder(cache_dir) / "kernels")
        precision = "float32"
    return FastDecoder(architecture, outer, layers, precision, device)


@torch.inference_mode()
def _fast(
    loaded: LoadedModel, precision: Precision, cache_dir: Path | None
) -> FastDecoder | CpuDecoder | None:
    from model.general_decoder import decoder_gap

    model = loaded.model
    architecture = architecture_of(model)
    if architecture is None:
        return None
    try:
        decoder = fast_decoder(
            architecture,
            outer_weights(model),
            layer_weights(model),
            precision,
            model.device,
            cache_dir,
        )
        gap = decoder_gap(model, decoder)
    except Exception as error:  # a device may lack an operation, in words of its own
        problem = f"our own loop does not run here ({error})"
    else:
        if gap < _MOST_GAP[decoder.precision]:
            return decoder
        problem = f"our own loop is off by {gap:.2g} of the largest logit"
    log.warning("%s runs the slow way: %s; please report this", loaded.info.model, problem)
    return None
