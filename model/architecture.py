"""What a model of the GPT-2 or Llama kind is made of, in one form for both.

Products that read the same input are one matrix, and a model's own names are gone, so that one
decode loop (`model.fast_decoder`) runs them all. Knows transformers' modules, and no loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Weights = dict[str, Tensor]
"""By the names in `layer_weights` and `outer_weights`."""

_LLAMAS = ("llama", "mistral", "qwen2")
_STATIC_ROPES = ("default", "linear", "llama3")
_ACTIVATIONS: dict[str, str] = {
    "silu": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes and kinds; with them and the weights the model is whole."""

    n_layers: int
    n_heads: int
    n_kv_heads: int
    """Fewer than n_heads where several query heads share keys and values (arXiv:2305.13245)."""
    head_dim: int
    n_vocab: int
    norm: Literal["layer", "rms"]
    norm_eps: float
    activation: str
    """"silu", "gelu", "gelu_tanh" or "relu"."""
    gated: bool
    """The MLP's first product gives gate and value side by side."""
    rotary: bool
    """Positions turn queries and keys (arXiv:2104.09864); else they are added to the embedding."""


def architecture_of(model: PreTrainedModel) -> Architecture | None:
    """The architecture of `model`, or None where it is not of these kinds in every detail."""
    config: Any = model.config
    if config.model_type == "gpt2":
        return _gpt2(config)
    if config.model_type in _LLAMAS:
        return _llama(config, model)
    return None


def outer_weights(model: PreTrainedModel) -> Weights:
    """What is not in a layer: "embedding" and "head" (V, E), "norm.weight", "norm.bias"?

    and "positions" (P, E) or "frequencies" (head_dim / 2,).
    """
    inner: Any
    if model.config.model_type == "gpt2":
        inner = model.transformer
        weights = {"embedding": inner.wte.weight, "positions": inner.wpe.weight}
        weights |= _named("norm", inner.ln_f)
    else:
        inner = model.model
        weights = {"embedding": inner.embed_tokens.weight}
        weights["frequencies"] = inner.rotary_emb.inv_freq.float()
        weights |= _named("norm", inner.norm)
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    return weights | _named("head", head)


def layer_weights(model: PreTrainedModel) -> Iterator[Weights]:
    """Each layer's "norm1", "qkv", "out", "norm2", "up" and "down": ".weight" and maybe ".bias".

    Products are (out, in). "qkv" gives all query heads, then key heads, then value heads; queries
    are divided by sqrt(head_dim) already. Where positions are rotary, a pair that turns together
    lies side by side in each head of queries and keys.
    """
    if model.config.model_type == "gpt2":
        inner: Any = model.transformer
        blocks = inner.h
        yield from map(_gpt2_layer, blocks)
    else:
        head_dim = _head_dim(model.config)
        for block in model.model.layers:
            yield _llama_layer(block, head_dim)


def _gpt2(config: Any) -> Architecture | None:
    plain = (
        config.scale_attn_weights
        and not config.scale_attn_by_inverse_layer_idx
        and not config.add_cross_attention
        and config.activation_function in _ACTIVATIONS
    )
    if not plain:
        return None
    return Architecture(
        n_layers=config.n_layer,
        n_heads=config.n_head,
        n_kv_heads=config.n_head,
        head_dim=config.n_embd // config.n_head,
        n_vocab=config.vocab_size,
        norm="layer",
        norm_eps=config.layer_norm_epsilon,
        activation=_ACTIVATIONS[config.activation_function],
        gated=False,
        rotary=False,
    )


def _llama(config: Any, model: PreTrainedModel) -> Architecture | None:
    rotary: Any = model.model.rotary_emb
    plain = (
        config.hidden_act in _ACTIVATIONS
        and rotary.rope_type in _STATIC_ROPES
        and rotary.attention_scaling == 1
        and 2 * len(rotary.inv_freq) == _head_dim(config)  # every dimension turns
    )
    if not plain:
        return None
    return Architecture(
        n_layers=config.num_hidden_layers,
        n_heads=config.num_attention_heads,
        n_kv_heads=config.num_key_value_heads,
        head_dim=_head_dim(config),
        n_vocab=config.vocab_size,
        norm="rms",
        norm_eps=config.rms_norm_eps,
        activation=_ACTIVATIONS[config.hidden_act],
        gated=True,
        rotary=True,
    )


def _head_dim(config: Any) -> int:
    own = getattr(config, "head_dim", None)
    return int(own or config.hidden_size // config.num_attention_heads)


def _gpt2_layer(block: Any) -> Weights:
    attention = block.attn
    scale = attention.head_dim**-0.5
    qkv = _named("qkv", attention.c_attn, transposed=True)
    for name, value in qkv.items():
        value = value.clone()
        value[: len(value) // 3] *= scale
        qkv[name] = value
    return {
        **_named("norm1", block.ln_1),
        **qkv,
        **_named("out", attention.c_proj, transposed=True),
        **_named("norm2", block.ln_2),
        **_named("up", block.mlp.c_fc, transposed=True),
        **_named("down", block.mlp.c_proj, transposed=True),
    }


def _llama_layer(block: Any, head_dim: int) -> Weights:
    attention, mlp = block.self_attn, block.mlp
    queries = _named("qkv", attention.q_proj)
    keys, values = _named("qkv", attention.k_proj), _named("qkv", attention.v_proj)
    qkv = {
        name: torch.cat(
            (
                _side_by_side(queries[name], head_dim) * head_dim**-0.5,
                _side_by_side(keys[name], head_dim),
                values[name],
            )
        )
        for name in queries
    }
    gates, ups = _named("up", mlp.gate_proj), _named("up", mlp.up_proj)
    return {
        **_named("norm1", block.input_layernorm),
        **qkv,
        **_named("out", attention.o_proj),
        **_named("norm2", block.post_attention_layernorm),
        **{name: torch.cat((gates[name], ups[name])) for name in gates},
        **_named("down", mlp.down_proj),
    }


def _side_by_side(rows: Tensor, head_dim: int) -> Tensor:
    """Rows (heads * head_dim, ...) with row i of a head followed by row i + head_dim / 2."""
    heads = rows.reshape(-1, 2, head_dim // 2, *rows.shape[1:])
    return heads.transpose(1, 2).reshape(rows.shape)


def _named(name: str, module: Any, *, transposed: bool = False) -> Weights:
    weight = module.weight.detach()
    weights = {f"{name}.weight": weight.t() if transposed else weight}
    if getattr(module, "bias", None) is not None:
        weights[f"{name}.bias"] = module.bias.detach()
    return weights
