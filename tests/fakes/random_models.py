"""Models of a few thousand random weights, of each architecture that our own loop runs."""

from __future__ import annotations

from typing import Any

import torch
import transformers

LLAMA = {
    "vocab_size": 90, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "intermediate_size": 64,
    "max_position_embeddings": 64, "initializer_range": 0.3,
}  # fmt: skip
GPT2 = {
    "vocab_size": 90, "n_embd": 64, "n_layer": 3, "n_head": 2, "n_positions": 64,
    "initializer_range": 0.3, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
}  # fmt: skip
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2", GPT2),
    "gpt2 with gelu": ("GPT2", GPT2 | {"activation_function": "gelu"}),
    "llama": ("Llama", LLAMA),
    "llama with one key head": ("Llama", LLAMA | {"num_key_value_heads": 1}),
    "llama with biases": ("Llama", LLAMA | {"attention_bias": True, "mlp_bias": True}),
    "llama with tied embeddings": ("Llama", LLAMA | {"tie_word_embeddings": True}),
    "llama with wide heads": ("Llama", LLAMA | {"head_dim": 64}),
    "llama 3": ("Llama", LLAMA | {"rope_parameters": LLAMA3}),
    "mistral": ("Mistral", LLAMA | {"sliding_window": None}),
    "qwen2": ("Qwen2", LLAMA),
}


def random_model(kind: str, shape: dict[str, Any]) -> Any:
    config = getattr(transformers, f"{kind}Config")(**shape)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = transformers.AutoModelForCausalLM.from_config(config).eval()
        for parameter in model.parameters():  # gains and biases of 1 and 0 would hide a mistake
            parameter.data += torch.randn_like(parameter) * 0.1
    return model
